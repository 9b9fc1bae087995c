"""A stage for lanes: a real ledger on disk, the real engine, and channels that do as they are told."""

import asyncio
import contextlib
import random
import sqlite3
from collections import Counter, defaultdict
from datetime import timedelta

from alerting.broadcast.lane import Rules
from alerting.channels.base import Absent
from alerting.clock import SystemClock, micros
from alerting.engine.embedded import EmbeddedEngine
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.model.delivery import State
from alerting.model.outcome import Accepted
from alerting.telemetry import QuietLog
from alerting.testing.builders import (
    a_lane,
    an_actor,
    an_alert,
    an_opening,
    some_capabilities,
    some_deliveries,
)


class Scripted:
    """A channel that answers what a function says, and remembers what reached its provider.

    ``answer(envelope, nth)`` gives the outcome of the nth call for that address, from 1. A provider
    has what was accepted, and what ``took`` was called for.
    """

    def __init__(self, name, answer=None, **can):
        self.name = name
        self.answer = answer or (lambda envelope, nth: Accepted(f"{envelope.key}-{nth}"))
        self.capabilities = some_capabilities(
            **{"rate_per_s": 1e6, "quarantine": timedelta(seconds=0.05), **can}
        )
        self.calls = Counter()
        self.has = defaultdict(int)
        self.envelopes = []
        self.open = self.most_open = 0
        self.delay = 0.0

    def took(self, envelope):
        self.has[envelope.key] += 1

    async def send(self, envelope):
        address = str(envelope.address)
        self.calls[address] += 1
        self.envelopes.append(envelope)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            if self.delay:
                await asyncio.sleep(self.delay)
            outcome = self.answer(envelope, self.calls[address])
            if asyncio.iscoroutine(outcome):
                outcome = await outcome
        finally:
            self.open -= 1
        if isinstance(outcome, Accepted):
            self.took(envelope)
        return outcome

    async def aclose(self):
        pass


class Searchable(Scripted):
    """A channel whose provider can be asked."""

    def __init__(self, *args, verdict=None, **can):
        super().__init__(*args, **can)
        self.verdict = verdict
        self.asked = Counter()

    async def find(self, envelope, since):
        self.asked[str(envelope.address)] += 1
        if self.verdict:
            return self.verdict(envelope, self.asked[str(envelope.address)])
        from alerting.channels.base import Found

        return Found(f"found-{envelope.key}") if self.has[envelope.key] else Absent(certain=True)


class Stage:
    """One ledger and the channels around it."""

    def __init__(self, path, *channels, rules=None):
        self.path = path / "ledger.db"
        self.clock = SystemClock()
        self.channels = {channel.name: channel for channel in channels}
        self.writer = GroupWriter(lambda: SqliteLedger.open(self.path, clock=self.clock))
        self.rules = rules or Rules(poll=0.05)
        self.alert = None

    def open(
        self, count=1, *, life=60.0, live=True, fallback="", lanes=None, batch=500, priority=50, **alert
    ):
        """Open an alert to ``count`` people on the first channel (or on ``lanes``)."""
        now = self.clock.now()
        name = alert.pop("id", "L-7K2QXD" if live else "D-7K2QXD")
        self.alert = an_alert(id=name, created_at=now, expires_at=now + timedelta(seconds=life), **alert)
        names = lanes or list(self.channels)
        made = tuple(a_lane(n, fallback=fallback if n == names[0] else "") for n in names)

        def change(ledger):
            ledger.open_alert(an_opening(*made, alert=self.alert), at=micros(now))
            for start in range(0, count, batch):
                rows = some_deliveries(min(batch, count - start), start)
                ledger.add_batch(self.alert.id, names[0], rows, priority=priority)
            ledger.planned(self.alert.id, recipients=count, notes={})

        self.writer.submit(change).result(10)
        return self.alert.id

    def engine(self, owner="embedded"):
        return EmbeddedEngine(
            channel=self.channels.__getitem__,
            writer=self.writer,
            clock=self.clock,
            log=QuietLog(),
            owner=owner,
            rng=random.Random(4),
            rules=lambda _: self.rules,
        )

    async def play(self, *, stop=None, owner="embedded"):
        async with asyncio.timeout(20):
            await self.engine(owner).run(stop=stop or asyncio.Event())

    def leased(self):
        """How many batches are in somebody's hands."""
        with contextlib.closing(sqlite3.connect(self.path)) as file:
            [(count,)] = file.execute("SELECT count(*) FROM batch WHERE state = 'leased'").fetchall()
        return count

    def reader(self):
        return SqliteLedger.open(self.path, write=False, clock=self.clock)

    def counts(self, channel=None):
        """States that hold any delivery, with how many; and the counters agree with the rows."""
        name = channel or next(iter(self.channels))
        reader = self.reader()
        folded = Counter(d.state for d in reader.deliveries(self.alert.id, channel=name))
        [tally] = [t for t in reader.tally(self.alert.id) if t.channel == name]
        assert {s: n for s, n in tally.counts.items() if n} == dict(folded)
        reader.close()
        return {str(state): count for state, count in folded.items()}

    def delivery(self, channel=None):
        [one] = self.reader().deliveries(self.alert.id, channel=channel or next(iter(self.channels)))
        return one

    def cancel(self):
        now = micros(self.clock.now())
        return self.writer.do(lambda ledger: ledger.cancel(self.alert.id, actor=an_actor(), at=now))

    def close(self):
        self.writer.close()


def rules(**changes):
    return Rules(poll=0.05)._replace(**changes)


def only(state, count):
    return {str(State(state)): count}
