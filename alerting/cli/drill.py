"""``alert drill``: what comes next, what it would say, running it, and what it proved."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from alerting.cli.drill_record import history, note_, report
from alerting.cli.face import Face, emit, heard_or_not, interactive, note, say
from alerting.cli.family import family
from alerting.cli.keyboard import asked
from alerting.cli.options import Json
from alerting.cli.unplugged import config_of
from alerting.cli.words import columns, plural, span
from alerting.errors import NotConfirmed, Problem, UsageProblem

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.broadcast.plan import Plan
    from alerting.drills.drill import Drill, Programme
    from alerting.drills.schedule import Occurrence

_DAYS: Final = 60
_STALE_S: Final = 120

Name = Annotated[str, typer.Argument(help="Drill, for example `monthly-test`.")]


def programme_of(face: Face) -> Programme:
    """Read drills.yaml; no credentials are needed.

    Raises:
        ConfigProblem: it, or channels.yaml, cannot be used.
    """
    from alerting.config.drills import load_drills

    return load_drills(config_of(face))


def list_(
    ctx: typer.Context,
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="How far to look ahead.")] = _DAYS,
    begin: Annotated[str, typer.Option("--from", help="First day or time instead of now.")] = "",
    end: Annotated[str, typer.Option("--to", help="Day or time to stop before.")] = "",
    ics: Annotated[bool, typer.Option("--ics", help="Print an iCalendar file.")] = False,
    json: Json = False,
) -> None:
    """List what comes next, in the campus's time."""
    from alerting.clock import SystemClock
    from alerting.drills.due import clash, overlaps
    from alerting.drills.flaws import flaws
    from alerting.drills.schedule import occurrences
    from alerting.rendering.store import TemplateStore

    programme = programme_of(ctx.obj)
    now = SystemClock().now()
    start = _instant(begin, programme, "--from") if begin else now
    stop = _instant(end, programme, "--to") if end else start + timedelta(days=days)
    coming = [o for drill in programme.drills.values() for o in occurrences(drill, start, stop)]
    coming.sort(key=lambda o: (o.due_at, o.drill))
    if ics:
        from alerting.drills.calendar import calendar

        sys.stdout.write(calendar(programme, coming, made_at=now))
        return
    clashes = [clash(pair) for pair in overlaps(programme, start, stop)]
    clashes += flaws(programme, TemplateStore(config_of(ctx.obj).templates), now=now)
    if json:
        told = [_as_json(programme.drills[o.drill], o) for o in coming]
        emit("drills", occurrences=told, warnings=clashes, drills=sorted(programme.drills))
        return
    for line in _listing(programme, coming):
        say(line)
    for words in clashes:
        note(f"! {words}")


def _instant(text: str, programme: Programme, option: str) -> datetime:
    from zoneinfo import ZoneInfo

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        what = f'"{text[:30]}" is no date or time'
        raise UsageProblem(Problem(where=option, what=what, fix="write it like 2026-09-02")) from None
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(programme.zone))


def _listing(programme: Programme, coming: list[Occurrence]) -> list[str]:
    if not programme.drills:
        return ["There are no drills: write drills.yaml next to channels.yaml."]
    if not coming:
        return ["Nothing is planned in this time."]
    rows: list[tuple[str, ...]] = [("when", "drill", "what", "audience", "")]
    return columns(rows + [_row(programme.drills[o.drill], o) for o in coming])


def _row(drill: Drill, occurrence: Occurrence) -> tuple[str, ...]:
    schedule = drill.schedule
    assert schedule
    when = f"{occurrence.planned_local:%a %Y-%m-%d %H:%M}"
    notes = [
        "announced" if drill.announced else "unannounced",
        "rehearsal, nothing leaves" if drill.rehearsal else "",
        f"up to {span(schedule.jitter)} later" if schedule.jitter else "",
        {"gap": "clocks skip it: first minute after", "fold": "clocks show it twice: once"}.get(
            occurrence.edge, ""
        ),
    ]
    return (when, drill.name, drill.title, drill.audience or "-", "; ".join(n for n in notes if n))


def _as_json(drill: Drill, occurrence: Occurrence) -> dict[str, Any]:
    return {
        "drill": drill.name,
        "title": drill.title,
        "planned_local": occurrence.key,
        "zone": drill.schedule.zone if drill.schedule else None,
        "due_at": occurrence.due_at.isoformat(),
        "ends_at": occurrence.ends_at.isoformat(),
        "edge": str(occurrence.edge) or None,
        "announced": drill.announced,
        "rehearsal": drill.rehearsal,
    }


