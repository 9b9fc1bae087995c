"""``alert worker``: send what others have opened, on any number of hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from alerting.cli.face import Face, emit, say
from alerting.cli.group import single
from alerting.cli.options import Json
from alerting.engine.base import Queued
from alerting.errors import Problem, UsageProblem

if TYPE_CHECKING:
    from alerting.app import App


def worker(
    ctx: typer.Context,
    channels: Annotated[
        str, typer.Option("--channels", help="Only these, with commas between; all without.")
    ] = "",
    json: Json = False,
) -> None:
    """Send what any host has opened in the shared ledger, until stopped; as many of these as you like."""
    from alerting.runner import Runner

    face: Face = ctx.obj
    app = face.everything
    if app.shared is None:
        raise UsageProblem(
            Problem(
                where=str(face.config),
                what="workers share a ledger, and this one is a file of this machine",
                fix="write ledger: {env: ALERT_LEDGER}, or use `alert serve`, which sends as well",
            )
        )
    names = _names(app, channels)
    _refuse_unfit(app, any_channel=not channels)
    if json:
        emit("worker", owner=app.owner, channels=sorted(names), ledger=app.where)
    else:
        say(f"Sending on {', '.join(sorted(names))} from {app.where}. Ctrl-C gives everything back.")
    runner = Runner(app=app, state=app.state, clock=app.clock, one_of_many=True, mine=names.__contains__)
    app.ready_state()
    runner.run(None, forever=True)
    if not json:
        say("Stopped. What was in hand is free for others.")


def _names(app: App, channels: str) -> set[str]:
    asked = [name.strip() for name in channels.split(",") if name.strip()]
    return {app.config.channel(name).name for name in asked} or {one.name for one in app.config.channels}


def _refuse_unfit(app: App, *, any_channel: bool) -> None:
    """Refuse to start where we cannot work: nothing can be written, the queue or an open alert is not for us.

    Raises:
        LedgerUnavailable: this is a standby, or the queue's tables or library are of another version.
        UsageProblem: there is such an alert.
    """
    ledger = app.own_reader()
    if ledger is None:
        return
    try:
        if isinstance(ledger, Queued):
            ledger.jobs.refuse_unfit()
        if not any_channel:
            return
        lacking = {(alert, name) for alert, name in ledger.unsettled() if not app.carries(name)}
    finally:
        ledger.close()
    if lacking:
        alert, name = min(lacking)
        raise UsageProblem(
            Problem(
                where="channels.yaml",
                what=f"{alert} is also for {name}, which this worker does not have",
                fix="give every worker the same channels.yaml, or name what this one sends with --channels",
            )
        )


def commands(name: str) -> typer.Typer:
    """Return the command of this room."""
    return single(name, worker)
