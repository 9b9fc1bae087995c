"""A drill made ready: the real path, behind walls.

A drill is planned in a house of its own: only channels that carry drills, only audiences on the allow
list, and every template turned into an exercise before it is read. The plan is looked over once more
before it may be opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from alerting.audience.roster import Roster
from alerting.broadcast.plan import LanePlan, Plan
from alerting.clock import micros
from alerting.drills.drill import Drill, Programme
from alerting.drills.flaws import lacking
from alerting.drills.force import PRACTICE, in_force
from alerting.drills.schedule import Occurrence
from alerting.errors import NotAllowed, PlanRefused, Problem, UsageProblem
from alerting.ledger.base import DrillLedger
from alerting.ledger.rows import Actor, OccurrenceRow
from alerting.model.alert import Status
from alerting.rendering.core import WALL
from alerting.rendering.store import TemplateStore
from alerting.rendering.template import Template
from alerting.service.house import House, Wired
from alerting.service.opening import Opened, open_alert
from alerting.service.planning import Past, Request, make_plan

#: What is kept of a run that somebody started, instead of the schedule.
BY_HAND: Final = "by hand"


class Taken(Exception):
    """Another scheduler has this planned time; nothing of ours was kept."""


class Exercises(TemplateStore):
    """Templates as drills see them: never a real alert, whatever their file says."""

    def __init__(self, inner: TemplateStore) -> None:
        self._inner = inner

    def names(self) -> tuple[str, ...]:
        """Return every template's name, in order."""
        return self._inner.names()

    def find(self, name: str) -> Template:
        """Return one template, as an exercise; a test stays a test.

        Raises:
            TemplateProblem: there is none of that name, or its file has mistakes.
        """
        template = self._inner.find(name)
        status = Status.TEST if template.status is Status.TEST else Status.EXERCISE
        return template._replace(status=status, drill=True)


def exercise_house(house: House, programme: Programme, drill: Drill) -> House:
    """Return the campus as a drill may see it; nothing else is within its reach.

    Public feeds are used only where the drill names them. A rehearsal sees everything: it runs in a
    house whose providers are stand-ins.
    """
    carrying = {name: wired for name, wired in house.channels.items() if wired.carries(live=False)}
    channels = {name: _within(wired, carrying) for name, wired in carrying.items()}
    usual = house.default_channels or tuple(house.channels)
    allowed = house.audiences if drill.rehearsal else _allowed(house, programme)
    return house._replace(
        channels=channels,
        templates=Exercises(house.templates),
        audiences=allowed,
        default_channels=tuple(n for n in usual if n in channels and _by_default(channels[n], drill)),
        default_audience="",
    )


def _within(wired: Wired, carrying: Mapping[str, Wired]) -> Wired:
    return wired if not wired.fallback or wired.fallback in carrying else wired._replace(fallback="")


def _by_default(wired: Wired, drill: Drill) -> bool:
    return drill.rehearsal or not wired.channel.capabilities.feeds


def _allowed(house: House, programme: Programme) -> dict[str, Callable[[], Roster]]:
    return {name: roster for name, roster in house.audiences.items() if name in programme.audiences}


def plan_exercise(house: House, programme: Programme, drill: Drill, *, as_of: datetime, past: Past) -> Plan:
    """Render, fit and count a drill; ``house`` is the campus's own.

    Raises:
        UsageProblem: a channel or an audience no drill may use.
        TemplateProblem, PlanRefused, AudienceProblem: as for any alert.
    """
    inside = exercise_house(house, programme, drill)
    _refuse_outside(house, inside, drill)
    _refuse_unfilled(inside, drill)
    request = Request(
        template=drill.template,
        values=drill.values,
        audience=drill.audience,
        channels=drill.channels or inside.default_channels,
    )
    plan = make_plan(inside, request, as_of=as_of, past=past)
    refuse_unwalled(plan)
    missing = _missing_canaries(inside, drill, plan)
    return plan._replace(warnings=(*plan.warnings, *missing)) if missing else plan


