"""What a lane may rely on, as tests of a ledger: leases, claims and results."""

# A number in a test is an example, not a constant in need of a name.
# ruff: noqa: PLR2004

from __future__ import annotations

from datetime import timedelta

import pytest

from alerting.ledger.base import Ledger
from alerting.ledger.rows import Settled
from alerting.model.delivery import State
from alerting.testing.builders import (
    A_MOMENT,
    accepted,
    an_address,
    deferred,
    rejected,
    some_deliveries,
    unanswered,
)
from alerting.testing.ledger_steps import (
    ID,
    LEASE,
    MAIL,
    NOW,
    SMS,
    count,
    lease,
    lease_or_none,
    plan,
    sent,
    settle,
)


class LedgerWork:
    """Leases, claims and results, one promise a test; see LedgerConformance."""

    def test_urgent_batches_go_first_then_the_oldest(self, ledger: Ledger) -> None:
        """Priority decides, then the order of planning."""
        for start, priority in ((0, 10), (10, 50), (20, 50)):
            with ledger.transaction():
                ledger.add_batch(ID, SMS, some_deliveries(1, start), priority=priority)
        taken = [lease(ledger, skip=[]) for _ in range(3)]
        assert [(b.rows[0].address, b.priority) for b in taken] == [
            (str(an_address(10)), 50),
            (str(an_address(10)), 50),
            (str(an_address(10)), 50),
        ], "what an owner has forgotten it gets again"
        skip = [taken[0].id]
        second = lease(ledger, skip=skip)
        third = lease(ledger, skip=[*skip, second.id])
        assert [b.rows[0].address for b in (second, third)] == [str(an_address(20)), str(an_address(0))]
        assert lease_or_none(ledger, skip=[*skip, second.id, third.id]) is None

    def test_a_lease_holds_until_it_ends(self, ledger: Ledger) -> None:
        """Nobody else gets a batch before its lease is over, or after it was renewed."""
        plan(ledger, 1)
        assert ledger.next_due(SMS) == 0
        mine = lease(ledger, owner="a")
        assert lease_or_none(ledger, owner="b", at=NOW + LEASE) is None
        due = ledger.next_due(SMS)
        assert due is not None
        with ledger.transaction():
            assert list(ledger.renew([mine], until=NOW + 2 * LEASE)) == [mine.id]
        assert lease_or_none(ledger, owner="b", at=due) is None
        due = ledger.next_due(SMS)
        assert due is not None
        theirs = lease(ledger, owner="b", at=due)
        assert theirs.epoch > mine.epoch
        with ledger.transaction():
            assert list(ledger.renew([mine, theirs], until=due + LEASE)) == [theirs.id]
            assert list(ledger.claim(mine, [mine.rows[0].id], at=due)) == []
        assert ledger.next_due("fax") is None

    def test_a_released_batch_waits_for_its_time_and_a_settled_one_is_done(self, ledger: Ledger) -> None:
        """``not_before`` is kept; a batch without open rows never comes back."""
        batch = sent(ledger, 2)
        settle(ledger, batch, accepted(batch.rows[0]), deferred(batch.rows[1]))
        with ledger.transaction():
            ledger.release(batch, not_before=NOW + 9)
        assert ledger.next_due(SMS) == NOW + 9
        assert lease_or_none(ledger, at=NOW + 8) is None
        batch = lease(ledger, at=NOW + 9)
        assert [row.attempt for row in batch.rows] == [1]
        with ledger.transaction():
            ledger.claim(batch, [batch.rows[0].id], at=NOW + 9)
        settle(ledger, batch, rejected(batch.rows[0]))
        with ledger.transaction():
            ledger.release(batch, not_before=0)
        assert (ledger.next_due(SMS), lease_or_none(ledger), ledger.unsettled()) == (None, None, [])

    def test_a_row_is_claimed_once(self, ledger: Ledger) -> None:
        """The claim is the attempt: it is recorded before anything leaves."""
        batch = sent(ledger, 3)
        with ledger.transaction():
            assert list(ledger.claim(batch, [row.id for row in batch.rows], at=NOW)) == []
        tried = list(ledger.attempts(ID))
        assert [(a.delivery, a.attempt, a.epoch, a.began_at) for a in tried] == [
            (row.id, 1, batch.epoch, NOW) for row in batch.rows
        ]
        assert {(a.ended_at, a.outcome) for a in tried} == {(0, "")}

    def test_what_a_dead_owner_was_sending_is_uncertain(self, ledger: Ledger) -> None:
        """The next owner looks for it; it is not sent again as if nothing had happened."""
        sent(ledger, 2)
        batch = lease(ledger, owner="b", at=NOW + LEASE + 1)
        assert [(r.state, r.attempt, r.sent_at) for r in batch.rows] == [(State.UNCERTAIN, 1, NOW)] * 2
        with ledger.transaction():
            assert list(ledger.claim(batch, [r.id for r in batch.rows], at=NOW)) == []
        assert {a.outcome for a in ledger.attempts(ID)} == {"interrupted"}

    def test_results_are_kept_and_move_their_rows(self, ledger: Ledger) -> None:
        """State, provider id, reason, due time: as told."""
        batch = sent(ledger, 4)
        one, two, three, four = batch.rows
        link = "https://example.org/1"
        settle(
            ledger,
            batch,
            accepted(one, permalink=link),
            deferred(two, due_at=NOW + 5, detail="429"),
            rejected(three),
            unanswered(four),
        )
        kept = {d.id: d for d in ledger.deliveries(ID)}
        assert (kept[one.id].state, kept[one.id].provider_id) == (State.ACCEPTED, f"SM{one.id}.1")
        assert kept[one.id].permalink == link
        assert (kept[two.id].state, kept[two.id].detail) == (State.PENDING, "429")
        assert kept[two.id].due_at == A_MOMENT + timedelta(microseconds=5)
        assert (kept[three.id].reason, kept[three.id].detail) == ("invalid_address", "21211")
        assert kept[four.id].state is State.UNCERTAIN
        told = {(f.state, f.reason): f.deliveries for f in ledger.failures(ID)}
        assert told == {
            (State.PENDING, "rate_limited"): 1,
            (State.REJECTED, "invalid_address"): 1,
            (State.UNCERTAIN, "timeout"): 1,
        }
        assert [a.outcome for a in ledger.attempts(ID)] == ["accepted", "deferred", "rejected", "unknown"]

    def test_a_late_result_is_kept_and_changes_nothing(self, ledger: Ledger) -> None:
        """A former owner cannot overwrite what has happened since."""
        old = sent(ledger, 1)
        row = old.rows[0]
        new = lease(ledger, owner="b", at=NOW + LEASE + 1)
        settle(ledger, new, Settled(row.id, 1, State.PENDING, "absent", NOW))
        with ledger.transaction():
            ledger.claim(new, [row.id], at=NOW)
            assert ledger.settle(old, [rejected(row)]) == 0
            assert ledger.settle(new, [accepted(row.id, 2)]) == 1
            assert ledger.settle(new, [rejected(row.id, 2)]) == 0
        (kept,) = ledger.deliveries(ID)
        assert (kept.state, kept.attempt, kept.maybe_twice) == (State.ACCEPTED, 2, False)
        assert [(a.attempt, a.outcome) for a in ledger.attempts(ID)] == [(1, "rejected"), (2, "rejected")]

    @pytest.mark.parametrize(("late_id", "twice"), [("SM-other", True), ("SM-same", False)])
    def test_a_late_acceptance_of_another_message_is_flagged(
        self, ledger: Ledger, late_id: str, *, twice: bool
    ) -> None:
        """Two provider ids are two messages; the same one is the same news again."""
        batch = sent(ledger, 1)
        row = batch.rows[0]
        settle(ledger, batch, accepted(row, provider_id="SM-same"))
        with ledger.transaction():
            assert ledger.settle(batch, [accepted(row, provider_id=late_id)]) == 0
        (kept,) = ledger.deliveries(ID)
        assert (kept.provider_id, kept.maybe_twice) == ("SM-same", twice)

    def test_acceptances_that_come_together_are_told_apart(self, ledger: Ledger) -> None:
        """First attempts; a second one, a look-up, old news, an unknown message, and no such attempt."""
        batch = sent(ledger, 8)
        again, lost, same, other, flies, *new = batch.rows
        settle(ledger, batch, deferred(again), unanswered(lost), accepted(same), accepted(other))
        with ledger.transaction():
            ledger.claim(batch, [again.id], at=NOW)
        good = [accepted(again.id, 2), *map(accepted, new), accepted(lost), accepted(same)]
        odd = accepted(other, provider_id="SM-other"), accepted(flies.id, 2)
        assert settle(ledger, batch, odd[1], *good, odd[0]) == 5
        assert (count(ledger, SMS, State.ACCEPTED), count(ledger, SMS, State.SENDING)) == (7, 1)
        assert {d.id for d in ledger.deliveries(ID) if d.maybe_twice} == {other.id, flies.id}
        assert {d.provider_id for d in ledger.deliveries(ID) if d.id != flies.id} == {
            result.provider_id for result in (*good, accepted(other))
        }

    def test_a_former_owner_is_believed_when_everybody_looks_for_its_message(self, ledger: Ledger) -> None:
        """Its answer ends the look-up: the message is there."""
        old = sent(ledger, 1)
        lease(ledger, owner="b", at=NOW + LEASE + 1)
        with ledger.transaction():
            assert ledger.settle(old, [accepted(old.rows[0])]) == 1
        (kept,) = ledger.deliveries(ID)
        assert (kept.state, kept.maybe_twice) == (State.ACCEPTED, False)

    def test_a_former_owner_does_not_answer_for_what_the_next_one_sends(self, ledger: Ledger) -> None:
        """Although it names the attempt: it never made it."""
        plan(ledger, 1)
        old = lease(ledger)
        new = lease(ledger, owner="b", at=NOW + LEASE + 1)
        with ledger.transaction():
            assert list(ledger.claim(new, [new.rows[0].id], at=NOW)) == [new.rows[0].id]
            assert ledger.settle(old, [accepted(old.rows[0])]) == 0
        assert count(ledger, SMS, State.SENDING) == 1

    def test_the_flag_of_a_possible_repeat_stays(self, ledger: Ledger) -> None:
        """Once flagged, always flagged."""
        batch = sent(ledger, 1)
        row = batch.rows[0]
        settle(ledger, batch, unanswered(row))
        settle(ledger, batch, Settled(row.id, 1, State.PENDING, "absent", NOW, maybe_twice=True))
        with ledger.transaction():
            ledger.claim(batch, [row.id], at=NOW)
        settle(ledger, batch, accepted(row.id, 2))
        (kept,) = ledger.deliveries(ID)
        assert kept.maybe_twice

    def test_two_acceptances_without_ids_are_two_messages(self, ledger: Ledger) -> None:
        """Where a provider gives no id, the attempt tells them apart."""
        batch = sent(ledger, 1)
        row = batch.rows[0]
        settle(ledger, batch, deferred(row))
        with ledger.transaction():
            ledger.claim(batch, [row.id], at=NOW)
        settle(ledger, batch, accepted(row.id, 2, provider_id=""))
        settle(ledger, batch, accepted(row.id, 2, provider_id=""))
        assert [d.maybe_twice for d in ledger.deliveries(ID)] == [False]
        settle(ledger, batch, accepted(row.id, 1, provider_id=""))
        assert [d.maybe_twice for d in ledger.deliveries(ID)] == [True]

    def test_what_a_waiting_row_is_told_is_not_about_its_last_attempt(self, ledger: Ledger) -> None:
        """The attempt keeps its own answer."""
        batch = sent(ledger, 1)
        row = batch.rows[0]
        settle(ledger, batch, deferred(row))
        assert settle(ledger, batch, Settled(row.id, 1, State.EXPIRED, "expired", NOW, reason="expired")) == 1
        assert [a.outcome for a in ledger.attempts(ID)] == ["deferred"]
        assert [(d.state, d.reason) for d in ledger.deliveries(ID)] == [(State.EXPIRED, "expired")]

    def test_a_row_put_off_before_it_was_tried_keeps_its_instant(self, ledger: Ledger) -> None:
        """Whoever takes up its batch next waits as well."""
        plan(ledger, 2)
        batch = lease(ledger)
        assert settle(ledger, batch, deferred(batch.rows[0].id, 0, due_at=NOW + 9)) == 1
        with ledger.transaction():
            ledger.release(batch, not_before=NOW)
        assert [(row.attempt, row.due_at) for row in lease(ledger).rows] == [(0, NOW + 9), (0, 0)]

    def test_a_former_owner_hands_nothing_over(self, ledger: Ledger) -> None:
        """Its rows are somebody else's now."""
        old = sent(ledger, 1)
        lease(ledger, owner="b", at=NOW + LEASE + 1)
        with ledger.transaction():
            assert ledger.hand_over(old, [old.rows[0].id], to=MAIL, priority=50, at=NOW) == 0

    def test_one_call_may_tell_two_things_of_a_row(self, ledger: Ledger) -> None:
        """They are taken in order."""
        batch = sent(ledger, 1)
        row = batch.rows[0]
        found = accepted(row.id, 1, outcome="found")
        assert settle(ledger, batch, unanswered(row), found, rejected(row)) == 2
        assert [a.outcome for a in ledger.attempts(ID)] == ["rejected"]
        assert next(iter(ledger.deliveries(ID))).state is State.ACCEPTED

    def test_rows_of_other_batches_are_refused(self, ledger: Ledger) -> None:
        """A result must belong to its batch; a claim leaves strangers alone."""
        plan(ledger, 1)
        plan(ledger, 1, start=1)
        batch = lease(ledger)
        with ledger.transaction():
            assert list(ledger.claim(batch, [batch.rows[0].id + 1024], at=NOW)) == []
        with pytest.raises(ValueError, match="not one of"), ledger.transaction():
            ledger.settle(batch, [accepted(batch.rows[0].id + 1024, 0)])
