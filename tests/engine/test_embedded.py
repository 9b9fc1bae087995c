"""The engine starts lanes, starts them again, and never forgets work it was told of."""

import asyncio
import contextlib
import random
import sqlite3
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "broadcast"))

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from stage import Scripted, Stage, rules

from alerting.channels.absent import AbsentChannel
from alerting.clock import SystemClock
from alerting.engine.embedded import EmbeddedEngine
from alerting.errors import LedgerUnavailable
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.model.audience import Address
from alerting.model.outcome import Accepted
from alerting.telemetry import QuietLog
from alerting.testing.builders import an_actor, some_deliveries
from alerting.testing.ledger_lists import listed


class Heard(QuietLog):
    def __init__(self):
        self.events = []

    def error(self, event, **fields):
        self.events.append((event, fields))


@pytest.fixture
def stage(tmp_path):
    made = []

    def build(*channels, **given):
        made.append(Stage(tmp_path, *channels, **given))
        return made[-1]

    yield build
    for one in made:
        one.close()


def engine(stage, channel, log=None, **given):
    return EmbeddedEngine(
        channel=channel,
        writer=stage.writer,
        clock=SystemClock(),
        log=log or QuietLog(),
        owner="embedded",
        rng=random.Random(1),
        rules=lambda _: stage.rules,
        **given,
    )


async def run(made, stop=None):
    async with asyncio.timeout(15):
        await made.run(stop=stop or asyncio.Event())


async def test_a_lane_that_breaks_is_started_again_and_the_others_do_not_notice(stage):
    good, bad, log = Scripted("good"), Scripted("bad"), Heard()
    set_up = stage(good, bad)
    set_up.open(3)
    more_rows(set_up, "bad", 3)
    calls = []

    def channel(name):
        calls.append(name)
        if name == "bad" and calls.count("bad") == 1:
            raise RuntimeError("cannot send to +14135550100 with token abc")
        return set_up.channels[name]

    await run(engine(set_up, channel, log))

    assert set_up.counts("good") == set_up.counts("bad") == {"accepted": 3}
    [(event, fields)] = log.events
    assert (event, fields["channel"], fields["error"]) == ("lane.broken", "bad", "RuntimeError")
    assert fields["words"] == "RuntimeError", "what a library says may hold an address or a token"
    assert calls.count("good") == 1


async def test_a_channel_that_breaks_for_ever_ends_as_refused_and_says_why(stage):
    """What it had must not wait unseen until nobody needs it: the report names it, fallbacks take over."""
    good, bad, log = Scripted("good"), Scripted("bad"), Heard()
    set_up = stage(good, bad)
    set_up.open(3)
    more_rows(set_up, "bad", 3)

    def channel(name):
        if name == "bad":
            raise RuntimeError("a mistake of ours")
        return set_up.channels[name]

    made = engine(set_up, channel, log, refusing=AbsentChannel, restart_s=0.01)
    await run(made)

    assert set_up.counts("good") == {"accepted": 3}
    assert set_up.counts("bad") == {"rejected": 3}
    assert [event for event, _ in log.events].count("lane.broken") == 10
    reader = set_up.reader()
    told = {failure.detail for failure in reader.failures(set_up.alert.id)}
    reader.close()
    assert told == {"the channel broke 10 times: RuntimeError"}


async def test_every_lane_gets_a_channel_of_its_own_and_closes_it(stage):
    """A second alert on a channel whose lane has ended must not meet closed connections."""
    made, closed = [], []
    set_up = stage(Scripted("sms-main"))
    set_up.open(2)

    class Closing(Scripted):
        async def aclose(self):
            closed.append(self)

        async def send(self, envelope):
            assert self not in closed, "sent through a channel that was closed"
            return await super().send(envelope)

    def channel(name):
        made.append(Closing(name))
        return made[-1]

    one = engine(set_up, channel)
    await run(one)
    more_rows(set_up, "sms-main", 2, start=2)
    await run(one)

    assert set_up.counts() == {"accepted": 4}
    assert made == closed
    assert len(made) == 2


