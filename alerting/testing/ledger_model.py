"""A ledger so small that it can be believed by reading it, and a machine that compares.

The model holds rows in a dictionary and counts by counting. The machine runs random operations on it
and on a real ledger, late and stale ones too, and demands the same answers after every step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alerting.ledger.base import Ledger
from alerting.ledger.rows import Batch, Settled
from alerting.model.delivery import SETTLED, TAKEN, TRANSITIONS, Event, State
from alerting.testing.builders import A_MOMENT_US, a_delivery, an_actor, an_alert, an_opening

_ALERT: Final = an_alert()
_LIFE_US: Final = (_ALERT.expires_at - _ALERT.created_at).seconds * 1_000_000
_LEASE_US: Final = 15_000_000
_PEOPLE: Final = 12
_FIRST, _SECOND = "sms-main", "sms-backup"
#: What usually becomes of a row; anything else is tried as well, less often.
_LIKELY: Final = {
    State.SENDING: [State.ACCEPTED, State.PENDING, State.REJECTED, State.UNCERTAIN],
    State.UNCERTAIN: [State.ACCEPTED, State.PENDING, State.UNRESOLVED, State.UNCERTAIN],
}
_ENDED_BY: Final = {State.EXPIRED: "expired", State.CANCELLED: "cancelled"}


@dataclass(slots=True)
class _Row:
    channel: str
    person: int
    batch: int
    state: State = State.PENDING
    attempt: int = 0
    reason: str = ""


@dataclass(slots=True)
class _Batch:
    channel: str
    epoch: int = 0
    owner: str = ""
    lease_until: int = 0
    not_before: int = 0
    done: bool = False


class LedgerModel(RuleBasedStateMachine):
    """Random histories of one alert on two channels; the second takes what the first cannot reach."""

    def __init__(self, open_ledger: Callable[[], Ledger]) -> None:
        super().__init__()
        self.ledger = open_ledger()
        self.now = A_MOMENT_US
        self.rows: dict[int, _Row] = {}
        self.batches: dict[int, _Batch] = {}
        self.leases: list[Batch] = []
        self.curve: Counter[tuple[str, int]] = Counter()
        self.cancelled = False

    @initialize()
    def open(self) -> None:
        """Open the alert."""
        with self.ledger.transaction():
            self.ledger.open_alert(an_opening(_FIRST, _SECOND, alert=_ALERT), at=self.now)
            self.ledger.planned(_ALERT.id, recipients=_PEOPLE, notes={})
        self.plan(people={0, 1, 2, 3}, priority=50)

    @rule(people=st.sets(st.integers(0, _PEOPLE - 1), max_size=5), priority=st.sampled_from([10, 50]))
    def plan(self, people: set[int], priority: int) -> None:
        """Plan some people, some of them again."""
        rows = [a_delivery(person, fallback=f"phone:{person}") for person in people]
        with self.ledger.transaction():
            new = self.ledger.add_batch(_ALERT.id, _FIRST, rows, priority=priority)
        assert new == self._learn(_FIRST)

    def _learn(self, channel: str) -> int:
        """Read which rows are new; the ledger chooses their ids, the model nothing else."""
        new = 0
        state = State.CANCELLED if self.cancelled else State.PENDING
        for found in self.ledger.deliveries(_ALERT.id, channel=channel):
            if found.id not in self.rows:
                batch = found.id // 1024
                self.rows[found.id] = _Row(channel, found.id, batch, state)
                self.batches.setdefault(batch, _Batch(channel, done=self.cancelled))
                new += 1
        return new

    @rule(span_s=st.sampled_from([1, 5, 20, 300]))
    def wait(self, span_s: int) -> None:
        """Let time pass."""
        self.now += span_s * 1_000_000

    @rule(channel=st.sampled_from([_FIRST, _SECOND]), owner=st.sampled_from(["a", "b"]), skip=st.booleans())
    def lease(self, channel: str, owner: str, *, skip: bool) -> None:
        """Take a batch; with ``skip``, none of those the owner holds."""
        held = [n for n, b in self.batches.items() if b.owner == owner] if skip else []
        with self.ledger.transaction():
            got = self.ledger.lease(channel, owner=owner, at=self.now, until=self.now + _LEASE_US, skip=held)
        free = {n for n, b in self.batches.items() if b.channel == channel and self._free(n, owner, held)}
        assert (got is not None) == bool(free)
        if got is None:
            return
        assert got.id in free
        batch = self.batches[got.id]
        batch.epoch += 1
        batch.owner, batch.lease_until = owner, self.now + _LEASE_US
        assert got.epoch == batch.epoch
        for row in self._of(got.id):
            if row.state is State.SENDING:
                row.state, row.reason = State.UNCERTAIN, "interrupted"
        expected = [(n, r.state) for n, r in self.rows.items() if r.batch == got.id and _is_open(r)]
        assert [(row.id, row.state) for row in got.rows] == expected
        self.leases.append(got)

    def _free(self, number: int, owner: str, held: list[int]) -> bool:
        batch = self.batches[number]
        if number in held or not any(_is_open(row) for row in self._of(number)):
            return False
        if batch.not_before > self.now:
            return False
        return not batch.owner or batch.lease_until < self.now or batch.owner == owner

    def _of(self, number: int) -> list[_Row]:
        return [row for row in self.rows.values() if row.batch == number]

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def claim(self, data: Any) -> None:
        """Claim some rows of a lease, which may be an old one."""
        batch, ids = self._some(data)
        with self.ledger.transaction():
            claimed = self.ledger.claim(batch, ids, at=self.now)
        ours = self.batches[batch.id].epoch == batch.epoch and self.batches[batch.id].owner != ""
        expected = [n for n in ids if ours and self.rows[n].state is State.PENDING]
        assert list(claimed) == expected
        for number in expected:
            self.rows[number].state = State.SENDING
            self.rows[number].attempt += 1

    def _some(self, data: Any) -> tuple[Batch, list[int]]:
        batch: Batch = data.draw(st.sampled_from([self.leases[-1], self.leases[-1], *self.leases]))
        ids = [row.id for row in batch.rows]
        first, step = data.draw(st.sampled_from([(0, 1), (0, 1), (0, 2), (1, 2), (1, 3)]))
        return batch, ids[first::step]

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def settle(self, data: Any) -> None:
        """Tell what became of some rows: right, late, impossible."""
        batch, ids = self._some(data)
        results = [self._result(data, number) for number in ids]
        with self.ledger.transaction():
            changed = self.ledger.settle(batch, results)
        assert changed == sum(self._settle(batch, result) for result in results)

    def _result(self, data: Any, number: int) -> Settled:
        attempt = self.rows[number].attempt + data.draw(st.sampled_from([0, 0, 0, 0, 0, -1]))
        likely = _LIKELY.get(self.rows[number].state, list(State))
        state = data.draw(st.sampled_from([*likely, *likely, *likely, *State]))
        reason = "" if state in TAKEN else data.draw(st.sampled_from(["", "timeout", "rate_limited"]))
        return Settled(number, max(0, attempt), state, state.value, self.now, reason=reason)

    def _settle(self, batch: Batch, result: Settled) -> bool:
        row = self.rows[result.id]
        ours = self.batches[batch.id].epoch == batch.epoch
        found = row.state is State.UNCERTAIN and result.state is State.ACCEPTED
        if result.attempt != row.attempt or not (ours or found) or not _may(row.state, result.state):
            return False
        row.state, row.reason = result.state, result.reason
        if row.state is State.PENDING and self.cancelled:
            row.state, row.reason = State.CANCELLED, "cancelled"
        if row.state in TAKEN:
            self.curve[row.channel, (self.now - A_MOMENT_US) // 1_000_000] += 1
        return True

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), later_s=st.sampled_from([0, 3, 60]))
    def release(self, data: Any, later_s: int) -> None:
        """Give back a lease, which may be an old one."""
        lease = data.draw(st.sampled_from(self.leases))
        with self.ledger.transaction():
            self.ledger.release(lease, not_before=self.now + later_s * 1_000_000)
        batch = self.batches[lease.id]
        if batch.epoch == lease.epoch and batch.owner:
            batch.owner, batch.not_before = "", self.now + later_s * 1_000_000

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def renew(self, data: Any) -> None:
        """Extend a lease, which may be an old one."""
        lease = data.draw(st.sampled_from(self.leases))
        with self.ledger.transaction():
            kept = self.ledger.renew([lease], until=self.now + _LEASE_US)
        batch = self.batches[lease.id]
        ours = batch.epoch == lease.epoch and batch.owner != ""
        assert list(kept) == ([lease.id] if ours else [])
        if ours:
            batch.lease_until = self.now + _LEASE_US

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def hand_over(self, data: Any) -> None:
        """Plan fallbacks, some of them again."""
        batch, ids = self._some(data)
        with self.ledger.transaction():
            new = self.ledger.hand_over(batch, ids, to=_SECOND, priority=50, at=self.now)
        assert new == self._learn(_SECOND)

    @rule()
    def expire(self) -> None:
        """Expire what waits, if the alert's life has ended."""
        ended = self._end(State.EXPIRED) if self.now >= A_MOMENT_US + _LIFE_US else 0
        with self.ledger.transaction():
            assert self.ledger.expire(_ALERT.id, at=self.now) == ended

    @precondition(lambda self: len(self.leases) > _PEOPLE // 4)
    @rule()
    def cancel(self) -> None:
        """Stop the alert."""
        flying = sum(row.state in {State.SENDING, State.UNCERTAIN} for row in self.rows.values())
        stopped = self._end(State.CANCELLED)
        self.cancelled = True
        with self.ledger.transaction():
            done = self.ledger.cancel(_ALERT.id, actor=an_actor(), at=self.now)
        assert (done.stopped, done.in_flight) == (stopped, flying)

    def _end(self, state: State) -> int:
        waiting = [row for row in self.rows.values() if row.state is State.PENDING]
        for row in waiting:
            row.state, row.reason = state, _ENDED_BY[state]
        return len(waiting)

    @rule()
    def settle_alert(self) -> None:
        """Ask whether everything is settled."""
        with self.ledger.transaction():
            settled = self.ledger.settle_alert(_ALERT.id, at=self.now)
        assert settled == (not any(_is_open(row) for row in self.rows.values()))

    @invariant()
    def counters_are_the_fold_of_the_rows(self) -> None:
        """Compare counters, rows, troubles and the curve with the model."""
        for tally in self.ledger.tally(_ALERT.id):
            counted = Counter(r.state for r in self.rows.values() if r.channel == tally.channel)
            assert {state: n for state, n in tally.counts.items() if n} == counted
        kept = {d.id: (d.state, d.attempt) for d in self.ledger.deliveries(_ALERT.id)}
        assert kept == {number: (row.state, row.attempt) for number, row in self.rows.items()}
        troubles = Counter((r.channel, r.state, r.reason) for r in self.rows.values() if _is_trouble(r))
        told = {(f.channel, f.state, f.reason): f.deliveries for f in self.ledger.failures(_ALERT.id)}
        assert told == troubles
        curves = self.ledger.progress(_ALERT.id)
        assert {(c, s): n for c, curve in curves.items() for s, n in curve} == self.curve
        open_ = {row.channel for row in self.rows.values() if _is_open(row)}
        assert {channel for _, channel in self.ledger.unsettled()} == open_

    def teardown(self) -> None:
        """Give the ledger back."""
        self.ledger.close()


def _is_open(row: _Row) -> bool:
    return row.state not in SETTLED


def _is_trouble(row: _Row) -> bool:
    fine = {State.SENDING, State.ACCEPTED, State.DELIVERED, State.CANCELLED}
    return row.state not in fine and (row.state is not State.PENDING or row.reason != "")


def _may(old: State, new: State) -> bool:
    """Say whether a result may move a row: one step of the table, or waiting on, or ending a wait."""
    steps = {
        after for (state, event), after in TRANSITIONS.items() if state is old and event is not Event.CLAIM
    }
    if old in SETTLED:
        return False
    if State.PENDING in steps or old is State.PENDING:
        steps |= {State.EXPIRED, State.CANCELLED}
    return new in steps or (new is old and old in {State.PENDING, State.UNCERTAIN})
