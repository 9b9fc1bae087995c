"""Never above the rate in any second, and hardly below it over time."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.broadcast.pace import BURST_S, Pace


def run(rate, units, *, late=lambda i: 0.0, count=500):
    """Send ``count`` messages as fast as the pace allows on a virtual clock; return when each went."""
    pace, now, sent = Pace(rate), 100.0, []
    for i in range(count):
        while (wait := pace.wait(units, now)) > 0:
            now += wait + late(i)
        sent.append(now)
    return sent


def most_in_any_second(sent, units, span=1.0):
    most = start = 0
    for end, at in enumerate(sent):
        while at - sent[start] >= span:
            start += 1
        most = max(most, (end - start + 1) * units)
    return most


@settings(deadline=None, max_examples=40)
@given(rate=st.floats(min_value=2, max_value=2000), seed=st.integers())
def test_the_rate_is_never_passed_in_any_second_however_late_the_wake_ups(rate, seed):
    late = random.Random(seed)
    sent = run(rate, 1, late=lambda _: late.uniform(0, 0.08))
    assert most_in_any_second(sent, 1) <= rate


@settings(deadline=None, max_examples=40)
@given(rate=st.floats(min_value=2, max_value=2000), seed=st.integers())
def test_what_leaves_later_than_it_was_allowed_to_counts_from_then(rate, seed):
    late = random.Random(seed)
    pace, now, sent = Pace(rate), 100.0, []
    for _ in range(500):
        while (wait := pace.wait(1, now)) > 0:
            now += wait
        now += late.choice((0.0, 0.0, 0.0, late.uniform(0, 0.4)))  # the machine does something else
        pace.left(1, now)
        sent.append(now)
    assert most_in_any_second(sent, 1) <= rate


@pytest.mark.parametrize("rate", [1, 3, 10, 100, 1000])
def test_the_rate_is_reached_within_two_percent(rate):
    count = max(50, rate * 5)
    sent = run(rate, 1, count=count)
    assert sent[-1] - sent[0] <= count / rate * 1.02


def test_lateness_within_the_allowance_costs_no_throughput():
    sent = run(100, 1, late=lambda i: BURST_S * 0.8, count=1000)
    assert sent[-1] - sent[0] <= 10 * 1.05


def test_segments_count_not_messages():
    sent = run(30, 3, count=100)
    assert most_in_any_second(sent, 3) <= 30
    assert 9 <= sent[-1] - sent[0] <= 10.2


def test_a_message_larger_than_the_rate_still_goes_alone():
    sent = run(2, 3, count=4)
    assert len(sent) == 4
    assert all(later - earlier >= 1.0 for earlier, later in itertools.pairwise(sent))


def test_rates_below_one_a_second_hold_over_the_time_of_one():
    sent = run(0.5, 1, count=10)
    assert all(later - earlier >= 1.9 for earlier, later in itertools.pairwise(sent))


def test_a_provider_that_asks_for_silence_gets_it():
    pace = Pace(100)
    pace.block(105.0)
    assert pace.wait(1, 100.0) == 5.0
    assert pace.wait(1, 105.0) == 0.0
    pace.block(101.0)
    assert pace.wait(1, 105.02) == 0.0


def test_asking_when_it_is_ready_counts_nothing():
    pace = Pace(1)
    assert [pace.ready_in(1, 10.0) for _ in range(5)] == [0.0] * 5
    assert pace.wait(1, 10.0) == 0.0
    assert pace.ready_in(1, 10.0) > 0