async def test_a_broken_ledger_ends_every_lane_with_one_error(stage):
    set_up = stage(Scripted("a"), Scripted("b"))
    set_up.open(2)
    more_rows(set_up, "b", 2)

    class Broken:
        def __init__(self, writer):
            self._writer, self.left = writer, 3

        async def do(self, change):
            self.left -= 1
            if self.left < 0:
                raise LedgerUnavailable("the disk is gone")
            return await self._writer.do(change)

    made = engine(set_up, set_up.channels.__getitem__)
    made._writer = Broken(set_up.writer)

    with pytest.raises(LedgerUnavailable, match="the disk is gone"):
        await run(made)


async def test_a_stop_leaves_what_has_not_left_for_the_next_run(stage):
    channel = Scripted("sms-main", rate_per_s=50, in_flight=2)
    set_up = stage(channel)
    set_up.open(60)
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, stop.set)

    await run(engine(set_up, set_up.channels.__getitem__), stop)

    counts = set_up.counts()
    assert set(counts) == {"accepted", "pending"}
    channel.capabilities = Scripted("x").capabilities
    await run(engine(set_up, set_up.channels.__getitem__))
    assert set_up.counts() == {"accepted": 60}
    assert max(channel.calls.values()) == 1


@given(
    pauses=st.lists(st.integers(0, 12), min_size=1, max_size=8),
    named=st.lists(st.booleans(), min_size=8, max_size=8),
)
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],  # a failure waits for its time-out: making it smaller would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_work_that_comes_at_any_moment_of_a_lanes_end_is_not_lost(tmp_path_factory, pauses, named):
    """``look`` may come before, while or after a lane sees that there is nothing left."""

    async def play():
        channel = Scripted("sms-main", lambda envelope, nth: Accepted(envelope.key))
        set_up = Stage(tmp_path_factory.mktemp("look"), channel, rules=rules())
        set_up.open(1)
        one = engine(set_up, set_up.channels.__getitem__)
        running = asyncio.create_task(run(one))
        total = 1
        for pause, by_name in zip(pauses, named, strict=False):
            await asyncio.sleep(pause / 1000)
            if running.done():
                running = asyncio.create_task(run(one))
            await set_up.writer.do(add_rows(set_up, "sms-main", 1, total))
            one.look("sms-main" if by_name else "")
            total += 1
        await running
        left = await set_up.writer.do(lambda ledger: list(ledger.unsettled()))
        if left:  # the engine had ended before the last work came: its owner looks and runs it again
            await run(one)
        counts = set_up.counts()
        set_up.close()
        return counts, total, bool(left), max(channel.calls.values())

    counts, total, _, most = asyncio.run(play())
    assert counts == {"accepted": total}
    assert most == 1


def more_rows(stage, channel, count, start=0):
    stage.writer.submit(add_rows(stage, channel, count, start)).result(5)


def add_rows(stage, channel, count, start):
    alert = stage.alert.id
    return lambda ledger: ledger.add_batch(alert, channel, some_deliveries(count, start), priority=50)


# -- a list that was accepted, and whose rows are still to be written -------------------------------


def with_a_list(set_up, folder, count=1_200):
    """Open an alert with one post, and a list of people for the second channel."""
    alert_id = set_up.open(1)
    rows = listed(folder, count)
    set_up.writer.submit(lambda ledger: ledger.roll(alert_id, {"texts": rows}, priority=50)).result(10)
    return alert_id


def written(set_up):
    with contextlib.closing(sqlite3.connect(set_up.path)) as file:
        return file.execute("SELECT count(*) FROM delivery").fetchone()[0]


