"""The sandbox itself: one HTTP port for X, Graph and Twilio, one SMTP port, one world behind both."""

import asyncio
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Self, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from alerting.sandbox.callbacks import Callbacks
from alerting.sandbox.exchange import Front
from alerting.sandbox.faults import Faults
from alerting.sandbox.graph import Graph
from alerting.sandbox.house import House
from alerting.sandbox.script import Script
from alerting.sandbox.smtp import SmtpServer
from alerting.sandbox.twilio import Twilio
from alerting.sandbox.wire import Wire
from alerting.sandbox.world import World
from alerting.sandbox.x import X

STARTUP_POLL_S: Final = 0.002
GRAPH_PATH: Final = re.compile(r"/v\d{1,2}\.\d/")


class Sandbox:
    """The four providers on loopback.

    `faults` is a fault script as plain data (see `Script.parse`). `callback_auth_token` signs status
    callbacks; without it they are signed with the password of the request that made the message.
    Ports of 0 are chosen by the system and known after `start()`. No I/O happens before that.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        faults: Mapping[str, Any] | list[Any] | Script | None = None,
        host: str = "127.0.0.1",
        http_port: int = 0,
        smtp_port: int = 0,
        callback_auth_token: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        script = faults if isinstance(faults, Script) else Script.parse(faults or {})
        self.world = World(seed=seed)
        self.faults = Faults(script, seed=seed)
        self.host = host
        self.smtp_host = host
        self.http_port = http_port
        self.smtp_port = smtp_port
        self._tls = tls
        self._token = callback_auth_token
        self._stopping: list[Any] = []

    @property
    def http_url(self) -> str:
        """Where X, Graph, Twilio and the outbox are, without a final slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.http_port}"

    @property
    def idle_s(self) -> float:
        """Seconds since the last request or mail session."""
        return time.monotonic() - max(self._wire.touched_s, self._smtp.touched_s)

    async def start(self) -> Self:
        """Listen on both ports; returns itself.

        Raises:
            OSError: a port is taken; nothing is left running.
        """
        self._smtp = SmtpServer(self.world, self.faults, tls=self._tls)
        self._callbacks = Callbacks(self.world)
        listener = _listen(self.host, self.http_port)
        try:
            self.smtp_port = await self._smtp.start(self.host, self.smtp_port)
        except OSError:
            listener.close()
            raise
        self.http_port = int(listener.getsockname()[1])
        self._callbacks.start()
        self._wire = self._application()
        await self._serve(listener)
        return self

    async def stop(self) -> None:
        """Close every connection and both ports. May be called twice."""
        if not self._stopping:
            return
        server, task = self._stopping
        self._stopping = []
        server.should_exit = True
        await self._callbacks.stop()
        await self._smtp.stop()
        await task

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _application(self) -> Wire:
        x = X(self.world, self.faults)
        graph = Graph(self.world, self.faults)
        twilio = Twilio(self.world, self.faults, self._callbacks, self._token)
        house = House(self.world, self.faults, self._callbacks, self._smtp, host=self.host)

        def front(path: str) -> Front | None:
            if path.startswith("/2010-04-01/"):
                return twilio
            if path.startswith("/2/"):
                return x
            return graph if GRAPH_PATH.match(path) else None

        return Wire(self.world, self.faults, front=front, house=house.answer)

    async def _serve(self, listener: socket.socket) -> None:
        config = uvicorn.Config(
            cast("Any", self._wire),
            http=_Protocol,
            interface="asgi3",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
            backlog=1024,
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not task.done():  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(STARTUP_POLL_S)
        if task.done():
            await task
        self._stopping = [server, task]


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to whoever owns the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """Hands the application its transport, so that faults can be done to the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        wire = cast("Wire", self.app)
        self.app = cast("Any", partial(wire.serve, transport))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle off on what is accepted: else 40 ms per answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)  # noqa: FBT003
    return listener
