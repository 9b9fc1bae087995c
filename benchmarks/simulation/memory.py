"""A ledger that keeps only what is under way, and counts what a database would have written."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from alerting.clock import Clock
from alerting.ledger.postgres.sharing import JOIN_US, LEAVE_US
from alerting.ledger.rows import AlertRecord, Batch, NewDelivery, NewList, Opening, Row, Settled, Share
from alerting.model.delivery import SETTLED, State

_STRIDE: Final = 1024
_SECOND: Final = 1_000_000
#: What one change of a delivery writes: its own row, and its attempt or its outcome.
_ROWS_A_CHANGE: Final = 2


class _Planned(NamedTuple):
    """A batch nobody has touched: where its addresses begin, and how many they are."""

    id: int
    first: str
    count: int
    priority: int


@dataclass(slots=True, eq=False)
class _Leased:
    """A batch some worker has, or left."""

    id: int
    channel: str
    rows: dict[int, Row]
    priority: int
    epoch: int = 0
    owner: str = ""
    until: int = 0
    begun: dict[int, int] = field(default_factory=dict)  #: attempts without an answer, and since when


@dataclass(slots=True)
class Book:
    """The ledger of one simulated alert: as much of the port as opening and lanes ask.

    Finished rows are counted and forgotten, so ten million deliveries fit into memory.
    """

    clock: Clock
    address_of: Callable[[str, int], str]  #: the n-th address after a batch's first one
    record: AlertRecord | None = None
    planned_rows: int = 0
    ended: Counter[State] = field(default_factory=Counter)
    accepted: dict[str, Counter[int]] = field(default_factory=dict)  #: by channel and tenth of a second
    written: Counter[int] = field(default_factory=Counter)  #: rows by second
    twice: int = 0
    _fresh: dict[str, deque[_Planned]] = field(default_factory=dict)
    _under_way: dict[int, _Leased] = field(default_factory=dict)
    _ids: int = 0
    _speakers: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)  #: since when, until when

    # -- opening ----------------------------------------------------------------------------------

    def alert_of_run(self, run_key: str) -> None:
        """Know of no earlier run."""

    def alone(self, word: str) -> None:
        """Nobody else opens alerts here."""

    def alerts(self, *, limit: int = 20) -> Sequence[AlertRecord]:
        """Return none: this is the first alert."""
        del limit
        return ()

    def opted_out(self, channel: str) -> frozenset[str]:
        """Return nobody."""
        del channel
        return frozenset()

    def open_alert(self, opening: Opening, *, at: int) -> None:
        """Keep the alert and its lanes."""
        del at
        self.record = AlertRecord(
            alert=opening.alert, lanes=opening.lanes, digest=opening.digest, accepted_at=self.clock.now()
        )

    def record_act(self, *_: Any, **__: Any) -> None:
        """Write an act."""
        self._write(1)

    def add_batch(self, alert_id: str, channel: str, rows: Sequence[NewDelivery], *, priority: int) -> int:
        """Remember where a batch begins."""
        del alert_id
        return self._plan(channel, rows[0].address, len(rows), priority)

    def add_list(self, alert_id: str, channel: str, rows: NewList, *, priority: int) -> int:
        """Remember where its batches begin. The question is how many people, and the first one's address."""
        del alert_id
        people, first = rows.question.split()
        count = int(people)
        for start in range(0, count, rows.size):
            self._plan(channel, self.address_of(first, start), min(rows.size, count - start), priority)
        return count

    def _plan(self, channel: str, first: str, count: int, priority: int) -> int:
        self._ids += 1
        self._fresh.setdefault(channel, deque()).append(_Planned(self._ids, first, count, priority))
        self.planned_rows += count
        return count

    def planned(self, alert_id: str, *, recipients: int, notes: Mapping[str, int]) -> None:
        """Close planning."""

    # -- lanes ------------------------------------------------------------------------------------

    def alert(self, alert_id: str) -> AlertRecord | None:
        """Return the alert."""
        del alert_id
        return self.record

    def lease(
        self, channel: str, *, owner: str, at: int, until: int, skip: Iterable[int] = (), only: int = 0
    ) -> Batch | None:
        """Take a batch whose owner is gone, or a fresh one; nobody here is offered a certain one."""
        assert not only, "workers in virtual time look for themselves"
        held = set(skip)
        for left in self._under_way.values():
            if left.channel == channel and left.id not in held and (left.until <= at or left.owner == owner):
                return self._take(left, owner, until)
        if not self._fresh.get(channel):
            return None
        fresh = self._fresh[channel].popleft()
        rows = {
            seq: Row(seq, self.address_of(fresh.first, n), State.PENDING, 0, 0, 0, False, "")  # noqa: FBT003
            for n, seq in enumerate(range(fresh.id * _STRIDE, fresh.id * _STRIDE + fresh.count))
        }
        leased = self._under_way[fresh.id] = _Leased(fresh.id, channel, rows, fresh.priority)
        return self._take(leased, owner, until)

    def _take(self, leased: _Leased, owner: str, until: int) -> Batch:
        leased.epoch, leased.owner, leased.until = leased.epoch + 1, owner, until
        for seq, at in leased.begun.items():
            row = leased.rows[seq]
            leased.rows[seq] = row._replace(state=State.UNCERTAIN, attempt=row.attempt + 1, sent_at=at)
        leased.begun.clear()
        self._write(1)
        assert self.record
        return Batch(
            id=leased.id,
            alert_id=self.record.alert.id,
            channel=leased.channel,
            epoch=leased.epoch,
            rows=tuple(leased.rows.values()),
            priority=leased.priority,
        )

    def next_due(self, channel: str) -> int | None:
        """Return when the next batch of a worker that is gone may be taken."""
        return min((left.until for left in self._under_way.values() if left.channel == channel), default=None)

    def claim(self, batch: Batch, ids: Sequence[int], *, at: int) -> Sequence[int]:
        """Begin attempts, unless somebody else has the batch now."""
        leased = self._ours(batch)
        if leased is None:
            return ()
        leased.begun.update(dict.fromkeys(ids, at))
        self._write(_ROWS_A_CHANGE * len(ids))
        return ids

    def settle(self, batch: Batch, results: Sequence[Settled]) -> int:
        """Record outcomes, unless somebody else has the batch now."""
        leased = self._ours(batch)
        self._write(_ROWS_A_CHANGE * len(results))
        if leased is None:
            return 0
        accepted = 0
        for told in results:
            at = leased.begun.pop(told.id, 0)
            if told.state in SETTLED:
                del leased.rows[told.id]
                self.twice += told.maybe_twice
                accepted += told.state is State.ACCEPTED
                self.ended[told.state] += 1
                continue
            row = leased.rows[told.id]
            leased.rows[told.id] = row._replace(
                state=told.state,
                due_at=told.due_at,
                maybe_twice=told.maybe_twice,
                attempt=row.attempt + bool(at),
                sent_at=at or row.sent_at,
            )
        if accepted:
            self.accepted.setdefault(batch.channel, Counter())[self._now() * 10 // _SECOND] += accepted
        return len(results)

    def release(self, batch: Batch, *, not_before: int) -> None:
        """Give a batch back; one without rows is done."""
        del not_before
        leased = self._ours(batch)
        if leased is None:
            return
        leased.owner, leased.until = "", 0
        if not leased.rows:
            del self._under_way[batch.id]

    def renew(self, batches: Sequence[Batch], *, until: int) -> Sequence[int]:
        """Extend leases."""
        ours = [leased for batch in batches if (leased := self._ours(batch))]
        for leased in ours:
            leased.until = until
        self._write(len(ours))
        return [leased.id for leased in ours]

    def expire(self, alert_id: str, *, at: int) -> int:
        """Expire what nobody has begun."""
        del alert_id, at
        waiting = sum(batch.count for queue in self._fresh.values() for batch in queue)
        for queue in self._fresh.values():
            queue.clear()
        for leased in self._under_way.values():
            for seq in [
                seq
                for seq, row in leased.rows.items()
                if row.state is State.PENDING and seq not in leased.begun
            ]:
                del leased.rows[seq]
                waiting += 1
        self.ended[State.EXPIRED] += waiting
        return waiting

    def settle_alert(self, alert_id: str, *, at: int) -> bool:
        """Say whether every delivery has ended."""
        del alert_id, at
        return sum(self.ended.values()) == self.planned_rows

    def hand_over(self, *_: Any, **__: Any) -> int:
        """Have no other channel to hand over to."""
        return 0

    # -- sharing ----------------------------------------------------------------------------------

    def speak(
        self, channel: str, *, owner: str, until_s: float, renew: bool, over: bool = False
    ) -> Share | None:
        """Return an owner's share of a channel, as the shared ledger divides it."""
        now, known = self._now(), self._speakers.setdefault(channel, {})
        if over:
            mine = known[owner][0] if owner in known else now
            for name, (since, until) in known.items():
                if since > max(mine, now - JOIN_US):
                    known[name] = now, until
        if renew:
            since, until = known.get(owner, (now, 0))
            known[owner] = (now if until < now else since, now + int(until_s * _SECOND))
        there = sorted((since, name) for name, (since, until) in known.items() if until >= now)
        for place, (since, name) in enumerate(there):
            if name == owner:
                wait = max(0, since + JOIN_US - now) if place else 0
                return Share(place, len(there), wait / _SECOND)
        return None

    def fall_silent(self, channel: str, *, owner: str) -> None:
        """Let an owner count for its last second only."""
        known = self._speakers.setdefault(channel, {})
        if owner in known:
            known[owner] = (known[owner][0], self._now() + LEAVE_US)

    def known_to(self, *_: Any, **__: Any) -> Sequence[str]:
        """Return nothing: everybody is told once."""
        return ()

    def _ours(self, batch: Batch) -> _Leased | None:
        leased = self._under_way.get(batch.id)
        return leased if leased and leased.epoch == batch.epoch else None

    def _now(self) -> int:
        return int(self.clock.monotonic() * _SECOND)

    def _write(self, rows: int) -> None:
        self.written[int(self.clock.monotonic())] += rows


@dataclass(slots=True)
class Commits:
    """A worker's way to the ledger: every change takes as long as a shared commit does."""

    book: Book
    commit_s: float
    count: int = 0

    async def do(self, change: Callable[[Any], Any]) -> Any:
        """Run a change, durable after a commit."""
        self.count += 1
        await asyncio.sleep(self.commit_s)
        return change(self.book)
