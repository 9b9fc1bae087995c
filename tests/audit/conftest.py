"""A ledger with some history: five alerts that ended in different ways, sealed and signed."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from alerting.audit.acts import write
from alerting.audit.keeper import Keeper
from alerting.clock import FrozenClock, instant
from alerting.digest import delivery_key
from alerting.ledger.filecopy import LedgerCopy
from alerting.ledger.rows import Actor, ReplyRow
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.delivery import State
from alerting.model.receipt import Receipt, ReceiptStatus
from alerting.testing.builders import (
    A_MOMENT,
    A_MOMENT_US,
    accepted,
    an_actor,
    an_address,
    an_alert,
    an_opening,
    deferred,
    rejected,
    some_deliveries,
    unanswered,
)

SECOND = 1_000_000
AUDITOR = Actor(name="kim", origin="desk")


class House:
    """A state directory with a ledger, and what happens to it."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.state.mkdir(mode=0o700)
        self.path = self.state / "ledger.db"
        self.clock = FrozenClock()
        self.elsewhere = folder / "checkpoints"
        self.keeper = Keeper(
            state=self.state,
            opened=lambda: LedgerCopy.open(self.path),
            origin="test-campus/alert-audit",
            places=(self.elsewhere,),
        )
        self.ledger = SqliteLedger.open(self.path, clock=self.clock)

    @property
    def now(self) -> int:
        return A_MOMENT_US + int((self.clock.now() - A_MOMENT).total_seconds()) * SECOND

    def open(self, alert_id, *lanes, people=6):
        alert = an_alert(id=alert_id, incident=f"I-{alert_id[2:]}", created_at=self.clock.now())
        with self.ledger.transaction():
            self.ledger.open_alert(an_opening(*lanes, alert=alert), at=self.now)
            for lane in lanes[:2]:
                self.ledger.add_batch(alert_id, lane, some_deliveries(people), priority=50)
            self.ledger.planned(alert_id, recipients=people, notes={"refused": 1})
        return alert_id

    def lease(self, channel):
        with self.ledger.transaction():
            return self.ledger.lease(channel, owner="test", at=self.now, until=self.now + 60 * SECOND)

    def run(self, channel, *answers, rounds=1):
        """Send one batch: row by row these answers, the last one for all others."""
        batch = self.lease(channel)
        for _ in range(rounds):
            self.clock.advance(timedelta(seconds=1))
            with self.ledger.transaction():
                claimed = self.ledger.claim(batch, [row.id for row in batch.rows], at=self.now)
            self.clock.advance(timedelta(seconds=1))
            told = [
                answers[min(place, len(answers) - 1)](number, at=self.now)
                for place, number in enumerate(claimed)
            ]
            with self.ledger.transaction():
                self.ledger.settle(batch, told)
        return batch

    def resend(self, batch):
        """Look up what is uncertain, send what waits, and give the batch back."""
        waiting = [row.id for row in batch.rows if row.state is State.PENDING]
        lost = [row for row in batch.rows if row.state is State.UNCERTAIN]
        with self.ledger.transaction():
            found = [accepted(row, outcome="found", at=self.now) for row in lost]
            self.ledger.settle(batch, found)
            claimed = self.ledger.claim(batch, waiting, at=self.now)
            tries = {row.id: row.attempt + 1 for row in batch.rows}
            self.ledger.settle(batch, [accepted(n, tries[n], at=self.now) for n in claimed])
        self.end(batch)

    def end(self, batch):
        with self.ledger.transaction():
            self.ledger.release(batch, not_before=0)
            self.ledger.settle_alert(batch.alert_id, at=self.now)

    def receipts(self, *told):
        """Apply receipts, each (provider id, status, reason)."""
        self.clock.advance(timedelta(seconds=3))
        made = [
            Receipt(
                channel="sms-main",
                status=status,
                at=instant(self.now),
                provider_id=name,
                reason=reason,
                detail=f"{reason} at the carrier of +15550000001" if reason else "",
                dedupe=f"{name}-{status}",
            )
            for name, status, reason in told
        ]
        with self.ledger.transaction():
            self.ledger.apply(made, at=self.now)

    def arrived(self, alert_id, row, *, person):
        """A receipt, named by our own key, that a person has it."""
        key = delivery_key(alert_id, "sms-main", str(an_address(person)))
        told = Receipt(
            channel="sms-main",
            status=ReceiptStatus.DELIVERED,
            at=instant(self.now),
            key=f"{key}.{row}",
            dedupe=f"{row}-arrived",
        )
        with self.ledger.transaction():
            assert self.ledger.apply([told], at=self.now).changed == 1

    def record(self, acts):
        with self.ledger.transaction():
            return write(self.ledger, acts, actor=AUDITOR, at=self.now)

    def checkpoint(self, **options):
        return self.keeper.checkpoint(self.record, **options)

    def copy(self, path: Path | None = None) -> LedgerCopy:
        """A copy of the ledger in memory, as an auditor would open it; nothing in it guards it."""
        source = sqlite3.connect(self.path)
        raw = sqlite3.connect(":memory:", isolation_level=None)
        source.backup(raw)
        source.close()
        return LedgerCopy(raw, self.path)


