"""A mail submission server that keeps what it accepts and misbehaves on request.

Written on asyncio streams rather than aiosmtpd, because the sandbox has to cut connections on either
side of the final dot, answer pipelined commands in one packet, and take DSN parameters.
"""

import asyncio
import ssl
import time
from contextlib import suppress

from alerting.sandbox.faults import Faults
from alerting.sandbox.smtpsession import Closed, Office, Session
from alerting.sandbox.smtpwire import SmtpWire
from alerting.sandbox.world import World


class SmtpServer:
    """Listens on a port of its own; every session shares the world and the faults."""

    def __init__(self, world: World, faults: Faults, *, tls: ssl.SSLContext | None = None) -> None:
        self._office = Office(world, faults, tls)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def touched_s(self) -> float:
        """When a session last began or a mail last came, on the monotonic clock."""
        return self._office.touched_s

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port.

        Raises:
            OSError: the port is taken.
        """
        self._server = await asyncio.start_server(self._session, host, port, limit=1 << 16, backlog=512)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end every session. May be called twice."""
        if self._server is None:
            return
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        self._server = None

    def forget(self) -> None:
        """Let the greylist begin anew."""
        self._office.greylisted.clear()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self._office.touched_s = time.monotonic()
        try:
            with suppress(
                Closed, ConnectionError, EOFError, TimeoutError, ssl.SSLError, asyncio.CancelledError
            ):
                await Session(self._office, SmtpWire(reader, writer)).run()
        finally:
            self._open.discard(task)
            writer.close()
