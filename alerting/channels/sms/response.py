"""Reading answers of HTTP/1.1: the plainest form at once, every other form with h11.

Nearly every answer of a provider is a status, a Content-Length and a body, all in one piece. h11 needs
100 µs for such a one, a regular expression needs one. What is not exactly of that form is left to h11.
"""

from __future__ import annotations

import re
from typing import Any, Final

from alerting.channels.sms.wire import MOST_BYTES, Reply
from alerting.channels.web_answer import Silence

#: What a head may take; h11 refuses more.
_MOST_HEAD: Final = 64 * 1024
_START: Final = b"HTTP/1.1 "
#: Every header but those that say how long an answer is, and whether the connection stays open.
_OTHERS: Final = (
    rb"(?:(?!(?i:content-length|transfer-encoding|connection):)"
    rb"[!#-'*+\-.^_`|~0-9A-Za-z]++:[\t -~\x80-\xff]*+\r\n"
    rb"|(?i:connection:[\t ]*keep-alive)[\t ]*\r\n)*+"
)
#: The plainest head: a final status, one length, no coding, no wish to close.  RFC 9112 sections 4 to 6
_PLAIN: Final = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: [\t -~\x80-\xff]*+)?\r\n"
    + _OTHERS
    + rb"(?i:content-length):[\t ]*([0-9]{1,7})[\t ]*\r\n"
    + _OTHERS
    + rb"\r\n"
)
#: These have no body whatever their headers say.  RFC 9112 section 6.3
_BODILESS: Final = frozenset({b"204", b"304"})


def plain(data: bytes) -> Reply | int:
    """Return the reply, if the bytes are exactly one answer of the plainest form.

    Otherwise how many bytes are missing at least for that, or 0: they are another form, or more than one
    answer.
    """
    found = _PLAIN.match(data)
    if found is None:
        cut = b"\r\n\r\n" not in data and data[: len(_START)] == _START[: len(data)]
        return int(cut and len(data) < _MOST_HEAD)
    status, length = found.groups()
    end, size = found.end(), int(length)
    if status in _BODILESS or size > MOST_BYTES:
        return 0
    missing = end + size - len(data)
    if missing:
        return max(missing, 0)
    return Reply(int(status), data[end:], data[:end])


class Reader:
    """Reads one answer of any form, piece by piece."""

    def __init__(self, method: str) -> None:
        import h11

        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD)
        # h11 reads an answer only to a request it knows of; what matters of that is the method.
        self._h11.send(h11.Request(method=method, target="/", headers=[("Host", "-")]))
        self._h11.send(h11.EndOfMessage())
        self._status, self._size = 0, 0
        self._head = b""
        self._body: list[bytes] = []
        self.kept = False  #: after the end: whether another request may follow on the connection

    def feed(self, data: bytes) -> Reply | Silence | None:
        """Take what came, nothing for the end of the connection; None when more must come."""
        import h11

        try:
            self._h11.receive_data(data)
            while True:
                event = self._h11.next_event()
                if event is h11.NEED_DATA:
                    return None
                if isinstance(event, h11.Response):
                    self._begin(event)
                elif isinstance(event, h11.Data):
                    self._body.append(bytes(event.data))
                    self._size += len(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    self.kept = self._h11.their_state is h11.DONE and self._h11.trailing_data == (b"", False)
                    return Reply(self._status, b"".join(self._body), self._head)
                elif not isinstance(event, h11.InformationalResponse):
                    return Silence(sent=True, detail="the connection ended without an answer")
                if self._size > MOST_BYTES:
                    return Silence(sent=True, detail="the answer is too long")
        except h11.RemoteProtocolError as error:
            return Silence(sent=True, detail=f"not a readable HTTP answer: {error}")

    def _begin(self, event: Any) -> None:
        lines = [b"HTTP/1.1 %d" % event.status_code]
        for name, value in event.headers:
            lines.append(b"%b: %b" % (name, value))
            if name == b"content-length":
                self._size += int(value) if int(value) > MOST_BYTES else 0
        self._status, self._head = event.status_code, b"\r\n".join(lines) + b"\r\n\r\n"
