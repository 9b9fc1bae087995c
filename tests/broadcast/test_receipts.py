"""Asking providers, handing receipts to the owner of the ledger, and a queue that loses nothing."""

import asyncio

import pytest

from alerting.broadcast.receipts import Intake, answer, as_json, ask, keep
from alerting.channels.base import Reading, Reply
from alerting.clock import FrozenClock
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.model.delivery import State
from alerting.model.receipt import Receipt, ReceiptStatus
from alerting.telemetry import QuietLog
from alerting.testing.builders import A_MOMENT, accepted, an_address
from alerting.testing.ledger_receipts import a_receipt, apply
from alerting.testing.ledger_steps import ID, NOW, SMS, count, opened, sent, settle


@pytest.fixture
def path(tmp_path):
    return tmp_path / "l.db"


@pytest.fixture
def ledger(path):
    made = SqliteLedger.open(path, clock=FrozenClock())
    opened(made)
    yield made
    made.close()


def taken(ledger, rows):
    batch = sent(ledger, rows)
    settle(ledger, batch, *(accepted(row) for row in batch.rows))
    return batch.rows


class Polled:
    """A provider that has delivered every second message, and can be asked."""

    def __init__(self):
        self.asked = []

    async def poll(self, provider_ids):
        self.asked.append(len(provider_ids))
        return [
            Receipt(channel=SMS, status=ReceiptStatus.DELIVERED, at=A_MOMENT, provider_id=name)
            for name in provider_ids[::2]
        ]


async def test_providers_are_asked_about_what_is_not_final(ledger):
    rows = taken(ledger, 5)
    apply(ledger, a_receipt(rows[0].id))
    polled = Polled()
    told = [
        receipt
        async for receipts in ask(ledger, ID, {SMS: polled, "other": object()})
        for receipt in receipts
    ]
    assert (polled.asked, len(told)) == ([4], 2)
    with ledger.transaction():
        assert ledger.apply(told, at=NOW) == (2, 0, 0)
    assert count(ledger, SMS, State.DELIVERED) == 3


def test_receipts_cross_the_control_socket_unchanged(ledger):
    row = taken(ledger, 1)[0]
    receipts = [a_receipt(row.id, ReceiptStatus.UNDELIVERED, reason="blocked", detail="30004")]
    with ledger.transaction():
        told = answer(ledger, {"verb": "receipts", "receipts": as_json(receipts)}, at=NOW)
    assert told == {"ok": True, "changed": 1, "repeated": 0, "orphaned": 0}
    with ledger.transaction():
        assert ledger.apply(receipts, at=NOW).repeated == 1


@pytest.mark.parametrize(
    "receipts", [None, "x", [{}], [{"status": "no", "at": "x"}], [{"status": "sent", "at": "x"}]]
)
def test_what_is_no_receipt_is_refused(ledger, receipts):
    with pytest.raises((KeyError, TypeError, ValueError)):
        answer(ledger, {"receipts": receipts}, at=NOW)


async def test_replies_with_half_characters_are_kept(path, ledger):
    ledger.close()
    writer = GroupWriter(lambda: SqliteLedger.open(path, clock=FrozenClock()))
    intake = Intake(writer=writer, clock=FrozenClock(), log=QuietLog())
    running = asyncio.create_task(intake.run())
    reply = Reply(channel=SMS, address=str(an_address()), text="\ud800 ok", at=A_MOMENT, provider_id="SM1")
    assert await intake.take(Reading(replies=(reply, reply._replace(provider_id="SM2"))))
    assert await intake.take(Reading()), "nothing to keep is kept at once"
    intake.close()
    await running
    assert not await intake.take(Reading(replies=(reply,)))
    assert await keep(writer, [], clock=FrozenClock()) == (0, 0, 0)
    writer.close()
    reader = SqliteLedger.open(path, write=False, clock=FrozenClock())
    assert [reply.text for reply in reader.replies()] == ["? ok", "? ok"]
    reader.close()
