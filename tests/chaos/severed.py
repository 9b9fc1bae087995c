"""A way to a server that can be cut: bytes stop, and nobody is told, as when a switch dies."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading

_SLICE = 65536
_LOOK_S = 0.02


class Way:
    """Carries bytes between callers on 127.0.0.1 and a server; ``cut`` stops them, both ways.

    While it is cut connections stay open and new ones are taken, but nothing arrives: no refusal, no
    reset, no end. After ``heal`` what was held back goes on, in order, as after a short outage.
    """

    def __init__(self, server):
        self._server = server
        self._door = socket.create_server(("127.0.0.1", 0))
        self._door.setblocking(False)
        self.port = self._door.getsockname()[1]
        self._whole = threading.Event()
        self._whole.set()
        self._closed = False
        self._other = {}
        self._eyes = selectors.DefaultSelector()
        self._eyes.register(self._door, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def cut(self):
        self._whole.clear()

    def heal(self):
        self._whole.set()

    def close(self):
        self._closed = True
        self._thread.join(10)
        for one in [*self._other, self._door]:
            one.close()
        self._eyes.close()

    def _run(self):
        while not self._closed:
            if not self._whole.wait(_LOOK_S):
                continue
            for key, _ in self._eyes.select(_LOOK_S):
                if not self._whole.is_set():
                    break
                self._enter() if key.fileobj is self._door else self._carry(key.fileobj)

    def _enter(self):
        caller, _ = self._door.accept()
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self._server)
        except OSError:
            caller.close()
            server.close()
            return
        for one, other in ((caller, server), (server, caller)):
            self._other[one] = other
            self._eyes.register(one, selectors.EVENT_READ)

    def _carry(self, one):
        other = self._other.get(one)
        if other is None:
            return
        try:
            data = one.recv(_SLICE)
            other.sendall(data)
        except OSError:
            data = b""
        if not data:
            for end in (one, other):
                self._other.pop(end, None)
                with contextlib.suppress(KeyError, ValueError):
                    self._eyes.unregister(end)
                end.close()