async def test_a_post_leaves_before_a_row_of_the_people_is_written_and_they_are_told_after_it(
    stage, tmp_path
):
    stop, rows = asyncio.Event(), []

    def post(*_):
        rows.append(written(set_up))
        stop.set()
        return Accepted("1")

    posts, texts = Scripted("posts", post), Scripted("texts")
    set_up = stage(posts, texts)
    with_a_list(set_up, tmp_path)
    await run(engine(set_up, set_up.channels.get, head_start_s=3600), stop)
    assert rows == [1]
    assert texts.calls.total() == 0
    assert set_up.counts("texts") == {"pending": 1_200}

    await run(engine(set_up, set_up.channels.get, head_start_s=0))
    assert set_up.counts("texts") == {"accepted": 1_200}
    assert posts.calls.total() == 1
    assert texts.calls.total() == 1_200


async def test_rows_of_the_people_are_not_written_while_a_feed_reads_its_library(
    stage, tmp_path, monkeypatch
):
    """That takes longer than the head start: both would have the same core, and the post would wait."""
    rows = []
    feeds = (Address.parse("feed:x/campus"),)
    posts = Scripted("posts", lambda *_: (rows.append(written(set_up)), Accepted("1"))[1], feeds=feeds)
    posts.needs = ("slow_library_of_posts",)
    (tmp_path / "slow_library_of_posts.py").write_text("import time; time.sleep(0.4)")
    monkeypatch.syspath_prepend(tmp_path)
    set_up = stage(posts, Scripted("texts"))
    with_a_list(set_up, tmp_path)

    await run(engine(set_up, set_up.channels.get, head_start_s=0.1))

    assert rows == [1]
    assert set_up.counts("texts") == {"accepted": 1_200}


async def test_a_list_that_is_cancelled_before_is_on_record_when_the_engine_ends(stage, tmp_path):
    set_up = stage(Scripted("posts"), Scripted("texts"))
    alert_id = with_a_list(set_up, tmp_path)
    await set_up.writer.do(lambda ledger: ledger.cancel(alert_id, actor=an_actor(), at=1))
    await run(engine(set_up, set_up.channels.get, head_start_s=0))
    assert written(set_up) == 1_201
    assert set_up.counts("texts") == {"cancelled": 1_200}
    reader = set_up.reader()
    assert reader.alert(alert_id).settled_at is not None
    reader.close()


async def test_a_list_that_cannot_be_written_stops_the_engine_like_a_claim_and_is_written_by_the_next(
    stage, tmp_path
):
    set_up = stage(Scripted("posts"), Scripted("texts"))
    with_a_list(set_up, tmp_path)
    await set_up.writer.do(lambda ledger: ledger._connection.do("PRAGMA max_page_count = 1"))
    with pytest.raises(LedgerUnavailable, match="disk is full"):
        await run(engine(set_up, set_up.channels.get, head_start_s=0))
    set_up.writer.close()
    set_up.writer = GroupWriter(lambda: SqliteLedger.open(set_up.path, clock=SystemClock()))
    await run(engine(set_up, set_up.channels.get))
    assert set_up.counts("texts") == {"accepted": 1_200}


async def test_an_error_over_a_list_breaks_no_lane_and_it_is_tried_again(stage, tmp_path):
    set_up, log, broken = stage(Scripted("posts"), Scripted("texts")), Heard(), asyncio.Event()
    with_a_list(set_up, tmp_path)
    await set_up.writer.do(lambda ledger: ledger._connection.do("ALTER TABLE roll_part RENAME TO gone"))
    log.error = lambda event, **fields: (log.events.append((event, fields)), broken.set())

    async def mend():
        await broken.wait()
        await set_up.writer.do(lambda ledger: ledger._connection.do("ALTER TABLE gone RENAME TO roll_part"))

    async with asyncio.TaskGroup() as group:
        group.create_task(mend())
        group.create_task(run(engine(set_up, set_up.channels.get, log, head_start_s=0, restart_s=0.05)))
    assert {event for event, _ in log.events} == {"roll.broken"}
    assert set_up.counts("texts") == {"accepted": 1_200}
