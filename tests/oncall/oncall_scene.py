"""A campus with people on call: a roster, a real ledger, a clock that is moved, channels on paper."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

from alerting.callout import Callout
from alerting.clock import FrozenClock, micros
from alerting.config.model import OnCall
from alerting.ledger.rows import Actor, OccurrenceRow
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.model.audience import Address, AddressKind
from alerting.model.message import Shape, Unit
from alerting.oncall.signals import Signals
from alerting.service.house import Wired
from alerting.service.incident import note_opening
from alerting.testing.builders import (
    a_lane,
    a_shape,
    accepted,
    an_alert,
    an_opening,
    rejected,
    some_capabilities,
    some_deliveries,
)

NOON = datetime(2026, 9, 2, 16, tzinfo=UTC)
LEE, SAM = Actor(name="lee", origin="test"), Actor(name="sam", origin="test")
ROSTER = """version: 1
people:
  kim: {name: Kim Ito, phone: "+14135550101", email: kim@example.edu}
  lee: {name: Lee Ode, phone: "+14135550102", email: lee@example.edu}
  pat: {name: Pat Doe, phone: "+14135550103"}
  chief: {email: chief@example.edu}
shifts:
  - {who: kim, starts: 2026-09-01T07:00, ends: 2026-09-01T19:00, rule: FREQ=DAILY}
