"""Starting drills when they are due: for ``alert serve``, and for ``alert drill due`` of a timer.

Planning is done before the transaction, taking the planned time and opening the alert in it. Whoever
commits first has the drill; the other keeps nothing. A drill that cannot be started now (a real alert
is in force, a template is broken) is tried again until its window closes, then recorded as missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from alerting.config.drills import FILE, load_drills
from alerting.drills.drill import Drill, Programme
from alerting.drills.due import Due, look, record_missed
from alerting.drills.exercise import Taken, exercise_house, open_exercise, plan_exercise
from alerting.drills.schedule import Occurrence, occurrences
from alerting.engine.control import ask
from alerting.errors import AlertingError, ConfigProblem, LedgerBusy, LedgerUnavailable, words_of
from alerting.ledger.base import DrillLedger, Ledger, LedgerWriter
from alerting.ledger.rows import Actor
from alerting.rehearsals import Rehearsals
from alerting.service.opening import Opened
from alerting.service.planning import Past

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.broadcast.plan import Plan

T = TypeVar("T")

#: Who the audit names for what the schedule did.
ACTOR: Final = Actor(name="schedule", origin="drills.yaml")
#: Wall clocks are set; nobody waits longer than this without looking at one.
LOOK_S: Final = 20.0
_ANSWER_S: Final = 5.0


@dataclass(slots=True, kw_only=True)
class Fired:
    """What one look did: (drill, alert) started, times missed, (drill, why) not started yet."""

    opened: list[tuple[str, str]] = field(default_factory=list)
    missed: list[Occurrence] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    next_at: datetime | None = None


async def fire(app: App, programme: Programme, *, writer: LedgerWriter, actor: Actor = ACTOR) -> Fired:
    """Start every drill that is due now and put misses on record.

    ``app`` must hold the channels the drills use. Nothing is sent here: whoever runs the lanes does.

    Raises:
        LedgerUnavailable: nothing could be made durable.
    """
    now = app.clock.now()
    due = await writer.do(_asked(lambda ledger: look(ledger, programme, now=now)))
    fired = Fired(next_at=due.next_at)
    for drill, occurrence in due.ready:
        await _start(app, programme, drill, occurrence, writer=writer, actor=actor, fired=fired)
    await _record(due, fired, writer=writer, actor=actor, at=now)
    for occurrence in fired.missed:
        app.log.warning("drill.missed", drill=occurrence.drill, planned=occurrence.key)
    return fired


async def _start(
    app: App,
    programme: Programme,
    drill: Drill,
    occurrence: Occurrence,
    *,
    writer: LedgerWriter,
    actor: Actor,
    fired: Fired,
) -> None:
    try:
        plan = await asyncio.to_thread(planned, app, programme, drill)
        opened = await writer.do(opening(app, programme, drill, plan, occurrence, actor=actor))
    except Taken:
        return
    except LedgerUnavailable:
        raise
    except (AlertingError, ConfigProblem) as error:
        app.log.warning("drill.refused", drill=drill.name, planned=occurrence.key, why=str(error))
        fired.refused.append((drill.name, str(error)))
        return
    app.log.info("alert.opened", alert=opened.alert_id, planned=opened.planned, drill=drill.name)
    fired.opened.append((drill.name, opened.alert_id))


async def _record(due: Due, fired: Fired, *, writer: LedgerWriter, actor: Actor, at: datetime) -> None:
    for occurrence in due.missed:
        missed = partial(record_missed, missed=occurrence, actor=actor, at=at)
        if await writer.do(_asked(missed)):
            fired.missed.append(occurrence)


def planned(app: App, programme: Programme, drill: Drill, *, as_of: datetime | None = None) -> Plan:
    """Return the plan of a drill as it would be sent now, or as of the instant its preview was made.

    Raises:
        AlertingError: it cannot be: template, audience, channels, or a wall.
    """
    # Planning may run in a thread of its own, and a reader belongs to the thread that opened it.
    reader = app.own_reader()
    try:
        before = reader.last_audience_size(drill.audience) if reader and drill.audience else None
    finally:
        if reader:
            reader.close()
    past = Past(audience_size=before)
    return plan_exercise(app.house(), programme, drill, as_of=as_of or app.clock.now(), past=past)


def opening(
    app: App,
    programme: Programme,
    drill: Drill,
    plan: Plan,
    occurrence: Occurrence,
    *,
    actor: Actor,
    asked: bool = False,
    detail: str = "",
) -> Callable[[Ledger], Opened]:
    """Return the change that takes a planned time and opens its alert; see ``open_exercise``.

    ``asked`` says that somebody typed the drill's word at a prompt.
    """
    house = exercise_house(app.house(), programme, drill)
    facts = {**facts_of(drill, plan, occurrence), "asked": asked}

    def change(ledger: DrillLedger) -> Opened:
        return open_exercise(
            ledger,
            house,
            plan,
            drill=drill,
            occurrence=occurrence,
            actor=actor,
            at=app.clock.now(),
            facts=facts,
            detail=detail,
        )

    return _asked(change)


def facts_of(drill: Drill, plan: Plan, occurrence: Occurrence) -> dict[str, Any]:
    """Return what the record must say of a run, as it is now."""
    return {
        "title": drill.title,
        "description": drill.description,
        "owner": drill.owner,
        "announced": drill.announced,
        "rehearsal": drill.rehearsal,
        "objectives": list(drill.objectives),
        "publicised": drill.publicised,
        "expect": asdict(drill.expect),
        "canaries": [str(canary) for canary in drill.canaries],
        "recipients": plan.crowd.recipients,
        "class": str(plan.subject.alert_class),
        "estimates": {
            lane.channel: round(lane.takes.total_seconds(), 3)
            for lane in plan.lanes
            if not lane.fallback_only
        },
        "edge": str(occurrence.edge),
    }


def _asked(change: Callable[[DrillLedger], T]) -> Callable[[Ledger], T]:
    """Return a change for a ledger that keeps drills; any other is a mistake of ours."""

    def run(ledger: Ledger) -> T:
        assert isinstance(ledger, DrillLedger)
        return change(ledger)

    return run


async def run_schedule(
    app: App,
    stop: asyncio.Event,
    *,
    writer: LedgerWriter,
    nudge: Callable[[], Awaitable[object]] | None = None,
    rehearse: Callable[[bool], object] | None = None,
    look_s: float = LOOK_S,
) -> None:
    """Start drills until told to stop; one look every ``look_s`` seconds, and at each planned time.

    ``nudge`` is called when an alert was opened; by default the owner of the ledger is told, as any
    other command tells it. ``rehearse`` is told at each look whether rehearsals are due; they have a
    ledger and providers of their own, and by default another process runs them. An error of the file or
    the ledger is logged, and looked at again.
    """
    nudge, rehearse = nudge or partial(_nudge, app), rehearse or Rehearsals(app).look
    last = app.clock.now()
    mark = ""
    while not stop.is_set():
        wait = look_s
        try:
            programme = await asyncio.to_thread(load_drills, app.config)
            real, rehearsals = split(programme)
            fired = await fire(app, real, writer=writer)
            if fired.opened:
                await nudge()
            now = app.clock.now()
            due = rehearsals.drills and (mark != repr(rehearsals) or _any_due(rehearsals, last, now))
            rehearse(bool(due))
            mark, last = repr(rehearsals), now
            wait = _wait(look_s, now, [fired.next_at, _next(rehearsals, now, look_s)])
        except Exception as error:  # noqa: BLE001 - no look may end the lanes it runs beside
            app.log.warning("drill.refused", drill=FILE, why=words_of(error))
        try:
            await asyncio.wait_for(stop.wait(), timeout=wait)
        except TimeoutError:
            continue


@asynccontextmanager
async def scheduling(app: App, writer: LedgerWriter) -> AsyncIterator[None]:
    """Run the schedule beside whatever else a process does; it stops on leaving."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_schedule(app, stop, writer=writer))
        try:
            yield
        finally:
            stop.set()


