"""A mail relay that takes everything, each reply after a while: ``python -m benchmarks.relay --ready FILE``.

It offers PIPELINING. ``--latency MS`` passes before what came in one piece is answered, as a round trip would
take. It ends by itself when nothing came for two minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from pathlib import Path

_IDLE_S = 120
_EHLO = b"250-stub\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250 8BITMIME\r\n"
_LAST = [time.monotonic()]


class Session(asyncio.Protocol):
    """One connection: lines in, replies out after the latency, in order."""

    def __init__(self, latency_s: float) -> None:
        self._latency, self._held, self._in_text = latency_s, b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._say(b"220 stub ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        _LAST[0] = time.monotonic()
        self._held += data
        replies = b"".join(iter(self._reply, None))
        if replies:
            self._say(replies)

    def _reply(self) -> bytes | None:
        if self._in_text:
            end = self._held.find(b"\r\n.\r\n")
            if end < 0:
                return None
            self._held, self._in_text = self._held[end + 5 :], False
            return b"250 2.0.0 queued\r\n"
        line, found, rest = self._held.partition(b"\r\n")
        if not found:
            return None
        self._held, verb = rest, line[:4].upper()
        self._in_text = verb == b"DATA"
        return {b"EHLO": _EHLO, b"DATA": b"354 go ahead\r\n", b"QUIT": b"221 bye\r\n"}.get(
            verb, b"250 ok\r\n"
        )

    def _say(self, replies: bytes) -> None:
        asyncio.get_running_loop().call_later(self._latency, self._transport.write, replies)


async def serve(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(options.latency / 1000), "127.0.0.1", 0, backlog=500)
    _ready(options.ready, server.sockets[0].getsockname()[1])
    while time.monotonic() - _LAST[0] < _IDLE_S:  # noqa: ASYNC110 - silence is no event
        await asyncio.sleep(1)


def _ready(path: str, port: int) -> None:
    draft = Path(f"{path}.draft")
    draft.write_text(json.dumps({"port": port, "pid": os.getpid()}))
    draft.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ready", required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    if options.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
