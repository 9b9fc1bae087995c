"""Two programs in the same moment: the second waits, and then sees what the first has done."""

from contextlib import suppress

import pytest

from alerting.clock import FrozenClock
from alerting.errors import LedgerBusy
from alerting.ledger.audit import first_break
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.model.delivery import State
from alerting.testing.builders import A_MOMENT_US as NOW
from alerting.testing.builders import accepted, an_actor, an_alert, an_opening, deferred
from alerting.testing.ledger_receipts import a_receipt
from alerting.testing.ledger_steps import ID, LEASE, SMS, opened, plan

BOUND_S = 10


@pytest.fixture
def two(fresh_place):
    place = fresh_place()
    ledgers = [PostgresLedger.open(place, clock=FrozenClock()) for _ in range(2)]
    opened(ledgers[0])
    yield ledgers
    for ledger in ledgers:
        ledger.close()


def leased(ledger, owner="a", skip=()):
    with ledger.transaction():
        batch = ledger.lease(SMS, owner=owner, at=NOW, until=NOW + LEASE, skip=skip)
        ledger.claim(batch, [row.id for row in batch.rows], at=NOW)
    return batch


def test_whoever_settles_the_last_row_stamps_the_alert(two, meanwhile):
    first, second = two
    plan(first, 1)
    plan(first, 1, start=1)
    mine = leased(first)
    theirs = leased(second, "b")
    with first.transaction():
        first.planned(ID, recipients=2, notes={})

    def end(ledger, batch):
        ledger.settle(batch, [accepted(batch.rows[0])])
        return ledger.settle_alert(ID, at=NOW)

    with first.transaction():
        assert end(first, mine) is False, "the other one is still out"
        other = meanwhile(second, lambda ledger: end(ledger, theirs))
    assert other.result(BOUND_S) is True


def test_two_who_settle_in_the_same_second_do_not_wait_for_each_other(two):
    first, second = two
    plan(first, 1)
    plan(first, 1, start=1)
    mine, theirs = leased(first), leased(second, "b")
    with first.transaction():
        first.settle(mine, [accepted(mine.rows[0])])
        # In one thread: would it wait for the other's commit, it would wait for ever.
        with second.transaction():
            second._connection.do("SET LOCAL lock_timeout = '2s'")
            second.settle(theirs, [accepted(theirs.rows[0])])
        assert sum(n for _, n in second.progress(ID)[SMS]) == 1
    assert sum(n for _, n in first.progress(ID)[SMS]) == 2


def test_two_whose_people_arrive_in_the_same_second_do_not_wait_for_each_other(two):
    first, second = two
    plan(first, 1)
    plan(first, 1, start=1)
    batches = leased(first), leased(second, "b")
    for ledger, batch in zip(two, batches, strict=True):
        with ledger.transaction():
            ledger.settle(batch, [accepted(batch.rows[0])])
    with first.transaction():
        first.apply([a_receipt(batches[0].rows[0].id)], at=NOW)
        with second.transaction():
            second._connection.do("SET LOCAL lock_timeout = '2s'")
            second.apply([a_receipt(batches[1].rows[0].id, person=1)], at=NOW)
    assert sum(n for _, n in first.arrivals(ID)[SMS]) == 2


def test_what_is_undone_is_not_counted_at_the_end(two):
    ledger, _ = two
    plan(ledger, 2)
    batch = leased(ledger)
    with ledger.transaction():
        with suppress(ZeroDivisionError), ledger.transaction():
            ledger.settle(batch, [accepted(batch.rows[0])])
            raise ZeroDivisionError
        ledger.settle(batch, [accepted(batch.rows[1])])
    with suppress(ZeroDivisionError), ledger.transaction():
        ledger.settle(batch, [accepted(batch.rows[0])])
        raise ZeroDivisionError
    assert sum(n for _, n in ledger.progress(ID)[SMS]) == 1


def test_a_commit_that_cannot_count_is_undone_whole(two):
    ledger, other = two
    plan(ledger, 2)
    batch = leased(ledger)
    with ledger.transaction():
        ledger.settle(batch, [accepted(batch.rows[0])])
    ledger._connection.do("SET lock_timeout = '100ms'")
    with other.transaction():
        other._connection.do("LOCK TABLE progress")
        with pytest.raises(LedgerBusy), ledger.transaction():
            ledger.settle(batch, [accepted(batch.rows[1])])
    assert [d.state for d in ledger.deliveries(ID)] == [State.ACCEPTED, State.SENDING]
    with ledger.transaction():
        ledger.settle(batch, [accepted(batch.rows[1])])
    assert sum(n for _, n in ledger.progress(ID)[SMS]) == 2


