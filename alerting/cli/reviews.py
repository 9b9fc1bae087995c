"""``alert review``: somebody looks afterwards at what went without its second person. It sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from alerting.cli import complete
from alerting.cli.face import Face, emit, interactive, say
from alerting.cli.group import single
from alerting.cli.keyboard import asked
from alerting.cli.options import Json
from alerting.cli.words import clean, columns
from alerting.errors import NotConfirmed, Problem
from alerting.keys import normal_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from alerting.app import App
    from alerting.authority.aftermath import Owed


def review(
    ctx: typer.Context,
    alert: Annotated[
        str, typer.Argument(help="Alert; lists what is open without.", autocompletion=complete.reviews)
    ] = "",
    finding: Annotated[
        str, typer.Option("--finding", help="What you found, as the prompt would ask (scripts).")
    ] = "",
    json: Json = False,
) -> None:
    """Review an alert that one person sent by breaking the glass, and put on record what you found."""
    face: Face = ctx.obj
    if not alert:
        _open(face, json=json)
        return
    from alerting.authority.aftermath import find, finding_of, refuse_own_review
    from alerting.cli.acting import act
    from alerting.gate import admit

    one = find(face.view.reader(), normal_id(alert))
    refuse_own_review(one, admit(face.view.config, {"verb": "review", "token": face.token})["by"])
    words = finding_of(finding or _asked(face, one, json=json))
    face.view.let_go()
    done = act(face, "review", {"alert": one.alert, "finding": words})
    if json:
        emit("reviewed", alert=one.alert, finding=words, late=done["late"])
    else:
        say(f"{one.alert} is reviewed{' (late)' if done['late'] else ''}. It stands in `alert report`.")


def _asked(face: Face, one: Owed, *, json: bool) -> str:
    if not interactive() or json:
        what = "nobody is at the terminal to say what was found; nothing was recorded"
        raise NotConfirmed(Problem(where="", what=what, fix='--finding "WORDS"'))
    for line in lines(face.view, [one]):
        say(line)
    return asked("Was it right to send this alone, and what is to change? Write one line: ")


def _open(face: Face, *, json: bool) -> None:
    if json:
        emit("reviews", reviews=as_json(face.view))
        return
    for line in told(face.view) or ["Nothing waits for a review."]:
        say(line)


def lines(app: App, found: Sequence[Owed]) -> list[str]:
    """Return a line for each review that is owed: who sent it alone, why, and by when somebody looks."""
    from zoneinfo import ZoneInfo

    zone, now = ZoneInfo(app.config.campus.time_zone), app.clock.now()
    rows = []
    for one in found:
        word = "OVERDUE since" if one.overdue(now) else "by"
        due = f"{word} {one.due_at.astimezone(zone):%a %H:%M}"
        rows.append(
            (f"review {one.alert}", due, clean(f"{one.by} sent it alone: {one.reason}"), _command(one))
        )
    return columns(rows)


def _command(one: Owed) -> str:
    return f"-> alert review {one.alert}"


def told(app: App, only: str = "") -> list[str]:
    """Return the lines of what is open, of one alert or of all; for screens that show how things stand."""
    from alerting.authority.aftermath import still_owed

    return lines(app, [one for one in still_owed(app.reader()) if only in ("", one.alert)])


def as_json(app: App) -> list[dict[str, Any]]:
    """Return what is open for scripts, oldest first."""
    from alerting.authority.aftermath import still_owed

    now = app.clock.now()
    return [_as_json(one, now) for one in still_owed(app.reader())]


def _as_json(one: Owed, now: datetime) -> dict[str, Any]:
    return {
        "alert": one.alert,
        "by": one.by,
        "reason": one.reason,
        "due_at": one.due_at.isoformat(),
        "overdue": one.overdue(now),
    }


def commands(name: str) -> typer.Typer:
    """Return the command of this room."""
    return single(name, review)
