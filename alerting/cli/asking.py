"""Asking a second person: the request goes on record, and the command waits for what becomes of it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from alerting.cli.face import Face, emit, note, say
from alerting.errors import Exit

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.authority.approvals import Asked
    from alerting.broadcast.plan import Plan
    from alerting.cli.follow import More
    from alerting.drills.drill import Drill
    from alerting.service.order import Order

_LOOK_S: Final = 0.3
#: An approval that was given in the last moment may still be on its way to the record.
_LAST_MOMENT: Final = timedelta(seconds=2)


def waits(face: Face, plan: Plan) -> bool:
    """Whether a second person is needed for this, and there is anybody who could be asked."""
    from alerting.config.operators import load_operators

    return bool(plan.second) and load_operators(face.app.config) is not None


def ask(
    face: Face, order: Order, plan: Plan, *, wait: bool, json: bool, title: str, more: More | None = None
) -> int:
    """Ask for approval; return the exit code of what became of it, ASKED while nobody has decided.

    Raises:
        AlertingError: it was refused; nothing is on record.
    """
    from alerting.authority.approvals import Standing, refuse_decided
    from alerting.cli.acting import act
    from alerting.cli.follow import follow

    face.app.let_go()
    done = act(face, "ask", _told(order, plan))
    name, until = str(done["approval"]), datetime.fromisoformat(done["expires_at"])
    if not json:
        clock = local_time(face.app, until)
        say(f"NOTHING IS SENT YET. Asked a second person, until {clock}: alert approve {name}")
        for words in plan.second:
            say(f"  because {words}")
    try:
        asked = _decided(face.app, name) if wait else None
    except KeyboardInterrupt:
        note(f"The request stays open. Take it back with: alert approve {name} --reject REASON")
        asked = None
    if asked is None:
        if json:
            emit("asked", approval=name, expires_at=until.isoformat(), why=list(plan.second))
        return Exit.ASKED
    if asked.decided is not Standing.APPROVED:
        refuse_decided(asked, asked.expires_at)
    if not json:
        say(f"{asked.decided_by} approved it: {asked.alert} is safe on disk, leaving now.")
    return follow(face.app, asked.alert, json=json, title=title, more=more)


def ask_for_drill(face: Face, drill: Drill, plan: Plan, why: tuple[str, ...], *, json: bool) -> int:
    """Ask for the approval of a drill that is run by hand; return the exit code.

    Raises:
        AlertingError: it was refused; nothing is on record.
    """
    from alerting.cli.acting import act
    from alerting.keys import new_run_key

    told = {
        "request": {"template": drill.template, "drill": drill.name},
        "as_of": plan.as_of.isoformat(),
        "digest": plan.digest,
        "run_key": new_run_key(),
        "title": f"Drill: {drill.title}",
        "place": drill.name,
        "why": list(why),
    }
    face.view.let_go()
    done = act(face, "ask", told)
    name, until = str(done["approval"]), datetime.fromisoformat(done["expires_at"])
    if json:
        emit("asked", approval=name, expires_at=until.isoformat(), why=list(why))
    else:
        clock = local_time(face.view, until)
        say(f"NOTHING IS SENT YET. Asked a second person, until {clock}: alert approve {name}")
        for words in why:
            say(f"  because {words}")
    return Exit.ASKED


def _told(order: Order, plan: Plan) -> dict[str, Any]:
    kept = {name: part for name, part in order.to_json().items() if name not in ("verb", "actor", "origin")}
    said = {"title": plan.subject.title, "place": plan.subject.confirm_word, "why": list(plan.second)}
    return {**kept, **said}


def _decided(app: App, name: str) -> Asked:
    """Wait until somebody has decided, or it is too late for that."""
    from alerting.authority.approvals import Standing, find

    while True:
        reader = app.own_reader()
        try:
            asked = find(reader, name)
        finally:
            if reader:
                reader.close()
        if asked.standing(app.clock.now() - _LAST_MOMENT) is not Standing.OPEN:
            return asked
        time.sleep(_LOOK_S)


def local_time(app: App, at: datetime) -> str:
    """Return a time of day on the campus's clock."""
    return at.astimezone(ZoneInfo(app.config.campus.time_zone)).strftime("%H:%M:%S")
