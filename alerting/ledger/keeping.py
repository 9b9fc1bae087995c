"""What every writing room shares: the head of an alert, and the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alerting.clock import Clock
from alerting.errors import Problem, UnknownAlert
from alerting.ledger.database import Database
from alerting.ledger.reading import Reading
from alerting.ledger.rows import Actor
from alerting.named import NamedTuple

#: Who does what nobody asked for: a deadline that passed, a channel that took over.
SYSTEM: Final = Actor(name="alert", origin="by itself")


class Head(NamedTuple):
    """What a writer must know of an alert; instants in microseconds, 0 for none."""

    ref: int
    expires_at: int
    recipients: int | None  #: None while planning is not closed
    settled_at: int
    cancelled_at: int


class Keeping(Reading):
    """Questions, and the acts every change is accompanied by."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database)
        self._clock = clock

    def _head(self, alert_id: str) -> Head:
        row = self._db.one("alert_head", (alert_id,))
        if row is None:
            raise UnknownAlert(Problem(where=alert_id, what="no alert of that id is in the ledger"))
        return Head(*row)

    def record_act(
        self, action: str, subject: str, body: Mapping[str, object], *, actor: Actor, at: int
    ) -> None:
        """Append to the audit log what an actor did. Personal data does not belong in ``body``."""
        from alerting.ledger.audit import row_after  # who only looks writes no acts

        found = self._db.one("audit_head")
        head = (found[0], found[1]) if found else None
        monotonic = self._clock.monotonic()
        row = row_after(head, action, subject, body, actor=actor, at=at, monotonic=monotonic)
        self._db.run("add_audit", row)
