"""Taking people out of the record: addresses go, stand-ins stay, nothing that was sealed changes.

The triggers that keep answers and receipts as they are stand aside for one transaction and are back at
its end; a kill in between leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from alerting.ledger.reading import span
from alerting.ledger.rows import Actor
from alerting.ledger.scrutiny import DeliveryRow
from alerting.ledger.sqlite import SqliteLedger

FORGOTTEN: Final = "people.forgotten"
_ASIDE: Final = ("outcome_kept", "receipt_kept")
_ROWS: Final = (
    "SELECT id, alert, channel, address, recipient, fallback, state, attempt, due_at, changed_at, told,"
    " decided, maybe_twice, reason FROM delivery WHERE id BETWEEN ? AND ?"
)
#: Providers' words, which like to repeat addresses: table, its key, and how to find an alert's rows.
_WORDS: Final = (
    (
        "outcome",
        "delivery = ? AND n = ?",
        "SELECT delivery, n, detail FROM outcome WHERE delivery BETWEEN ? AND ?",
    ),
    (
        "receipt",
        "delivery = ? AND mark = ?",
        "SELECT delivery, mark, detail FROM receipt WHERE delivery BETWEEN ? AND ?",
    ),
)

#: What stands in for a delivery's person (its row before), and for a provider's words.
Person = Callable[[DeliveryRow], str]
Words = Callable[[str], str]


class Forgetter(SqliteLedger):
    """A ledger from which people may be taken. For the process that owns it, and nobody else."""

    def forget_alert(self, alert_id: str, person: Person, words: Words, *, actor: Actor, at: int) -> int:
        """Replace an alert's people by stand-ins, in one transaction; return how many deliveries changed."""
        raw = self._connection.raw
        raw.execute("PRAGMA secure_delete = ON")
        with self.transaction():
            triggers = self._step_aside()
            (ref,) = raw.execute("SELECT ref FROM alert WHERE id = ?", (alert_id,)).fetchone()
            changed = sum(self._forget_batch(batch, person, words) for batch in self._batches(ref))
            rows = raw.execute(
                "SELECT rowid, detail FROM trouble WHERE alert = ? AND detail <> ''", (ref,)
            ).fetchall()
            raw.executemany(
                "UPDATE trouble SET detail = ? WHERE rowid = ?", [(words(text), n) for n, text in rows]
            )
            for sql in triggers:
                raw.execute(sql)
            self.record_act(FORGOTTEN, alert_id, {"deliveries": changed}, actor=actor, at=at)
        return changed

    def forget_replies(
        self, before: int, stand_in: Callable[[str, str], str], *, actor: Actor, at: int
    ) -> int:
        """Take the words and addresses of replies older than ``before`` (microseconds); return how many."""
        raw = self._connection.raw
        with self.transaction():
            rows = raw.execute(
                "SELECT seq, address, text FROM reply WHERE at < ? AND address NOT LIKE 'erased-%'", (before,)
            ).fetchall()
            gone = [(stand_in(address, text), seq) for seq, address, text in rows]
            raw.executemany("UPDATE reply SET address = ?, text = '' WHERE seq = ?", gone)
            if gone:
                self.record_act(FORGOTTEN, "ledger", {"replies": len(gone)}, actor=actor, at=at)
        return len(gone)

    def wipe(self) -> None:
        """Fold the log into the file and cut it, so that it holds no old pages either."""
        self._connection.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _batches(self, ref: int) -> Iterator[int]:
        rows = self._connection.raw.execute(
            "SELECT id FROM batch WHERE alert = ? ORDER BY id", (ref,)
        ).fetchall()
        yield from (number for (number,) in rows)

    def _forget_batch(self, batch: int, person: Person, words: Words) -> int:
        raw = self._connection.raw
        gone: list[tuple[str, int]] = []
        for values in raw.execute(_ROWS, span(batch)).fetchall():
            row = DeliveryRow(*values)
            if address := person(row):
                gone.append((address, row.id))
        raw.executemany("UPDATE delivery SET address = ?, recipient = '', fallback = '' WHERE id = ?", gone)
        for table, key, query in _WORDS:
            said = [row for row in raw.execute(query, span(batch)).fetchall() if row[2]]
            raw.executemany(
                f"UPDATE {table} SET detail = ? WHERE {key}",  # noqa: S608 - names of ours
                [(words(detail), delivery, n) for delivery, n, detail in said],
            )
        return len(gone)

    def _step_aside(self) -> list[str]:
        raw = self._connection.raw
        found: Mapping[str, Any] = dict(
            raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        )
        for name in _ASIDE:
            raw.execute(f"DROP TRIGGER {name}")
        return [found[name] for name in _ASIDE]
