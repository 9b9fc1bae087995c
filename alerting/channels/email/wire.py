"""Replies of a relay, in order, off a connection that somebody else opened.

aiosmtplib sends one command and waits, so a mail costs four round trips. This protocol takes its
place on the same transport once the session is open (``Transport.set_protocol``, public asyncio) and may
ask for many replies at once.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Sequence
from typing import Final

from alerting.channels.email.codes import Reply

#: RFC 5321 section 4.2: three digits, a hyphen where more lines follow.
_LINE: Final = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?")
#: RFC 5321 section 4.5.3.1.5 allows 512 octets a line; nobody needs this much.
_LONGEST: Final = 65_536
_MOST_LINES: Final = 256
#: How long a relay may take to answer QUIT, in seconds.
_FAREWELL_S: Final = 2.0
_CLOSING: Final = 421


class _Question:
    """Replies somebody waits for."""

    __slots__ = ("answer", "count", "replies")

    def __init__(self, count: int, answer: asyncio.Future[Sequence[Reply]]) -> None:
        self.count = count
        self.answer = answer
        self.replies: list[Reply] = []

    def settle(self) -> None:
        # Somebody whose time is up has gone; the replies were for them alone.
        if not self.answer.done():
            self.answer.set_result(self.replies)


class Wire(asyncio.Protocol):
    """A connection that is asked and answers in order.

    A line nobody can read, a reply nobody asked for, a 421 or the end of the connection end it: every
    question still open is answered with the replies that came.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._lines: list[bytes] = []
        self._questions: deque[_Question] = deque()
        self._leaving = False
        self.alive = not transport.is_closing()
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def ask(self, data: bytes, count: int) -> asyncio.Future[Sequence[Reply]]:
        """Write, and return the next ``count`` replies to come, or fewer when the connection ends."""
        question = _Question(count, self._loop.create_future())
        if not self.alive:
            question.settle()
            return question.answer
        self._questions.append(question)
        self._transport.write(data)
        return question.answer

    def leave(self) -> None:
        """Say QUIT and close on the answer. Nothing may be waiting."""
        if self.alive:
            self._leaving = True
            self.ask(b"QUIT\r\n", 1)
            self.alive = False
            self._loop.call_later(_FAREWELL_S, self._transport.abort)

    def drop(self) -> None:
        """Close at once."""
        self._end()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes from the relay."""
        if not (self.alive or self._leaving):
            return
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).rstrip(b"\r")
            del self._buffer[: end + 1]
            if not self._take(line):
                return
        if len(self._buffer) > _LONGEST:
            self._hear(Reply(0, "a line without end"))

    def eof_received(self) -> bool:
        """Close as well."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Answer every open question with what came."""
        self._end()
        if not self.closed.done():
            self.closed.set_result(None)

    def _take(self, line: bytes) -> bool:
        """Take one line; say whether to go on reading."""
        found = _LINE.fullmatch(line)
        if not found or (self._lines and not line.startswith(self._lines[0][:3])):
            return self._hear(Reply(0, _readable(line)))
        self._lines.append(line)
        if len(self._lines) > _MOST_LINES:
            return self._hear(Reply(0, "a reply without end"))
        if found[2] == b"-":
            return True
        text = " ".join(_readable(each[4:]).strip() for each in self._lines)
        self._lines.clear()
        return self._hear(Reply(int(found[1]), text))

    def _hear(self, reply: Reply) -> bool:
        if not self._questions:
            self.drop()
            return False
        question = self._questions[0]
        question.replies.append(reply)
        if len(question.replies) == question.count:
            self._questions.popleft().settle()
        if reply.code in (0, _CLOSING) or self._leaving:
            self._end()
            self._transport.close()
            return False
        return True

    def _end(self) -> None:
        self.alive = False
        while self._questions:
            self._questions.popleft().settle()


def _readable(line: bytes) -> str:
    return line[:512].decode("utf-8", "replace")