def test_a_receipt_waits_for_the_answer_it_is_about(two, meanwhile):
    first, second = two
    plan(first, 1)
    batch = leased(first)
    with first.transaction():
        first.settle(batch, [deferred(batch.rows[0])])
        other = meanwhile(second, lambda ledger: ledger.apply([a_receipt(batch.rows[0].id)], at=NOW))
    assert other.result(BOUND_S).changed == 1
    assert [d.state for d in first.deliveries(ID)] == [State.DELIVERED]


def test_a_receipt_without_its_row_waits_as_well(two, meanwhile):
    first, second = two
    plan(first, 1)
    batch = leased(first)
    with first.transaction():
        first.settle(batch, [deferred(batch.rows[0])])
        receipt = a_receipt(batch.rows[0].id, key="", provider_id="", address=batch.rows[0].address)
        other = meanwhile(second, lambda ledger: ledger.apply([receipt], at=NOW))
    assert other.result(BOUND_S).changed == 1


def test_a_cancellation_counts_what_was_just_claimed(two, meanwhile):
    first, second = two
    plan(first, 5)
    with first.transaction():
        batch = first.lease(SMS, owner="a", at=NOW, until=NOW + LEASE)
    with first.transaction():
        first.claim(batch, [row.id for row in batch.rows[:2]], at=NOW)
        other = meanwhile(second, lambda ledger: ledger.cancel(ID, actor=an_actor(), at=NOW))
    done = other.result(BOUND_S)
    assert (done.stopped, done.in_flight, done.gone) == (3, 2, 0)


def test_the_audit_log_has_one_end(two, meanwhile):
    first, second = two

    def act(ledger, name):
        ledger.record_act(name, "s", {}, actor=an_actor(), at=NOW)
        return [row.action for row in ledger.audit("s")]

    with first.transaction():
        assert act(first, "one") == ["one"]
        other = meanwhile(second, lambda ledger: act(ledger, "two"))
    assert other.result(BOUND_S) == ["one", "two"]
    assert first_break(list(first.audit())) is None


def test_a_batch_in_somebody_s_hands_is_passed_over(two):
    first, second = two
    plan(first, 1)
    plan(first, 1, start=1)
    with first.transaction():
        mine = first.lease(SMS, owner="a", at=NOW, until=NOW + LEASE)
        with second.transaction():
            theirs = second.lease(SMS, owner="b", at=NOW, until=NOW + LEASE)
    assert mine.id != theirs.id


def test_two_who_open_the_same_come_one_after_the_other(two, meanwhile):
    first, second = two

    def look_and_open(ledger, alert_id):
        ledger.alone("opening hazard")
        if any(record.alert.id.startswith("L-NEW") for record in ledger.alerts()):
            return "joined"
        ledger.open_alert(an_opening(SMS, alert=an_alert(id=alert_id, run_key=alert_id)), at=NOW)
        return "opened"

    with first.transaction():
        assert look_and_open(first, "L-NEW001") == "opened"
        other = meanwhile(second, lambda ledger: look_and_open(ledger, "L-NEW002"))
    assert other.result(BOUND_S) == "joined"


def test_an_act_in_a_part_of_a_transaction_keeps_nobody_waiting(two, meanwhile):
    """The log is locked at the very end: whoever opens an alert for thousands holds up no other act."""
    first, second = two

    def act(ledger, name):
        ledger.record_act(name, "s", {}, actor=an_actor(), at=NOW)

    with first.transaction():
        with first.transaction():
            act(first, "one")
        other = meanwhile(second, lambda ledger: act(ledger, "two"))
        assert other.done()
    assert [row.action for row in first.audit("s")] == ["two", "one"]


def test_two_who_join_a_channel_in_the_same_moment_see_each_other(two, meanwhile):
    """Each alone would take the whole rate of the provider."""
    first, second = two

    def join(ledger, owner):
        return ledger.speak(SMS, owner=owner, until_s=6.0, renew=True)

    with first.transaction():
        assert join(first, "a").speakers == 1
        other = meanwhile(second, lambda ledger: join(ledger, "b"))
    joined = other.result(BOUND_S)
    assert (joined.place, joined.speakers) == (1, 2)
    assert joined.wait_s > 0


def test_receipts_of_several_batches_in_any_order_cross_nobody(two, meanwhile):
    """Two hosts hear of the same batches in another order; neither has to be told to try again."""
    first, second = two
    plan(first, 1)
    plan(first, 1, start=1)
    batches = [leased(first), leased(first, "b")]
    for batch in batches:
        with first.transaction():
            first.settle(batch, [accepted(batch.rows[0])])
    early, late = (a_receipt(batch.rows[0].id, person=person) for person, batch in enumerate(batches))

    with first.transaction():
        first.apply([early], at=NOW)
        other = meanwhile(second, lambda ledger: ledger.apply([late, early], at=NOW))
        first.apply([late], at=NOW)
    assert other.result(BOUND_S).repeated == 2
    assert {d.state for d in first.deliveries(ID)} == {State.DELIVERED}
