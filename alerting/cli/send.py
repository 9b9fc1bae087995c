"""``alert send`` and ``alert preview``."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from alerting.cli import complete
from alerting.cli.confirm import BreakGlass, OneMore
from alerting.cli.decision import Confirmed, Reported, clock_of
from alerting.cli.face import Face, note, say
from alerting.cli.group import single
from alerting.errors import LedgerBusy, LedgerInDoubt, LedgerUnavailable, Problem, UsageProblem

#: What a person must know before an alert leaves beside the shared ledger.
_LOCAL: Final = (
    "LOCAL: this alert is kept on this host alone, in {where}. No other host knows of it: if one of them"
    " sends it too, SOME PEOPLE GET IT TWICE. Look at it with `alert --local status`; when the server is"
    " back, `alert ledger merge` takes it into the shared record."
)
_WAY_OUT: Final = Problem(
    where="",
    what="to send it all the same, from this host alone: repeat the command with --local",
    fix="some people may get it twice if another host sends it too",
)

Template = Annotated[
    str, typer.Argument(help="Template, for example `gas-leak`.", autocompletion=complete.templates)
]
Values = Annotated[
    list[str] | None,
    typer.Option("-v", "--value", help="name=value for the template.", autocompletion=complete.variables),
]
To = Annotated[str | None, typer.Option("--to", help="Audience.", autocompletion=complete.audiences)]
Channels = Annotated[
    str | None, typer.Option("--channels", help="Channels, comma between.", autocompletion=complete.channels)
]
Incident = Annotated[
    str, typer.Option("--incident", help="Incident this belongs to.", autocompletion=complete.alerts)
]
Evidence = Annotated[
    str, typer.Option("--evidence", help="unconfirmed, confirmed, partly-withdrawn or unfounded.")
]
Next = Annotated[int, typer.Option("--next", min=1, max=1440, help="Minutes until people hear again.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object for scripts.")]


def preview(
    ctx: typer.Context,
    template: Template,
    value: Values = None,
    to: To = None,
    channels: Channels = None,
    incident: Incident = "",
    evidence: Evidence = "",
    next_minutes: Next = 15,
    json: Json = False,
) -> None:
    """Show what `alert send` would send, and to how many. Nothing is opened."""
    face: Face = ctx.obj
    from alerting.cli import ready
    from alerting.cli.dispatch import plan_of, show

    request = request_of(
        template, value, to, channels, incident, evidence=evidence, next_minutes=next_minutes
    )
    plan = plan_of(face, request)
    waiting = ready.before(face.app, plan, face.actor)
    show(plan, json=json, follow_ups=ready.as_json(waiting))
    if not json:
        for line in ready.lines(waiting, "ID"):
            say(line)


def send(
    ctx: typer.Context,
    template: Template,
    value: Values = None,
    to: To = None,
    channels: Channels = None,
    incident: Incident = "",
    evidence: Evidence = "",
    next_minutes: Next = 15,
    reported: Reported = "",
    confirmed: Confirmed = "",
    confirm: Annotated[
        str, typer.Option("--confirm", help="The word the prompt would ask for (scripts).")
    ] = "",
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Watch until it is settled, or leave at once.")
    ] = True,
    run_key: Annotated[
        str, typer.Option("--run-key", help="A repeat with the same key sends nothing twice.")
    ] = "",
    break_glass: BreakGlass = "",
    one_more: OneMore = False,
    json: Json = False,
) -> None:
    """Send an alert: show every text as it will be sent, ask for the place, then send and watch."""
    from alerting.cli.dispatch import dispatch

    face: Face = ctx.obj
    clock = clock_of(face, reported=reported, confirmed=confirmed)
    request = request_of(
        template, value, to, channels, incident, evidence=evidence, next_minutes=next_minutes, clock=clock
    )
    if face.local:
        note(_LOCAL.format(where=face.app.where))
    try:
        code = dispatch(
            face,
            request,
            confirm=confirm,
            wait=wait,
            run_key=run_key,
            break_glass=break_glass,
            one_more=one_more,
            json=json,
            title="send",
        )
    except (LedgerBusy, LedgerInDoubt):
        raise
    except LedgerUnavailable as lost:
        if face.view.shared is None:
            raise
        raise type(lost)(*lost.problems, _WAY_OUT) from None
    raise typer.Exit(code)


def request_of(
    template: str,
    value: list[str] | None,
    to: str | None,
    channels: str | None,
    incident: str,
    **wanted: Any,
) -> Any:
    """Return what was asked for, of the words of a command line.

    Raises:
        UsageProblem: values that are none; all at once.
    """
    from alerting.keys import normal_id
    from alerting.service.planning import Request

    return Request(
        template=template,
        values=values_of(value or []),
        audience=_one("--to", to, "audience"),
        channels=_several("--channels", channels, "channel"),
        incident=normal_id(incident) if incident else "",
        **wanted,
    )


def _several(option: str, told: str | None, what: str) -> tuple[str, ...]:
    """Return the names of an option, none where it was left out.

    Raises:
        UsageProblem: it is there and names none. A script whose variables are empty must not reach more
            people than it was written for.
    """
    names = tuple(word for part in (told or "").split(",") if (word := part.strip()))
    if told is not None and not names:
        fix = "name one, or leave the option out"
        raise UsageProblem(Problem(where=option, what=f"{told!r} names no {what}", fix=fix))
    return names


def _one(option: str, told: str | None, what: str) -> str:
    _several(option, told, what)
    return told or ""


def values_of(pairs: list[str]) -> dict[str, str]:
    """Read name=value pairs; all that are wrong are told at once."""
    values: dict[str, str] = {}
    problems = []
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            problems.append(
                Problem(where="-v", what=f"{pair!r} has no name", fix='write -v place="Baker Hall"')
            )
        elif name in values:
            problems.append(Problem(where=f"-v {name}", what="given twice", fix="give it once"))
        values[name] = text.strip()
    if problems:
        raise UsageProblem(*problems)
    return values


def commands(name: str) -> typer.Typer:
    """Return one of this room's commands."""
    return single(name, {"send": send, "preview": preview}[name])
