"""What was claimed and could not leave in time does not leave at all: somebody else may have it by now."""

import asyncio

import pytest
from stage import Scripted

from alerting.broadcast.breaker import Breaker
from alerting.broadcast.pace import Pace
from alerting.broadcast.retry import Life
from alerting.broadcast.sending import STALE_S, Senders, Unsent
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


@pytest.mark.parametrize(("late_s", "leaves"), [(STALE_S - 0.1, True), (STALE_S + 0.1, False)])
async def test_a_process_that_stood_still_does_not_send_what_it_had_in_hand(late_s, leaves):
    clock, sms, told = FrozenClock(), Scripted(SMS), []
    senders = Senders(
        sms, pace=Pace(1e6), breaker=Breaker(), clock=clock, tell=lambda item, what: told.append(what)
    )
    items = [an_item(number, claimed_at=clock.monotonic() - late_s) for number in range(3)]

    senders.give(items, limit=10)
    for _ in range(5):
        await asyncio.sleep(0)

    assert sms.calls.total() == (3 if leaves else 0)
    assert [type(what) for what in told] == [Accepted if leaves else Unsent] * 3
    assert senders.unsent == 0
    await senders.aclose()
