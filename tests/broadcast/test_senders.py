"""What was claimed and could not leave in time does not leave at all; what leaves counts from when it does."""

import asyncio
from copy import deepcopy
from datetime import timedelta

import pytest
from stage import Scripted

from alerting.broadcast.breaker import Breaker
from alerting.broadcast.pace import Pace
from alerting.broadcast.retry import Life
from alerting.broadcast.sending import Senders, Unsent
from alerting.broadcast.work import Facts, Hold, Item
from alerting.clock import FrozenClock
from alerting.ledger.rows import Batch, Row
from alerting.model.delivery import State
from alerting.model.outcome import Accepted
from alerting.testing.builders import A_MOMENT, A_MOMENT_US, a_content

SMS = "sms-main"


def an_item(number, *, claimed_at):
    batch = Batch(id=1, alert_id="L-7K2QXD", channel=SMS, epoch=1, rows=(), priority=50)
    life = Life(expires_at=A_MOMENT_US, live=True)
    facts = Facts(alert_id=batch.alert_id, content=a_content(), life=life, expires_at=A_MOMENT)
    row = Row(1024 + number, f"phone:+1413555010{number}", State.SENDING, 1, 0, A_MOMENT_US, False, "")
    return Item(row=row, hold=Hold(batch=batch, facts=facts), claimed_at=claimed_at)


@pytest.mark.parametrize(("left_s", "leaves"), [(0.1, True), (-0.1, False)])
async def test_what_is_not_surely_ours_any_more_does_not_leave(left_s, leaves):
    clock, sms, told = FrozenClock(), Scripted(SMS), []
    senders = Senders(
        sms, pace=Pace(1e6), breaker=Breaker(), clock=clock, tell=lambda item, what: told.append(what)
    )
    items = [an_item(number, claimed_at=clock.monotonic()) for number in range(3)]

    senders.until = clock.monotonic() + left_s
    senders.give(items, limit=10)
    for _ in range(5):
        await asyncio.sleep(0)

    assert sms.calls.total() == (3 if leaves else 0)
    assert [type(what) for what in told] == [Accepted if leaves else Unsent] * 3
    assert senders.unsent == 0
    await senders.aclose()


@pytest.mark.parametrize("whose", ["ours", "too late", "another's"])
async def test_what_waits_for_its_connection_is_asked_about_when_it_would_leave(whose):
    clock, item = FrozenClock(), an_item(1, claimed_at=0)
    connected, asked = asyncio.Event(), []

    class Connecting(Scripted):
        async def send(self, envelope):
            asked.append(envelope.ours())
            await connected.wait()
            asked.append(envelope.ours())
            return Accepted("1")

    senders = Senders(
        Connecting(SMS), pace=Pace(1e6), breaker=Breaker(), clock=clock, tell=lambda item, what: None
    )
    senders.until = clock.monotonic() + 4.5
    senders.give([item], limit=10)
    await asyncio.sleep(0)
    clock.advance(timedelta(seconds=5 if whose == "too late" else 4))
    item.hold.lost = whose == "another's"
    connected.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert asked == [True, whose == "ours"]
    await senders.aclose()


class Dialling:
    """A channel that opens a connection for each message, and takes its time over that or over the call."""

    name = SMS
    capabilities = Scripted(SMS).capabilities

    def __init__(self, clock, *, calls_take_s=0.0):
        self.clock, self.calls_take, self.held = clock, timedelta(seconds=calls_take_s), 0

    async def prepare(self, content):
        pass

    def submit(self, envelope, done, leave_by):
        self.clock.advance(self.calls_take)
        self.held += 1
        return True

    async def send(self, envelope):
        raise AssertionError

    async def aclose(self):
        pass


class Sending:
    """Senders to such a channel, with a message a second, and a clock to be moved by hand."""

    def __init__(self, **given):
        self.clock, self.pace, self.told = FrozenClock(), Pace(1.0), []
        self.begun = self.clock.monotonic()
        self.channel = Dialling(self.clock, **given)
        self.senders = Senders(
            self.channel,
            pace=self.pace,
            breaker=Breaker(),
            clock=self.clock,
            tell=lambda item, what: self.told.append(what),
        )
        self.senders.until = self.begun + 60

    async def give(self):
        self.senders.give([an_item(1, claimed_at=self.clock.monotonic())], limit=10)
        for _ in range(5):
            await asyncio.sleep(0)

    def free_after(self):
        """Seconds from the beginning until another message may go."""
        # Who asks for a later moment has the pace forget what is over by then.
        pace, at = deepcopy(self.pace), self.clock.monotonic()
        while (wait := pace.ready_in(1, at)) > 0:
            at += wait
        return at - self.begun


async def test_a_message_whose_call_takes_long_counts_from_its_end():
    sending = Sending(calls_take_s=0.5)

    await sending.give()

    assert sending.free_after() == pytest.approx(1.5, abs=0.01)
    await sending.senders.aclose()


async def test_a_message_that_waits_for_a_connection_counts_from_when_it_has_one_and_only_once():
    sending = Sending()
    await sending.give()
    assert sending.free_after() == pytest.approx(1.0, abs=0.01)

    sending.clock.advance(timedelta(seconds=0.8))
    sending.channel.held = 0
    await sending.give()
    assert sending.free_after() == pytest.approx(1.8, abs=0.01), "it left at this moment at the latest"

    sending.clock.advance(timedelta(seconds=0.7))
    await sending.give()
    assert sending.free_after() == pytest.approx(1.8, abs=0.01)
    await sending.senders.aclose()
