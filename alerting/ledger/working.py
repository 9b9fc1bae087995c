"""What a lane does: lease a batch, claim rows, settle them, give the batch back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from alerting.ledger.moves import Moves
from alerting.ledger.planning import Planning
from alerting.ledger.reading import STATES, span
from alerting.ledger.rows import Batch, NewDelivery, Row
from alerting.model.delivery import State
from alerting.named import NamedTuple

_LOST = "interrupted"


class Fence(NamedTuple):
    """What stands between a late writer and a batch."""

    alert: int
    channel: int
    epoch: int
    state: str
    accepted_at: int
    cancelled_at: int
    cancel_reason: str


class Working(Planning):
    """Leases, claims and the way back; settling has a room of its own."""

    def lease(
        self, channel: str, *, owner: str, at: int, until: int, skip: Iterable[int] = (), only: int = 0
    ) -> Batch | None:
        """Take the most urgent batch of a channel that is due and free (or ``only`` this one), or None.

        Free is what nobody holds, what somebody held for too long, and what this owner holds
        without naming it in ``skip`` (it has forgotten it). A batch in ``skip`` is never taken.
        """
        skipped = frozenset(skip)
        asked = (channel, at, at, owner, only or len(skipped) + 1)
        rows = self._db.all("candidate", asked) if only else self._db.all("candidates", asked)
        found = next((row for row in rows if row[0] not in skipped), None)
        if found is None:
            return None
        number, epoch, sending = found
        self._db.run("take_batch", (owner, until, number))
        if sending:
            self._lose(number, at)
        return self._batch(number, epoch + 1)

    def _batch(self, number: int, epoch: int) -> Batch:
        ((alert_id, channel, priority),) = self._db.all("names_of_batch", (number,))
        rows = self._open_rows(number)
        return Batch(id=number, alert_id=alert_id, channel=channel, epoch=epoch, rows=rows, priority=priority)

    def _open_rows(self, number: int) -> tuple[Row, ...]:
        return tuple(
            Row(delivery, address, STATES[state], attempt, due_at, sent_at, bool(twice), fallback)
            for delivery, address, state, attempt, due_at, sent_at, twice, fallback in self._db.all(
                "open_rows", span(number)
            )
        )

    def _lose(self, number: int, at: int) -> None:
        """Turn what a previous owner left in SENDING into UNCERTAIN."""
        fence = self._fence(number)
        moves = Moves(number, fence.alert, fence.channel, fence.accepted_at)
        lost = self._db.all("left_sending", span(number))
        state = State.UNCERTAIN
        heard, changed = [], []
        for delivery, attempt, told, twice in lost:
            heard.append((delivery, told + 1, attempt, at, _LOST, "", "", _LOST, ""))
            changed.append((state.value, 0, at, told + 1, told + 1, twice, _LOST, delivery))
        self._db.many("add_outcome", heard)
        self._db.many("settle_row", changed)
        moves.add(State.SENDING, "", state, _LOST, rows=len(lost))
        moves.write(self._db)

    def next_due(self, channel: str) -> int | None:
        """Return when the next batch of a channel can be leased, or None when there is none.

        A batch somebody holds can be leased when its lease has ended.
        """
        row = self._db.one("due_batches", (channel,))
        return row[0] if row else None

    def claim(self, batch: Batch, ids: Sequence[int], *, at: int) -> Sequence[int]:
        """Commit an attempt for each of these rows, and return those that may now be sent, in order."""
        fence = self._fence(batch.id)
        if fence.epoch != batch.epoch or fence.state != "leased" or fence.cancelled_at:
            return ()
        moves = Moves(batch.id, fence.alert, fence.channel, fence.accepted_at)
        if self._claim_run(batch, ids, at):
            moves.add(State.PENDING, "", State.SENDING, "", rows=len(ids))
            moves.write(self._db)
            return ids
        found = self._db.all("claim_rows", (at, self._db.ids(ids), *span(batch.id)))
        claimed = {row[0] for row in found}
        self._db.run("begin_attempts", (batch.epoch, at, self._db.ids(claimed)))
        for reason, rows in Counter(row[1] for row in found).items():
            moves.add(State.PENDING, reason, State.SENDING, reason, rows=rows)
        moves.write(self._db)
        return [number for number in ids if number in claimed]

    def _claim_run(self, batch: Batch, ids: Sequence[int], at: int) -> bool:
        """Claim rows that follow one another and never waited; False, and nothing done, for any others.

        Nearly every row is claimed so, and needs neither to be named nor to be handed back.
        """
        first, last = (ids[0], ids[-1]) if ids else (0, 0)
        (low, high), rows = span(batch.id), len(ids)
        if not low <= first <= last <= high or list(ids) != list(range(first, last + 1)):
            return False
        if self._db.run("claim_run", (at, first, last, first, last, rows)) != rows:
            return False
        self._db.run("begin_run", (batch.epoch, at, first, last))
        return True

    def hand_over(self, batch: Batch, ids: Sequence[int], *, to: str, priority: int, at: int) -> int:
        """Plan the fallback addresses of these rows on another channel; return how many were new.

        Raises:
            UnknownAlert: the alert has no lane on that channel.
        """
        if self._fence(batch.id).epoch != batch.epoch:
            return 0
        rows = [
            NewDelivery(fallback, recipient)
            for fallback, recipient in self._db.all("fallbacks_of", (self._db.ids(ids), *span(batch.id)))
        ]
        return self._plan(batch.alert_id, to, rows, priority=priority, at=at)

    def release(self, batch: Batch, *, not_before: int) -> None:
        """Give a batch back: done when every row is settled, else free again at ``not_before``."""
        if self._db.run("release_batch", (not_before, batch.id, batch.epoch)):
            self._waits(batch.id)

    def renew(self, batches: Sequence[Batch], *, until: int) -> Sequence[int]:
        """Extend leases; return the ids of batches that are still ours."""
        return [b.id for b in batches if self._db.run("renew_batch", (until, b.id, b.epoch))]

    def _fence(self, batch: int) -> Fence:
        ((*fence,),) = self._db.all("fence", (batch,))
        return Fence(*fence)
