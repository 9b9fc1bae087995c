"""``alert report``: one page about one alert. ``alert note``: what only people know about it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alerting.cli import complete
from alerting.cli.face import JSON_VERSION, Face, emit, note, say
from alerting.cli.group import single
from alerting.cli.options import Json
from alerting.errors import Problem, UnknownAlert
from alerting.keys import normal_id

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerReader
    from alerting.ledger.rows import AlertRecord
    from alerting.publishing.page import Campus
    from alerting.publishing.sheet import Sheet

Id = Annotated[str, typer.Argument(help="Alert, for example L-7K2QXD.", autocompletion=complete.alerts)]


class Format(StrEnum):
    """What the report is written as."""

    HTML = "html"  #: one file, to print, mail and keep
    JSON = "json"  #: one object, for scripts


def report(
    ctx: typer.Context,
    alert: Id,
    form: Annotated[Format, typer.Option("--format", help="html or json.")] = Format.HTML,
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file; ID.html without; - for stdout.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Write the report of an alert: times, reach, failures, texts, what the Clery Act asks, timeline."""
    from alerting.cli.outfile import written

    face: Face = ctx.obj
    ledger, record = found(face, normal_id(alert))
    sheet, campus = _sheet(face, ledger, record)
    form = Format.JSON if json else form
    text = _text(sheet, campus, form)
    if str(out) == "-" or (out is None and form is Format.JSON):
        typer.echo(text, nl=False)
        return
    path = out or Path(f"{record.alert.id}.html")
    written(path, [text], force=force)
    note(f"Wrote {path}")


def _text(sheet: Sheet, campus: Campus, form: Format) -> str:
    if form is Format.HTML:
        from alerting.publishing.page import page

        return page(sheet, campus)
    from json import dumps

    from alerting.publishing.listing import listing

    whole = {"v": JSON_VERSION, "kind": "report", **listing(sheet, campus)}
    return dumps(whole, ensure_ascii=False, indent=1) + "\n"


def found(face: Face, alert_id: str) -> tuple[LedgerReader, AlertRecord]:
    """Return an alert and the ledger it is in.

    Raises:
        UnknownAlert: there is none of that id.
    """
    ledger = face.view.reader()
    record = ledger.alert(alert_id) if ledger else None
    if ledger is None or record is None:
        what = f"there is no alert {alert_id}"
        raise UnknownAlert(Problem(where="", what=what, fix="`alert status` lists them"))
    return ledger, record


def _sheet(face: Face, ledger: LedgerReader, record: AlertRecord) -> tuple[Sheet, Campus]:
    from zoneinfo import ZoneInfo

    from alerting.audit.signer import SIGNING, Signer
    from alerting.publishing.page import Campus
    from alerting.publishing.sheet import gather

    app, config = face.view, face.view.config
    public = ""
    if (app.state / SIGNING).exists():
        public = Signer.of(app.state, app.keeper().origin)[0].verifier.text
    campus = Campus(
        name=config.campus.name,
        zone=ZoneInfo(config.campus.time_zone),
        written_at=app.clock.now(),
        written_by=face.actor.name,
        public_key=public,
    )
    return gather(ledger, record, at=app.clock.now()), campus


def note_(
    ctx: typer.Context,
    alert: Id,
    reported: Annotated[str, typer.Option(help="When it was reported: 02:03, or with a date.")] = "",
    confirmed: Annotated[str, typer.Option(help="When it was confirmed.")] = "",
    decided: Annotated[str, typer.Option(help="When it was decided to warn.")] = "",
    by: Annotated[str, typer.Option(help="Who confirmed it.")] = "",
    how: Annotated[str, typer.Option(help="How it was confirmed.")] = "",
    segment: Annotated[str, typer.Option(help="Why these people were told, and not others.")] = "",
    content: Annotated[str, typer.Option(help="Who decided the content, and how.")] = "",
    initiator: Annotated[str, typer.Option(help="Who started the notification, if not the sender.")] = "",
    withheld: Annotated[str, typer.Option(help="Why sending was withheld or delayed.")] = "",
    json: Json = False,
) -> None:
    """Note facts only people know; they go into the log, and from there into the report."""
    from zoneinfo import ZoneInfo

    from alerting.audit.acts import Act
    from alerting.publishing.facts import NOTED, TIMES, checked, facts

    face: Face = ctx.obj
    app = face.view
    ledger, record = found(face, normal_id(alert))
    given = {
        "reported": reported,
        "confirmed": confirmed,
        "decided": decided,
        "by": by,
        "how": how,
        "segment": segment,
        "content": content,
        "initiator": initiator,
        "withheld": withheld,
    }
    given = {name: text for name, text in given.items() if text}
    zone = ZoneInfo(app.config.campus.time_zone)
    told = checked(
        given, known=facts(ledger, record), near=record.accepted_at, now=app.clock.now(), zone=zone
    )
    app.let_go()
    seq, _ = app.record(Act(NOTED, record.alert.id, told), actor=face.actor)
    if json:
        emit("note", alert=record.alert.id, act=seq, noted=told)
        return
    for name, value in told.items():
        say(f"{name}: {_shown(value, zone) if name in TIMES else value}")
    note(f"Noted as act {seq} of the log.")


def _shown(value: str, zone: Any) -> str:
    from datetime import datetime

    return datetime.fromisoformat(value).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def commands(name: str) -> typer.Typer:
    """Return one of this room's commands."""
    return single(name, {"report": report, "note": note_}[name])
