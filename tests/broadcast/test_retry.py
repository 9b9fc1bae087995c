"""What an outcome does to a delivery, and when it is tried again."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.broadcast.reconcile import settle_verdict
from alerting.broadcast.retry import Life, Policy, next_wait, settle
from alerting.channels.base import Absent, CannotTell, Found
from alerting.ledger.rows import Row
from alerting.model.delivery import State
from alerting.model.outcome import Accepted, Deferred, Reason, Rejected, Scope, Unknown

NOW = 1_788_228_843_000_000
MINUTE = 60_000_000
LIFE = Life(expires_at=NOW + 15 * MINUTE, live=True)
DRILL = Life(expires_at=NOW + 15 * MINUTE, live=False)

#: Within the alert's life; a provider may ask for more, which has a property of its own below.
askings = st.timedeltas(timedelta(0), timedelta(minutes=14, seconds=59))
beyond = st.timedeltas(timedelta(minutes=15), timedelta(days=4000))


def a_row(attempt=1, **given):
    row = Row(7, "phone:+15550100", State.SENDING, attempt, 0, NOW - 1000, False, "")
    return row._replace(**given)


def settled(outcome, row=None, life=LIFE, **policy):
    return settle(row or a_row(), outcome, life=life, policy=Policy(**policy), now=NOW, rng=random.Random(1))


def test_acceptance_keeps_the_providers_name_for_it():
    result = settled(Accepted("SM1", "https://example.edu/1"))
    assert (result.state, result.provider_id, result.permalink) == (
        State.ACCEPTED,
        "SM1",
        "https://example.edu/1",
    )


@given(st.sampled_from(Reason), askings, st.integers(min_value=1, max_value=59))
def test_a_deferred_delivery_waits_at_least_as_long_as_asked_and_hardly_longer(reason, asked, attempt):
    result = settled(Deferred(reason, asked), a_row(attempt))
    wait = timedelta(microseconds=result.due_at - NOW)
    assert result.state is State.PENDING
    assert asked - timedelta(microseconds=1) <= wait <= max(asked, timedelta(seconds=15))


@given(st.sampled_from(Reason), st.none() | beyond, st.integers(min_value=1, max_value=59))
def test_a_deferred_delivery_is_due_before_its_life_ends_whatever_is_asked(reason, asked, attempt):
    result = settled(Deferred(reason, asked), a_row(attempt))
    assert result.state is State.PENDING
    assert NOW <= result.due_at < LIFE.expires_at
    if asked:
        assert result.due_at > NOW + 13 * MINUTE, "asked once more, shortly before the end"


@given(st.integers(min_value=1, max_value=500), st.integers())
def test_waits_are_drawn_from_nothing_up_to_the_step(attempt, seed):
    steps = [0, 0.5, 1, 2, 4, 8, 15]
    assert 0 <= next_wait(attempt, rng=random.Random(seed)) <= steps[min(attempt, len(steps)) - 1]


def test_the_jitter_uses_the_whole_step():
    rng = random.Random(3)
    waits = [next_wait(7, rng=rng) for _ in range(200)]
    assert min(waits) < 2
    assert max(waits) > 13


def test_tries_end_at_the_policy():
    assert settled(Deferred(Reason.UNAVAILABLE), a_row(60)).state is State.REJECTED
    assert settled(Deferred(Reason.UNAVAILABLE), a_row(3), attempts=3).state is State.REJECTED


@pytest.mark.parametrize(
    "reason", [r for r in Reason if r.scope is not Scope.CHANNEL and r is not Reason.DUPLICATE]
)
def test_permanent_reasons_are_never_retried(reason):
    assert settled(Rejected(reason)).state is State.REJECTED


@pytest.mark.parametrize("reason", [r for r in Reason if r.scope is Scope.CHANNEL])
def test_trouble_of_the_whole_channel_leaves_the_delivery_waiting(reason):
    assert settled(Rejected(reason)).state is State.PENDING


def test_no_answer_is_uncertain_not_failed():
    assert settled(Unknown(Reason.TIMEOUT)).state is State.UNCERTAIN


def test_details_are_bounded():
    assert len(settled(Rejected(Reason.BAD_REQUEST, "x" * 5000)).detail) <= 300


UNCERTAIN = {"state": State.UNCERTAIN}


def verdict(what, *, life=LIFE, attempt=2, duplicate=False, now=NOW):
    return settle_verdict(a_row(attempt, **UNCERTAIN), what, life=life, now=now, duplicate=duplicate)


def test_what_the_provider_has_is_adopted():
    result = verdict(Found("SM9", "link"))
    assert (result.state, result.provider_id) == (State.ACCEPTED, "SM9")


def test_what_a_complete_list_does_not_show_goes_out_again_unmarked():
    result = verdict(Absent(certain=True), life=DRILL)
    assert (result.state, result.maybe_twice) == (State.PENDING, False)


@pytest.mark.parametrize("what", [Absent(certain=False), CannotTell()])
def test_when_nobody_can_tell_a_live_message_goes_again_marked_and_a_drill_does_not(what):
    live, drill = verdict(what), verdict(what, life=DRILL)
    assert (live.state, live.maybe_twice) == (State.PENDING, True)
    assert drill.state is State.UNRESOLVED


def test_a_message_nobody_can_tell_about_is_sent_once_more_and_not_a_third_time():
    again = a_row(2, state=State.UNCERTAIN, maybe_twice=True)
    result = settle_verdict(again, CannotTell(), life=LIFE, now=NOW, duplicate=False)
    assert (result.state, result.maybe_twice) == (State.UNRESOLVED, True)
    sure = settle_verdict(again, Absent(certain=True), life=LIFE, now=NOW, duplicate=False)
    assert sure.state is State.PENDING


def test_after_the_alerts_life_nothing_is_sent_again():
    assert verdict(CannotTell(), now=LIFE.expires_at).state is State.UNRESOLVED


def test_our_own_repeat_counts_as_accepted_and_a_repeat_of_something_else_is_refused():
    assert verdict(Absent(certain=False), duplicate=True).state is State.ACCEPTED
    first = verdict(Absent(certain=False), duplicate=True, attempt=1)
    assert (first.state, first.reason) == (State.REJECTED, "duplicate")


def test_a_sender_that_died_uses_up_no_resend():
    again = a_row(3, state=State.UNCERTAIN, maybe_twice=True)
    result = settle_verdict(again, CannotTell(), life=LIFE, now=NOW, duplicate=False, inherited=True)
    assert (result.state, result.maybe_twice) == (State.PENDING, True)
