"""A campus for drills: shipped templates, a list of people, channels that exist only on paper, a real ledger."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from alerting.audience.csvfile import CsvAudience
from alerting.audience.roster import roster_of
from alerting.clock import FrozenClock, micros
from alerting.drills.drill import Drill, Expectations, Programme, Schedule
from alerting.ledger.rows import Actor
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.model.audience import Address, AddressKind
from alerting.rendering.store import TemplateStore
from alerting.scheduler import fire
from alerting.service.house import House, Wired
from alerting.telemetry import QuietLog
from alerting.testing.builders import a_shape, accepted, rejected, some_capabilities

ROOT = Path(__file__).parents[2]
ZONE = "America/New_York"
PEOPLE = 8
NOON = datetime(2026, 9, 2, 16, tzinfo=UTC)  # 12:00 on campus, a first Wednesday
ACTOR = Actor(name="lee", origin="test")
CANARY = "phone:+14135550100"


class OnPaper:
    """A channel that is planned for and never called."""

    def __init__(self, name, **can):
        self.name = name
        self.capabilities = some_capabilities(**can)


def wired(name, mode="both", fallback="", **can):
    return Wired(name=name, kind="sms.twilio", channel=OnPaper(name, **can), mode=mode, fallback=fallback)


def a_drill(name="monthly-test", **more):
    given = {
        "title": "Monthly test",
        "template": "drill",
        "audience": "staff",
        "channels": ("sms-main",),
        "schedule": Schedule(starts=datetime(2026, 1, 7, 12), zone=ZONE, rule="FREQ=MONTHLY;BYDAY=1WE"),
        "expect": Expectations(accepted_95_s=30.0, canaries_s=30.0, failures_percent=2.0),
        "canaries": (Address.parse(CANARY),),
    }
    return Drill(name=name, **{**given, **more})


def a_programme(*drills, audiences=("staff",)):
    return Programme(drills={d.name: d for d in drills}, audiences=frozenset(audiences), zone=ZONE)


class Campus:
    """What the scheduler needs of the program."""

    def __init__(self, folder, at=datetime(2026, 1, 1, 12, tzinfo=UTC), clock=None):
        self.folder = folder
        self.clock = clock or FrozenClock(at)
        self.log = QuietLog()
        self.path = folder / "ledger.db"
        self.people = folder / "people.csv"
        if not self.people.exists():
            rows = [f"Person {n},413555{100 + n:04d},person{n}@example.edu\n" for n in range(PEOPLE)]
            self.people.write_text("name,phone,email\n" + "".join(rows))
        self.wired = [wired("sms-main"), wired("sms-live", "live"), wired("sms-drill", "drill")]
        self.writer = GroupWriter(lambda: SqliteLedger.open(self.path, clock=self.clock))
        self._readers = []

    def house(self):
        return House(
            campus="North Shore University",
            source="NSU ALERT",
            zone=ZoneInfo(ZONE),
            link="https://alerts.example.edu",
            channels={w.name: w for w in self.wired},
            templates=TemplateStore(ROOT / "templates"),
            audiences={
                "staff": partial(self._roster, "staff"),
                "everyone": partial(self._roster, "everyone"),
            },
            default_channels=tuple(w.name for w in self.wired),
            default_audience="everyone",
        )

    def _roster(self, name):
        source = CsvAudience(self.people, region="US", groups=())
        return roster_of(source, name=name, list_path=self.people, salt=name, directory=self.folder / "lists")

    def reader(self):
        if not self.path.exists():
            return None
        self._readers.append(SqliteLedger.open(self.path, write=False, clock=self.clock))
        return self._readers[-1]

    def own_reader(self):
        return SqliteLedger.open(self.path, write=False, clock=self.clock) if self.path.exists() else None

    def fire(self, programme):
        return asyncio.run(fire(self, programme, writer=self.writer))

    def do(self, change):
        return self.writer.submit(change).result(10)

    def send(self, alert_id, *, after=5.0, fail=0):
        """Play the provider: take every message so many seconds after the alert, but for a few."""
        at = micros(self.clock.now()) + int(after * 1e6)

        def change(ledger):
            while batch := ledger.lease("sms-main", owner="test", at=at, until=at + 10**6):
                ledger.claim(batch, [row.id for row in batch.rows], at=at)
                results = [
                    rejected(row, at=at) if place < fail else accepted(row, at=at)
                    for place, row in enumerate(reversed(batch.rows))
                ]
                ledger.settle(batch, results)
                ledger.release(batch, not_before=0)
            ledger.settle_alert(alert_id, at=at)

        self.do(change)
        self.clock.advance(timedelta(seconds=after))

    def close(self):
        self.writer.close()
        for reader in self._readers:
            reader.close()


def feed(name="x-campus", mode="both"):
    return wired(
        name,
        mode,
        address_kind=AddressKind.FEED,
        feeds=(Address(AddressKind.FEED, "x/campus"),),
        shape=a_shape(),
    )