def split(programme: Programme) -> tuple[Programme, Programme]:
    """Return the drills that send, and the rehearsals."""
    real = {name: drill for name, drill in programme.drills.items() if not drill.rehearsal}
    rest = {name: drill for name, drill in programme.drills.items() if drill.rehearsal}
    return replace(programme, drills=real), replace(programme, drills=rest)


def _any_due(programme: Programme, last: datetime, now: datetime) -> bool:
    """Say whether a planned time lies after ``last``, up to now."""
    moment = timedelta(microseconds=1)
    return any(any(occurrences(d, last + moment, now + moment)) for d in programme.drills.values())


def _next(programme: Programme, now: datetime, look_s: float) -> datetime | None:
    soon = now + timedelta(seconds=look_s)
    coming = (next(occurrences(drill, now, soon), None) for drill in programme.drills.values())
    return min((o.due_at for o in coming if o), default=None)


def _wait(look_s: float, now: datetime, times: list[datetime | None]) -> float:
    left = [(at - now).total_seconds() for at in times if at]
    return max(0.05, min([look_s, *left]))


async def _nudge(app: App) -> None:
    """Tell the process that owns the ledger; where nobody listens yet, it looks when it starts."""
    with suppress(LedgerBusy):
        await asyncio.to_thread(ask, app.state, {"verb": "resume"}, timeout=_ANSWER_S)
