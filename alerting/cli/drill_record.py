"""``alert drill report``, ``history`` and ``note``: what a drill proved, and what people add to it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alerting.cli.face import Face, emit, note, say
from alerting.cli.options import Json
from alerting.cli.words import columns, span
from alerting.errors import Exit, Problem, UnknownAlert, UsageProblem
from alerting.keys import normal_id

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.drills.clery import Dossier
    from alerting.drills.drill import Drill
    from alerting.drills.history import Entry
    from alerting.drills.score import Scorecard
    from alerting.ledger.base import DrillReader


class Format(StrEnum):
    """How the record is written."""

    TEXT = "text"  #: for a terminal
    HTML = "html"  #: one page, for the file
    CSV = "csv"  #: for a spreadsheet


class NoteKind(StrEnum):
    """What a note is about."""

    FINDING = "finding"  #: what was observed
    PARTICIPANT = "participant"  #: who took part
    OBJECTIVE = "objective"  #: what it was to show
    ACTION = "action"  #: what is to be done


def apps(face: Face) -> Iterable[App]:
    """Yield the two programs with a ledger for drills: the real one, and the rehearsals'."""
    from alerting.cli.drill_app import DrillApp, RehearsalApp, no_place
    from alerting.clock import SystemClock

    for made in (RehearsalApp,) if face.sandbox else (DrillApp, RehearsalApp):
        yield made(
            face.config,
            clock=SystemClock(),
            state=face.state,
            place=no_place if made is RehearsalApp else None,
            plugged=False,
            readers=face.readers,
        )


def reader_of(app: App) -> DrillReader | None:
    """Return a reader of a program's drills, or None when nothing is on record there."""
    from alerting.ledger.base import DrillReader

    found = app.reader()
    assert found is None or isinstance(found, DrillReader)
    return found


def dossier_of(app: App, alert_id: str) -> Dossier:
    """Return everything the record of a drill is written from.

    Raises:
        UnknownAlert: there is no drill of that id here.
    """
    from zoneinfo import ZoneInfo

    from alerting.drills.clery import Dossier
    from alerting.drills.score import score

    ledger = reader_of(app)
    row = ledger.occurrence_of_alert(alert_id) if ledger else None
    record = ledger.alert(alert_id) if ledger else None
    if ledger is None or row is None or record is None:
        raise UnknownAlert(_unknown(alert_id))
    campus = app.config.campus
    return Dossier(
        card=score(ledger, row, record, at=app.clock.now()),
        notes=tuple(ledger.notes(alert_id)),
        campus=campus.name,
        zone=ZoneInfo(campus.time_zone),
    )


def _unknown(word: str) -> Problem:
    return Problem(
        where="", what=f"no drill {word} has run here", fix="`alert drill history NAME` lists them"
    )


def _found(face: Face, word: str) -> tuple[App, str]:
    """Return where a drill's run is on record, by its id or by the drill's name (the last run)."""
    alert_id = normal_id(word)
    for app in apps(face):
        ledger = reader_of(app)
        if ledger is None:
            continue
        if ledger.occurrence_of_alert(alert_id):
            return app, alert_id
        runs = [row for row in ledger.occurrences_of(word) if row.outcome == "run"]
        if runs:
            return app, runs[0].alert
    raise UnknownAlert(_unknown(word))


