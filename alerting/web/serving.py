"""The callback endpoints beside the lanes: one loop, one ledger, started and ended with its owner."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from alerting.broadcast.receipts import Intake, keep
from alerting.channels.base import MailReader
from alerting.clock import Clock, micros
from alerting.errors import LedgerUnavailable, innermost, words_of
from alerting.ledger.base import Ledger, LedgerWriter
from alerting.ledger.rows import Actor
from alerting.model.receipt import Receipt
from alerting.service.house import Wired
from alerting.telemetry import Log
from alerting.web.callbacks import Callbacks, Readers, application, readers_of
from alerting.web.listener import Server, bind, settings
from alerting.web.refusals import Refusals, Told

if TYPE_CHECKING:
    from starlette.applications import Starlette

#: Seconds between looks at orphans, and at refusals that may be told.
_SWEEP_S: Final = 1.0
#: Seconds between two looks into a mailbox for bounces, and the longest one mail waits for its commit.
_MAIL_S: Final = 60.0
_KEEP_S: Final = 30.0
_STARTUP_POLL_S: Final = 0.005


@dataclass(slots=True, kw_only=True)
class Served:
    """Everything that runs beside the lanes while callbacks are served.

    ``channels`` gives what is configured now: by name, each with its adapter as ``channel``. ``ready`` is
    called once the endpoints listen.
    """

    writer: LedgerWriter
    clock: Clock
    log: Log
    public_url: str
    channels: Callable[[], Mapping[str, Wired]]
    ready: Callable[[], None] = field(default=lambda: None)
    intake: Intake = field(init=False)
    refusals: Refusals = field(default_factory=Refusals)
    _known: tuple[Mapping[str, Wired], Readers] | None = None

    def __post_init__(self) -> None:
        self.intake = Intake(writer=self.writer, clock=self.clock, log=self.log)

    def readers(self) -> Readers:
        """Return who reads what; looked up again only when the channels are others than before."""
        channels = self.channels()
        if self._known is None or self._known[0] is not channels:
            self._known = (channels, readers_of(wired.channel for wired in channels.values()))
        return self._known[1]

    def application(self) -> Starlette:
        """Return the web application."""
        return application(
            Callbacks(
                public_url=self.public_url,
                readers=self.readers,
                intake=self.intake,
                refusals=self.refusals,
            )
        )

    async def sweep(self) -> None:
        """Match orphans and tell refusals, every second."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            await self.tidy()

    async def read_mail(self) -> None:
        """Read the mailboxes for bounces, every minute."""
        while True:
            for wired in self.channels().values():
                if isinstance(wired.channel, MailReader):
                    await self._collect(wired.name, wired.channel)
            await asyncio.sleep(_MAIL_S)

    async def _collect(self, name: str, reader: MailReader) -> None:
        loop = asyncio.get_running_loop()

        def take(receipts: Sequence[Receipt]) -> None:
            kept = asyncio.run_coroutine_threadsafe(keep(self.writer, receipts, clock=self.clock), loop)
            kept.result(_KEEP_S)

        try:
            await asyncio.to_thread(reader.collect, take)
        except LedgerUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - no mail may end the lanes beside which it is read
            self.log.warning("receipts.unread", channel=name, words=words_of(error)[:200])

    async def tidy(self, *, last: bool = False) -> None:
        """Match orphans that are due, and put refusals on record."""
        at = micros(self.clock.now())
        told = list(self.refusals.due(self.clock.monotonic(), all_of_it=last))

        def change(ledger: Ledger) -> None:
            for refusal in told:
                _record(ledger, refusal, at)
            if ledger.orphans():
                ledger.adopt(at=at)

        await self.writer.do(change)
        for refusal in told:
            self.log.warning("callback.refused", source=refusal.source, why=refusal.why)


def _record(ledger: Ledger, told: Told, at: int) -> None:
    actor = Actor(name="callbacks", origin=told.source)
    ledger.record_act("callback.refused", told.source, {"why": told.why}, actor=actor, at=at)


@asynccontextmanager
async def serving(served: Served, listen: tuple[str, int]) -> AsyncIterator[None]:
    """Serve callbacks while the body runs; on leaving, what has been taken in is committed.

    Raises:
        UsageProblem: the port is taken.
        LedgerUnavailable: nothing more can be made durable; the body was cancelled.
    """
    listener = bind(*listen)
    try:
        async with _running(served, listener):
            yield
    except* LedgerUnavailable as failed:
        raise innermost(failed) from failed


@asynccontextmanager
async def _running(served: Served, listener: socket.socket) -> AsyncIterator[None]:
    server = Server(settings(served.application()))
    web = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(served.intake.run())
            sweeping = group.create_task(served.sweep())
            reading = group.create_task(served.read_mail())
            while not server.started and not web.done():  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(_STARTUP_POLL_S)
            served.ready()
            served.log.info("serve.started", listen=listener.getsockname()[:2])
            try:
                yield
            finally:
                # Calls that are being answered end first, then what they brought is committed.
                server.should_exit = True
                await asyncio.wait([web])
                served.intake.close()
                await asyncio.wait([keeping])
                sweeping.cancel()
                reading.cancel()
            await served.tidy(last=True)
    finally:
        server.should_exit = True
        await web
    served.log.info("serve.stopped", readings=served.intake.counts.readings, refused=served.refusals.total)
