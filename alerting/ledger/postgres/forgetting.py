"""Taking people out of the shared record: addresses go, stand-ins stay, nothing that was sealed changes.

The triggers that keep answers and receipts as they are stand aside inside one transaction; others who
write wait for its end, and nobody ever sees the tables without them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from alerting.ledger.forgetting import FORGOTTEN, Person, Words
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.reading import span
from alerting.ledger.rows import Actor
from alerting.ledger.scrutiny import DeliveryRow

_ASIDE: Final = (("outcome", "outcome_kept"), ("receipt", "receipt_kept"))
_ROWS: Final = (
    "SELECT id, alert, channel, address, recipient, fallback, state, attempt, due_at, changed_at, told,"
    " decided, maybe_twice, reason FROM delivery WHERE id BETWEEN %s AND %s"
)
_GONE: Final = "UPDATE delivery SET address = %s, recipient = '', fallback = '' WHERE id = %s"


class SharedForgetter(PostgresLedger):
    """A ledger from which people may be taken, by an owner of its tables."""

    def forget_alert(self, alert_id: str, person: Person, words: Words, *, actor: Actor, at: int) -> int:
        """Replace an alert's people by stand-ins, in one transaction; return how many deliveries changed."""
        do = self._connection.do
        with self.transaction():
            for table, trigger in _ASIDE:
                do(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
            ((ref,),) = do("SELECT ref FROM alert WHERE id = %s FOR UPDATE", (alert_id,))
            batches = do("SELECT id FROM batch WHERE alert = %s ORDER BY id FOR UPDATE", (ref,))
            changed = sum(self._forget_batch(batch, person, words) for (batch,) in batches)
            self._reword("trouble", "alert = %s AND detail <> ''", (ref,), words)
            for table, trigger in _ASIDE:
                do(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")
            self.record_act(FORGOTTEN, alert_id, {"deliveries": changed}, actor=actor, at=at)
        return changed

    def forget_replies(
        self, before: int, stand_in: Callable[[str, str], str], *, actor: Actor, at: int
    ) -> int:
        """Take the words and addresses of replies older than ``before`` (microseconds); return how many."""
        do = self._connection.do
        with self.transaction():
            rows = do(
                "SELECT seq, address, text FROM reply"
                " WHERE at < %s AND address NOT LIKE 'erased-%%' FOR UPDATE",
                (before,),
            )
            for seq, address, text in rows:
                gone = stand_in(address, text)
                do("UPDATE reply SET address = %s, text = '' WHERE seq = %s", (gone, seq))
            if rows:
                self.record_act(FORGOTTEN, "ledger", {"replies": len(rows)}, actor=actor, at=at)
        return len(rows)

    def forget_orphans(self, before: int) -> None:
        """Drop receipts heard before an instant (microseconds) that never found their delivery."""
        with self.transaction():
            self._connection.do("DELETE FROM orphan WHERE heard_at < %s", (before,))

    def wipe(self) -> None:
        """Give the space of what is gone back, so that the tables hold no old rows either."""
        for table in ("delivery", "outcome", "receipt", "trouble", "reply"):
            self._connection.do(f"VACUUM {table}")

    def _forget_batch(self, batch: int, person: Person, words: Words) -> int:
        do, changed = self._connection.do, 0
        for values in do(_ROWS, span(batch)):
            row = DeliveryRow(*values)
            if address := person(row):
                do(_GONE, (address, row.id))
                changed += 1
        for table in ("outcome", "receipt"):
            self._reword(table, "delivery BETWEEN %s AND %s AND detail <> ''", span(batch), words)
        return changed

    def _reword(self, table: str, which: str, params: tuple[Any, ...], words: Words) -> None:
        do = self._connection.do
        for place, detail in do(f"SELECT ctid::text, detail FROM {table} WHERE {which}", params):  # noqa: S608
            do(f"UPDATE {table} SET detail = %s WHERE ctid = %s::tid", (words(detail), place))  # noqa: S608