def report(
    ctx: typer.Context,
    which: Annotated[str, typer.Argument(help="A run, like D-7K2QXD, or a drill: its last run.")],
    form: Annotated[
        Format, typer.Option("--format", help="text, html (one page) or csv: the record for the file.")
    ] = Format.TEXT,
    out: Annotated[Path | None, typer.Option("--out", help="A new file; stdout without.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    json: Json = False,
) -> None:
    """Judge a run of a drill, and write the record the Clery Act asks for."""
    from alerting.drills.clery import as_json, sheet

    app, alert_id = _found(ctx.obj, which)
    dossier = dossier_of(app, alert_id)
    if json:
        emit("drill-report", **as_json(dossier))
    else:
        lines: Iterable[str]
        if form is Format.TEXT:
            lines = [line + "\n" for line in (*_record_lines(dossier), *card_lines(dossier.card))]
        else:
            lines = [_page(app, dossier)] if form is Format.HTML else sheet(dossier)
        _write(lines, out, force=force, plain=form is Format.TEXT)
    raise typer.Exit(Exit.PARTIAL if dossier.card.passed is False else dossier.card.report.exit)


def _page(app: App, dossier: Dossier) -> str:
    from alerting.drills.clery import page
    from alerting.drills.history import drawing, history

    ledger, row = reader_of(app), dossier.card.row
    assert ledger
    upto = row.due_at + 1
    return page(dossier, drawing(history(ledger, row.drill, at=app.clock.now(), before=upto)))


def _write(lines: Iterable[str], out: Path | None, *, force: bool, plain: bool) -> None:
    from alerting.cli.outfile import written

    if out is not None:
        written(out, lines, force=force)
        note(f"{out} is written.")
        return
    for line in lines:
        if plain:
            say(line.removesuffix("\n"))
        else:
            sys.stdout.write(line)


def _record_lines(dossier: Dossier) -> list[str]:
    from alerting.drills.clery import Kind, fields

    told = columns(fields(dossier))
    for kind in Kind:
        told += [f"{kind}: {text}" for text in dossier.of(kind)]
    return [*told, ""]


def card_lines(card: Scorecard) -> list[str]:
    """Return a run's verdict: each expectation, canaries, channels, steps, and the runs before it."""
    from alerting.drills.clery import CHANNEL_HEAD, channel_row
    from alerting.drills.score import earlier, usual

    verdict = {True: "PASSED", False: "FAILED", None: "still running"}[card.passed]
    marks = {True: "ok", False: "NO", None: ""}
    told = [f"{card.row.drill} {card.row.alert}: {verdict}"]
    rows: list[tuple[str, ...]] = [
        ("expectation", "expected", "reached", "", f"last {len(card.before)} runs")
    ]
    for line in card.lines:
        before = usual([earlier(figures, line.what) for figures in card.before])
        rows.append((line.what, line.expected, line.got, marks[line.passed], before))
    told += columns(rows)
    head = [word.lower() for word in CHANNEL_HEAD]
    told += columns([head, *map(channel_row, card.channels)], right=(1, 2, 3, 4, 5, 6, 7))
    told += [f"canary {c.address}: {c.how}{_after(c.seconds)}" for c in card.canaries]
    told += columns([(f"  {name}", span(seconds)) for name, seconds in card.steps], right=(1,))
    if card.slowest:
        told.append(f"slowest step: {card.slowest[0]} ({span(card.slowest[1])})")
    told.append(f"human time: {card.human.words}")
    return told


def _after(seconds: float | None) -> str:
    return "" if seconds is None else f" after {seconds:.1f} s"


def history(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Drill, for example `monthly-test`.")],
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many, the last ones.")] = 24,
    form: Annotated[
        Format, typer.Option("--format", help="text, html (one page with a chart) or csv.")
    ] = Format.TEXT,
    out: Annotated[Path | None, typer.Option("--out", help="A new file; stdout without.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    json: Json = False,
) -> None:
    """Show how a drill went over time: runs and misses, oldest first."""
    from alerting.drills.history import as_json, chart, page, rows
    from alerting.drills.paper import sheet

    face: Face = ctx.obj
    entries = _past(face, name, limit)
    if json:
        emit("drill-history", drill=name, entries=[as_json(entry) for entry in entries])
        return
    if not entries:
        say(f"Nothing is on record of {_known(face, name).name} yet.")
        return
    lines: Iterable[str]
    if form is Format.TEXT:
        lines = [line + "\n" for line in columns(chart(entries), right=(3, 4, 5))]
    else:
        lines = [page(entries, name)] if form is Format.HTML else sheet(rows(entries))
    _write(lines, out, force=force, plain=form is Format.TEXT)


def _past(face: Face, name: str, limit: int) -> list[Entry]:
    from alerting.drills.history import history as past

    entries: list[Entry] = []
    for app in apps(face):
        if ledger := reader_of(app):
            entries += past(ledger, name, at=app.clock.now(), limit=limit)
    entries.sort(key=lambda entry: entry.row.due_at)
    return entries[-limit:]


def _known(face: Face, name: str) -> Drill:
    from alerting.cli.unplugged import config_of
    from alerting.config.drills import load_drills

    return load_drills(config_of(face)).drill(name)


def note_(
    ctx: typer.Context,
    which: Annotated[str, typer.Argument(help="A run, like D-7K2QXD, or a drill: its last run.")],
    text: Annotated[str, typer.Argument(help="What somebody observed.")],
    by: Annotated[str, typer.Option("--by", help="Who observed it.")],
    kind: Annotated[
        NoteKind, typer.Option("--kind", help="finding, participant, objective or action.")
    ] = NoteKind.FINDING,
    owner: Annotated[str, typer.Option("--owner", help="Who does it (actions).")] = "",
    due: Annotated[str, typer.Option("--due", help="By when, like 2026-10-01 (actions).")] = "",
    json: Json = False,
) -> None:
    """Add what people observed to a drill's record; what is written stays."""
    from alerting.clock import micros
    from alerting.ledger.rows import NoteRow
    from alerting.starting import keep_note

    _refuse_note(text, by, kind, owner, due)
    face: Face = ctx.obj
    app, alert_id = _found(face, which)
    at = micros(app.clock.now())
    told = NoteRow(at, str(kind), " ".join(text.split()), by.strip(), owner.strip(), due)

    keep_note(app, alert_id, told, actor=face.actor)
    if json:
        emit("drill-note", alert=alert_id, **told._asdict())
    else:
        say(f"Noted on {alert_id}.")


def _refuse_note(text: str, by: str, kind: NoteKind, owner: str, due: str) -> None:
    problems = []
    if not text.strip():
        problems.append(Problem(where="TEXT", what="is empty", fix="say what was observed"))
    if not by.strip():
        problems.append(Problem(where="--by", what="is empty", fix="say who observed it"))
    if (owner or due) and kind is not NoteKind.ACTION:
        problems.append(Problem(where="--owner", what=f"a {kind} has none", fix="add --kind action"))
    if due:
        try:
            date.fromisoformat(due)
        except ValueError:
            problems.append(
                Problem(where="--due", what=f'"{due[:20]}" is no date', fix="write it like 2026-10-01")
            )
    if problems:
        raise UsageProblem(*problems)
