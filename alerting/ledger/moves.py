"""What a run of changes to one batch's rows does to the counters beside them.

The counters are a fold of the rows; they are written in the same transaction as the rows.
States travel here as the words they are stored as: a ``State`` is its word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from alerting.ledger.database import Database
from alerting.ledger.reading import COUNTED
from alerting.model.delivery import TAKEN, State

#: States that are reported with their reason even when none was given.
_TROUBLED: Final = frozenset(
    {State.UNCERTAIN, State.UNRESOLVED, State.REJECTED, State.UNDELIVERED, State.EXPIRED}
)
_PENDING: Final = State.PENDING
_US_PER_MS: Final = 1000
_MS_PER_S: Final = 1000


def is_trouble(state: str, reason: str) -> bool:
    """Say whether a row counts among what failed, waits for a reason, or is uncertain."""
    return state in _TROUBLED or (state == _PENDING and reason != "")


class Moves:
    """Gathers the moves of one batch's rows, then writes the counters once."""

    def __init__(self, batch: int, alert: int, channel: int, accepted_at: int) -> None:
        self._batch = batch
        self._lane = (alert, channel)
        self._accepted_at = accepted_at
        self._moves: Counter[tuple[str, str, str, str]] = Counter()
        self._details: dict[tuple[str, str], str] = {}
        self._taken: list[int] = []

    def add(self, old: str, old_reason: str, new: str, new_reason: str, *, rows: int = 1) -> None:
        """Note that rows went from one state and reason to another."""
        self._moves[old, old_reason, new, new_reason] += rows

    def explain(self, state: str, reason: str, detail: str) -> None:
        """Keep the last detail heard of a reason."""
        self._details[state, reason] = detail

    def take(self, old: str, at: int) -> None:
        """Note that the provider took a row at an instant in microseconds, unless it had it already."""
        if old not in TAKEN:
            self._taken.append(at)

    def take_all(self, instants: Sequence[int]) -> None:
        """Note that the provider took rows it did not have before."""
        self._taken += instants

    def write(self, database: Database) -> None:
        """Write the batch's counters, the troubles and the curve."""
        states: Counter[str] = Counter()
        trouble: Counter[tuple[str, str]] = Counter()
        for (old, old_reason, new, new_reason), rows in self._moves.items():
            states[old] -= rows
            states[new] += rows
            if is_trouble(old, old_reason):
                trouble[old, old_reason] -= rows
            if is_trouble(new, new_reason):
                trouble[new, new_reason] += rows
        if any(states.values()):
            database.run("move_counters", (*(states[state] for state in COUNTED), self._batch))
        for (state, reason), rows in trouble.items():
            self._write_trouble(database, str(state), reason, rows)
        if self._taken:
            self._write_curve(database, self._taken)

    def _write_trouble(self, database: Database, state: str, reason: str, rows: int) -> None:
        if rows > 0:
            detail = self._details.get((state, reason), "")
            database.run("raise_trouble", (*self._lane, state, reason, detail, rows))
        elif rows < 0:
            database.run("lower_trouble", (-rows, *self._lane, state, reason))

    def _write_curve(self, database: Database, taken: Sequence[int]) -> None:
        first, last = self._ms(min(taken)), self._ms(max(taken))
        if first // _MS_PER_S == last // _MS_PER_S:
            database.at_last("add_progress", [(*self._lane, first // _MS_PER_S, len(taken), first, last)])
            return
        seconds: dict[int, list[int]] = {}
        for at in taken:
            ms = self._ms(at)
            seconds.setdefault(ms // _MS_PER_S, []).append(ms)
        rows = [(*self._lane, second, len(at), min(at), max(at)) for second, at in seconds.items()]
        database.at_last("add_progress", rows)

    def _ms(self, at: int) -> int:
        # A clock that was set back must not put an acceptance before the alert.
        return max(0, at - self._accepted_at) // _US_PER_MS
