"""How much a lane claims ahead of what it has sent."""

from datetime import timedelta

import pytest

from alerting.broadcast.appetite import Appetite
from alerting.broadcast.breaker import Breaker
from alerting.broadcast.pace import Pace
from alerting.broadcast.part import Part
from alerting.broadcast.sending import Senders
from alerting.broadcast.window import Window
from alerting.channels.base import Capabilities
from alerting.clock import FrozenClock
from alerting.model.audience import AddressKind
from alerting.model.message import Shape, Unit

WINDOW = 50


class Provider:
    name = "sms-main"
    capabilities = Capabilities(
        address_kind=AddressKind.PHONE,
        shape=Shape(unit=Unit.SEGMENTS, limit=3, slots=("sms",)),
        rate_per_s=1e6,
        in_flight=WINDOW,
        deadline=timedelta(seconds=5),
    )


def appetite(per_s, *, rate=1e6):
    """One whose lane has had so many outcomes a second for a second."""
    clock, pace, window, breaker = FrozenClock(), Pace(rate), Window(WINDOW), Breaker()
    senders = Senders(Provider(), pace=pace, breaker=breaker, clock=clock, tell=lambda *_: None)
    part = Part(Provider.capabilities, pace, window, alone=True)
    hungry = Appetite(pace=pace, window=window, breaker=breaker, part=part, senders=senders)
    for step in range(51):
        hungry.flow.add(per_s // 50 if step else 0, 1_000 + step / 50)
    return hungry


@pytest.mark.parametrize("per_s", [20_000, 100_000])
def test_however_fast_a_lane_is_it_claims_a_few_commits_worth_ahead(per_s):
    """Fewer would be written in more commits; more would be left to look up after a kill."""
    assert appetite(per_s).room(0, 1_001.0) == WINDOW + 250


@pytest.mark.parametrize("per_s", [500, 1_000, 2_000])
def test_a_slower_one_claims_what_leaves_within_a_tenth_of_a_second(per_s):
    """What is claimed can no longer be cancelled."""
    assert appetite(per_s).room(0, 1_001.0) == pytest.approx(WINDOW + per_s / 10, abs=1)


def test_one_that_is_paced_claims_a_tenth_of_its_rate():
    assert appetite(1_000, rate=100).room(0, 1_001.0) == 10


def test_what_is_out_is_not_claimed_again():
    assert appetite(100_000).room(WINDOW + 150, 1_001.0) == 100
