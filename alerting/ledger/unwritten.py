"""What can be asked of people whose list was accepted and who have no rows yet: the same as of all others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from alerting.ledger.connection import Connection
from alerting.ledger.reading import Reading
from alerting.ledger.roll import Listed, Roll
from alerting.ledger.rows import NewDelivery
from alerting.model.delivery import State

T = TypeVar("T")


class Unwritten(Reading):
    """Questions whose answers are in rows, and in lists that are not written out."""

    _connection: Connection

    def _in_plan(
        self, alert_id: str, channel: str, states: Sequence[State]
    ) -> Iterator[tuple[str, Sequence[Any]]]:
        written = super()._in_plan(alert_id, channel, states)
        unwritten = (
            (roll.channel_name, _as_read(roll, row)) for roll, row in self._unwritten(alert_id, channel)
        )
        yield from self._of_one_moment(alert_id, written, unwritten)

    def _to(self, alert_id: str, address: str) -> Iterator[tuple[str, Sequence[Any]]]:
        found = ((roll, row) for roll, row in self._unwritten(alert_id) if row.address == address)
        unwritten = ((roll.channel_name, _as_read(roll, row)) for roll, row in found)
        yield from self._of_one_moment(alert_id, super()._to(alert_id, address), unwritten)

    def recipients(self, alert_id: str, channel: str, *, reached_only: bool = False) -> Iterator[NewDelivery]:
        """Stream whom an alert was for on a channel, in order, as rows to plan again."""
        written = super().recipients(alert_id, channel, reached_only=reached_only)
        rows = () if reached_only else self._unwritten(alert_id, channel)
        unwritten = (NewDelivery(row.address, row.recipient, row.fallback) for _, row in rows)
        yield from self._of_one_moment(alert_id, written, unwritten)

    def _of_one_moment(self, alert_id: str, written: Iterator[T], unwritten: Iterator[T]) -> Iterable[T]:
        """Return what has its row and what has not. The owner moves people from here to there meanwhile."""
        if not self._rolls(alert_id):
            return written
        if self._connection.raw.in_transaction:
            return [*written, *unwritten]
        self._connection.do("BEGIN")
        try:
            return [*written, *unwritten]
        finally:
            self._connection.do("COMMIT")

    def _unwritten(self, alert_id: str, channel: str = "") -> Iterator[tuple[Roll, Listed]]:
        for roll in self._rolls(alert_id, channel):
            for row in roll.rows(self._pieces(roll.alert)):
                yield roll, row

    def _rolls(self, alert_id: str, channel: str = "") -> list[Roll]:
        rolls = [Roll(*row) for row in self._db.all("rolls_of", (alert_id,))]
        return [roll for roll in rolls if channel in ("", roll.channel_name)]

    def _pieces(self, alert: int) -> Iterator[bytes]:
        for (n,) in self._db.all("parts", (alert,)):
            ((piece,),) = self._db.all("part", (alert, n))
            yield piece


def _as_read(roll: Roll, row: Listed) -> tuple[Any, ...]:
    """Return a row as it will be read once it is written."""
    told = (row.id, row.address, roll.state, 0, 0, "", "", roll.reason, "", 0)
    return (*told, roll.changed_at)
