"""One call through a vendor's library that speaks over requests, held to a total deadline.

Each call has a thread, a session and a connection of its own. A thread that hangs cannot hold up the
next call or the end of the program, and no call is lost to a connection the provider closed meanwhile.
The connection is watched, so that it is known, not guessed, whether any byte of a request left.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from alerting.channels.base import always
from alerting.channels.web_answer import Answer, Silence

#: A body is kept up to here; a provider's answers are a few kilobytes.
MOST_BYTES: Final = 1_000_000
_CONNECT_S: Final = 3.05
_CHUNK: Final = 65_536
_DEPTH: Final = 12
#: Loggers that write tokens, signatures or whole addresses at DEBUG and INFO.
_TALKATIVE: Final = ("urllib3", "requests_oauthlib", "oauthlib")


class Wire:
    """What one call did on the network. Shared by the thread that calls and the loop that waits.

    ``may`` is asked when the first byte is about to leave: where the process stood still, this thread may
    go on before the loop that would have cut it.
    """

    def __init__(self, may: Callable[[], bool] = always) -> None:
        self._may = may
        self.answer: Answer | None = None
        self.failure: Exception | None = None
        self._sent = False
        self._cut = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def opened(self, connected: socket.socket) -> None:
        """Remember the socket, so that ``cut`` can end whatever waits on it."""
        with self._lock:
            self._socket = connected

    def leave(self) -> None:
        """Note that bytes of the request leave now.

        Raises:
            ConnectionAbortedError: the call was cut, or may not leave any more, before any had left; none may
                now.
        """
        with self._lock:
            if self._cut or not (self._sent or self._may()):
                raise ConnectionAbortedError("cut before anything was sent")
            self._sent = True

    def cut(self) -> bool:
        """End the call from outside; return whether bytes of it may have left."""
        with self._lock:
            self._cut = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
            return self._sent

    def verdict(self) -> Answer | Silence:
        """Return what the finished call came to.

        Raises:
            Exception: the call failed by a mistake of ours, before it reached the network.
        """
        if self.answer is not None:
            return self.answer
        if self._sent or self.failure is None:
            return Silence(sent=self._sent, detail=_cause(self.failure))
        if isinstance(self.failure, (OSError, HTTPError, requests.RequestException)):
            return Silence(sent=False, detail=_cause(self.failure))
        raise self.failure


async def converse(
    call: Callable[[requests.Session], object],
    *,
    within_s: float,
    base_url: str = "",
    talkative: Sequence[str] = (),
    ours: Callable[[], bool] = always,
) -> Answer | Silence:
    """Make one HTTP request through a vendor's library, and return the answer as it was on the wire.

    ``call`` is given the session to use, in a thread of its own; what it returns or raises does not
    count once there is an answer. ``within_s`` bounds everything: names, handshake, and a body that
    trickles. ``base_url`` replaces scheme and host of whatever the library asks for. ``talkative`` names
    loggers of the library that write what nobody may read; they are kept to warnings. ``ours`` is asked when
    the first byte is about to leave: see ``Envelope``.

    Raises:
        Exception: what ``call`` raised by a mistake of ours, before it reached the network.
    """
    if within_s <= 0:
        return Silence(sent=False, late=True, detail="no time left to call")
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    wire = Wire(lambda: loop.time() <= until and ours())
    finished: asyncio.Future[None] = loop.create_future()

    def finish() -> None:
        if not finished.done():
            finished.set_result(None)

    def run() -> None:
        try:
            with _session(wire, within_s, base_url) as session:
                call(session)
        except Exception as failure:  # noqa: BLE001  # the libraries let any class through; judged in verdict
            wire.failure = failure
        # The program may have ended, and its loop with it, while this thread hung.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(finish)

    _quieten((*_TALKATIVE, *talkative))
    threading.Thread(target=run, daemon=True, name="provider-call").start()
    try:
        await asyncio.wait([finished], timeout=within_s)
    finally:
        sent = wire.cut()
    if finished.done():
        return wire.verdict()
    return Silence(sent=sent, late=True, detail=f"no answer within {within_s:.1f} s")


def _session(wire: Wire, within_s: float, base_url: str) -> requests.Session:
    session = _Direct()
    adapter = _Adapter(wire, within_s, base_url)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    # requests itself reads REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, and lets them win over this.
    session.verify = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR") or True
    session.headers["Connection"] = "close"
    # With no credentials of its own requests would put those of a .netrc over whatever the call brings.
    session.auth = _as_it_is
    return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _Direct(requests.Session):
    """A session that never follows a redirect: a token goes to the host it was meant for."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        return None


class _Adapter(HTTPAdapter):
    """Carries requests to the host that is meant, bounded in time and size, and keeps the answer."""

    def __init__(self, wire: Wire, within_s: float, base_url: str) -> None:
        self._wire = wire
        # The deadline itself is the loop's to keep; this only frees the thread of a socket nobody cut.
        self._timeout = (min(_CONNECT_S, within_s), within_s + 1)
        self._base_url = base_url.rstrip("/")
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _watched_by(self._wire)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _watched_by(self._wire)
        return manager

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        if self._base_url:
            parts = urlsplit(str(request.url))
            request.url = self._base_url + parts.path + (f"?{parts.query}" if parts.query else "")
            # The proxies were chosen for the provider's own host.
            options["proxies"] = get_environ_proxies(request.url, no_proxy=None)
        response = super().send(request, **(options | {"stream": True, "timeout": self._timeout}))
        self._wire.answer = answer = _read(response)
        response.raw = BytesIO(answer.body)
        return response


def _read(response: requests.Response) -> Answer:
    kept = bytearray()
    with response.raw as raw:
        while len(kept) <= MOST_BYTES and (chunk := raw.read(_CHUNK, decode_content=True)):
            kept += chunk
    return Answer(
        status=response.status_code,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=bytes(kept[:MOST_BYTES]),
        whole=len(kept) <= MOST_BYTES,
    )


def _watched_by(wire: Wire) -> dict[str, type[HTTPConnectionPool]]:
    """Return pools whose connections tell the wire what they do."""

    class Watched(HTTPConnection):
        connecting = False

        def connect(self) -> None:
            self.connecting = True
            super().connect()
            self.connecting = False
            wire.opened(self.sock)

        def send(self, data: Any) -> None:
            if self.sock is None:
                self.connect()
            # What is sent while connecting asks a proxy for a tunnel; nothing of the request is in it.
            if not self.connecting:
                wire.leave()
            super().send(data)

    class WatchedTls(Watched, HTTPSConnection):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Watched

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = WatchedTls

    return {"http": Pool, "https": TlsPool}


def _quieten(talkative: Sequence[str]) -> None:
    for name in talkative:
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)


def _cause(failure: BaseException | None) -> str:
    """Name the innermost cause. The outer ones carry the URL, and with it whatever it holds."""
    inner = failure
    for _ in range(_DEPTH):
        inner = _deeper(inner) or inner
    if inner is None:
        return ""
    words = getattr(inner, "verify_message", "") or getattr(inner, "strerror", "")
    return f"{type(inner).__name__}: {words}" if words else type(inner).__name__


def _deeper(error: BaseException | None) -> BaseException | None:
    reason = getattr(error, "reason", None)
    candidates = (error.__cause__, error.__context__, reason, *error.args) if error else ()
    return next((found for found in candidates if isinstance(found, BaseException)), None)
