"""The simulation of large alerts runs the program's own planner and lanes, and what it tells can be trusted."""

import pytest

from alerting.model.delivery import State
from benchmarks.simulation.provider import Manner, mailboxes, phones
from benchmarks.simulation.run import Account, Scene, play


def scene(**given):
    sms = Account(name="sms", capabilities=phones(500.0, 100, 10.0))
    return Scene(**{"people": 3_000, "accounts": (sms,), "workers": 3, **given})


def figures(told):
    return dict(told.book.ended), told.lasted_s, dict(told.book.written), told.reached("sms", 0.95)


def test_every_delivery_ends_and_the_workers_together_keep_the_accounts_rate():
    told = play(scene())

    assert told.book.ended.total() == told.book.planned_rows == 3_000
    [provider] = told.providers
    assert max(provider.calls.values()) <= 500
    assert told.reached("sms", 1.0) >= 3_000 / 500 * 0.9


def test_the_same_seed_tells_the_same_figures_and_another_seed_others():
    assert figures(play(scene())) == figures(play(scene()))
    assert figures(play(scene())) != figures(play(scene(seed=8)))


@pytest.mark.parametrize("lost_at", [0.3, 2.0, 4.0])
def test_a_worker_that_dies_loses_nobody_and_nobody_is_told_twice(lost_at):
    told = play(scene(lost_at=lost_at))

    assert told.book.ended.total() == 3_000
    [provider] = told.providers
    assert provider.taken == told.book.ended[State.ACCEPTED]
    assert told.lasted_s > play(scene()).lasted_s


def test_a_provider_that_loses_answers_is_asked_before_anything_is_sent_again():
    manner = Manner(lost=0.05, busy=0.05, refused=0.0)
    account = Account(name="sms", capabilities=phones(500.0, 100, 2.0), manner=manner)

    told = play(scene(accounts=(account,)))

    [provider] = told.providers
    assert told.book.ended == {State.ACCEPTED: 3_000}
    assert provider.taken == 3_000


def test_two_accounts_do_not_wait_for_each_other():
    fast = Account(name="mail", capabilities=mailboxes(2_000.0, 200))
    slow = Account(name="sms", capabilities=phones(200.0, 100, 10.0))

    told = play(scene(accounts=(slow, fast), people=1_000))

    assert told.reached("mail", 0.95) < told.reached("sms", 0.95) / 4
