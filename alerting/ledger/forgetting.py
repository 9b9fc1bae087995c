"""Taking people out of the record: addresses go, stand-ins stay, nothing that was sealed changes.

The triggers that keep answers and receipts as they are stand aside for one transaction and are back at
its end; a kill in between leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Self

from alerting.errors import NotAllowed
from alerting.ledger.base import Ledger
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

    @classmethod
    def over(cls, ledger: Ledger) -> Self:
        """Return the power to forget over a ledger that is open for writing, in its owner's thread.

        Raises:
            NotAllowed: it is no ledger of this kind.
        """
        if not isinstance(ledger, SqliteLedger):
            raise NotAllowed("people are taken out of this ledger where it is kept: alert audit retain")
        return cls(ledger._connection, ledger._clock)  # noqa: SLF001 - a ledger of the same room

    def forget_alert(self, alert_id: str, person: Person, words: Words, *, actor: Actor, at: int) -> int:
        """Replace an alert's people by stand-ins, in one transaction; return how many deliveries changed."""
        with self.transaction():
            changed = sum(self.forget_part(batch, person, words) for batch in self.parts(alert_id))
            self.forget_rest(alert_id, words, changed=changed, actor=actor, at=at)
        return changed

    def parts(self, alert_id: str) -> list[int]:
        """Return what an alert's people can be forgotten by, one after the other: its batches."""
        rows = self._connection.raw.execute(
            "SELECT batch.id FROM batch JOIN alert ON alert.ref = batch.alert WHERE alert.id = ? ORDER BY 1",
            (alert_id,),
        )
        return [number for (number,) in rows.fetchall()]

    def forget_part(self, batch: int, person: Person, words: Words) -> int:
        """Replace the people of one batch, in a transaction that others may come between."""
        self._connection.raw.execute("PRAGMA secure_delete = ON")
        with self.transaction():
            triggers = self._step_aside()
            changed = self._forget_batch(batch, person, words)
            for sql in triggers:
                self._connection.raw.execute(sql)
        return changed

    def forget_rest(self, alert_id: str, words: Words, *, changed: int, actor: Actor, at: int) -> None:
        """Replace the words beside the counts of reasons, and put on record that it was done."""
        raw = self._connection.raw
        with self.transaction():
            rows = raw.execute(
                "SELECT trouble.rowid, detail FROM trouble JOIN alert ON alert.ref = trouble.alert"
                " WHERE alert.id = ? AND detail <> ''",
                (alert_id,),
            ).fetchall()
            raw.executemany(
                "UPDATE trouble SET detail = ? WHERE rowid = ?", [(words(text), n) for n, text in rows]
            )
            self.record_act(FORGOTTEN, alert_id, {"deliveries": changed}, actor=actor, at=at)

    def forget_orphans(self, before: int) -> int:
        """Drop receipts heard before an instant (microseconds) that never found their delivery."""
        with self.transaction():
            return self._connection.raw.execute("DELETE FROM orphan WHERE heard_at < ?", (before,)).rowcount

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
        """Fold the log into the file and cut it, so that it holds no old pages either.

        Outside any transaction. Where somebody is reading, the log is cut another time; it never waits.
        """
        raw = self._connection.raw
        ((patience,),) = raw.execute("PRAGMA busy_timeout").fetchall()
        raw.execute("PRAGMA busy_timeout = 0")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        raw.execute(f"PRAGMA busy_timeout = {int(patience)}")

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
