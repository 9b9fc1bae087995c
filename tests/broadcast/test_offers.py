"""What a lane was told to take: offered once, let go of once, and whether it ever had it."""

import pytest

from alerting.broadcast.offers import Offers


@pytest.fixture
def hungry():
    return []


@pytest.fixture
def offers(hungry):
    return Offers(lambda: hungry.append(True))


async def test_a_batch_is_taken_once_however_often_it_is_offered(offers):
    first, again = offers.add(7), offers.add(7)

    assert again is first
    assert [offers.take(short=True) for _ in range(2)] == [7, 0]


async def test_a_batch_the_lane_had_is_told_when_the_lane_is_through_with_it(offers):
    told = offers.add(7)
    assert offers.take(short=False) == 7

    offers.held([7])
    assert not told.done()
    offers.held([])

    assert told.result() is True


async def test_a_batch_somebody_else_has_is_told_at_once_as_one_the_lane_never_had(offers):
    told = offers.add(7)
    offers.take(short=False)

    offers.held([])

    assert told.result() is False


async def test_that_a_lane_had_a_batch_once_says_nothing_of_the_next_time(offers):
    offers.add(7)
    offers.take(short=False)
    offers.held([7])
    offers.held([])

    again = offers.add(7)
    assert offers.take(short=False) == 7
    offers.held([])

    assert again.result() is False


async def test_what_waits_is_not_let_go_of_with_what_was_taken(offers):
    first, second = offers.add(7), offers.add(8)
    offers.take(short=False)

    offers.held([])

    assert first.result() is False
    assert not second.done()
    assert offers.take(short=False) == 8


async def test_while_the_ledger_is_asked_something_waits_and_afterwards_nothing(offers):
    assert not offers.waiting
    offers.add(7)
    assert offers.waiting
    offers.take(short=False)
    assert offers.waiting, "the answer may bring it, or not"
    offers.held([7])
    assert not offers.waiting


async def test_a_lane_that_runs_short_asks_only_when_nothing_waits_for_it(offers, hungry):
    offers.add(7)
    offers.take(short=True)
    assert not hungry
    assert offers.take(short=False) == 0
    assert not hungry
    assert offers.take(short=True) == 0
    assert hungry == [True]


async def test_at_the_end_what_nobody_looked_at_is_given_back_and_what_is_in_hand_is_not(offers):
    in_hand, waiting = offers.add(7), offers.add(8)
    offers.take(short=False)
    offers.held([7])

    offers.close()
    offers.close()

    assert waiting.result() is False
    assert not in_hand.done()
    assert offers.take(short=False) == 0
    offers.held([])
    assert in_hand.result() is True


async def test_somebody_who_waits_no_more_stands_in_nobody_s_way(offers):
    gone, other = offers.add(7), offers.add(8)
    gone.cancel()

    offers.take(short=False)
    offers.held([])
    offers.take(short=False)
    offers.held([])

    assert other.result() is False
