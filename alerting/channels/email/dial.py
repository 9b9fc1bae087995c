"""Opening a session with a relay: connect, EHLO, TLS, login. aiosmtplib does the talking.

A relay that was to be encrypted is never spoken to in clear: no STARTTLS, no mail.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast

from alerting.channels.email.codes import Reply, Step, described, refusal
from alerting.channels.email.wire import Wire
from alerting.model.outcome import Deferred, Reason, Rejected
from alerting.secret import Secret

if TYPE_CHECKING:
    import asyncio

    import aiosmtplib

_SHOWN: Final = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Where mail is handed over, and as whom."""

    host: str
    port: int
    tls: Literal["none", "starttls", "implicit"]
    helo: str
    username: str = ""
    password: Secret | None = None
    oauth_token: Secret | None = None

    def __str__(self) -> str:
        """Return ``host:port``."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Session:
    """An open session, and whether the relay takes several commands at once (RFC 2920)."""

    wire: Wire
    pipelining: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """At which step a session could not be opened, and what that means."""

    step: Literal["connect", "encrypt", "login"]
    outcome: Deferred | Rejected


class Dialler:
    """Opens sessions with one relay; loads the trusted certificates at the first one."""

    def __init__(self, relay: Relay, environ: Mapping[str, str] = os.environ) -> None:
        self.relay = relay
        self._environ = environ
        self._context: ssl.SSLContext | None = None

    async def dial(self) -> Session | Trouble:
        """Open a session. The caller bounds the time."""
        import aiosmtplib

        try:
            client = aiosmtplib.SMTP(
                hostname=self.relay.host.strip("[]"),
                port=self.relay.port,
                use_tls=self.relay.tls == "implicit",
                start_tls=False,
                local_hostname=self.relay.helo,
                timeout=None,
                tls_context=self._trust() if self.relay.tls != "none" else None,
            )
            await client.connect()
        except aiosmtplib.SMTPConnectResponseError as error:
            return Trouble("connect", _refused(Step.GREETING, error))
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return Trouble("connect", _unconnected(error))
        try:
            return await self._open(client)
        except BaseException:
            client.close()
            raise

    async def _open(self, client: aiosmtplib.SMTP) -> Session | Trouble:
        trouble = (
            await _say_hello(client)
            or (await _encrypt(client) if self.relay.tls == "starttls" else None)
            or (await self._log_in(client) if self.relay.username else None)
        )
        if trouble is None and client.transport is None:
            trouble = Trouble(
                "connect", Deferred(Reason.UNCONNECTED, detail="the relay closed the connection")
            )
        if trouble is not None:
            client.close()
            return trouble
        return hand_over(client)

    async def _log_in(self, client: aiosmtplib.SMTP) -> Trouble | None:
        import aiosmtplib

        login = self._login(client)
        if login is None:
            offered = ", ".join(client.server_auth_methods) or "none"
            detail = f"{Step.LOGIN}: no login that we can do; the relay offers {offered}"
            return Trouble("login", Rejected(Reason.AUTH, detail[:_SHOWN]))
        try:
            await login
        except aiosmtplib.SMTPAuthenticationError as error:
            return Trouble("login", _refused(Step.LOGIN, error))
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return Trouble("login", _unconnected(error))
        return None

    def _login(self, client: aiosmtplib.SMTP) -> Awaitable[object] | None:
        """Return the one login to try; None when the relay offers none of ours.

        ``SMTP.login`` tries every method there is, so one wrong password counts three times and may lock
        the account. PLAIN first: under TLS it is as good as the others.
        """
        offered, user = client.server_auth_methods, self.relay.username
        if self.relay.oauth_token is not None:
            token = self.relay.oauth_token.reveal()
            return client.auth_xoauth2(user, token) if "xoauth2" in offered else None
        assert self.relay.password is not None, "a login without a key"
        password = self.relay.password.reveal()
        methods = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}
        return next((login(user, password) for name, login in methods.items() if name in offered), None)

    def _trust(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = trust(self._environ)
        return self._context


def trust(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return what certificates are checked against.

    OpenSSL reads SSL_CERT_FILE and SSL_CERT_DIR by itself. REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, a file
    or a directory, replace the system's list as they do for HTTPS.

    Raises:
        OSError: the bundle cannot be read, or holds no certificate.
    """
    bundle = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    if not bundle:
        return ssl.create_default_context()
    if Path(bundle).is_dir():
        context = ssl.create_default_context(capath=bundle)
    else:
        context = ssl.create_default_context(cafile=bundle)
    if environ.get("SSL_CERT_FILE") or environ.get("SSL_CERT_DIR"):
        context.set_default_verify_paths()
    return context


def hand_over(client: aiosmtplib.SMTP) -> Session:
    """Take the transport of an open client for ourselves.

    Uses ``SMTP.transport`` and ``SMTP.supports_extension`` of aiosmtplib 5, both public, and asyncio's
    ``set_protocol``. No reply may be outstanding; after this the client is not used any more.
    """
    transport = cast("asyncio.Transport", client.transport)
    wire = Wire(transport)
    transport.set_protocol(wire)
    return Session(wire, client.supports_extension("pipelining"))


async def _say_hello(client: aiosmtplib.SMTP) -> Trouble | None:
    import aiosmtplib

    try:
        try:
            await client.ehlo()
        except aiosmtplib.SMTPHeloError as error:
            if not client.is_connected or error.code // 100 != 5:  # noqa: PLR2004
                raise
            await client.helo()
    except aiosmtplib.SMTPResponseException as error:
        return Trouble("connect", _refused(Step.HELLO, error))
    except (aiosmtplib.SMTPException, OSError) as error:
        return Trouble("connect", _unconnected(error))
    return None


async def _encrypt(client: aiosmtplib.SMTP) -> Trouble | None:
    import aiosmtplib

    try:
        await client.starttls()
    except (aiosmtplib.SMTPException, OSError) as error:
        return Trouble("encrypt", _unconnected(error))
    return await _say_hello(client)


def _refused(step: Step, error: aiosmtplib.SMTPResponseException) -> Deferred | Rejected:
    code = error.code if 200 <= error.code < 600 else 0  # noqa: PLR2004
    return refusal(step, Reply(code, " ".join(error.message.split())))


def _unconnected(error: Exception) -> Deferred:
    words = described(Step.GREETING, Reply(0, str(error))).partition("not a reply ")[2]
    return Deferred(Reason.UNCONNECTED, detail=f"{type(error).__name__}: {words}"[:_SHOWN])
