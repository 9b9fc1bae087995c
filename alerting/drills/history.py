"""The history of a drill: one line a planned time, with a bar anybody can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from alerting.drills.score import Figures, score
from alerting.ledger.base import DrillReader
from alerting.ledger.rows import OccurrenceRow

_WIDTH: Final = 24


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


def history(ledger: DrillReader, drill: str, *, at: datetime, limit: int = 24) -> list[Entry]:
    """Return the last planned times of a drill, oldest first."""
    return [_entry(ledger, row, at) for row in reversed(ledger.occurrences_of(drill, limit=limit))]


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
