"""The history of a drill: one line a planned time, with a bar anybody can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Final

from alerting.drills import paper
from alerting.drills.score import Figures, score
from alerting.ledger.base import DrillReader
from alerting.ledger.rows import OccurrenceRow

_WIDTH: Final = 24
#: Units of the drawing: its width, the highest bar, and the room above and below for words.
_WIDE: Final = 640
_HIGH: Final = 120
_LINE: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One planned time: ran (with its figures) or missed. ``passed`` is None while it runs, or missed."""

    row: OccurrenceRow
    figures: Figures | None = None
    passed: bool | None = None

    @property
    def verdict(self) -> str:
        """One word for it."""
        if self.row.outcome == "missed":
            return "MISSED"
        return {True: "passed", False: "FAILED", None: "running"}[self.passed]


def history(
    ledger: DrillReader, drill: str, *, at: datetime, before: int | None = None, limit: int = 24
) -> list[Entry]:
    """Return the last planned times of a drill, due before an instant (microseconds), oldest first."""
    last = ledger.occurrences_of(drill, before=before, limit=limit)
    return [_entry(ledger, row, at) for row in reversed(last)]


def _entry(ledger: DrillReader, row: OccurrenceRow, at: datetime) -> Entry:
    record = ledger.alert(row.alert) if row.alert else None
    if record is None:
        return Entry(row=row)
    card = score(ledger, row, record, at=at)
    return Entry(row=row, figures=card.figures, passed=card.passed)


def chart(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    """Return rows for people: when, alert, verdict, first, 95 %, failures, and a bar of the 95 %."""
    longest = max((e.figures.most_s or 0.0 for e in entries if e.figures), default=0.0)
    rows = [("planned", "alert", "", "first", "95 %", "failed", "")]
    return rows + [_row(entry, longest) for entry in entries]


def _row(entry: Entry, longest: float) -> tuple[str, ...]:
    planned = entry.row.planned_local[:16].replace("T", " ")
    if entry.figures is None:
        return (planned, "-", entry.verdict, "-", "-", "-", entry.row.detail)
    figures = entry.figures
    bar = "#" * max(1, round(_WIDTH * figures.most_s / longest)) if figures.most_s and longest else ""
    return (
        planned,
        entry.row.alert,
        entry.verdict,
        _seconds(figures.first_s),
        _seconds(figures.most_s),
        f"{figures.failures_percent:.1f} %",
        bar,
    )


def rows(entries: Sequence[Entry]) -> Iterator[tuple[str, ...]]:
    """Yield the history for a spreadsheet: seconds and percent as plain numbers."""
    yield ("planned", "alert", "verdict", "first_s", "accepted_95_s", "failures_percent", "detail")
    for entry in entries:
        told = as_json(entry)
        figures = ("first_s", "accepted_95_s", "failures_percent")
        numbers = ("" if told[name] is None else f"{told[name]:g}" for name in figures)
        row = entry.row
        yield (row.planned_local.replace("T", " "), row.alert, entry.verdict, *numbers, row.detail)


def page(entries: Sequence[Entry], drill: str) -> str:
    """Return the history as one HTML page that needs nothing else: a drawing, and the same as a table."""
    head = ("Planned", "Alert", "Verdict", "First", "95 %", "Failed", "Note")
    told = [(*_row(entry, 0.0)[:-1], entry.row.detail) for entry in entries]
    return paper.document(
        f"History of {drill}", [drawing(entries), paper.table("Runs and misses", head, told)]
    )


def drawing(entries: Sequence[Entry]) -> str:
    """Return a bar for each run's 95 %, a cross for each miss, and what was asked for as a line; SVG.

    Nothing is told by colour alone: a run that failed has its word above it.
    """
    if not entries:
        return ""
    limits = [entry.row.facts.get("expect", {}).get("accepted_95_s") for entry in entries]
    reached = [entry.figures.most_s for entry in entries if entry.figures and entry.figures.most_s]
    longest = max([*reached, *(limit for limit in limits if limit)], default=1.0)
    step = _WIDE / len(entries)
    marks = [
        _mark(entry, limit, longest, left=place * step, wide=step)
        for place, (entry, limit) in enumerate(zip(entries, limits, strict=True))
    ]
    first, last = (entry.row.planned_local[:10] for entry in (entries[0], entries[-1]))
    label = f"Seconds until 95 % were accepted, {first} to {last}; at most {longest:.1f} s"
    return (
        f'<h2>{escape(label)}</h2>\n<svg viewBox="0 0 {_WIDE} {_HIGH + 2 * _LINE}" role="img" '
        f'aria-label="{escape(label)}">{"".join(marks)}</svg>'
    )


def _mark(entry: Entry, limit: float | None, longest: float, *, left: float, wide: float) -> str:
    """Return one planned time of the drawing."""
    middle = left + wide / 2
    told = f"{entry.row.planned_local[:16].replace('T', ' ')}: {entry.verdict}"
    parts = [f"<title>{escape(told)}</title>"]
    most = entry.figures.most_s if entry.figures else None
    if most is not None:
        high = max(1.0, _HIGH * most / longest)
        name = "bad" if entry.passed is False else "good"
        top = _LINE + _HIGH - high
        bar = f'x="{left + wide * 0.1:.1f}" y="{top:.1f}" width="{wide * 0.8:.1f}" height="{high:.1f}"'
        parts.append(f'<rect class="{name}" {bar}/>')
    if word := {"MISSED": "\N{MULTIPLICATION SIGN}", "FAILED": "!"}.get(entry.verdict):
        at = f'x="{middle:.1f}" y="{_LINE - 4}" text-anchor="middle"'
        parts.append(f'<text class="bad" {at}>{word}</text>')
    if limit:
        y = _LINE + _HIGH - _HIGH * limit / longest
        ends = f'x1="{left:.1f}" x2="{left + wide:.1f}" y1="{y:.1f}" y2="{y:.1f}"'
        parts.append(f'<line {ends} stroke="#1a1a1a" stroke-dasharray="4"/>')
    return f"<g>{''.join(parts)}</g>"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def as_json(entry: Entry) -> dict[str, Any]:
    """Return an entry for scripts."""
    figures = entry.figures
    return {
        "drill": entry.row.drill,
        "planned_local": entry.row.planned_local,
        "outcome": entry.row.outcome,
        "alert": entry.row.alert or None,
        "detail": entry.row.detail,
        "passed": entry.passed,
        "first_s": figures.first_s if figures else None,
        "accepted_95_s": figures.most_s if figures else None,
        "failures_percent": round(figures.failures_percent, 3) if figures else None,
    }
