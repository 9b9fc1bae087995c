"""``alert send`` and ``alert preview``."""

from __future__ import annotations

from typing import Annotated

import typer

from alerting.cli import complete, sending
from alerting.cli.face import Face, say
from alerting.cli.group import single
from alerting.cli.options import BreakGlass, Confirmed, OneMore, Reported

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
