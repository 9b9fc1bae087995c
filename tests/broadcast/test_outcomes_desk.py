"""Where outcomes come in: what a lane still knows of an item that was not handed to the provider after all."""

import asyncio
import random

from stage import Searchable

from alerting.broadcast.breaker import Breaker
from alerting.broadcast.desk import Desk
from alerting.broadcast.pace import Pace
from alerting.broadcast.retry import Life, Policy
from alerting.broadcast.sending import Unsent
from alerting.broadcast.window import Window
from alerting.broadcast.work import Facts, Hold, Item
from alerting.channels.base import Absent
from alerting.clock import FrozenClock
from alerting.ledger.rows import Batch, Row
from alerting.model.delivery import State
from alerting.telemetry import QuietLog
from alerting.testing.builders import A_MOMENT, A_MOMENT_US, a_content

ENDS = A_MOMENT_US + 60_000_000


def a_desk():
    channel = Searchable("x")
    return Desk(
        channel,
        pace=Pace(1.0),
        window=Window(1),
        breaker=Breaker(),
        policy=Policy(),
        clock=FrozenClock(A_MOMENT),
        rng=random.Random(4),
        log=QuietLog(),
        wake=asyncio.Event(),
    )


def a_hold():
    facts = Facts(
        alert_id="L-7K2QXD", content=a_content(), life=Life(expires_at=ENDS, live=True), expires_at=A_MOMENT
    )
    batch = Batch(id=1, alert_id="L-7K2QXD", channel="x", priority=50, epoch=1, rows=())
    return Hold(batch=batch, facts=facts)


async def test_a_look_up_that_went_back_remembers_that_its_message_went_out_twice():
    """It would else go out a third time when the provider cannot tell."""
    desk, hold = a_desk(), a_hold()
    item = Item(Row(1, "feed:x/campus", State.UNCERTAIN, 2, 0, A_MOMENT_US, True, ""), hold)
    hold.out = 2
    desk.told(item, Unsent())
    desk.told(item, Absent(certain=False))

    results, _ = desk.clear()
    assert [settled.state for settled in results[hold]] == [State.UNRESOLVED]
