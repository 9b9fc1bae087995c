"""Leaving a ledger that does not answer: soon, with a sentence, and never one that does."""

import pytest

from alerting.leaving import Leaving


class Clock:
    """Time that passes only by waiting; ``until`` seconds are enough for anybody."""

    def __init__(self, until=60.0):
        self.now, self.until = 1000.0, 1000.0 + until

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        if self.now > self.until:
            raise TimeoutError


class Ended(Exception):
    """Stands for the end of the process, with its code."""


def end(code):
    raise Ended(int(code))


def leaving(silent_since, clock):
    return Leaving(
        "postgresql://db/alerts",
        shared=True,
        silent_since=silent_since,
        monotonic=clock,
        sleep=clock.sleep,
        end=end,
    )


@pytest.mark.parametrize("silent_for", [0.0, 3600.0])
def test_a_silent_ledger_gets_a_moment_and_is_left_with_a_sentence(capsys, silent_for):
    clock = Clock()
    since = clock.now - silent_for
    with pytest.raises(Ended, match="75"):
        leaving(lambda: since, clock).watch()
    assert 2 < clock.now - 1000.0 < 10
    told = capsys.readouterr().err
    assert told.startswith("alert: postgresql://db/alerts: the ledger does not answer")
    assert "stays claimed until its lease ends; then any other worker goes on with it" in told


def test_a_ledger_that_answers_now_and_then_is_not_left(capsys):
    clock = Clock()
    # Every commit takes four seconds; the next one is asked for at once.
    with pytest.raises(TimeoutError):
        leaving(lambda: clock.now - clock.now % 4, clock).watch()
    assert not capsys.readouterr().err


def test_a_ledger_that_owes_nothing_is_not_left():
    clock = Clock()
    with pytest.raises(TimeoutError):
        leaving(lambda: None, clock).watch()


def test_it_is_left_though_nobody_can_be_told(monkeypatch):
    class Closed:
        def write(self, _):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Closed())
    clock = Clock()
    with pytest.raises(Ended, match="75"):
        leaving(lambda: clock.now - 100, clock).watch()
