"""Twilio's own client over our transport, and a look at what it would send.

Importing this imports the SDK, which takes about 0.1 s: it is done when the first message leaves.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from alerting.channels.sms.transport import Transport
from alerting.channels.sms.wire import Target
from alerting.channels.web_answer import Silence

if TYPE_CHECKING:
    from alerting.channels.sms.config import TwilioConfig

#: What the SDK calls its own; it is given no records to write, since they would hold whole addresses.
_LOGGER: Final = "twilio.async_http_client"


class Unanswered(Exception):
    """No readable answer came to a question asked through the SDK."""

    def __init__(self, silence: Silence) -> None:
        self.silence = silence
        super().__init__(silence.detail)


class Bridge(AsyncHttpClient):  # type: ignore[misc]  # the SDK has no types
    """Carries the SDK's requests over our transport: once, with a deadline, without redirects."""

    def __init__(self, transport: Transport, base_url: str) -> None:
        super().__init__(logging.getLogger(_LOGGER), is_async=True)
        self._transport = transport
        self._base_url = base_url

    async def request(self, method: str, uri: str, **asked: Any) -> Response:
        """Make one request.

        Raises:
            Unanswered: nothing readable came back.
        """
        target = aim(method, uri, asked, base_url=self._base_url)
        end = await self._transport.exchange(target, form(asked.get("data") or {}))
        if isinstance(end, Silence):
            raise Unanswered(end)
        answer = end.full()
        return Response(answer.status, answer.body.decode("utf-8", "replace"), answer.headers)


class Capture(AsyncHttpClient):  # type: ignore[misc]
    """Keeps the request the SDK would have made, and sends nothing."""

    def __init__(self, base_url: str) -> None:
        super().__init__(logging.getLogger(_LOGGER), is_async=True)
        self._base_url = base_url
        self.target = Target("", "", ())
        self.data: Mapping[str, object] = {}

    async def request(self, method: str, uri: str, **asked: Any) -> Response:
        """Keep the request; answer as if a resource without fields had been made."""
        self.target = aim(method, uri, asked, base_url=self._base_url)
        self.data = dict(asked.get("data") or {})
        return Response(201, "{}")


def sdk(config: TwilioConfig, http: AsyncHttpClient) -> Client:
    """Return Twilio's client for an account, speaking over ``http``."""
    if config.api_secret is not None:
        user, password = config.api_key, config.api_secret.reveal()
    else:
        user = config.account_sid
        password = config.auth_token.reveal() if config.auth_token is not None else ""
    return Client(
        user,
        password,
        account_sid=config.account_sid,
        region=config.region or None,
        edge=config.edge or None,
        http_client=http,
    )


def aim(method: str, uri: str, asked: Mapping[str, Any], *, base_url: str) -> Target:
    """Return where a request goes and its header lines.

    ``asked`` holds the SDK's ``params``, ``headers`` and ``auth``, each possibly None or missing.
    ``base_url`` replaces scheme and host.
    """
    parts = urlsplit(uri)
    query = "&".join(filter(None, (parts.query, urlencode(asked.get("params") or {}, doseq=True))))
    root = base_url.rstrip("/") or f"{parts.scheme}://{parts.netloc}"
    lines = [f"{name}: {value}" for name, value in (asked.get("headers") or {}).items()]
    if auth := asked.get("auth"):
        lines.append("Authorization: Basic " + b64encode(":".join(auth).encode()).decode())
    return Target(method.upper(), f"{root}{parts.path}" + (f"?{query}" if query else ""), tuple(lines))


def form(data: Mapping[str, Any]) -> bytes:
    """Return a form as it goes over the wire; a list becomes a repeated field."""
    return urlencode(data, doseq=True).encode()
