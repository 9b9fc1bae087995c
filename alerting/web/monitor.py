"""The door for monitors of our own: is it alive, could it send, what does it count.

None of it asks a provider: a campus whose SMS account is locked must not lose its sender to a restart.
It is a door of its own, on an address the public proxy does not pass on to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from alerting.errors import LedgerUnavailable
from alerting.ledger.base import Ledger, LedgerWriter
from alerting.web.figures import Pulse, exposition
from alerting.web.listener import Server, bind, settings

if TYPE_CHECKING:
    from alerting.app import App

#: How long a ledger may take to make nothing durable before it counts as not writable.
_PATIENCE_S: Final = 5.0
_STARTUP_POLL_S: Final = 0.005
_FORM: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """Answers ``/livez``, ``/readyz`` and ``/metrics``."""

    app: App
    writer: LedgerWriter
    pulse: Pulse

    def application(self) -> Starlette:
        """Return the web application."""
        return Starlette(
            routes=[
                Route("/livez", self.alive),
                Route("/readyz", self.ready),
                Route("/metrics", self.figures),
            ]
        )

    async def alive(self, request: Request) -> Response:
        """Answer as long as this process's loop turns."""
        del request
        return PlainTextResponse("alive\n")

    async def ready(self, request: Request) -> Response:
        """Answer whether an alert handed over now would be made durable: 200 or 503, in words."""
        del request
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self.writer.do(_nothing)
        except (LedgerUnavailable, TimeoutError) as error:
            why = str(error) or f"the ledger has not answered for {_PATIENCE_S:.0f} seconds"
            return PlainTextResponse(f"not ready: {why}\n", status_code=503)
        return PlainTextResponse("ready\n")

    async def figures(self, request: Request) -> Response:
        """Answer what there is to count, in Prometheus' text form."""
        del request
        try:
            body = await asyncio.to_thread(exposition, self.app, self.pulse)
        except LedgerUnavailable as error:
            return PlainTextResponse(f"the ledger cannot be read: {error}\n", status_code=503)
        return Response(body, media_type=_FORM)


def _nothing(ledger: Ledger) -> None:
    del ledger


@asynccontextmanager
async def monitored(monitor: Monitor, listen: tuple[str, int]) -> AsyncIterator[None]:
    """Answer monitors while the body runs.

    Raises:
        UsageProblem: the port is taken.
    """
    listener = bind(*listen, section="monitor")
    server = Server(settings(monitor.application()))
    web = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not web.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(_STARTUP_POLL_S)
        yield
    finally:
        server.should_exit = True
        await web
