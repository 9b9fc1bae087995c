"""One connection to a provider, plain or encrypted, that never blocks."""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import suppress
from errno import EINPROGRESS
from typing import Any, Final

from alerting.channels.sms.response import Reader
from alerting.channels.sms.wire import Done

_MOST: Final = 65_536
#: Where ``socket.getaddrinfo`` says a host is: family and address.
Place = tuple[int, Any]


class Link:
    """A TCP connection, and the exchange it carries while ``done`` is set.

    ``left`` is what the kernel has not taken yet of what was said; ``begun`` says that it has taken
    anything of the exchange, ``ended`` that nothing comes after what was heard. Every method may raise
    ``OSError``: then the connection is of no more use.
    """

    __slots__ = (
        "_recv",
        "_send",
        "begun",
        "done",
        "due",
        "ended",
        "fd",
        "held",
        "left",
        "method",
        "place",
        "reader",
        "ready",
        "sock",
    )

    def __init__(self, place: Place) -> None:
        family, address = place
        self.place = place
        self.sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.fd = self.sock.fileno()
        self._send, self._recv = self.sock.send, self.sock.recv
        self.done: Done | None = None
        self.due = 0.0  #: monotonic: the end of what it is doing; while idle, since when
        self.held = self.left = b""
        self.method = ""
        self.reader: Reader | None = None
        self.ready = self.begun = self.ended = False
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        failed = self.sock.connect_ex(address)
        if failed not in (0, EINPROGRESS):
            self.sock.close()
            raise OSError(failed, os.strerror(failed))

    def advance(self) -> bool:
        """Go on connecting; say whether a request may leave now."""
        self.ready = self._connected()
        return self.ready

    def _connected(self) -> bool:
        if failed := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(failed, os.strerror(failed))
        try:
            self.sock.getpeername()  # without an error, yet not connected: the event was of another socket
        except OSError:
            return False
        return True

    def say(self, data: bytes) -> None:
        """Send a request, as much of it as the kernel takes."""
        if self.left:
            self.begun = False
            self.left += data
            return
        try:
            taken = self._send(data)
        except BlockingIOError:
            taken = 0
        self.begun = taken > 0
        if taken < len(data):
            self.left = data[taken:]

    def flush(self) -> None:
        """Send what was left."""
        data, self.left = self.left, b""
        self._push(data)

    def hear(self) -> bytes | None:
        """Return what has come: nothing at the end of the connection, None when there is nothing yet."""
        try:
            return self._recv(_MOST)
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Give the socket back."""
        self.sock.close()

    def _push(self, data: bytes) -> None:
        if self.left:
            self.left += data
            return
        try:
            taken = self.sock.send(data)
        except BlockingIOError:
            taken = 0
        if taken:
            self.begun = True
        if taken < len(data):
            self.left = data[taken:]


class TlsLink(Link):
    """The same, encrypted; the other side has shown a certificate for ``host`` once it is ready."""

    __slots__ = ("_in", "_out", "_tls")

    def __init__(self, place: Place, context: ssl.SSLContext, host: str) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        super().__init__(place)

    def advance(self) -> bool:
        """Go on connecting and shaking hands."""
        if not self._connected():
            return False
        try:
            if data := self.sock.recv(_MOST):
                self._in.write(data)
            else:
                self._in.write_eof()
        except BlockingIOError:
            pass
        shaken = False
        try:
            self._tls.do_handshake()
            shaken = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            with suppress(OSError):
                self._answer()  # the other side is told what is wrong
            raise
        self._answer()
        self.ready = shaken
        return shaken

    def say(self, data: bytes) -> None:
        """Encrypt a request and send as much of it as the kernel takes."""
        self.begun = False
        self._tls.write(data)
        self._push(self._out.read())

    def hear(self) -> bytes | None:
        """Return what has come, decrypted; an end that was not announced is an error."""
        try:
            data = self.sock.recv(_MOST)
        except BlockingIOError:
            return None
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()
        pieces: list[bytes] = []
        try:
            pieces.append(self._tls.read(_MOST))
            while self._in.pending and pieces[-1]:  # a record at a time
                pieces.append(self._tls.read(_MOST))
            self.ended = not pieces[-1]
        except ssl.SSLWantReadError:
            self._answer()  # a new key may have been asked for
            return b"".join(pieces) or None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _answer(self) -> None:
        if self._out.pending:
            self._push(self._out.read())
