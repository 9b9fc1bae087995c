"""How an alert ends: its life is over, somebody stops it, or everything is settled."""

from __future__ import annotations

from alerting.errors import Problem, UnknownAlert
from alerting.ledger.keeping import SYSTEM, Keeping
from alerting.ledger.moves import Moves
from alerting.ledger.reading import STRIDE, span
from alerting.ledger.rows import Actor, Cancelled
from alerting.model.delivery import State


class Ending(Keeping):
    """Moves what is still waiting to where it stays."""

    def expire(self, alert_id: str, *, at: int) -> int:
        """Expire every PENDING row of an alert whose life has ended; return how many.

        Before its ``expires_at`` an alert loses nothing: the answer is 0.
        """
        head = self._head(alert_id)
        if at < head.expires_at:
            return 0
        expired = self._end_waiting(head.ref, State.EXPIRED, reason="expired", at=at)
        if expired:
            self.record_act("alert.expired", alert_id, {"expired": expired}, actor=SYSTEM, at=at)
        return expired

    def cancel(self, alert_id: str, *, actor: Actor, at: int, reason: str = "cancelled") -> Cancelled:
        """Stop what has not left. From this commit no claim of the alert succeeds.

        Rows whose fate is being looked up count as in flight and stay as they are.
        """
        head = self._head(alert_id)
        ((_, in_flight, gone),) = self._db.all("totals", (head.ref,))
        self.mark_cancelled(alert_id, reason=reason, at=at)
        stopped = self._end_waiting(head.ref, State.CANCELLED, reason=reason, at=at)
        done = Cancelled(stopped=stopped, in_flight=in_flight, gone=gone)
        body = {"reason": reason, "stopped": stopped, "in_flight": in_flight, "gone": gone}
        self.record_act("alert.cancelled", alert_id, body, actor=actor, at=at)
        return done

    def mark_cancelled(self, alert_id: str, *, reason: str, at: int) -> None:
        """Stamp an alert as cancelled, unless it is; what waits is another matter."""
        self._db.run("mark_cancelled", (at, reason, self._head(alert_id).ref))

    def withdraw(self, alert_id: str, channel: str, address: str, *, reason: str, at: int) -> int:
        """Stop what waits for one address and was never tried; return how many that were.

        Raises:
            UnknownAlert: there is no such alert, or it has no such lane.
        """
        lane = self._db.one("lane_of", (alert_id, channel))
        if lane is None:
            raise UnknownAlert(Problem(where=alert_id, what=f"is not an alert with a lane on {channel}"))
        stopped = 0
        for row in self.deliveries(alert_id, channel=channel, address=address):
            if self._db.run("withdraw", (at, reason, row.id)):
                moves = Moves(row.id // STRIDE, lane[0], lane[1], lane[2])
                moves.add(State.PENDING, "", State.CANCELLED, reason)
                moves.write(self._db)
                stopped += 1
        return stopped

    def _end_waiting(self, alert: int, state: State, *, reason: str, at: int) -> int:
        waiting = self._db.all("waiting_batches", (alert,))
        ends = [(state.value, at, reason, *span(batch)) for batch, _, _ in waiting]
        self._db.many("end_rows", ends)
        self._db.run("end_batches", (state.value, state.value, alert))
        self._db.run("forget_waiting", (alert,))
        if state is State.EXPIRED:
            lost = [(alert, channel, state.value, reason, "", count) for _, channel, count in waiting]
            self._db.many("raise_trouble", lost)
        return sum(count for *_, count in waiting)

    def settle_alert(self, alert_id: str, *, at: int) -> bool:
        """Stamp an alert whose deliveries are all settled; return whether it is.

        An alert whose planning is not closed is not settled, unless it was cancelled.
        """
        head = self._head(alert_id)
        ((waiting, in_flight, _),) = self._db.all("totals", (head.ref,))
        complete = head.recipients is not None or head.cancelled_at
        if waiting or in_flight or not complete:
            return False
        if self._db.run("mark_settled", (at, head.ref)):
            self.record_act("alert.settled", alert_id, {}, actor=SYSTEM, at=at)
        return True