def everything_on_disk(house):
    return b"".join(path.read_bytes() for path in house.state.iterdir() if path.name.startswith("ledger.db"))


def ids(batch):
    return [row.id for row in batch.rows]


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.ledger.close()


@pytest.fixture
def lived(house):
    """The house after a busy night; every alert has come to rest."""
    fill(house)
    return house


def fill(house):
    first = house.open("L-AAAAAA", "sms-main", "email-main")
    batch = house.run("sms-main", accepted, accepted, rejected, accepted)
    house.end(batch)
    mails = house.run("email-main", accepted)
    house.end(mails)
    names = [f"SM{number}.1" for number in ids(batch)]
    house.receipts(
        (names[0], ReceiptStatus.DELIVERED, ""),
        (names[1], ReceiptStatus.UNDELIVERED, "unreachable"),
        (names[3], ReceiptStatus.SENT, ""),
    )
    house.receipts((names[3], ReceiptStatus.DELIVERED, ""), (names[0], ReceiptStatus.READ, ""))
    with house.ledger.transaction():
        house.ledger.keep_replies(
            [ReplyRow("sms-main", "phone:+15550000003", "I am safe", house.now, "SMreply")]
        )
    with house.ledger.transaction():
        stop = Receipt(
            channel="sms-main",
            status=ReceiptStatus.OPTED_OUT,
            at=instant(house.now),
            address="phone:+15550000004",
            dedupe="stop-1",
        )
        house.ledger.apply([stop], at=house.now)

    second = house.open("L-BBBBBB", "sms-main", people=4)
    batch = house.run("sms-main", deferred)
    with house.ledger.transaction():
        house.ledger.cancel(second, actor=an_actor(), at=house.now, reason="superseded")
    house.end(batch)
    house.arrived("L-BBBBBB", ids(batch)[0], person=0)

    third = house.open("L-CCCCCC", "sms-main", people=3)
    batch = house.run("sms-main", accepted, deferred)
    house.clock.advance(timedelta(minutes=20))
    with house.ledger.transaction():
        house.ledger.expire(third, at=house.now)
    house.end(batch)

    house.open("L-DDDDDD", "sms-main", "email-main", people=3)
    batch = house.run("sms-main", unanswered, rejected)
    with house.ledger.transaction():
        house.ledger.hand_over(batch, ids(batch)[1:2], to="email-main", priority=50, at=house.now)
        found = accepted(ids(batch)[0], outcome="found", at=house.now)
        house.ledger.settle(batch, [found])
    house.end(batch)
    for _ in range(2):
        mails = house.lease("email-main")
        if mails:
            with house.ledger.transaction():
                house.ledger.claim(mails, ids(mails), at=house.now)
                house.ledger.settle(mails, [accepted(n, at=house.now) for n in ids(mails)])
            house.end(mails)
    house.open("D-EEEEEE", "sms-main", people=2)
    while house.ledger.unsettled():
        for channel in ("sms-main", "email-main"):
            batch = house.lease(channel)
            if batch is not None:
                house.resend(batch)
    return first


@pytest.fixture
def at_rest(lived):
    """The same, checked: nothing in it moves any more."""
    assert all(record.settled_at for record in lived.ledger.alerts())
    return lived