def plan_(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """Show every text of a drill as it would be sent, and to how many. Nothing is opened."""
    from alerting.cli.drill_app import drill_app

    face: Face = ctx.obj
    programme = programme_of(face)
    drill = programme.drill(name)
    found = _planned(drill_app(face, drill, plugged=False), programme, drill)
    if json:
        from alerting.cli.preview import as_json

        emit("drill-plan", drill=drill.name, rehearsal=drill.rehearsal, word=drill.word, **as_json(found))
        return
    _show(drill, found)


def _planned(app: App, programme: Programme, drill: Drill) -> Plan:
    """Return a drill's plan; it says first which other drill runs now, or is planned for the same time."""
    from alerting.drills.due import meets
    from alerting.drills.force import beside_another
    from alerting.scheduler import planned

    plan, now = planned(app, programme, drill), app.clock.now()
    told = [*beside_another(app.reader(), at=now), *meets(programme, drill, now=now)]
    return plan._replace(warnings=(*told, *plan.warnings))


def _show(drill: Drill, plan: Plan) -> None:
    from alerting.cli.dispatch import show

    show(plan, json=False)
    with heard_or_not():
        for line in _walls(drill, plan):
            say(line)


def _walls(drill: Drill, plan: Plan) -> list[str]:
    """Return what keeps this drill from being taken for real, and what it would take."""
    longest = max((lane.takes.total_seconds() for lane in plan.lanes), default=0.0)
    if drill.rehearsal:
        about = f"about {span(longest)} at the providers' rates"
        return [f"REHEARSAL: stand-ins take every message, nothing leaves this machine; {about}."]
    audience = f"audience {drill.audience} is on the allow list; " if drill.audience else ""
    walls = f"id D-…; status {plan.subject.status}; every text begins and ends with the word; {audience}"
    return [f"Walls: {walls}credentials of drills only.", f"About {span(longest)}."]


def run(
    ctx: typer.Context,
    name: Name,
    confirm: Annotated[
        str, typer.Option("--confirm", help="What the prompt would ask for: DRILL and the drill's name.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Watch until it is settled.")] = True,
    json: Json = False,
) -> None:
    """Run a drill now: show it, have its name typed, send, watch, and judge."""
    from alerting.cli.drill_app import drill_app
    from alerting.cli.drill_run import Going, go
    from alerting.gate import check

    face: Face = ctx.obj
    programme = programme_of(face)
    drill = programme.drill(name)
    app = drill_app(face, drill)
    check(app.config, "drill.start", app.token)
    started_at = app.clock.now()
    try:
        plan = _confirmed(app, programme, drill, confirm, json=json)
    except KeyboardInterrupt:
        raise NotConfirmed("left; nothing was sent") from None
    plan = plan._replace(clock={"started": started_at.isoformat(), **plan.clock})
    going = Going(face=face, app=app, programme=programme, drill=drill)
    raise typer.Exit(go(going, plan, asked=not confirm, wait=wait, json=json))


def _confirmed(app: App, programme: Programme, drill: Drill, given: str, *, json: bool) -> Plan:
    """Show the drill and have its word typed; once more when the preview grew old meanwhile.

    The plan has the instants at which it was shown and the word was typed.
    """
    while True:
        plan = _planned(app, programme, drill)
        if not json:
            _show(drill, plan)
        shown_at = app.clock.now()
        _confirm(drill, plan, given)
        decided_at = app.clock.now()
        if (decided_at - plan.as_of).total_seconds() <= _STALE_S:
            clock = {"previewed": shown_at.isoformat(), "decided": decided_at.isoformat()}
            return plan._replace(clock=clock)
        note("The preview was older than two minutes, so its time changed. Look again.")


def confirm_drill(drill: Drill, plan: Plan, given: str, *, json: bool) -> None:
    """Show a drill that was planned, and have its word typed.

    Raises:
        NotConfirmed: it was not; nothing was opened.
    """
    if not json:
        _show(drill, plan)
    _confirm(drill, plan, given)


def _confirm(drill: Drill, plan: Plan, given: str) -> None:
    """Have the drill's word typed; it is another than any real alert asks for.

    Raises:
        NotConfirmed: it was not; nothing was opened.
    """
    if not given and not interactive():
        what = "nobody is at the terminal to confirm; nothing was sent"
        raise NotConfirmed(Problem(where="", what=what, fix=f'--confirm "{drill.word}"'))
    if not given:
        where = (
            "to stand-ins on this machine" if drill.rehearsal else f"to {drill.audience or 'public feeds'}"
        )
        given = asked(
            f"~~~ practice ~~~ {plural(plan.deliveries, 'practice message')} {where}.\n"
            f"~~~ practice ~~~ To start it write: {drill.word}\n> "
        )
    if " ".join(given.split()) != drill.word:
        what = f"{given.strip()[:60]!r} is not {drill.word!r}; nothing was sent"
        raise NotConfirmed(Problem(where=drill.name, what=what, fix=f'write "{drill.word}"'))


def due(
    ctx: typer.Context,
    rehearsals: Annotated[bool, typer.Option("--rehearsals", help="Only rehearsals.")] = False,
    json: Json = False,
) -> None:
    """Start what is due now, record what was missed, send, and end: for a timer, once a minute."""
    from alerting.cli.drill_run import fire_due

    face: Face = ctx.obj
    raise typer.Exit(fire_due(face, programme_of(face), only_rehearsals=rehearsals, json=json))


def _first(ctx: typer.Context) -> None:
    list_(ctx)


def commands(name: str) -> typer.Typer:
    """Return the commands of this room."""
    members: dict[str, Any] = {
        "list": list_,
        "plan": plan_,
        "run": run,
        "due": due,
        "report": report,
        "history": history,
        "note": note_,
    }
    return family(name, "Plan, run and judge drills.", members, first=_first)
