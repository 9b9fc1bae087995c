"""Planned times of drills: taken once by whoever comes first, or recorded as missed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from alerting.ledger.codec import canonical
from alerting.ledger.keeping import Keeping
from alerting.ledger.rows import Actor, NoteRow, OccurrenceRow

#: Later than any instant in microseconds.
_EVER: Final = 2**62


class Drilling(Keeping):
    """Occurrences of drills, and what people observed."""

    def take_occurrence(self, row: OccurrenceRow) -> bool:
        """Claim a planned time for the alert named in the row; say whether it was still free.

        Call it in the transaction that opens the alert: both are kept, or neither.
        """
        facts = canonical(row.facts)
        return bool(
            self._db.run(
                "take_occurrence",
                (row.drill, row.planned_local, row.due_at, row.at, row.detail, row.alert, facts),
            )
        )

    def miss_occurrence(self, row: OccurrenceRow, *, actor: Actor) -> bool:
        """Record that a planned time passed without the drill; say whether that was news."""
        facts = canonical(row.facts)
        fixed = (row.drill, row.planned_local, row.due_at, row.at, row.detail, facts)
        new = bool(self._db.run("miss_occurrence", fixed))
        if new:
            body = {"planned": row.planned_local, "why": row.detail}
            self.record_act("drill.missed", row.drill, body, actor=actor, at=row.at)
        return new

    def occurrences_of(
        self, drill: str, *, before: int | None = None, limit: int = 100
    ) -> Sequence[OccurrenceRow]:
        """Return what is on record of a drill, due before an instant (microseconds), newest first."""
        until = _EVER if before is None else before
        return [_row(row) for row in self._db.all("occurrences_of", (drill, until, limit))]

    def occurrence_of_alert(self, alert_id: str) -> OccurrenceRow | None:
        """Return the planned time an alert belongs to, or None."""
        row = self._db.one("occurrence_of_alert", (alert_id,))
        return _row(row) if row else None

    def drill_names(self) -> Sequence[str]:
        """Return the drills that have anything on record, in order of name."""
        return [name for (name,) in self._db.all("drill_names")]

    def watch_drill(self, drill: str, mark: str, *, at: int) -> int:
        """Return since when (microseconds) a schedule is watched: from now if it is new or changed."""
        self._db.run("watch_drill", (drill, mark, at))
        ((since, _),) = self._db.all("drill_watch", (drill,))
        return int(since)

    def add_note(self, alert_id: str, note: NoteRow, *, actor: Actor) -> None:
        """Append what somebody observed to an alert's record.

        Raises:
            UnknownAlert: there is no such alert.
        """
        self._head(alert_id)
        self._db.run("add_drill_note", (alert_id, *note))
        self.record_act("drill.noted", alert_id, {"kind": note.kind}, actor=actor, at=note.at)

    def notes(self, alert_id: str) -> Sequence[NoteRow]:
        """Return what people observed, in the order they said it."""
        return [NoteRow(*row) for row in self._db.all("drill_notes", (alert_id,))]


def _row(row: tuple[Any, ...]) -> OccurrenceRow:
    drill, planned_local, due_at, at, outcome, detail, alert, facts = row
    return OccurrenceRow(
        drill=drill,
        planned_local=planned_local,
        due_at=due_at,
        at=at,
        outcome=outcome,
        detail=detail,
        alert=alert,
        facts=json.loads(facts),
    )
