"""The endpoints providers call: measured and verified before anything is read, durable before the answer.

Refused without looking further: other methods (405), other paths (404), bodies over 256 kB (413), slow
senders (408), and whatever does not prove where it came from (403). A ledger that cannot keep up makes
the provider come again (503).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Final

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from alerting.broadcast.receipts import Intake
from alerting.channels.base import Callback, Forged, Reading, ReceiptReader
from alerting.web.refusals import Refusals

#: Bytes. Twilio posts half a kilobyte, Meta gathers up to 1,000 events of a few hundred bytes.
LARGEST_BODY: Final = 256 * 1024
_SENDING_S: Final = 5.0
_METHODS: Final = ("GET", "POST")
_WORDS: Final = {
    403: b"refused",
    404: b"nothing here",
    405: b"not that way",
    408: b"too slow",
    413: b"too large",
    503: b"come again",
}
_COME_AGAIN: Final = (b"retry-after", b"5")

Readers = Mapping[str, Sequence[ReceiptReader]]


def readers_of(channels: Iterable[object]) -> Readers:
    """Return who reads what is posted to each path; channels of one provider share theirs."""
    found: dict[str, list[ReceiptReader]] = {}
    for channel in channels:
        if isinstance(channel, ReceiptReader):
            for path in channel.paths:
                found.setdefault(path, []).append(channel)
    return found


class TooLarge(Exception):
    """A body longer than any provider's."""


class Callbacks:
    """One ASGI endpoint for every callback path.

    ``public_url`` is our address as providers know it; ``readers`` is asked anew for each call, since
    the configuration may have changed.
    """

    def __init__(
        self, *, public_url: str, readers: Callable[[], Readers], intake: Intake, refusals: Refusals
    ) -> None:
        self._public_url = public_url.rstrip("/")
        self._prefix = "/" + self._public_url.partition("://")[2].partition("/")[2]
        self._readers, self._intake, self._refusals = readers, intake, refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        reading = await self._reading(scope, receive)
        if reading.status < 300 and not await self._intake.take(reading):  # noqa: PLR2004
            reading = _plain(503)
        await _answer(send, reading)

    async def _reading(self, scope: Scope, receive: Receive) -> Reading:
        path = self._path(scope["path"])
        readers = self._readers().get(path, ())
        if not readers:
            return _plain(404)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["method"] not in _METHODS:
            return self._refused(scope, headers, 405, "method")
        try:
            async with asyncio.timeout(_SENDING_S):
                body = await _body(headers, receive)
        except TooLarge:
            return self._refused(scope, headers, 413, "too large")
        except TimeoutError:
            return self._refused(scope, headers, 408, "too slow")
        callback = Callback(
            method=scope["method"],
            url=self._public_url + path,
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body,
        )
        found = _read(readers, path, callback)
        return self._refused(scope, headers, 403, found.why) if isinstance(found, Forged) else found

    def _path(self, path: str) -> str:
        """Return the path below the public address, whether or not a proxy has cut its beginning off."""
        prefix = self._prefix
        return path[len(prefix) :] if prefix != "/" and path.startswith(prefix + "/") else path

    def _refused(self, scope: Scope, headers: Mapping[str, str], status: int, why: str) -> Reading:
        self._refusals.add(source_of(scope, headers), why)
        return _plain(status)


def application(callbacks: Callbacks) -> Starlette:
    """Return the web application."""
    return Starlette(routes=[Mount("/", app=callbacks)])


def _read(readers: Sequence[ReceiptReader], path: str, callback: Callback) -> Reading | Forged:
    """Let each channel of the path try; the first that has something to tell is believed."""
    answer: Reading | Forged = Forged("nobody reads this")
    for reader in readers:
        found = reader.read(path, callback)
        if isinstance(found, Reading) and (found.receipts or found.replies):
            return found
        if isinstance(answer, Forged):
            answer = found
    return answer


def source_of(scope: Scope, headers: Mapping[str, str]) -> str:
    """Return who calls, for the record: the peer, or whom a proxy on this machine names."""
    peer = str(scope["client"][0]) if scope.get("client") else "unknown"
    named = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    try:
        if named and ip_address(peer).is_loopback:
            return str(ip_address(named))
    except ValueError:
        return peer
    return peer


async def _body(headers: Mapping[str, str], receive: Receive) -> bytes:
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:12]) > LARGEST_BODY:
        raise TooLarge
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > LARGEST_BODY:
            raise TooLarge
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _plain(status: int) -> Reading:
    return Reading(status=status, body=_WORDS[status])


async def _answer(send: Send, reading: Reading) -> None:
    headers = [(b"content-length", str(len(reading.body)).encode())]
    if reading.body:
        headers.append((b"content-type", reading.content_type.encode()))
    if reading.status == 503:  # noqa: PLR2004
        headers.append(_COME_AGAIN)
    if reading.status == 204:  # noqa: PLR2004  # RFC 9110 section 8.6: no length on an answer without one
        headers = []
    await send({"type": "http.response.start", "status": reading.status, "headers": headers})
    await send({"type": "http.response.body", "body": reading.body})
