"""A notice beside a large alert: what one person did is told before the thousands it is about have left."""

import asyncio
from datetime import timedelta

import pytest
from stage import Scripted

from alerting.channels.base import Capabilities
from alerting.model.audience import Address
from alerting.model.outcome import Accepted
from alerting.oncall.notice import Concern, Desk, Kind, Way, open_notice
from alerting.oncall.person import Person
from alerting.testing.builders import some_capabilities

PEOPLE, AFTER = 800, 100
LEE = Person(key="lee", phone=Address.parse("phone:+14135550999"))


def notify(stage, kind, can: Capabilities):
    """Open a notice on the stage's channel, as the callout does beside the lanes."""
    concern = Concern(kind=kind, topic=f"test:{kind}", mark="1", title="told", what="kim sent L-7K2QXD alone")
    way = Way(channel="sms", kind="sms.twilio", capabilities=can)
    desk = Desk(source="NSU ALERT", ways=(way,), escalate_after=timedelta(minutes=5))
    at = stage.clock.now()
    return stage.writer.do(lambda ledger: open_notice(ledger, desk, concern, [LEE], at=at))


async def position_of(stage, kind):
    """Send a large alert on a slow channel, open a notice in the middle; return when its text left."""
    reached = asyncio.Event()

    def answer(envelope, _):
        if len(channel.envelopes) >= AFTER:
            reached.set()
        return Accepted(envelope.key)

    channel = Scripted("sms", answer, in_flight=4)
    channel.delay = 0.001
    play = stage(channel)
    play.open(PEOPLE)
    engine = play.engine()

    async def tell():
        await reached.wait()
        await notify(play, kind, some_capabilities())
        engine.look("sms")

    async with asyncio.timeout(30):
        await asyncio.gather(engine.run(stop=asyncio.Event()), tell())
    sent = [str(one.address) for one in channel.envelopes]
    assert len(sent) == PEOPLE + 1
    return sent.index(str(LEE.phone))


@pytest.mark.parametrize("kind", [Kind.SENT, Kind.BREAK_GLASS, Kind.APPROVAL])
async def test_what_a_person_did_or_asks_is_told_before_what_has_not_left(stage, kind):
    assert AFTER <= await position_of(stage, kind) < PEOPLE - AFTER


@pytest.mark.parametrize("kind", [Kind.CHANNEL, Kind.DRILL, Kind.OVERDUE])
async def test_what_is_wrong_with_the_system_waits_behind_every_alert(stage, kind):
    assert await position_of(stage, kind) == PEOPLE
