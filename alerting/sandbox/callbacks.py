"""Signed status callbacks, posted to loopback only."""

import asyncio
import base64
import hmac
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha1
from heapq import heappop, heappush
from itertools import count
from typing import Final
from urllib.parse import SplitResult, urlencode, urlsplit

from alerting.named import NamedTuple
from alerting.sandbox.records import Text
from alerting.sandbox.world import World

#: The only hosts a callback is ever posted to.
LOOPBACK: Final = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "::1": "::1"}
#: Twilio waits this long for an answer.  www.twilio.com/docs/usage/webhooks (read 2026-11)
ANSWER_TIMEOUT_S: Final = 15.0
CONNECTIONS: Final = 8


class Receipt(NamedTuple):
    """One status of one text, and what it is signed with."""

    text: Text
    status: str
    auth_token: str
    idempotency_token: str


class _Wire(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


def sign(auth_token: str, url: str, fields: Mapping[str, str]) -> str:
    """X-Twilio-Signature of a form: base64 HMAC-SHA1 over the URL and each name and value, sorted.

    Source: www.twilio.com/docs/usage/webhooks/webhooks-security (read 2026-11).
    """
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    digest = hmac.new(auth_token.encode(), signed.encode(), sha1).digest()
    return base64.b64encode(digest).decode()


class Callbacks:
    """A clock of receipts and a few kept connections that post them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._due: list[tuple[float, int, Receipt]] = []
        self._order = count()
        self._changed = asyncio.Event()
        self._ready: asyncio.Queue[Receipt] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin posting; needs a running loop."""
        self._tasks = [asyncio.create_task(self._release())]
        self._tasks += [asyncio.create_task(self._deliver()) for _ in range(CONNECTIONS)]

    async def stop(self) -> None:
        """Stop posting; what is still due is dropped. May be called twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def clear(self) -> None:
        """Drop everything that is still due."""
        self._due.clear()
        while not self._ready.empty():
            self._ready.get_nowait()

    def post_at(self, at: float, receipt: Receipt) -> None:
        """Schedule a receipt, `at` in seconds since the epoch; refused unless it stays on this machine."""
        url = urlsplit(receipt.text.status_callback or "")
        if url.scheme != "http" or url.hostname not in LOOPBACK:
            self._world.counts["callbacks.refused"] += 1
            return
        heappush(self._due, (at, next(self._order), receipt))
        if self._due[0][2] is receipt:
            self._changed.set()

    @property
    def waiting(self) -> int:
        """How many are not posted yet."""
        return len(self._due) + self._ready.qsize()

    async def _release(self) -> None:
        while True:
            now = self._world.now()
            while self._due and self._due[0][0] <= now:
                self._ready.put_nowait(heappop(self._due)[2])
            self._changed.clear()
            wait = max(0.001, self._due[0][0] - now) if self._due else None
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait)

    async def _deliver(self) -> None:
        wires: dict[str, _Wire] = {}
        try:
            while True:
                receipt = await self._ready.get()
                if not self._withdrawn(receipt):
                    await self._post(receipt, wires)
        finally:
            for wire in wires.values():
                wire.writer.close()

    def _withdrawn(self, receipt: Receipt) -> bool:
        """Whether the text was cancelled, or the world begun anew, since this was scheduled."""
        text = self._world.texts.get(receipt.text.sid)
        return text is None or text.steps[-1].status == "canceled"

    async def _post(self, receipt: Receipt, wires: dict[str, _Wire]) -> None:
        url = urlsplit(receipt.text.status_callback or "")
        status: int | None = None
        for _ in range(2):
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    status = await _exchange(url, _request(url, receipt), wires)
                break
            except (OSError, EOFError, TimeoutError, ValueError):
                _drop(wires, url.netloc)
        self._world.counts["callbacks.posted" if status else "callbacks.failed"] += 1
        self._world.saw("callback", receipt.status, to=receipt.text.to, text=receipt.text.sid, status=status)


def _fields(receipt: Receipt) -> dict[str, str]:
    text = receipt.text
    fields = {
        "AccountSid": text.account,
        "ApiVersion": "2010-04-01",
        "From": text.sender,
        "MessageSid": text.sid,
        "MessageStatus": receipt.status,
        "SmsSid": text.sid,
        "SmsStatus": receipt.status,
        "To": text.to,
    }
    if text.service:
        fields["MessagingServiceSid"] = text.service
    if receipt.status in ("undelivered", "failed") and text.error_code:
        fields["ErrorCode"] = str(text.error_code)
    return fields


def _request(url: SplitResult, receipt: Receipt) -> bytes:
    fields = _fields(receipt)
    body = urlencode(fields).encode()
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    head = (
        f"POST {path} HTTP/1.1\r\n"
        f"Host: {url.netloc.rpartition('@')[2]}\r\n"
        "User-Agent: TwilioProxy/1.1\r\n"
        "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"I-Twilio-Idempotency-Token: {receipt.idempotency_token}\r\n"
        f"X-Twilio-Signature: {sign(receipt.auth_token, url._replace(fragment='').geturl(), fields)}\r\n"
        "\r\n"
    )
    return head.encode("utf-8", "replace") + body


async def _exchange(url: SplitResult, request: bytes, wires: dict[str, _Wire]) -> int:
    """Write a request on a kept connection and read the answer; returns its status."""
    wire = wires.get(url.netloc)
    if wire is None or wire.writer.is_closing() or wire.reader.at_eof():
        host = LOOPBACK[url.hostname or ""]
        wire = _Wire(*await asyncio.open_connection(host, url.port or 80))
        wires[url.netloc] = wire
    wire.writer.write(request)
    head = (await wire.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = head.partition("\r\ncontent-length:")[2].partition("\r\n")[0].strip()
    status = int(head.split(" ", 2)[1])
    if length.isdecimal():
        await wire.reader.readexactly(int(length))
    elif status != 204:  # noqa: PLR2004
        _drop(wires, url.netloc)
    if "connection: close" in head:
        _drop(wires, url.netloc)
    return status


def _drop(wires: dict[str, _Wire], netloc: str) -> None:
    wire = wires.pop(netloc, None)
    if wire:
        wire.writer.close()
