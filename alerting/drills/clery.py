"""The record of a drill for the auditors: what was tested, when, announced or not, and what followed.

It holds what 34 CFR 668.46(g)(6) asks of a test (description, date and time, announced or unannounced,
and that procedures were publicised with it) and what a review needs besides: objectives,
participants, findings, and actions with an owner and a date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from html import escape
from typing import Any, Final
from zoneinfo import ZoneInfo

from alerting.drills.score import Scorecard
from alerting.ledger.rows import NoteRow

#: A spreadsheet takes a cell that begins so for a formula.  OWASP, CSV Injection.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class Kind(StrEnum):
    """What a note is about."""

    PARTICIPANT = "participant"  #: who took part
    OBJECTIVE = "objective"  #: what it was to show
    FINDING = "finding"  #: what was observed
    ACTION = "action"  #: what is to be done, by whom, by when


_HEADINGS: Final = {
    Kind.OBJECTIVE: "Objectives",
    Kind.PARTICIPANT: "Participants",
    Kind.FINDING: "Findings",
    Kind.ACTION: "Corrective actions",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """Everything a record is written from."""

    card: Scorecard
    notes: tuple[NoteRow, ...]
    campus: str
    zone: ZoneInfo

    def of(self, kind: Kind) -> list[str]:
        """Return the notes of a kind in words; objectives include those of the drill itself."""
        told = list(self.card.row.facts.get("objectives", ())) if kind is Kind.OBJECTIVE else []
        return told + [_note(note) for note in self.notes if note.kind == kind]


def _note(note: NoteRow) -> str:
    tail = [f"owner {note.owner}" if note.owner else "", f"due {note.due}" if note.due else ""]
    more = "; ".join(word for word in tail if word)
    return f"{note.text} ({more})" if more else f"{note.text} (noted by {note.by})"


def fields(dossier: Dossier) -> list[tuple[str, str]]:
    """Return the record's fields in order: name and value, in words."""
    card, facts = dossier.card, dossier.card.row.facts
    record = card.report.record
    return [
        ("Institution", dossier.campus),
        ("Exercise", str(facts.get("title", card.row.drill))),
        ("Description", str(facts.get("description") or record.alert.title)),
        ("Record", record.alert.id),
        ("Date", _local(record.accepted_at, dossier.zone, "%Y-%m-%d")),
        ("Started", _local(record.accepted_at, dossier.zone, "%H:%M:%S %Z")),
        ("Ended", _ended(card, dossier.zone)),
        ("Announced", "announced" if facts.get("announced", True) else "unannounced"),
        ("Procedures publicised", str(facts.get("publicised") or "not stated")),
        ("Scheduled", f"planned for {card.row.planned_local.replace('T', ' ')}{_by_hand(card)}"),
        ("Kind", "rehearsal: nothing left the system" if facts.get("rehearsal") else "messages were sent"),
        ("Owner", str(facts.get("owner") or "not stated")),
        ("Started by", record.alert.author),
        (
            "Audience",
            f"{record.alert.audience or 'public feeds only'}, {facts.get('recipients', 0):,} people",
        ),
        ("Channels", ", ".join(lane.channel for lane in record.lanes)),
        ("Result", {True: "passed", False: "failed", None: "still running"}[card.passed]),
    ]


def _by_hand(card: Scorecard) -> str:
    return f" ({card.row.detail})" if card.row.detail else ""


def _ended(card: Scorecard, zone: ZoneInfo) -> str:
    record = card.report.record
    end = record.cancelled_at or record.settled_at
    return _local(end, zone, "%H:%M:%S %Z") if end else "still running"


def _local(at: datetime, zone: ZoneInfo, form: str) -> str:
    return at.astimezone(zone).strftime(form)


def sheet(dossier: Dossier) -> Iterator[str]:
    """Yield the record as lines of CSV: section, name, value, expected, result."""
    import csv
    import io

    for row in _rows(dossier):
        buffer = io.StringIO()
        csv.writer(buffer).writerow([_harmless(cell) for cell in row])
        yield buffer.getvalue()


