"""What providers tell later: each receipt is kept once, and moves its row when it still may.

Receipts come in any order, twice, before our own record of the answer, and for messages nobody knows.
Whatever the order, a row ends where the table of transitions leads: arrival beats failure, and both
beat "sent". A receipt its row cannot take yet waits beside it; one without a row waits for a day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from alerting.ledger.ending import Ending
from alerting.ledger.hearing import Hearing
from alerting.ledger.instants import micros
from alerting.ledger.matching import Matching, Target, mark_of, mark_of_reply
from alerting.ledger.moves import Moves
from alerting.ledger.reading import STRIDE, span
from alerting.ledger.rows import Applied, Batch, ReplyRow, Settled
from alerting.ledger.settling import Settling
from alerting.model.delivery import SETTLED, TAKEN, Event, State, after
from alerting.model.receipt import Receipt, ReceiptStatus
from alerting.named import NamedTuple

#: What a receipt does to its delivery. "Sent" proves that a lost answer was a yes; so does a complaint
#: prove that the message arrived.
EVENTS: Final[Mapping[ReceiptStatus, Event]] = {
    ReceiptStatus.QUEUED: Event.FIND,
    ReceiptStatus.SENT: Event.FIND,
    ReceiptStatus.DELIVERED: Event.ARRIVE,
    ReceiptStatus.READ: Event.ARRIVE,
    ReceiptStatus.COMPLAINED: Event.ARRIVE,
    ReceiptStatus.UNDELIVERED: Event.FAIL,
}
#: No attempt of these is under way: what was heard of the last one stays its answer.
_IDLE: Final = frozenset({State.PENDING, State.REJECTED, State.EXPIRED, State.CANCELLED})
_OPTS: Final = frozenset({ReceiptStatus.OPTED_OUT, ReceiptStatus.OPTED_IN})
#: The word of an outcome that a receipt has brought; refolding takes it from the receipt instead.
RECEIVED: Final = "receipt"
_SECOND: Final = 1_000_000
_DAY: Final = 24 * 3600 * _SECOND
_PAGE: Final = 500
_US_PER_MS: Final = 1000
_MS_PER_S: Final = 1000


class _Word(NamedTuple):
    """What a receipt says of a row it was matched with; ``at`` in microseconds."""

    status: ReceiptStatus
    at: int
    provider_id: str
    reason: str
    detail: str


class Receiving(Settling, Matching, Ending, Hearing):
    """Applies receipts, and keeps what people answered."""

    def apply(self, receipts: Sequence[Receipt], *, at: int) -> Applied:
        """Keep receipts and move their rows; a repeat changes nothing.

        Never raises for what a receipt says: one that fits nothing waits for its row as an orphan.
        ``at`` is microseconds since 1970.
        """
        fold = _Fold(at)
        for receipt in receipts:
            if receipt.status in _OPTS:
                self._register(receipt, fold)
            else:
                self._receive(receipt, mark_of(receipt), fold)
        return self._finish(fold)

    def adopt(self, *, at: int) -> Applied:
        """Look again for the rows of orphans; drop those that have waited for a day.

        A young orphan is looked at again soon, an old one seldom: each wait is as long as its age.
        """
        fold = _Fold(at)
        for mark, channel, status, told_at, heard_at, *rest in self._db.all("orphans_due", (at, _PAGE)):
            key, provider_id, address, reason, detail = rest
            word = _Word(ReceiptStatus(status), told_at, provider_id, reason, detail)
            target = self._find(channel, key=key, provider_id=provider_id, address=address, at=at)
            if target is not None:
                self._keep(target, mark, word, fold)
            elif at - heard_at < _DAY:
                fold.orphaned += 1
                self._db.run("put_off_orphan", (at + max(_SECOND, at - heard_at), mark))
                continue
            self._db.run("drop_orphan", (mark,))
        return self._finish(fold)

    def settle(self, batch: Batch, results: Sequence[Settled]) -> int:
        """Record what became of rows, then let them take the receipts that came too early for them."""
        changed = super().settle(batch, results)
        if changed:
            self._catch_up(batch.id, at=max(result.at for result in results))
        return changed

    # -- one receipt ------------------------------------------------------------------------------

    def _receive(self, receipt: Receipt, mark: bytes, fold: _Fold) -> None:
        told_at = min(micros(receipt.at), fold.at)
        word = _Word(receipt.status, told_at, receipt.provider_id, receipt.reason, receipt.detail)
        target = self._find(
            receipt.channel,
            key=receipt.key,
            provider_id=receipt.provider_id,
            address=receipt.address,
            at=fold.at,
        )
        if target is not None:
            self._keep(target, mark, word, fold)
            return
        row = (mark, receipt.channel, receipt.status.value, told_at, fold.at, fold.at + _SECOND)
        rest = (receipt.key, receipt.provider_id, receipt.address, receipt.reason, receipt.detail)
        fold.count(new=self._db.run("add_orphan", (*row, *rest)), orphan=True)

    def _register(self, receipt: Receipt, fold: _Fold) -> None:
        told_at = min(micros(receipt.at), fold.at)
        row = (mark_of(receipt), receipt.channel, receipt.address, receipt.status.value, told_at, fold.at)
        fold.count(new=self._db.run("add_opt", (*row, receipt.detail)))

    def _keep(self, target: Target, mark: bytes, word: _Word, fold: _Fold) -> None:
        row = (target.id, mark, word.status.value, word.at, fold.at)
        if not self._db.run("add_receipt", (*row, word.provider_id, word.reason, word.detail)):
            fold.repeated += 1
        elif self._move(target, word, fold):
            fold.changed += 1
        elif target.state not in SETTLED:
            self._db.run("add_early", (target.id, mark))

    def _move(self, target: Target, word: _Word, fold: _Fold) -> bool:
        """Move a row where the receipt leads; say whether it moved."""
        event = EVENTS[word.status]
        state = after(target.state, event)
        if state is target.state or (event is Event.FAIL and _of_another(target, word)):
            return False
        reason = word.reason if state is State.UNDELIVERED else ""
        told, decided = target.told, target.decided
        if target.state not in TAKEN or word.detail:
            told = decided = told + 1
            self._hear(target, word, told, fold.at)
        self._db.run("receive_row", (state.value, fold.at, told, decided, reason, target.id))
        fold.move(target, state, reason, word)
        return True

    def _hear(self, target: Target, word: _Word, n: int, at: int) -> None:
        """Add to what is known of an attempt; a row that waits, or was given up, has none under way."""
        attempt = 0 if target.state in _IDLE else target.attempt
        provider_id = target.provider_id or word.provider_id
        row = (target.id, n, attempt, at, RECEIVED, provider_id, target.permalink, word.reason, word.detail)
        self._db.run("add_outcome", row)

    def _catch_up(self, batch: int, *, at: int) -> None:
        waiting = self._db.all("early_between", span(batch))
        if not waiting:
            return
        fold = _Fold(at)
        for delivery, mark, status, *rest in waiting:
            target = self._target(delivery)
            moved = self._move(target, _Word(ReceiptStatus(status), *rest), fold)
            if moved or target.state in SETTLED:
                self._db.run("drop_early", (delivery, mark))
        self._finish(fold)

    def _finish(self, fold: _Fold) -> Applied:
        for moves in fold.moves.values():
            moves.write(self._db)
        self._db.at_last("add_arrival", fold.arrivals)
        for alert_id in sorted(fold.ended):
            self.settle_alert(alert_id, at=fold.at)
        return Applied(changed=fold.changed, repeated=fold.repeated, orphaned=fold.orphaned)

    # -- people -----------------------------------------------------------------------------------

    def keep_replies(self, replies: Sequence[ReplyRow]) -> int:
        """Keep what people wrote back; return how many were new."""
        return self._db.many("add_reply", [(mark_of_reply(reply), *reply) for reply in replies])


def _of_another(target: Target, word: _Word) -> bool:
    """Say whether a failure is of another message than the one the row stands for."""
    return bool(target.provider_id and word.provider_id and target.provider_id != word.provider_id)


class _Fold:
    """What one call does to the counters, gathered until its end."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.changed = self.repeated = self.orphaned = 0
        self.moves: dict[int, Moves] = {}
        self.arrivals: list[tuple[int, int, int, int, int]] = []
        self.ended: set[str] = set()

    def count(self, *, new: int, orphan: bool = False) -> None:
        """Count what was kept outside of any delivery."""
        if not new:
            self.repeated += 1
        elif orphan:
            self.orphaned += 1
        else:
            self.changed += 1

    def move(self, target: Target, state: State, reason: str, word: _Word) -> None:
        """Note that a row has moved."""
        batch = target.id // STRIDE
        moves = self.moves.get(batch)
        if moves is None:
            moves = Moves(batch, target.alert, target.channel, target.accepted_at)
            self.moves[batch] = moves
        moves.add(target.state, target.reason, state, reason)
        if word.detail and state is State.UNDELIVERED:
            moves.explain(state, reason, word.detail)
        if state in TAKEN:
            moves.take(target.state, word.at)
        if state is State.DELIVERED:
            self._arrive(target, word.at)
        if target.state not in SETTLED:
            self.ended.add(target.alert_id)

    def _arrive(self, target: Target, at: int) -> None:
        ms = max(0, at - target.accepted_at) // _US_PER_MS
        self.arrivals.append((target.alert, target.channel, ms // _MS_PER_S, ms, ms))
