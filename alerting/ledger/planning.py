"""Opening an alert and planning its deliveries: the part of the ledger that says yes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from alerting.errors import AlertingError, Problem, UnknownAlert
from alerting.ledger.audit import as_opened, record_digest
from alerting.ledger.codec import alert_text, canonical, content_text
from alerting.ledger.instants import micros
from alerting.ledger.keeping import SYSTEM, Keeping
from alerting.ledger.listing import batches_in
from alerting.ledger.reading import STRIDE
from alerting.ledger.rows import NewDelivery, NewList, Opening
from alerting.model.delivery import State
from alerting.named import NamedTuple

#: Most deliveries a batch may hold: what one worker loses at once stays small.
MOST: Final = 500


class PlannedLane(NamedTuple):
    """A lane that is being planned, by the numbers it is kept under; instants in microseconds."""

    alert: int
    channel: int
    accepted_at: int
    cancelled_at: int
    cancel_reason: str


class Planning(Keeping):
    """Writes alerts, lanes and their deliveries."""

    def alone(self, word: str) -> None:
        """Do nothing: a transaction of a ledger with one writer is alone already."""

    def open_alert(self, opening: Opening, *, at: int) -> None:
        """Write the alert, its lanes and the audit row.

        Raises:
            AlertingError: the id or the run key has been used before.
        """
        alert = opening.alert
        self._refuse_repeat(alert.id, alert.run_key)
        row = (
            alert.id,
            alert.run_key,
            alert.incident,
            alert.audience,
            alert_text(alert),
            opening.digest,
            micros(alert.expires_at),
            at,
        )
        ((ref,),) = self._db.all("add_alert", row)
        lanes = [
            (lane.channel, seat, lane.kind, content_text(lane.content), lane.fallback)
            for seat, lane in enumerate(opening.lanes)
        ]
        for channel, *lane in lanes:
            self._db.run("add_channel", (channel,))
            self._db.run("add_lane", (ref, *lane, channel))
        body = {**_opened(opening), "record": record_digest(as_opened(row), lanes)}
        self.record_act("alert.opened", alert.id, body, actor=opening.actor, at=at)

    def _refuse_repeat(self, alert_id: str, run_key: str) -> None:
        earlier = self.alert_of_run(run_key)
        if earlier is not None:
            raise AlertingError(
                Problem(
                    where=f"run key {run_key}", what=f"has already opened {earlier}", fix="follow that one"
                )
            )
        if self._db.one("alert_head", (alert_id,)):
            raise AlertingError(Problem(where=alert_id, what="has already been opened", fix="take a new id"))

    def add_batch(self, alert_id: str, channel: str, rows: Sequence[NewDelivery], *, priority: int) -> int:
        """Write up to 500 deliveries as one batch; return how many were new on that channel.

        Deliveries of an alert that has been cancelled meanwhile are written as cancelled.

        Raises:
            UnknownAlert: there is no such alert, or it has no such lane.
            ValueError: more than 500 rows.
        """
        if len(rows) > MOST:
            raise ValueError(f"a batch holds {MOST} deliveries at most, not {len(rows)}")
        return self._plan(alert_id, channel, rows, priority=priority)

    def _plan(
        self,
        alert_id: str,
        channel: str,
        rows: Sequence[NewDelivery],
        *,
        priority: int,
        at: int | None = None,
    ) -> int:
        self._write_out(alert_id, channel)
        lane = self._lane(alert_id, channel)
        born = State.CANCELLED if lane.cancelled_at else State.PENDING
        changed_at = lane.accepted_at if at is None else at
        ((batch,),) = self._db.all("add_batch", (lane.alert, lane.channel, priority, 0))
        fixed = (lane.alert, lane.channel)
        # A due time a new row does not need: the room its later, longer states grow into.
        tail = (born.value, changed_at, changed_at, lane.cancel_reason)
        new = self._db.many(
            "add_delivery", [(seq, *fixed, *row, *tail) for seq, row in enumerate(rows, batch * STRIDE)]
        )
        self._count(batch, lane.alert, new, born)
        return new

    def _write_out(self, alert_id: str, channel: str) -> None:
        """Do nothing: whoever is planned has a row, which is how nobody is planned twice."""

    def add_list(self, alert_id: str, channel: str, rows: NewList, *, priority: int) -> int:
        """Write the deliveries a file lists, in batches, in its order; return how many were new.

        Raises:
            UnknownAlert: there is no such alert, or it has no such lane.
        """
        return sum(self.add_batch(alert_id, channel, batch, priority=priority) for batch in batches_in(rows))

    def _count(self, batch: int, alert: int, new: int, born: State) -> None:
        if not new:
            self._db.run("drop_batch", (batch,))
        elif born is State.PENDING:
            self._db.run("count_batch", (new, 0, "ready", batch))
            self._db.run("reopen", (alert,))
            self._waits(batch)
        else:
            self._db.run("count_batch", (0, new, "done", batch))

    def _waits(self, batch: int) -> None:
        """Do nothing: where one process owns the ledger, the batches themselves are the queue."""

    def _lane(self, alert_id: str, channel: str) -> PlannedLane:
        row = self._db.one("lane_of", (alert_id, channel))
        if row is None:
            raise UnknownAlert(Problem(where=alert_id, what=f"is not an alert with a lane on {channel}"))
        return PlannedLane(*row)

    def planned(self, alert_id: str, *, recipients: int, notes: Mapping[str, int]) -> None:
        """Close planning: what was read, and what was left out and why."""
        head = self._head(alert_id)
        self._db.run("close_planning", (recipients, canonical(notes), head.ref))
        planned = {tally.channel: tally.total for tally in self.tally(alert_id)}
        body = {"recipients": recipients, "notes": notes, "deliveries": planned, **self._lists_of(alert_id)}
        self.record_act("alert.planned", alert_id, body, actor=SYSTEM, at=micros(self._clock.now()))

    def _lists_of(self, alert_id: str) -> Mapping[str, object]:  # noqa: ARG002 - for ledgers that keep them
        """Return what else there is to say of a plan: lists that were accepted and are not written yet."""
        return {}


def _opened(opening: Opening) -> dict[str, Any]:
    alert = opening.alert
    return {
        "audience": alert.audience,
        "channels": [lane.channel for lane in opening.lanes],
        "clock": alert.clock,
        "digest": opening.digest,
        "expires_at": alert.expires_at,
        "incident": alert.incident,
        "msg_type": alert.msg_type,
        "number": alert.number,
        "references": alert.references,
        "run_key": alert.run_key,
        "status": alert.status,
        "template": alert.template,
        "title": alert.title,
    }
