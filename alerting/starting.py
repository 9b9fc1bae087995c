"""Drills of commands, written by whoever owns the ledger: one process writes, everybody else asks it.

A command that finds nobody there is the owner for that moment. One that finds a process at work has it
start the drill, look for those that are due, or keep a note. That process may be sending a real alert
with other accounts; then it says so, and nothing is opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from alerting.authority.practice import admit_drill, grounds_of, note_approval
from alerting.config.drills import load_drills
from alerting.config.operators import load_operators
from alerting.drills.due import by_hand
from alerting.drills.exercise import BY_HAND, Taken
from alerting.drills.force import in_force
from alerting.drills.schedule import Occurrence
from alerting.errors import NotAllowed, Problem
from alerting.handover import carry_out
from alerting.ledger.base import DrillLedger, Ledger, LedgerWriter
from alerting.ledger.rows import Actor, NoteRow
from alerting.scheduler import Fired, fire, opening, planned, split
from alerting.service.opening import Opened

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.broadcast.plan import Plan
    from alerting.drills.drill import Drill, Programme
    from alerting.ledger.writer import GroupWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A drill that somebody confirmed: which, what was shown for it and when, and the decision clock.

    ``asked`` says that they typed its word at the prompt, and did not give it with ``--confirm``.
    """

    drill: str
    as_of: datetime
    digest: str
    actor: Actor
    clock: Mapping[str, str] = field(default_factory=dict)
    asked: bool = False
    approval: str = ""  #: the request of another person that is carried out with it
    by: tuple[str, ...] = ()  #: the people it comes from, as the gate knows them


# -- a command ------------------------------------------------------------------------------------


def start(app: App, programme: Programme, drill: Drill, plan: Plan, order: Start) -> Opened:
    """Open a drill that was confirmed.

    Raises:
        NotAllowed: a real alert is in force, the same drill was started this second, or the process
            that is sending does not hold the accounts of drills.
        LedgerBusy: the owner of the ledger does not answer.
        AlertingError: it was refused; nothing was opened.
    """

    def here(writer: GroupWriter, told: Mapping[str, Any]) -> dict[str, Any]:
        allowed = replace(order, actor=actor_of(told), by=tuple(told["by"]))
        return writer.submit(_opening(app, programme, drill, plan, allowed)).result()._asdict()

    request = {
        "verb": "drill.start",
        "drill": order.drill,
        "as_of": order.as_of.isoformat(),
        "digest": order.digest,
        "clock": dict(order.clock),
        "asked": order.asked,
        "approval": order.approval,
        "holds": _held(app),
    }
    done = carry_out(app, request, here, actor=order.actor)
    return Opened(alert_id=done["alert_id"], planned=done["planned"])


def start_due(app: App, programme: Programme, *, rehearsals: bool, actor: Actor) -> Fired:
    """Start what is due of a programme, and put misses on record; see ``fire``.

    Raises:
        NotAllowed: the process that is sending does not hold the accounts of drills.
        LedgerBusy: the owner of the ledger does not answer.
    """

    def here(writer: GroupWriter, told: Mapping[str, Any]) -> Fired:
        return asyncio.run(fire(app, programme, writer=writer, actor=actor_of(told)))

    request = {"verb": "drill.due", "rehearsals": rehearsals, "holds": _held(app)}
    done = carry_out(app, request, here, actor=actor)
    return done if isinstance(done, Fired) else _fired(done)


def keep_note(app: App, alert_id: str, note: NoteRow, *, actor: Actor) -> None:
    """Keep what somebody observed of a drill.

    Raises:
        UnknownAlert: there is no such drill.
        LedgerBusy: the owner of the ledger does not answer.
    """

    def here(writer: GroupWriter, told: Mapping[str, Any]) -> dict[str, Any]:
        writer.submit(partial(_note, alert_id=alert_id, note=note, actor=actor_of(told))).result()
        return {"ok": True}

    carry_out(app, {"verb": "drill.note", "alert": alert_id, "note": list(note)}, here, actor=actor)


def _held(app: App) -> list[str]:
    """Return the channels this process could send a drill by."""
    return [channel.name for channel in app.config.channels]


def actor_of(told: Mapping[str, Any]) -> Actor:
    """Return who asks, as the gate let them through."""
    return Actor(name=str(told["actor"]), origin=str(told["origin"]))


# -- the owner ------------------------------------------------------------------------------------


