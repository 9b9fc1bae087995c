"""One process owns a ledger. Whatever else happens to the file, what was accepted goes on."""

import asyncio
import sqlite3
import sys
import threading
import time
from contextlib import closing, suppress
from datetime import timedelta
from types import SimpleNamespace

import pytest

from alerting.broadcast.lane import Rules
from alerting.clock import SystemClock, micros
from alerting.engine.control import ask
from alerting.errors import LedgerBusy
from alerting.ledger.lock import RunnerLock
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.model.outcome import Accepted
from alerting.runner import Runner
from alerting.telemetry import QuietLog
from alerting.testing.builders import an_alert, an_opening, some_capabilities, some_deliveries

CLOCK = SystemClock()
PATIENCE = timedelta(seconds=0.1)


class OneChannel:
    name = "sms-main"

    def __init__(self):
        self.capabilities = some_capabilities(rate_per_s=40, in_flight=2, quarantine=timedelta(seconds=0.05))
        self.sent = []

    async def send(self, envelope):
        await asyncio.sleep(0)
        self.sent.append(str(envelope.address))
        return Accepted(envelope.key)

    async def aclose(self):
        pass


class Program:
    """What a runner needs of the program, over a channel that takes everything."""

    def __init__(self, state):
        self.state, self.log, self.one = state, QuietLog(), OneChannel()
        self.owner, self.shared = "embedded", None

    def __getattr__(self, name):
        # Whatever a runner lets its program do beside sending is left out here.
        return lambda *_, **__: None

    def lock(self):
        return RunnerLock(self.state)

    def writer(self):
        return GroupWriter(
            lambda: SqliteLedger.open(self.state / "ledger.db", clock=CLOCK, patience=PATIENCE)
        )

    lasting_writer = writer

    def channel(self, name):
        return self.one

    def rules(self, name):
        return Rules(poll=0.05)


@pytest.fixture
def program(tmp_path):
    now = CLOCK.now()
    alert = an_alert(id="L-0WN1NG", created_at=now, expires_at=now + timedelta(minutes=5))
    ledger = SqliteLedger.open(tmp_path / "ledger.db", clock=CLOCK)
    with ledger.transaction():
        ledger.open_alert(an_opening("sms-main", alert=alert), at=micros(now))
        ledger.add_batch(alert.id, "sms-main", some_deliveries(20), priority=50)
        ledger.planned(alert.id, recipients=20, notes={})
    ledger.close()
    return Program(tmp_path)


def runner(program):
    return Runner(app=program, state=program.state, clock=CLOCK)


def test_a_second_runner_is_refused_and_touches_nothing(program):
    with RunnerLock(program.state), pytest.raises(LedgerBusy, match="has been sending since"):
        runner(program).run(None)

    assert program.one.sent == []


def test_a_request_whose_room_an_update_has_taken_is_answered_in_words(program, monkeypatch):
    """Its files may have been replaced while it runs, and some are read only when they are asked for."""
    program.config = SimpleNamespace(operators=None, path=program.state / "none.yaml", state=program.state)
    program.one.capabilities = program.one.capabilities._replace(rate_per_s=10)
    monkeypatch.setitem(sys.modules, "alerting.broadcast.receipts", None)
    monkeypatch.delattr("alerting.broadcast.receipts", raising=False)
    told = []

    def asking():
        while not told:
            with suppress(LedgerBusy):  # it is only beginning
                told.append(ask(program.state, {"verb": "receipts"}, timeout=5))

    other = threading.Thread(target=asking, daemon=True)
    other.start()
    runner(program).run(None)
    other.join(5)

    assert "restart it" in str(told)
    assert len(program.one.sent) == 20


def test_a_ledger_another_program_locks_for_a_while_is_waited_for(program):
    """A backup tool that takes the file does not end the sending, and doubles nothing."""

    def take():
        with closing(sqlite3.connect(program.state / "ledger.db", isolation_level=None)) as other:
            while len(program.one.sent) < 3:
                time.sleep(0.005)
            other.execute("PRAGMA busy_timeout = 2000")
            other.execute("BEGIN IMMEDIATE")
            time.sleep(0.5)
            other.execute("ROLLBACK")

    thief = threading.Thread(target=take)
    thief.start()
    runner(program).run(None)
    thief.join()

    with closing(SqliteLedger.open(program.state / "ledger.db", write=False, clock=CLOCK)) as ledger:
        [tally] = ledger.tally("L-0WN1NG")
    assert {str(state): count for state, count in tally.counts.items() if count} == {"accepted": 20}
    assert set(program.one.sent) == {str(row.address) for row in some_deliveries(20)}
