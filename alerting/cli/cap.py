"""``alert cap``: an alert for machines that read the Common Alerting Protocol, and the feed of all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alerting.cli import complete
from alerting.cli.face import Face, emit, note, say
from alerting.cli.group import single
from alerting.cli.options import Json
from alerting.errors import Problem, UsageProblem
from alerting.keys import normal_id


def cap(
    ctx: typer.Context,
    alert: Annotated[
        str, typer.Argument(help="Alert, for example L-7K2QXD.", autocompletion=complete.alerts)
    ] = "",
    out: Annotated[Path | None, typer.Option("--out", help="A new file; stdout without.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    feed: Annotated[bool, typer.Option("--feed", help="Write the Atom feed instead.")] = False,
    json: Json = False,
) -> None:
    """Write an alert as CAP 1.2, or the feed of the newest alerts."""
    face: Face = ctx.obj
    if feed:
        _feed(face, json=json)
        return
    if not alert:
        raise UsageProblem(Problem(where="", what="which alert?", fix="write its id, or --feed"))
    from alerting.cli.outfile import written
    from alerting.cli.report import found
    from alerting.publishing.feed import message

    ledger, record = found(face, normal_id(alert))
    text = message(face.view, ledger, record).decode()
    if json:
        emit("cap", alert=record.alert.id, cap=text)
        return
    if out is None or str(out) == "-":
        typer.echo(text, nl=False)
        return
    written(out, [text], force=force)
    note(f"Wrote {out}")


def _feed(face: Face, *, json: bool) -> None:
    from alerting.publishing.feed import publish

    ledger = face.view.reader()
    place = publish(face.view, ledger) if ledger else None
    if place is None:
        what = "there is nothing to publish yet" if ledger is None else "no place for a feed is set"
        fix = "" if ledger is None else "set publish.feed in channels.yaml"
        raise UsageProblem(Problem(where="publish.feed", what=what, fix=fix))
    if json:
        emit("cap.feed", feed=str(place))
    else:
        say(str(place))


def commands(name: str) -> typer.Typer:
    """Return the command of this room."""
    return single(name, cap)
