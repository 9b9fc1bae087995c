"""``alert send`` and ``alert preview``."""

from __future__ import annotations

from typing import Annotated

import typer

from alerting.cli import complete, sending
from alerting.cli.face import Face, say
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

    request = sending.request_of(
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
    confirm: Confirm = "",
    wait: Wait = True,
    run_key: RunKey = "",
    break_glass: BreakGlass = "",
    one_more: OneMore = False,
    json: Json = False,
) -> None:
    """Send an alert: show every text as it will be sent, ask for the place, then send and watch."""
    code = sending.send(
        ctx.obj,
        template=template,
        value=value,
        to=to,
        channels=channels,
        incident=incident,
        evidence=evidence,
        next_minutes=next_minutes,
        reported=reported,
        confirmed=confirmed,
        confirm=confirm,
        wait=wait,
        run_key=run_key,
        break_glass=break_glass,
        one_more=one_more,
        json=json,
    )
    raise typer.Exit(code)


def commands(name: str) -> typer.Typer:
    """Return one of this room's commands."""
    return single(name, {"send": send, "preview": preview}[name])
