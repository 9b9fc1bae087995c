"""A stage of several hosts: one ledger on PostgreSQL, an engine and a writer for each."""

import asyncio
import contextlib
import random
from datetime import timedelta
from functools import partial

import psycopg
from psycopg.rows import dict_row

from alerting.broadcast.lane import Rules
from alerting.clock import SystemClock, micros
from alerting.engine.distributed import DistributedEngine
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.listening import listen
from alerting.ledger.postgres.writer import SharedWriter
from alerting.telemetry import QuietLog
from alerting.testing.builders import a_lane, an_alert, an_opening, some_deliveries

NEVER_S = 3600.0


class Heard(QuietLog):
    """Remembers what was wrong."""

    def __init__(self):
        self.events = []

    def error(self, event, **fields):
        self.events.append((event, fields))

    warning = error


class Host:
    """One process of many: its writer, its log, its engine."""

    def __init__(self, place, name, channels, *, lease=6.0, on=None, **given):
        self.clock, self.name, self.log = SystemClock(), name, Heard()
        self.writer = SharedWriter(
            partial(PostgresLedger.open, place, clock=self.clock), patience=timedelta(seconds=5)
        )
        self.stop = asyncio.Event()
        known = {channel.name: channel for channel in channels}
        self.engine = DistributedEngine(
            channels=on or known.keys,
            channel=known.__getitem__,
            writer=self.writer,
            clock=self.clock,
            log=self.log,
            owner=name,
            rng=random.Random(4),
            rules=lambda _: Rules(shared=True, lease=lease),
            restart_s=0.05,
            **{"listen": partial(listen, place), "look_s": NEVER_S, **given},
        )

    @contextlib.asynccontextmanager
    async def working(self):
        """Have this host work until the block ends; then it gives everything back."""
        task = asyncio.create_task(self.engine.run(stop=self.stop, forever=True))
        try:
            async with asyncio.timeout(20):
                yield self
        finally:
            self.stop.set()
            async with asyncio.timeout(20):
                await task


class SharedStage:
    """The ledger all hosts share, and what somebody sees who looks from outside."""

    def __init__(self, place):
        self.place, self.clock, self._made = place, SystemClock(), []
        self.ledger = PostgresLedger.open(place, clock=self.clock)
        self._raw = psycopg.connect(place.address.reveal(), autocommit=True, row_factory=dict_row)
        self._raw.execute("SELECT set_config('search_path', %s, false)", (f'"{place.schema}"',))

    def host(self, name, *channels, **given):
        self._made.append(Host(self.place, name, channels, **given))
        return self._made[-1]

    def open(self, count, *lanes, batch=500, priority=50, start=0, **alert):
        """Open an alert on these lanes; people are planned on the first."""
        now = self.clock.now()
        alert = an_alert(
            **{"created_at": now, "expires_at": now + timedelta(seconds=60), "run_key": str(start), **alert}
        )
        with self.ledger.transaction():
            opening = an_opening(*(a_lane(name) for name in lanes), alert=alert)
            self.ledger.open_alert(opening, at=micros(now))
            for first in range(start, start + count, batch):
                rows = some_deliveries(min(batch, start + count - first), first)
                self.ledger.add_batch(alert.id, lanes[0], rows, priority=priority)
            self.ledger.planned(alert.id, recipients=count, notes={})
        return alert.id

    def counts(self, alert_id):
        [tally, *_] = self.ledger.tally(alert_id)
        return {str(state): number for state, number in tally.counts.items() if number}

    def jobs(self, status=""):
        told = "SELECT * FROM procrastinate_jobs WHERE %(s)s = '' OR status::text = %(s)s ORDER BY id"
        return self._raw.execute(told, {"s": status}).fetchall()

    def jobs_ever(self):
        """How many jobs there have been."""
        return self._raw.execute("SELECT last_value AS n FROM procrastinate_jobs_id_seq").fetchone()["n"]

    @contextlib.contextmanager
    def locked(self):
        """Hold every batch locked, as somebody does who is about to change it."""
        with psycopg.connect(self.place.address.reveal()) as another:
            another.execute("SELECT set_config('search_path', %s, false)", (f'"{self.place.schema}"',))
            another.execute("SELECT id FROM batch FOR UPDATE")
            yield

    def batches(self):
        return self._raw.execute("SELECT * FROM batch ORDER BY id").fetchall()

    def do(self, text, *params):
        return self._raw.execute(text, params)

    def close(self):
        for host in self._made:
            host.writer.close()
        self.ledger.close()
        self._raw.close()


async def until(look, otherwise="it did not happen"):
    """Look again and again until it is so."""
    async with asyncio.timeout(15):
        while not look():  # noqa: ASYNC110 - it looks at a database
            await asyncio.sleep(0.01)
