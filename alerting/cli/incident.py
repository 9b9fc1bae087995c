"""``alert update``, ``all-clear``, ``correct``, ``recall`` and ``close``: the life of an incident."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from alerting.cli import complete
from alerting.cli.decision import clock_of
from alerting.cli.face import Face, emit, note, say
from alerting.cli.group import single
from alerting.cli.options import (
    BreakGlass,
    Confirm,
    Confirmed,
    Evidence,
    Json,
    Next,
    OneMore,
    Reported,
    RunKey,
    Wait,
)
from alerting.cli.sending import values_of
from alerting.errors import Exit, Problem, UsageProblem
from alerting.keys import normal_id

if TYPE_CHECKING:
    from alerting.broadcast.report import Report

Id = Annotated[
    str,
    typer.Argument(
        help="Incident, or any alert of it; without it you hear which are open.",
        autocompletion=complete.alerts,
        show_default=False,
    ),
]
Values = Annotated[
    list[str] | None,
    typer.Option("-v", "--value", help="name=value; what the first alert said is known."),
]
Template = Annotated[
    str, typer.Option("--template", help="Another template.", autocompletion=complete.templates)
]
Joined = Annotated[bool, typer.Option("--joined", help="Also to people who are on the list only since.")]
#: What each follow-up is for, as its help says it.
_TOLD: Final = {
    "update": "Tell the same people, on the same channels, what is new; unsent older copies are dropped.",
    "all-clear": "Tell the same people that the danger is over, and close the incident.",
    "correct": "Tell the same people that the report was false (or `--template correction`: what is right).",
}


def _following(verb: str, told: str) -> Callable[..., None]:
    """Return the command that sends one kind of follow-up; all of them take the same words."""

    def command(
        ctx: typer.Context,
        incident: Id = "",
        value: Values = None,
        template: Template = "",
        joined: Joined = False,
        evidence: Evidence = "",
        next_minutes: Next = 15,
        reported: Reported = "",
        confirmed: Confirmed = "",
        confirm: Confirm = "",
        wait: Wait = True,
        run_key: RunKey = "",
        break_glass: BreakGlass = "",
        one_more: OneMore = False,
        json: Json = False,
    ) -> None:
        from alerting.cli.dispatch import dispatch

        face: Face = ctx.obj
        wanted = {"joined": joined, "evidence": evidence, "next_minutes": next_minutes}
        clock = clock_of(face, reported=reported, confirmed=confirmed)
        request = _request(face, verb, incident, value, template, clock=clock, **wanted)
        code = dispatch(
            face,
            request,
            confirm=confirm,
            wait=wait,
            run_key=run_key,
            break_glass=break_glass,
            one_more=one_more,
            json=json,
            title=verb,
        )
        raise typer.Exit(code)

    command.__doc__ = told
    return command


def _request(
    face: Face,
    verb: str,
    incident: str,
    value: list[str] | None,
    template: str,
    *,
    clock: Mapping[str, str],
    **wanted: Any,
) -> Any:
    from alerting.service.incident import VERBS, follow_up

    told = _story(face, incident)
    follow = next(follow for follow, name in VERBS.items() if name == verb)
    values = values_of(value or [])
    request = follow_up(face.app.house(), told, follow, template=template, values=values, **wanted)
    return request._replace(clock=clock)


def _story(face: Face, incident: str) -> Any:
    from alerting.errors import UnknownAlert
    from alerting.service.incident import story

    ledger = face.app.reader()
    if not incident:
        raise UsageProblem(_which(ledger))
    if ledger is None:
        raise UnknownAlert(f"there is no incident {normal_id(incident)}: nothing was sent from here yet")
    return story(ledger, normal_id(incident))


def _which(ledger: Any) -> Problem:
    """Say which incidents there are to choose from; none is ever taken by guessing."""
    from alerting.service.incident import open_stories

    stories = open_stories(ledger) if ledger else ()
    named = [f"{told.id} ({told.first.title}, {told.known.get('place', 'no place')})" for told in stories]
    fix = f"write one of: {', '.join(named)}" if named else "none is open: `alert send` begins one"
    return Problem(where="incident", what="which one is not said; nothing was sent", fix=fix)


def recall(
    ctx: typer.Context,
    incident: Id = "",
    value: Values = None,
    template: Template = "",
    delete_posts: Annotated[
        bool, typer.Option("--delete-posts", help="Delete the wrong posts too, after the correction is out.")
    ] = False,
    reported: Reported = "",
    confirmed: Confirmed = "",
    confirm: Confirm = "",
    wait: Wait = True,
    run_key: RunKey = "",
    break_glass: BreakGlass = "",
    json: Json = False,
) -> None:
    """Undo a wrong alert: stop what has not left, cancel what providers queue, tell those it reached."""
    from alerting.cli import undone
    from alerting.cli.dispatch import dispatch

    face: Face = ctx.obj
    decided_at = face.app.clock.now()
    clock = clock_of(face, reported=reported, confirmed=confirmed)
    told = _story(face, incident)
    request = _request(face, "recall", incident, value, template, clock=clock, delete_posts=delete_posts)

    def more(last: Report | None) -> Mapping[str, Any]:
        settled = last is not None and last.exit is not Exit.RUNNING
        return undone.as_json(face, told.id, decided_at=decided_at, wait=settled)

    code = dispatch(
        face,
        request,
        confirm=confirm,
        wait=wait,
        run_key=run_key,
        break_glass=break_glass,
        json=json,
        title="recall",
        more=more,
    )
    if code != Exit.ASKED and not json:
        undone.tell(face, told.id, decided_at=decided_at, wait=wait and code != Exit.RUNNING)
    raise typer.Exit(code)


def close(
    ctx: typer.Context,
    incident: Id,
    reason: Annotated[str, typer.Option("--reason", help="Why no all clear is needed.")],
    json: Json = False,
) -> None:
    """Close an incident without an all clear, for a written reason."""
    from alerting.cli.acting import act

    face: Face = ctx.obj
    told = _story(face, incident)
    act(face, "close", {"incident": told.id, "reason": reason})
    if json:
        emit("closed", incident=told.id)
    else:
        say(f"{told.id} is closed: {' '.join(reason.split())}")
        note("Nobody was told. If people still wait, send an all clear to them.")


def commands(name: str) -> typer.Typer:
    """Return one of this room's commands."""
    if name in _TOLD:
        return single(name, _following(name, _TOLD[name]))
    return single(name, {"recall": recall, "close": close}[name])