def _refuse_unfilled(house: House, drill: Drill) -> None:
    template = house.templates.find(drill.template)
    if names := lacking(template, drill):
        needed = ", ".join(f'{name}: "..."' for name in names)
        what, fix = f"{template.name} needs {', '.join(names)}", f"write values: {{{needed}}}"
        raise UsageProblem(Problem(where=f"drills.yaml: {drill.name}", what=what, fix=fix))


def _refuse_outside(house: House, inside: House, drill: Drill) -> None:
    where = f"drills.yaml: {drill.name}"
    problems = [
        Problem(
            where=where, what=f"{name} carries real alerts only", fix="name a channel with mode drill or both"
        )
        for name in drill.channels
        if name in house.channels and name not in inside.channels
    ]
    if drill.audience in house.audiences and drill.audience not in inside.audiences:
        fix = "add it to allowed_audiences, or choose another"
        what = f"no drill may reach the audience {drill.audience}"
        problems.append(Problem(where=where, what=what, fix=fix))
    if not drill.channels and not inside.default_channels:
        fix = "name channels; public feeds are never used unless they are named"
        problems.append(Problem(where=where, what="no channel is left for this drill", fix=fix))
    if problems:
        raise UsageProblem(*problems)


def refuse_unwalled(plan: Plan) -> None:
    """Look a drill's plan over before it may be opened.

    Raises:
        PlanRefused: it would be a real alert, or a text does not begin and end with the drill's word.
    """
    subject = plan.subject
    if subject.status not in PRACTICE:
        raise PlanRefused(Problem(where=subject.template, what="this plan is no drill; nothing was opened"))
    word = WALL[subject.status]
    bare = [lane.channel for lane in plan.lanes if not _walled(lane, word)]
    if bare:
        what = f"{', '.join(bare)}: the text does not begin and end with {word}; nothing was opened"
        raise PlanRefused(
            Problem(where=subject.template, what=what, fix="tell whoever maintains the program")
        )


def _walled(lane: LanePlan, word: str) -> bool:
    content = lane.content
    begun, text = content.text.strip().startswith(word), content.text.strip().removeprefix(word)
    ended = bool(text) and word in text.splitlines()[-1]
    subject = content.subject.removeprefix(word)
    named = not content.subject or (subject != content.subject and subject.endswith(word))
    return begun and ended and named and (not content.html or content.html.count(word) > 1)


def _missing_canaries(house: House, drill: Drill, plan: Plan) -> list[str]:
    if not drill.canaries or not plan.crowd.recipients:
        return []
    roster = house.roster(plan.crowd.audience)
    wanted = {str(canary): canary for canary in drill.canaries}
    for kind in {canary.kind for canary in drill.canaries}:
        for entry in roster.entries(kind, among=wanted):
            wanted.pop(entry.address, None)
    return [
        f"the canary {a.masked} is not in {plan.crowd.audience}: it will count as not reached"
        for a in wanted.values()
    ]


def open_exercise(
    ledger: DrillLedger,
    house: House,
    plan: Plan,
    *,
    drill: Drill,
    occurrence: Occurrence,
    actor: Actor,
    at: datetime,
    facts: Mapping[str, object],
    detail: str = "",
) -> Opened:
    """Take the planned time and open the alert, inside the caller's transaction: both or neither.

    ``house`` is the one ``exercise_house`` gave.

    Raises:
        Taken: the planned time is another's, or its window has closed since it was looked at.
        NotAllowed: a real alert is in force.
        PlanRefused: the plan is no drill.
    """
    refuse_unwalled(plan)
    if detail != BY_HAND and at > occurrence.ends_at:
        raise Taken
    if real := in_force(ledger, at):
        raise NotAllowed(
            Problem(
                where=drill.name,
                what=f"a real alert is in force ({real.alert.id}, {real.alert.title}); no drill starts now",
                fix="wait for its all clear, or for its end",
            )
        )
    opened = open_alert(
        ledger, house, plan, actor=actor, run_key=f"drill:{drill.name}:{occurrence.key}", at=at
    )
    row = OccurrenceRow(
        drill=drill.name,
        planned_local=occurrence.key,
        due_at=micros(occurrence.due_at),
        at=micros(at),
        alert=opened.alert_id,
        detail=detail,
        facts=facts,
    )
    if opened.again or not ledger.take_occurrence(row):
        raise Taken
    return opened
