"""What a delivery costs, in things that can be counted: a regression of kind shows without a clock."""

import asyncio
import os
import random
import socket
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest

from alerting.broadcast.lane import Lane
from alerting.broadcast.sending import Senders, StreamChannel
from alerting.channels.base import Capabilities, Surroundings
from alerting.channels.sms.channel import build
from alerting.channels.sms.config import TwilioConfig
from alerting.channels.sms.link import Link
from alerting.channels.sms.transport import Transport
from alerting.channels.sms.wire import Target
from alerting.clock import SystemClock, micros
from alerting.ledger.connection import Connection
from alerting.ledger.rows import Actor, NewDelivery, Opening
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.model.audience import AddressKind
from alerting.model.delivery import State
from alerting.model.message import Shape, Unit
from alerting.model.outcome import Accepted
from alerting.secret import Secret
from alerting.telemetry import QuietLog
from alerting.testing.builders import a_lane, an_alert

COUNT = 2_000
CLOCK = SystemClock()


class Instant:
    """A provider that accepts in the next turn of the loop."""

    name = "sms-main"
    capabilities = Capabilities(
        address_kind=AddressKind.PHONE,
        shape=Shape(unit=Unit.SEGMENTS, limit=3, slots=("sms",)),
        rate_per_s=1e6,
        in_flight=50,
        deadline=timedelta(seconds=5),
    )

    async def prepare(self, content):
        pass

    def submit(self, envelope, done, leave_by):
        asyncio.get_running_loop().call_soon(done, Accepted(f"SM{envelope.key}"))
        return True

    held = 0

    async def send(self, envelope):
        raise AssertionError("every call may be streamed")

    async def aclose(self):
        pass


@pytest.fixture
def asked(monkeypatch):
    """Count statements, and rows given to those that run once a row."""
    seen = Counter()
    plain, many = Connection.do, Connection.many

    def do(self, text):
        seen[text.split()[0]] += 1
        return plain(self, text)

    def run_many(self, name, rows):
        rows = list(rows)
        seen[name] += len(rows)
        return many(self, name, rows)

    for name in ("all", "run"):
        inner = getattr(Connection, name)

        def counted(self, statement, params=(), *, inner=inner):
            seen[statement] += 1
            return inner(self, statement, params)

        monkeypatch.setattr(Connection, name, counted)
    monkeypatch.setattr(Connection, "do", do)
    monkeypatch.setattr(Connection, "many", run_many)
    return seen


def opened(path, count):
    now = CLOCK.now()
    alert = an_alert(created_at=now, expires_at=now + timedelta(minutes=15))
    ledger = SqliteLedger.open(path, clock=CLOCK)
    with ledger.transaction():
        opening = Opening(alert=alert, lanes=(a_lane(),), actor=Actor(name="lee"), digest="d")
        ledger.open_alert(opening, at=micros(now))
        for first in range(0, count, 500):
            rows = [NewDelivery(f"phone:+1413555{n:04d}") for n in range(first, first + 500)]
            ledger.add_batch(alert.id, "sms-main", rows, priority=1)
        ledger.planned(alert.id, recipients=count, notes={})
    ledger.close()
    return alert


async def sent(path, channel):
    writer = GroupWriter(lambda: SqliteLedger.open(path, clock=CLOCK))
    lane = Lane(
        channel,
        writer=writer,
        clock=CLOCK,
        rng=random.Random(1),
        log=QuietLog(),
        owner="t",
        nudge=lambda _: None,
    )
    await asyncio.wait_for(lane.run(stop=asyncio.Event()), 30)
    await asyncio.to_thread(writer.close)


async def test_every_statement_serves_many_deliveries(tmp_path, asked):
    alert = opened(tmp_path / "ledger.db", COUNT)
    asked.clear()

    await sent(tmp_path / "ledger.db", Instant())

    assert sum(asked.values()) < COUNT / 4
    assert asked["settle_row"] == 0
    [tally] = SqliteLedger.open(tmp_path / "ledger.db", write=False, clock=CLOCK).tally(alert.id)
    assert tally.counts[State.ACCEPTED] == COUNT


async def test_commits_are_shared_by_many_deliveries(tmp_path, asked):
    opened(tmp_path / "ledger.db", COUNT)
    asked.clear()

    await sent(tmp_path / "ledger.db", Instant())

    assert asked["COMMIT"] <= COUNT / 1000 * 60


@pytest.mark.parametrize("turn", [100, 500])
def test_no_commit_makes_a_file_of_its_own(tmp_path, turn):
    """What a statement may have to take back stays in memory: its pages are small and few."""
    made_at = tmp_path.stat().st_mtime_ns
    environ = {**os.environ, "SQLITE_TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "benchmarks.bare", "-", str(COUNT), "together", str(turn)]

    subprocess.run(command, env=environ, capture_output=True, timeout=60, check=True)

    assert tmp_path.stat().st_mtime_ns == made_at


def test_texts_are_streamed():
    config = TwilioConfig(
        name="sms-main", account_sid="AC" + "0" * 32, auth_token=Secret("t"), sender="+14135550199"
    )

    assert isinstance(build(config, Surroundings(clock=CLOCK, campus="")), StreamChannel)


async def test_streamed_deliveries_make_no_tasks_but_one_to_prepare(tmp_path, monkeypatch):
    made = Counter()
    start = Senders._start
    monkeypatch.setattr(Senders, "_start", lambda self, call: (made.update(["task"]), start(self, call)))
    opened(tmp_path / "ledger.db", COUNT)

    await sent(tmp_path / "ledger.db", Instant())

    assert made["task"] == 1


async def test_a_delivery_takes_few_calls(tmp_path):
    """Calls of Python functions in the loop's thread, from claim to result; libraries' included."""
    opened(tmp_path / "ledger.db", COUNT)
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        await sent(tmp_path / "ledger.db", Instant())
    finally:
        sys.setprofile(None)

    assert calls / COUNT < 45


async def test_an_exchange_costs_one_call_to_send_and_one_to_hear(monkeypatch):
    """The kernel is asked twice for a request, and again only to open a connection."""
    asked = Counter()
    for name in ("say", "hear", "flush", "advance"):
        inner = getattr(Link, name)

        def counted(self, *given, inner=inner, name=name):
            asked[name] += 1
            return inner(self, *given)

        monkeypatch.setattr(Link, name, counted)
    monkeypatch.setattr(os, "environ", {})

    async def serve(reader, writer):
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(1)
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    target = Target("POST", f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/", ())
    transport = Transport(deadline=timedelta(seconds=10), in_flight=5)
    ends = await asyncio.gather(*(transport.exchange(target, b"x") for _ in range(200)))
    transport.close()
    listener.close()
    await asyncio.sleep(0.01)

    assert {end.status for end in ends} == {201}
    assert (asked["say"], asked["hear"], asked["advance"]) == (200, 200, 5)


async def test_a_message_makes_neither_a_task_nor_a_timer():
    """One alarm serves all deadlines."""
    loop = asyncio.get_running_loop()
    timers = loop._scheduled
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = Target("POST", f"http://127.0.0.1:{silent.getsockname()[1]}/", ())
        transport = Transport(deadline=timedelta(seconds=10), in_flight=3)
        before, tasks = len(timers), len(asyncio.all_tasks())
        for _ in range(100):
            transport.begin(target, b"x", lambda _: None)
        assert len(timers) == before + 1
        assert len(asyncio.all_tasks()) == tasks
        transport.close()
    await asyncio.sleep(0.05)
