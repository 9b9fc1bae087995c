"""Clocks: one time, told as an instant or as microseconds."""

from datetime import timedelta

from alerting.clock import FrozenClock, SystemClock, instant, micros


def test_the_machine_s_clock_tells_one_time_in_both_forms():
    clock = SystemClock()
    before, at, after = clock.now(), clock.micros(), clock.now()
    assert before <= instant(at) <= after


def test_a_frozen_clock_tells_one_time_in_both_forms():
    clock = FrozenClock()
    clock.advance(timedelta(days=40_000, microseconds=7))
    assert clock.micros() == micros(clock.now())
