"""An alert as a campus remembers it: 20,000 people, four channels, receipts, some failures, hostile words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerting.audit.acts import Act, write
from alerting.clock import FrozenClock, micros
from alerting.ledger.rows import Actor, NewDelivery
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.delivery import State
from alerting.model.receipt import Receipt, ReceiptStatus
from alerting.publishing.page import Campus
from alerting.testing.builders import (
    a_content,
    a_lane,
    accepted,
    an_alert,
    an_opening,
    rejected,
    some_deliveries,
)

START = datetime(2026, 9, 1, 6, 14, 3, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")
US = 1_000_000


@pytest.fixture
def clock():
    return FrozenClock(START)


@pytest.fixture
def ledger(tmp_path, clock):
    opened = SqliteLedger.open(tmp_path / "ledger.db", clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def campus(clock):
    return Campus(name="North Shore University", zone=ZONE, written_at=clock.now(), written_by="lee")


@pytest.fixture
def told(ledger, clock):
    """The alert of that night, at rest."""
    return tell(ledger, clock)


def tell(ledger, clock, *, people=500, alert=None, rate=80.0):
    alert = alert or an_alert(
        id="L-7K2QXD",
        incident="L-7K2QXD",
        title="Gas leak at Baker Hall",
        template="gas-leak",
        variables={"place": "Baker Hall"},
        created_at=START,
        expires_at=START + timedelta(hours=1),
    )
    lanes = (
        a_lane(
            "x-campus",
            kind="x",
            content=a_content("NSU ALERT 2:14am: GAS LEAK at Baker Hall. LEAVE on foot now."),
        ),
        a_lane(
            "sms-main",
            fallback="email-main",
            content=a_content("NSU ALERT 2:14am: GAS LEAK at Baker Hall. Can explode. LEAVE on foot now."),
        ),
        a_lane(
            "email-main",
            kind="email.smtp",
            content=a_content(
                "GAS LEAK at Baker Hall.\n\nIt can explode.\nLEAVE on foot now.",
                subject="GAS LEAK at Baker Hall",
            ),
        ),
    )
    at = micros(START)
    with ledger.transaction():
        ledger.open_alert(
            an_opening(*lanes, alert=alert, actor=Actor(name="lee", origin="dispatch-1 /dev/pts/2")), at=at
        )
        ledger.add_batch(alert.id, "x-campus", [NewDelivery(address="feed:x/campus")], priority=55)
        for start in range(0, people, 500):
            rows = some_deliveries(min(500, people - start), start)
            ledger.add_batch(alert.id, "sms-main", rows, priority=50)
            mails = [NewDelivery(address=row.fallback, recipient=row.recipient) for row in rows]
            ledger.add_batch(alert.id, "email-main", mails, priority=50)
        ledger.planned(alert.id, recipients=people, notes={"refused": 3})
    _send(ledger, "x-campus", at + 1_800_000, rate)
    _send(ledger, "sms-main", at + 400_000, rate, refuse=37)
    _send(ledger, "email-main", at + 900_000, rate / 2)
    clock.advance(timedelta(minutes=3))
    with ledger.transaction():
        ledger.settle_alert(alert.id, at=micros(clock.now()))
    _receive(ledger, alert.id, clock)
    return ledger.alert(alert.id)


def _send(ledger, channel, at, rate, refuse=0):
    sent = 0
    while batch := _lease(ledger, channel, at):
        with ledger.transaction():
            ledger.claim(batch, [row.id for row in batch.rows], at=at)
            results = []
            for row in batch.rows:
                sent += 1
                when = at + int(sent / rate * US)
                if refuse and sent % refuse == 0:
                    results.append(rejected(row, at=when, detail="21211 +1555 is <no> number"))
                else:
                    link = "https://x.example/nsu_alert/status/1" if channel.startswith("x") else ""
                    results.append(accepted(row, at=when, permalink=link, provider_id=f"{channel}-{row.id}"))
            ledger.settle(batch, results)
            ledger.release(batch, not_before=0)


def _lease(ledger, channel, at):
    with ledger.transaction():
        return ledger.lease(channel, owner="test", at=at, until=at + 60 * US)


def _receive(ledger, alert_id, clock):
    made = []
    for number, delivery in enumerate(
        ledger.deliveries(alert_id, channel="sms-main", states=[State.ACCEPTED])
    ):
        status = ReceiptStatus.UNDELIVERED if number % 61 == 60 else ReceiptStatus.DELIVERED
        if number % 10 == 9:
            continue
        made.append(
            Receipt(
                channel="sms-main",
                status=status,
                at=delivery.changed_at + timedelta(seconds=1.5 + number % 7),
                provider_id=delivery.provider_id,
                reason="unreachable" if status is ReceiptStatus.UNDELIVERED else "",
                detail="30003" if status is ReceiptStatus.UNDELIVERED else "",
                dedupe=f"{number}",
            )
        )
    with ledger.transaction():
        ledger.apply(made, at=micros(clock.now()))


@pytest.fixture
def noted(ledger, told):
    """Note facts about the alert, as an officer would."""

    def note(**given):
        with ledger.transaction():
            write(
                ledger,
                [Act("alert.noted", told.alert.id, given)],
                actor=Actor(name="kim", origin="dispatch-1"),
                at=micros(START + timedelta(minutes=20)),
            )

    return note
