"""SMTP lines on a stream: answers wait while more commands are already here, as PIPELINING wants."""

import asyncio
import ssl
from typing import Final

from alerting.sandbox.wire import sever

IDLE_S: Final = 300.0
LONGEST_LINE: Final = 4096
CHUNK: Final = 1 << 16


class SmtpWire:
    """A buffered reader and writer of one session.

    Answers are sent in one packet once every command that has arrived is answered (RFC 2920 section 3.2).
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._answers: list[bytes] = []
        self.encrypted = False

    async def line(self) -> bytes:
        """The next line without its end.

        Raises:
            EOFError: the client left, or sends a line without end.
        """
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > LONGEST_LINE:
                raise EOFError
            await self.flush()
            await self._fill()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")

    async def body(self, largest: int) -> bytes | None:
        """A message up to its dot, unstuffed; None if it is larger than `largest` bytes."""
        if await self._starts_with_dot():
            return b""
        searched = 0
        while (end := self._buffer.find(b"\r\n.\r\n", searched)) < 0:
            searched = max(0, len(self._buffer) - 4)
            if len(self._buffer) > largest:
                await self._discard()
                return None
            await self._fill()
        raw = bytes(self._buffer[: end + 2])
        del self._buffer[: end + 5]
        if len(raw) > largest:
            return None
        return (
            raw.replace(b"\r\n.", b"\r\n").removeprefix(b".") if b"\r\n." in raw or raw[:1] == b"." else raw
        )

    async def say(self, line: str) -> None:
        """Answer, once nothing more is waiting to be read."""
        self._answers.append(line.encode("utf-8", "replace") + b"\r\n")

    async def flush(self) -> None:
        """Send every waiting answer in one packet."""
        if self._answers:
            self._writer.write(b"".join(self._answers))
            self._answers.clear()
            await self._writer.drain()

    async def drip(self, line: str, seconds: float) -> None:
        """Send a line character by character."""
        await self.flush()
        crumbs = (line + "\r\n").encode("utf-8", "replace")
        for position in range(len(crumbs)):
            await asyncio.sleep(seconds / len(crumbs))
            self._writer.write(crumbs[position : position + 1])
            await self._writer.drain()

    async def silence(self, seconds: float) -> None:
        """Say nothing for a while, or until the client leaves."""
        await self.flush()
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self._fill()
        except TimeoutError:
            return

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Encrypt from here on; what was sent too early is thrown away."""
        await self.flush()
        self._buffer.clear()
        await self._writer.start_tls(context)
        self._buffer.clear()
        self.encrypted = True

    def sever(self) -> None:
        """Reset the connection; answers that wait are lost."""
        self._answers.clear()
        sever(self._writer.transport)

    async def _fill(self) -> None:
        async with asyncio.timeout(IDLE_S):
            chunk = await self._reader.read(CHUNK)
        if not chunk:
            raise EOFError
        self._buffer += chunk

    async def _starts_with_dot(self) -> bool:
        while len(self._buffer) < 3:  # noqa: PLR2004
            await self._fill()
        if not self._buffer.startswith(b".\r\n"):
            return False
        del self._buffer[:3]
        return True

    async def _discard(self) -> None:
        while (end := self._buffer.find(b"\r\n.\r\n")) < 0:
            del self._buffer[:-4]
            await self._fill()
        del self._buffer[: end + 5]
