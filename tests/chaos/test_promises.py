"""The promises, one by one and quickly; ``test_guards`` takes their guards out and runs these."""

import random
from datetime import timedelta

import pytest

from alerting.broadcast.retry import Life, Policy, settle
from alerting.broadcast.turn import Turn, commit
from alerting.broadcast.work import Hold
from alerting.clock import FrozenClock
from alerting.ledger.rows import Row
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.delivery import State
from alerting.model.outcome import Deferred, Reason
from alerting.testing.builders import (
    A_MOMENT_US,
    accepted,
    an_actor,
    an_alert,
    an_opening,
    rejected,
    some_deliveries,
)

SECOND = 1_000_000
ALERT = an_alert()


@pytest.fixture
def ledger(tmp_path):
    made = SqliteLedger.open(tmp_path / "ledger.db", clock=FrozenClock())
    with made.transaction():
        made.open_alert(an_opening("sms-main", alert=ALERT), at=A_MOMENT_US)
        made.add_batch(ALERT.id, "sms-main", some_deliveries(1), priority=50)
        made.planned(ALERT.id, recipients=1, notes={})
    yield made
    made.close()


def lease(ledger, owner, at=A_MOMENT_US):
    batch = ledger.lease("sms-main", owner=owner, at=at, until=at + SECOND)
    assert batch is not None
    return batch


def claim(ledger, batch):
    [row] = batch.rows
    assert ledger.claim(batch, [row.id], at=A_MOMENT_US) == [row.id]
    return row


def deferred(row, attempt):
    return accepted(row)._replace(
        attempt=attempt, state=State.PENDING, outcome="deferred", provider_id="", permalink=""
    )


def state(ledger):
    [delivery] = ledger.deliveries(ALERT.id)
    return delivery.state


def test_a_former_owner_of_a_batch_moves_nothing(ledger):
    with ledger.transaction():
        old = lease(ledger, "a process that froze")
        row = claim(ledger, old)
        lease(ledger, "its successor", at=A_MOMENT_US + 2 * SECOND)
        assert state(ledger) is State.UNCERTAIN

        assert ledger.settle(old, [deferred(row, 1)]) == 0

    assert state(ledger) is State.UNCERTAIN


def test_a_former_owner_of_a_batch_claims_nothing(ledger):
    with ledger.transaction():
        old = lease(ledger, "a process that froze")
        lease(ledger, "its successor", at=A_MOMENT_US + 2 * SECOND)

        assert list(ledger.claim(old, [row.id for row in old.rows], at=A_MOMENT_US)) == []


def test_a_result_of_an_earlier_attempt_moves_nothing(ledger):
    with ledger.transaction():
        batch = lease(ledger, "sender")
        row = claim(ledger, batch)
        assert ledger.settle(batch, [deferred(row, 1)]) == 1
        claim(ledger, batch)

        assert ledger.settle(batch, [rejected(row)._replace(attempt=1)]) == 0

    assert state(ledger) is State.SENDING


def test_an_attempt_is_on_record_before_it_is_made(ledger):
    with ledger.transaction():
        claim(ledger, lease(ledger, "sender"))

    [attempt] = ledger.attempts(ALERT.id)
    assert (attempt.attempt, attempt.began_at, attempt.ended_at) == (1, A_MOMENT_US, 0)


def test_attempts_are_on_record_before_they_are_made_where_rows_do_not_follow_one_another(ledger):
    other = an_alert(id="L-0THER1", run_key="other")
    with ledger.transaction():
        claim(ledger, lease(ledger, "sender"))
        ledger.open_alert(an_opening("sms-main", alert=other), at=A_MOMENT_US)
        ledger.add_batch(other.id, "sms-main", some_deliveries(3), priority=50)
        batch = ledger.lease("sms-main", owner="another", at=A_MOMENT_US, until=A_MOMENT_US + SECOND)
        first, _, third = [row.id for row in batch.rows]

        assert list(ledger.claim(batch, [third, first], at=A_MOMENT_US)) == [third, first]

    assert [attempt.attempt for attempt in ledger.attempts(other.id)] == [1, 1]


def test_rows_in_a_run_one_of_which_was_claimed_are_claimed_without_that_one(ledger):
    other = an_alert(id="L-0THER1", run_key="other")
    with ledger.transaction():
        claim(ledger, lease(ledger, "sender"))
        ledger.open_alert(an_opening("sms-main", alert=other), at=A_MOMENT_US)
        ledger.add_batch(other.id, "sms-main", some_deliveries(3), priority=50)
        batch = ledger.lease("sms-main", owner="another", at=A_MOMENT_US, until=A_MOMENT_US + SECOND)
        first, second, third = [row.id for row in batch.rows]
        ledger.claim(batch, [second], at=A_MOMENT_US)

        assert list(ledger.claim(batch, [first, second, third], at=A_MOMENT_US)) == [first, third]

    assert [attempt.attempt for attempt in ledger.attempts(other.id)] == [1, 1, 1]


def test_only_what_was_claimed_is_sent(ledger):
    with ledger.transaction():
        batch = lease(ledger, "sender")
        hold = Hold.of(batch, None, quarantine=0, threads={})
        ledger.cancel(ALERT.id, actor=an_actor(), at=A_MOMENT_US)
        items = list(hold.take(1, now=A_MOMENT_US))
        turn = Turn(channel="sms-main", owner="sender", now=A_MOMENT_US, lease_until=A_MOMENT_US)
        turn.claims = {hold: items}

        answer = commit(ledger, turn)

    assert len(items) == 1
    assert not answer.claimed[hold]


def test_what_is_settled_stays_settled(ledger):
    with ledger.transaction():
        batch = lease(ledger, "sender")
        row = claim(ledger, batch)
        ledger.settle(batch, [accepted(row)._replace(attempt=1)])

        assert ledger.settle(batch, [rejected(row)._replace(attempt=1)]) == 0

    assert state(ledger) is State.ACCEPTED


def test_what_was_leaving_when_its_alert_was_cancelled_does_not_wait_again(ledger):
    with ledger.transaction():
        batch = lease(ledger, "sender")
        row = claim(ledger, batch)
        ledger.cancel(ALERT.id, actor=an_actor(), at=A_MOMENT_US)
        ledger.settle(batch, [deferred(row, 1)])

    assert state(ledger) is State.CANCELLED


@pytest.mark.parametrize("asked_s", [1, 60, 600])
def test_a_provider_that_asks_for_time_gets_it(asked_s):
    row = Row(7, "phone:+15550100", State.SENDING, 1, 0, A_MOMENT_US, False, "")
    outcome = Deferred(Reason.RATE_LIMITED, timedelta(seconds=asked_s))
    life = Life(expires_at=A_MOMENT_US + 3600 * SECOND, live=True)

    result = settle(row, outcome, life=life, policy=Policy(), now=A_MOMENT_US, rng=random.Random(1))

    assert result.due_at == A_MOMENT_US + asked_s * SECOND