async def answer(app: App, told: Mapping[str, Any], *, writer: LedgerWriter) -> dict[str, Any]:
    """Do what a command asked for; ``app`` is the owner's.

    Raises:
        NotAllowed: a real alert is in force, or this process cannot carry the drill.
        AlertingError, ConfigProblem: it is refused.
        KeyError, TypeError, ValueError: it is no such request.
    """
    actor = actor_of(told)
    if told["verb"] == "drill.note":
        note = NoteRow(*told["note"])
        await writer.do(partial(_note, alert_id=str(told["alert"]), note=note, actor=actor))
        return {"ok": True}
    await asyncio.to_thread(app.reload)
    await _refuse_unfit(app, told["holds"], writer)
    programme = await asyncio.to_thread(load_drills, app.config)
    if told["verb"] == "drill.start":
        opened = await _start(app, programme, told, actor, writer)
        return {"ok": True, **opened._asdict()}
    real, rehearsals = split(programme)
    fired = await fire(app, rehearsals if told["rehearsals"] else real, writer=writer, actor=actor)
    return {"ok": True, **_told(fired)}


async def _start(
    app: App, programme: Programme, told: Mapping[str, Any], actor: Actor, writer: LedgerWriter
) -> Opened:
    drill, as_of = programme.drill(str(told["drill"])), datetime.fromisoformat(told["as_of"])
    plan = await asyncio.to_thread(planned, app, programme, drill, as_of=as_of)
    order = Start(
        drill=drill.name,
        as_of=as_of,
        digest=str(told["digest"]),
        actor=actor,
        clock=dict(told["clock"]),
        asked=bool(told["asked"]),
        approval=str(told.get("approval", "")),
        by=tuple(told["by"]),
    )
    if plan.digest != order.digest:
        raise NotAllowed(
            Problem(
                where=drill.name,
                what="a file changed after the preview, or the owner reads others; nothing was sent",
                fix="repeat the command and look at the new preview",
            )
        )
    opened = await writer.do(_opening(app, programme, drill, plan, order))
    app.log.info("alert.opened", alert=opened.alert_id, planned=opened.planned, drill=drill.name)
    return opened


async def _refuse_unfit(app: App, holds: Sequence[str], writer: LedgerWriter) -> None:
    """Refuse where this process could not send what the asker would."""
    here = {channel.name for channel in app.config.channels if app.rules(channel.name).carries(live=False)}
    lacking = [str(name) for name in holds if name not in here]
    if not lacking:
        return
    real = await writer.do(lambda ledger: in_force(ledger, app.clock.now()))
    which = f" ({real.alert.id}, {real.alert.title})" if real else ""
    raise NotAllowed(
        Problem(
            where=", ".join(lacking),
            what=f"a real alert is being sent{which} by a process without the accounts of drills",
            fix="wait until `alert status` shows that it is settled",
        )
    )


# -- both -----------------------------------------------------------------------------------------


def _opening(
    app: App, programme: Programme, drill: Drill, plan: Plan, order: Start
) -> Callable[[Ledger], Opened]:
    occurrence = by_hand(drill, programme, now=app.clock.now())
    change = opening(
        app,
        programme,
        drill,
        plan._replace(clock=order.clock),
        occurrence,
        actor=order.actor,
        asked=order.asked,
        detail=BY_HAND,
    )

    why = grounds_of(plan, load_operators(app.config), rehearsal=drill.rehearsal)

    def told_in_words(ledger: Ledger) -> Opened:
        at = app.clock.now()
        approved = admit_drill(ledger, drill.name, plan, why=why, approval=order.approval, by=order.by, at=at)
        try:
            opened = change(ledger)
        except Taken:
            raise NotAllowed(
                Problem(
                    where=drill.name, what="was started moments ago", fix="`alert drill history` shows it"
                )
            ) from None
        if approved:
            note_approval(ledger, approved, opened.alert_id, actor=order.actor, at=at)
        return opened

    return told_in_words


def _note(ledger: Ledger, *, alert_id: str, note: NoteRow, actor: Actor) -> None:
    assert isinstance(ledger, DrillLedger)
    ledger.add_note(alert_id, note, actor=actor)


def _told(fired: Fired) -> dict[str, Any]:
    missed = [[m.drill, m.key, m.due_at.isoformat(), m.ends_at.isoformat()] for m in fired.missed]
    return {"opened": fired.opened, "missed": missed, "refused": fired.refused}


def _fired(told: Mapping[str, Any]) -> Fired:
    missed = [
        Occurrence(
            drill=drill,
            planned_local=datetime.fromisoformat(key),
            due_at=datetime.fromisoformat(due),
            ends_at=datetime.fromisoformat(ends),
        )
        for drill, key, due, ends in told["missed"]
    ]
    opened, refused = ([(one, other) for one, other in told[word]] for word in ("opened", "refused"))
    return Fired(opened=opened, missed=missed, refused=refused)