then: [[lee, pat], chief]
approvers: [chief, lee]
"""
MAIL = Shape(unit=Unit.CHARACTERS, limit=100_000, slots=("email", "message"), subject=True)


class OnPaper:
    """A channel that is planned for and never called."""

    def __init__(self, name, **can):
        self.name, self.capabilities = name, some_capabilities(**can)


def wired(name, kind="sms.twilio", mode="both", **can):
    return Wired(name=name, kind=kind, channel=OnPaper(name, **can), mode=mode)


def the_channels(segments=2):
    feed = Address(AddressKind.FEED, "x/campus")
    return [
        wired("x-campus", "x", address_kind=AddressKind.FEED, feeds=(feed,)),
        wired("sms-drill", mode="drill", shape=a_shape(limit=segments)),
        wired("sms-main", shape=a_shape(limit=segments)),
        wired("email-main", "email.smtp", address_kind=AddressKind.EMAIL, shape=MAIL),
    ]


class Log:
    """A log a test can read."""

    def __init__(self):
        self.told = []

    def info(self, event, **fields):
        self.told.append((event, fields))

    warning = error = info

    def named(self, event):
        return [fields for name, fields in self.told if name == event]


class Scene:
    """What the callout needs of the program, and a hand on its clock."""

    def __init__(self, folder, *, clock=None, roster=ROSTER, **on_call):
        self.folder, self.clock, self.log = folder, clock or FrozenClock(NOON), Log()
        self.state, self.environ, self.roster = folder, {}, folder / "roster.yaml"
        if not self.roster.exists():
            self.roster.write_text(roster)
        told = OnCall(roster=self.roster, **on_call)
        self.config = SimpleNamespace(
            on_call=told,
            campus=SimpleNamespace(time_zone="America/New_York"),
            path=folder / "channels.yaml",
            state=folder,
            operators=None,
        )
        self.channels = the_channels()
        self.writer = GroupWriter(lambda: SqliteLedger.open(folder / "ledger.db", clock=self.clock))
        self.do(lambda ledger: None)
        self.signals = Signals(monotonic=self.clock.monotonic)
        self.callout = Callout(app=self, writer=self.writer, signals=self.signals)
        self._readers = []

    # -- what the program would give

    def house(self):
        return SimpleNamespace(
            source="NSU ALERT",
            channels={one.name: one for one in self.channels},
            zone=ZoneInfo("America/New_York"),
        )

    def own_reader(self):
        return SqliteLedger.open(self.folder / "ledger.db", write=False, clock=self.clock)

    # -- what a test does

    def do(self, change):
        return self.writer.submit(change).result(10)

    @property
    def ledger(self):
        self._readers.append(self.own_reader())
        return self._readers[-1]

    def look(self, *, after=0.0):
        self.clock.advance(timedelta(seconds=after))
        return asyncio.run(self.callout.look())

    def restarted(self):
        """Return the same campus with a process of its own beside this one."""
        return Scene(self.folder, clock=self.clock)

    def incident(self, alert_id="L-7K2QXD", *, minutes=15, place="Baker Hall", owner="sam", **more):
        now = self.clock.now()
        alert = an_alert(
            id=alert_id,
            incident=more.pop("incident", alert_id),
            title="Gas leak",
            variables={"place": place},
            created_at=now,
            expires_at=now + timedelta(hours=1),
            **more,
        )

        def change(ledger):
            ledger.open_alert(an_opening(a_lane(), alert=alert), at=micros(now))
            due = now + timedelta(minutes=minutes)
            note_opening(ledger, alert, due_at=due, actor=Actor(name=owner), at=now)
            ledger.add_batch(alert.id, "sms-main", some_deliveries(3), priority=50)
            ledger.planned(alert.id, recipients=3, notes={})

        self.do(change)
        return alert

    def act(self, action, subject, actor=SAM, **body):
        at = micros(self.clock.now())
        self.do(lambda ledger: ledger.record_act(action, subject, body, actor=actor, at=at))

    def play(self, alert_id, *, refuse=False):
        """Take, or refuse, every message of an alert on the text channel."""
        at = micros(self.clock.now())

        def change(ledger):
            while batch := ledger.lease("sms-main", owner="test", at=at, until=at + 10**6):
                ledger.claim(batch, [row.id for row in batch.rows], at=at)
                end = rejected if refuse else accepted
                ledger.settle(batch, [end(row, at=at) for row in batch.rows])
                ledger.release(batch, not_before=0)
            ledger.settle_alert(alert_id, at=at)

        self.do(change)

    def drilled(self, alert_id="D-7K2QXD", **expect):
        """Take every message of a drill on the text channel but the last one's; it settles half a minute later."""
        now = self.clock.now()
        alert = an_alert(id=alert_id, incident=alert_id, created_at=now, expires_at=now + timedelta(hours=1))
        row = OccurrenceRow(
            drill="monthly",
            planned_local="2026-09-02T12:00:00",
            due_at=micros(now),
            at=micros(now),
            outcome="run",
            alert=alert_id,
            facts={"expect": expect},
        )

        def change(ledger):
            ledger.take_occurrence(row)
            ledger.open_alert(an_opening(a_lane(), alert=alert), at=micros(now))
            ledger.add_batch(alert_id, "sms-main", some_deliveries(20), priority=10)
            ledger.planned(alert_id, recipients=20, notes={})
            at = micros(now + timedelta(seconds=30))
            batch = ledger.lease("sms-main", owner="test", at=at, until=at + 10**6)
            ledger.claim(batch, [r.id for r in batch.rows], at=at)
            last = batch.rows[-1].id
            ends = [rejected(r, at=at) if r.id == last else accepted(r, at=at) for r in batch.rows]
            ledger.settle(batch, ends)
            ledger.release(batch, not_before=0)
            ledger.settle_alert(alert_id, at=at)

        self.do(change)
        self.clock.advance(timedelta(seconds=30))

    def notices(self):
        """Return what was opened, oldest first: id, kind, and the addresses by channel."""
        found = []
        for record in reversed(self.ledger.notices(limit=100)):
            to = {}
            for delivery in self.ledger.deliveries(record.alert.id):
                to.setdefault(delivery.channel, []).append(delivery.address.split(":")[1])
            found.append((record.alert, {lane.channel: lane.content for lane in record.lanes}, to))
        return found

    def told(self):
        """Return the addresses of each notice, oldest first."""
        return [sorted(a for some in to.values() for a in some) for _, _, to in self.notices()]

    def close(self):
        self.writer.close()
        for reader in self._readers:
            reader.close()


KIM = ["+14135550101", "kim@example.edu"]
LEE_AND_PAT = ["+14135550102", "+14135550103", "lee@example.edu"]
CHIEF = ["chief@example.edu"]
