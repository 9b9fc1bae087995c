"""The process that owns a ledger: it opens alerts, runs their lanes, and answers other commands.

There is one for each state directory, held by a lock the kernel releases on death. A command that
finds it running hands its request over; a command that does not becomes it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alerting.acting import perform
from alerting.authority.admission import open_admitted
from alerting.broadcast.plan import Plan
from alerting.clock import Clock, micros
from alerting.config.operators import load_operators
from alerting.engine.control import Listener, refusal
from alerting.engines import engine_for
from alerting.errors import (
    AlertingError,
    ConfigProblem,
    LedgerBusy,
    LedgerLost,
    PlanRefused,
    Problem,
    innermost,
)
from alerting.gate import admit
from alerting.leaving import Leaving
from alerting.openfiles import make_room
from alerting.service.opening import Opened
from alerting.service.order import Order, refuse_changed
from alerting.service.retreat import BRIEF, PATIENT, Recalls

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.engine.embedded import EmbeddedEngine
    from alerting.ledger.base import Ledger
    from alerting.ledger.writer import GroupWriter

#: Given a request as the gate let it through, and what opens an order, with its plan where that is known.
Desk = Callable[
    [Mapping[str, Any], Callable[["Order", "Plan | None"], Awaitable["Opened"]]],
    Awaitable[Mapping[str, Any] | None],
]

_PAUSE_S: Final = 0.2
#: When events begin to be written: the first messages leave before that.
_LOG_S: Final = 1.0
#: How often what follows an alert is looked after: the record sealed, the feed written.
_AFTER_S: Final = 2.0


class Runner:
    """Owns the ledger of one state directory while it runs.

    ``app`` builds the house and its channels. ``sleep`` passes the time while another program is
    writing to the ledger. ``beside`` runs in the same loop for as long as the lanes do. ``desk`` answers
    what only a face knows, None to what it does not know either. ``one_of_many`` is a worker: it takes no
    lock of this host, and listens to nobody. ``mine`` says on which channels this process sends.
    """

    _engine: EmbeddedEngine
    _leaving: Leaving
    _recalls: Recalls
    _writer: GroupWriter
    _accepted: bool = False

    def __init__(
        self,
        *,
        app: App,
        state: Path,
        clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
        beside: Callable[[GroupWriter], AbstractAsyncContextManager[None]] | None = None,
        desk: Desk | None = None,
        one_of_many: bool = False,
        mine: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.app, self.state, self.clock, self.sleep = app, state, clock, sleep
        self.beside, self.desk, self.one_of_many, self.mine = beside, desk, one_of_many, mine

    @property
    def troubles(self) -> dict[str, str]:
        """Why channels do not work at this moment, by channel: codes of reasons."""
        lanes = self._engine.lanes.items()
        return {name: trouble[0].code for name, lane in lanes if (trouble := lane.trouble)}

    def run(
        self,
        order: Order | None,
        *,
        announce: Callable[[Opened], None] | None = None,
        plan: Plan | None = None,
        forever: bool = False,
    ) -> None:
        """Take the ledger, open the order if there is one, and send until nothing is left.

        ``announce`` is called as soon as the order is durable.

        Raises:
            LedgerBusy: another process has the ledger.
            LedgerLost: it was told to stop, and the ledger is away: nothing could be given back.
            ConfigProblem: this process may not open enough files to send.
            AlertingError: the order cannot be opened; nothing of it was kept.
        """
        make_room()
        shared = self.app.shared is not None
        self._leaving = Leaving(self.app.where, shared=shared, silent_since=lambda: self._writer.silent_since)
        with nullcontext() if self.one_of_many else self.app.lock():
            while True:
                try:
                    self._once(order, announce, plan, forever=forever)
                except (LedgerBusy, LedgerLost) as error:
                    # Another program is writing, or PostgreSQL is away. What is accepted is not given up.
                    if order is not None and not self._accepted:
                        raise
                    self.app.log.warning("ledger.failed", error=str(error))
                    if self._leaving.told:
                        raise self._leaving.without from error
                    self.sleep(_PAUSE_S)
                    continue
                return

    def _once(
        self,
        order: Order | None,
        announce: Callable[[Opened], None] | None,
        plan: Plan | None,
        *,
        forever: bool,
    ) -> None:
        self._writer = self.app.lasting_writer() if self._accepted or order is None else self.app.writer()
        try:
            asyncio.run(self._main(order, announce, plan, forever=forever))
        finally:
            self._writer.close()

    async def _main(
        self,
        order: Order | None,
        announce: Callable[[Opened], None] | None,
        plan: Plan | None,
        *,
        forever: bool,
    ) -> None:
        stop = asyncio.Event()
        self._leaving.heed(stop)
        self._engine = engine_for(self.app, self._writer, clock=self.clock, mine=self._ours)
        self._recalls = Recalls(
            channel=self.app.channel,
            reader=self.app.own_reader,
            writer=self._writer,
            clock=self.clock,
            log=self.app.log,
            nudge=self._engine.look,
            pauses=PATIENT if forever else BRIEF,
            alone=self.app.alone,
        )
        try:
            async with self.beside(self._writer) if self.beside else nullcontext():
                await self._attend(stop, order, announce, plan, forever=forever)
                # An alert handed over while the last lane ended is ours: nobody else will send it.
                while not stop.is_set() and await self._writer.do(self._unsettled):
                    await self._attend(stop)
            await asyncio.to_thread(self.app.afterwards, self._writer, keys=not self.one_of_many)
        except* (AlertingError, ConfigProblem) as failed:
            # What runs beside may put an error into a group; who waits for the ledger, or tells it in
            # words, must see the error itself.
            raise innermost(failed) from failed
        finally:
            await self._recalls.aclose()
            self.app.flush_log()

    async def _attend(
        self,
        stop: asyncio.Event,
        order: Order | None = None,
        announce: Callable[[Opened], None] | None = None,
        plan: Plan | None = None,
        *,
        forever: bool = False,
    ) -> None:
        """Listen to other commands and send, until nothing is left."""
        listener = None if self.one_of_many else await Listener(self._answer).start(self.state)
        after = asyncio.create_task(self._look_after())
        try:
            if order:
                admitted = Order.from_json(admit(self.app.config, order.to_json()))
                opened = await self._open(admitted, plan)
                if announce and not self._accepted:
                    announce(opened)
                self._accepted = True
            asyncio.get_running_loop().call_later(_LOG_S, self.app.flush_log)
            begin = self._recalls.watch if forever and self.app.shared else self._recalls.look
            asyncio.get_running_loop().call_later(_LOG_S if order else 0.0, begin)
            await self._engine.run(stop=stop, forever=forever)
            # Other commands are listened to, and what they open is sent, while providers are still asked.
            while await self._recalls.busy(stop):
                await self._engine.run(stop=stop)
        finally:
            after.cancel()
            if listener is not None:
                await listener.aclose()

    async def _look_after(self) -> None:
        """Seal, sign and publish what has happened, beside the lanes and never in their way."""
        while True:
            await asyncio.sleep(_AFTER_S)
            if self.app.shared:
                # What no host has the channel for any more still comes to its end.
                at = micros(self.clock.now())
                await self._writer.do(partial(end_lives, at=at))
            await asyncio.to_thread(self.app.afterwards, self._writer, keys=not self.one_of_many)

    def _ours(self, channel: str) -> bool:
        """Whether to send on a channel: on a shared ledger, only what is configured here."""
        return self.mine(channel) and (not self.app.shared or self.app.carries(channel))

    def _unsettled(self, ledger: Ledger) -> bool:
        return any(self._ours(channel) for _, channel in ledger.unsettled())

    async def _open(self, order: Order, plan: Plan | None) -> Opened:
        try:
            # Reading files and counting people takes a while, and lanes are sending meanwhile.
            settled = await asyncio.to_thread(self._planned, order) if plan is None else plan
            refuse_changed(settled, order.digest)
        except AlertingError:
            # Asked for again since the first answer was lost, it has its own alert in the way.
            if earlier := await self._writer.do(lambda ledger: ledger.alert_of_run(order.run_key)):
                return Opened(alert_id=earlier, planned=0, again=True)
            raise
        house, operators = self.app.house(), load_operators(self.app.config)

        def change(ledger: Ledger) -> Opened:
            # The ledger, or this process, may have stood still before: what was asked for may be too old now.
            at = self.clock.now()
            return open_admitted(ledger, house, settled, order, operators=operators, at=at)

        # A long list is taken over by the database, and leaves the interpreter to others meanwhile.
        self._engine.ahead(house.channels[lane.channel].channel for lane in settled.lanes)
        opened = await self._writer.do(change)
        self.app.log.info("alert.opened", alert=opened.alert_id, planned=opened.planned, again=opened.again)
        self._engine.look()
        if order.request.reached_only:
            self._recalls.look()
        return opened

    def _planned(self, order: Order) -> Plan:
        self.app.reload(order.request.without)
        return self.app.plan(order.request, as_of=order.as_of)

    # -- other commands ---------------------------------------------------------------------------

    async def _answer(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer one request of another command; a refusal is an answer too."""
        try:
            return await self._carry_out(admit(self.app.config, told))
        except (AlertingError, ConfigProblem) as error:
            return refusal(error)
        except (KeyError, TypeError, ValueError, ImportError) as error:
            what = f"the process that owns the ledger does not understand this ({type(error).__name__})"
            fix = "it may be of another version than this command: restart it, and repeat"
            return refusal(PlanRefused(Problem(where="", what=what, fix=fix)))

    async def _carry_out(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        match told.get("verb"):
            case "open":
                return {"ok": True, **(await self._open(Order.from_json(told), None))._asdict()}
            case "cancel" | "close" | "ask" | "reject" | "void" | "review":
                return {"ok": True, **await self._perform(told)}
            case "acts" | "receipts":
                return await self._keep(told)
            case "resume" | "drill.start" | "drill.due" | "drill.note" as verb:
                done = {"ok": True} if verb == "resume" else await self._practise(told)
                self._engine.look()
                self._recalls.look(again=True)
                return done
            case "retain":
                from alerting.retaining import answer as forgotten

                return await forgotten(self.app, told, writer=self._writer)
            case other:
                if self.desk and (served := await self.desk(told, self._open)) is not None:
                    return served
                raise PlanRefused(f"the process that owns the ledger does not know {other!r}")

    async def _practise(self, told: Mapping[str, Any]) -> dict[str, Any]:
        from alerting.starting import answer  # only whoever runs drills pays for it

        return await answer(self.app, told, writer=self._writer)

    async def _keep(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        # What a sender that answers nobody never needs is read when it is asked for.
        from alerting.audit import acts
        from alerting.broadcast import receipts

        at, keep = micros(self.clock.now()), acts.answer if told["verb"] == "acts" else receipts.answer
        return await self._writer.do(lambda ledger: keep(ledger, told, at=at))

    async def _perform(self, told: Mapping[str, Any]) -> dict[str, Any]:
        done = await self._writer.do(lambda ledger: perform(ledger, told, at=self.clock.now()))
        if told["verb"] == "cancel":
            self.app.log.warning("alert.cancelled", alert=str(told["alert"]), **done)
        return done


def end_lives(ledger: Ledger, *, at: int) -> None:
    """Expire what waits in alerts whose life is over (``at``, microseconds), whoever should have sent it."""
    for alert_id in {alert_id for alert_id, _ in ledger.unsettled()}:
        if ledger.expire(alert_id, at=at):
            ledger.settle_alert(alert_id, at=at)
