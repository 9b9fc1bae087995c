"""The window that shrinks and the breaker that opens."""

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alerting.broadcast.breaker import Breaker
from alerting.broadcast.window import Window
from alerting.model.outcome import Accepted, Deferred, Reason, Rejected, Scope, Unknown

REFUSED = Rejected(Reason.AUTH, "401")
DEAD = Deferred(Reason.UNCONNECTED)


def test_a_burst_of_429_halves_the_window_once():
    window = Window(64)
    for _ in range(50):
        window.throttled(10.0)
    assert window.limit == 32
    window.throttled(11.5)
    assert window.limit == 16


def test_the_window_grows_back_by_one_for_each_full_round_and_never_beyond():
    window = Window(8)
    window.throttled(0.0)
    for _ in range(5):
        window.succeeded()
    assert window.limit == 5
    for _ in range(1000):
        window.succeeded()
    assert window.limit == 8


def test_the_window_never_closes():
    window = Window(4)
    for second in range(20):
        window.throttled(second * 2.0)
    assert window.limit == 1


def test_a_single_bad_token_answer_opens_the_breaker_but_is_not_believed_yet():
    breaker = Breaker()
    for _ in range(50):
        breaker.tell(REFUSED, 10.0)
    assert breaker.open
    assert not breaker.down
    assert breaker.trial_in(10.0) == pytest.approx(1.0)


def test_a_second_refusal_a_second_later_takes_the_channel_down():
    breaker = Breaker()
    breaker.tell(REFUSED, 10.0)
    breaker.tell(REFUSED, 11.0)
    assert breaker.down
    assert breaker.reason is Reason.AUTH
    assert breaker.detail == "401"


def test_a_trial_that_works_closes_the_breaker_and_forgets():
    breaker = Breaker()
    breaker.tell(REFUSED, 10.0)
    breaker.tell(Accepted("1"), 11.0)
    assert not breaker.open
    breaker.tell(REFUSED, 20.0)
    assert not breaker.down


def test_an_address_that_is_refused_shows_that_the_channel_works():
    breaker = Breaker()
    for _ in range(4):
        breaker.tell(DEAD, 1.0)
    breaker.tell(Rejected(Reason.OPTED_OUT), 1.1)
    breaker.tell(DEAD, 1.2)
    assert not breaker.open


def test_temporary_trouble_opens_after_five_and_tries_at_growing_intervals():
    breaker, now, waits = Breaker(), 100.0, []
    for _ in range(5):
        breaker.tell(DEAD, now)
    for _ in range(7):
        waits.append(breaker.trial_in(now))
        now += waits[-1]
        breaker.tell(DEAD, now)
    assert waits == pytest.approx([1, 2, 4, 8, 15, 15, 15])
    assert not breaker.down


@pytest.mark.parametrize("reason", [Reason.RATE_LIMITED, Reason.QUEUE_FULL])
def test_being_too_fast_is_not_trouble(reason):
    breaker = Breaker()
    for _ in range(100):
        breaker.tell(Deferred(reason), 1.0)
    assert not breaker.open


@pytest.mark.parametrize(("seconds", "opens"), [(59, False), (60, True), (86_400, True)])
def test_a_provider_that_wants_to_hear_nothing_for_a_minute_is_in_trouble(seconds, opens):
    breaker = Breaker()
    breaker.tell(Deferred(Reason.RATE_LIMITED, timedelta(seconds=seconds), "429"), 1.0)
    assert (breaker.open, breaker.down) == (opens, False)
    breaker.tell(Accepted("1"), 2.0 + seconds)
    assert not breaker.open


REASONS = (Reason.AUTH, Reason.RATE_LIMITED, Reason.UNCONNECTED, Reason.INVALID_ADDRESS)
OUTCOMES = st.one_of(
    st.just(Accepted("1")),
    st.builds(Rejected, st.sampled_from(REASONS)),
    st.builds(Unknown, st.sampled_from(REASONS)),
    st.builds(Deferred, st.sampled_from(REASONS), st.sampled_from([None, timedelta(hours=1)])),
)


@given(st.lists(OUTCOMES, max_size=8))
@example([Deferred(Reason.RATE_LIMITED, timedelta(hours=1))])
def test_an_acceptance_teaches_a_calm_breaker_nothing_and_every_other_that_it_works(outcomes):
    """A lane does not even tell a calm one of an acceptance, so one that is calm too early would stay open."""
    breaker = Breaker()
    for at, outcome in enumerate(outcomes):
        breaker.tell(outcome, float(at))
    before, calm = dict(vars(breaker)), breaker.calm
    breaker.tell(Accepted("1"), 100.0)
    assert (before == vars(breaker)) == calm
    assert breaker.calm


@pytest.mark.parametrize("reason", [r for r in Reason if r.scope is Scope.CHANNEL])
def test_unanswered_calls_are_trouble_of_the_channel(reason):
    breaker = Breaker()
    for _ in range(5):
        breaker.tell(Unknown(reason), 1.0)
    assert breaker.open == (reason not in (Reason.RATE_LIMITED, Reason.QUEUE_FULL))


def test_a_new_alert_gets_a_trial_of_its_own():
    breaker = Breaker()
    breaker.tell(REFUSED, 10.0)
    breaker.tell(REFUSED, 12.0)
    breaker.renew()
    assert not breaker.open


def test_something_more_urgent_does_not_wait_for_the_trial_of_what_failed_before_it():
    breaker, now = Breaker(), 100.0
    for _ in range(8):
        breaker.tell(DEAD, now)
        now += breaker.trial_in(now)
    breaker.tell(DEAD, now)
    assert breaker.trial_in(now) > 1
    breaker.hasten(now)
    assert breaker.trial_in(now) == 0
    assert breaker.open
    healthy = Breaker()
    healthy.hasten(now)
    assert not healthy.open