def _rows(dossier: Dossier) -> Iterator[tuple[str, ...]]:
    yield ("section", "name", "value", "expected", "result")
    for name, value in fields(dossier):
        yield ("record", name, value, "", "")
    for line in dossier.card.lines:
        yield ("expectation", line.what, line.got, line.expected, _verdict(line.passed))
    for channel in dossier.card.report.channels:
        told = f"{channel.accepted}/{channel.total} accepted, {channel.delivered} delivered"
        yield ("channel", channel.channel, told, "", "")
    for step, seconds in dossier.card.steps:
        yield ("step", step, f"{seconds:.1f}", "", "")
    for kind in _HEADINGS:
        for text in dossier.of(kind):
            yield (str(kind), "", text, "", "")


def _verdict(passed: bool | None) -> str:  # noqa: FBT001
    return {True: "passed", False: "failed", None: ""}[passed]


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


_STYLE: Final = (
    "body{font:1rem/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:50rem;margin:2rem auto;"
    "padding:0 1rem}table{border-collapse:collapse;width:100%;margin:0 0 1.5rem}"
    "th,td{border:1px solid #767676;"
    "padding:.3rem .6rem;text-align:left;vertical-align:top}caption{text-align:left;font-weight:700;"
    "padding:.3rem 0}th{background:#f0f0f0}td.no{font-weight:700;color:#9b0000}"
    "@media print{body{margin:0;max-width:none}}"
)


#: The page loads nothing and runs nothing.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page(dossier: Dossier) -> str:
    """Return the record as one HTML page that needs nothing else; every text in it is escaped."""
    facts = dossier.card.row.facts
    title = (
        f"Drill record {dossier.card.report.record.alert.id}: {facts.get('title', dossier.card.row.drill)}"
    )
    body = [
        f"<h1>{escape(title)}</h1>",
        _table("Record", None, [(name, value) for name, value in fields(dossier)]),
        _table(
            "Expectations",
            ("Expectation", "Expected", "Reached", "Result"),
            [(x.what, x.expected, x.got, _verdict(x.passed)) for x in dossier.card.lines],
        ),
        _table(
            "Channels",
            ("Channel", "Accepted", "Delivered", "Failed", "Uncertain"),
            [
                (c.channel, f"{c.accepted}/{c.total}", str(c.delivered), str(c.failed), str(c.uncertain))
                for c in dossier.card.report.channels
            ],
        ),
        _table(
            "Where the time went",
            ("Step", "Seconds"),
            [(name, f"{seconds:.1f}") for name, seconds in dossier.card.steps],
        ),
        *(_list(heading, dossier.of(kind)) for kind, heading in _HEADINGS.items()),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _table(caption: str, head: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    top = "".join(f'<th scope="col">{escape(word)}</th>' for word in head or ())
    lines = [f"<table>\n<caption>{escape(caption)}</caption>"]
    lines += [f"<thead><tr>{top}</tr></thead>"] if head else []
    return "\n".join([*lines, "<tbody>", *map(_line, rows), "</tbody>\n</table>"])


def _line(row: Sequence[str]) -> str:
    first, *rest = row
    cells = "".join(f"<td{' class=no' if cell == 'failed' else ''}>{escape(cell)}</td>" for cell in rest)
    return f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>'


def _list(heading: str, items: Sequence[str]) -> str:
    told = "".join(f"<li>{escape(item)}</li>" for item in items) or "<li>none recorded</li>"
    return f"<h2>{escape(heading)}</h2>\n<ul>{told}</ul>"


def as_json(dossier: Dossier) -> dict[str, Any]:
    """Return the record for scripts."""
    card = dossier.card
    slowest = card.slowest
    return {
        "drill": card.row.drill,
        "alert": card.report.record.alert.id,
        "passed": card.passed,
        "record": dict(fields(dossier)),
        "lines": [
            {"what": x.what, "expected": x.expected, "got": x.got, "passed": x.passed} for x in card.lines
        ],
        "canaries": [{"address": c.address, "seconds": c.seconds, "how": c.how} for c in card.canaries],
        "steps": [{"step": name, "seconds": round(seconds, 3)} for name, seconds in card.steps],
        "slowest": slowest[0] if slowest else None,
        "notes": [note._asdict() for note in dossier.notes],
    }
