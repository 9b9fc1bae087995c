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
from alerting.model.outcome import Reason, Rejected

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


def appetite(per_s, *, rate=1e6, unsent=0, alone=True, silent_until=0.0, refused_at=()):
    """One whose lane has had so many outcomes a second for a second."""
    clock, pace, window, breaker = FrozenClock(), Pace(rate), Window(WINDOW), Breaker()
    pace.block(silent_until)
    for at in refused_at:
        breaker.tell(Rejected(Reason.AUTH, "401"), at)
    senders = Senders(Provider(), pace=pace, breaker=breaker, clock=clock, tell=lambda *_: None)
    senders.unsent = unsent
    part = Part(Provider.capabilities, pace, window, alone=alone)
    hungry = Appetite(pace=pace, window=window, breaker=breaker, part=part, senders=senders)
    for step in range(51):
        hungry.flow.add(per_s // 50 if step else 0, 1_000 + step / 50)
    return hungry


@pytest.mark.parametrize("per_s", [20_000, 100_000])
def test_however_fast_a_lane_is_it_claims_a_few_commits_worth_ahead(per_s):
    """Fewer would be written in more commits; more would be left to look up after a kill."""
    assert appetite(per_s).room(0, 1_001.0) == WINDOW + 500


@pytest.mark.parametrize("per_s", [500, 1_000, 2_000])
def test_a_slower_one_claims_what_leaves_within_a_tenth_of_a_second(per_s):
    """What is claimed can no longer be cancelled."""
    assert appetite(per_s).room(0, 1_001.0) == pytest.approx(WINDOW + per_s / 10, abs=1)


def test_one_that_is_paced_claims_a_tenth_of_its_rate():
    assert appetite(1_000, rate=100).room(0, 1_001.0) == 10


def test_what_is_out_is_not_claimed_again():
    assert appetite(100_000).room(WINDOW + 150, 1_001.0) == 350


def test_what_was_claimed_and_waits_for_its_turn_is_not_claimed_again():
    assert appetite(1_000, rate=100, unsent=4).room(4, 1_001.0) == 6
    assert appetite(1_000, rate=100, unsent=10).room(10, 1_001.0) <= 0


def test_while_a_provider_wants_silence_nothing_is_claimed():
    """It could not leave, and could not be cancelled any more."""
    assert appetite(1_000, silent_until=1_005.0).room(0, 1_001.0) == 0
    assert appetite(1_000, silent_until=1_001.1).room(0, 1_001.0) > 0


def test_no_trial_is_claimed_of_a_channel_in_trouble_before_its_provider_hears_us_again():
    assert appetite(1_000, silent_until=1_005.0, refused_at=[1_000.0]).room(0, 1_002.0) == 0
    assert appetite(1_000, silent_until=1_001.5, refused_at=[1_000.0]).room(0, 1_002.0) == 1


def test_where_others_may_speak_nothing_is_claimed_before_it_is_known_who():
    assert appetite(1_000, alone=False).room(0, 1_001.0) == 0


@pytest.mark.parametrize(("unsent", "wait_s"), [(0, 0.0), (7, 0.0), (1_000, 0.01)])
def test_outcomes_gather_only_while_there_is_something_to_send_meanwhile(unsent, wait_s):
    assert appetite(1_000, unsent=unsent).gathering() == pytest.approx(wait_s, abs=0.001)


def test_a_channel_that_refused_us_is_tried_with_one_message_and_one_that_is_given_up_with_none():
    assert appetite(1_000, refused_at=(900.0,)).room(0, 1_001.0) == 1
    assert appetite(1_000, refused_at=(900.0,)).room(1, 1_001.0) == 0
    assert appetite(1_000, refused_at=(900.0, 950.0)).room(0, 1_001.0) == 0
