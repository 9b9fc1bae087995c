"""People are forgotten while ``alert serve`` has the ledger: in parts, between its own work, and only at rest."""

import asyncio
import json
import subprocess
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from alerting.audit.retention import forget_beside, forgettable
from alerting.audit.signer import stand_in_key
from alerting.audit.verify import verify_file
from alerting.clock import FrozenClock, SystemClock, instant, micros
from alerting.errors import LedgerBusy, LedgerUnavailable
from alerting.ledger.lock import RunnerLock
from alerting.ledger.rows import ReplyRow
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.model.receipt import Receipt, ReceiptStatus
from alerting.retaining import ACTOR, run_retention
from alerting.testing.builders import accepted, an_alert, an_opening, rejected, some_deliveries
from tests.audit.conftest import AUDITOR, everything_on_disk
from tests.cli.conftest import alert, home  # noqa: F401 - fixtures

_PEOPLE = (b"1555000000", b"person1@example.edu", b"I am safe", b"ann@example.edu")


@pytest.fixture
def owned(at_rest):
    """A program whose ledger is owned: every change goes through one writer."""
    at_rest.checkpoint(everything=True)
    at_rest.clock.advance(timedelta(days=40))
    at_rest.ledger.close()
    writer = GroupWriter(lambda: SqliteLedger.open(at_rest.path, clock=at_rest.clock))
    app = SimpleNamespace(
        state=at_rest.state,
        ledger_path=at_rest.path,
        clock=at_rest.clock,
        shared=None,
        config=SimpleNamespace(retain_days=30),
        log=SimpleNamespace(),
        own_reader=lambda: SqliteLedger.open(at_rest.path, write=False, clock=at_rest.clock),
    )
    yield app, writer
    writer.close()


def test_its_owner_forgets_in_parts_and_the_record_still_verifies(owned, at_rest):
    app, writer = owned
    plan = forgettable(app, days=30)
    assert len(plan.alerts) == 5

    lost = forget_beside(app, writer, plan, actor=AUDITOR)

    assert lost > 20
    disk = everything_on_disk(at_rest).replace(b"phone:+15550000004", b"")
    assert not [person for person in _PEOPLE if person in disk], "also not in the write-ahead log"
    assert verify_file(at_rest.path, key=stand_in_key(at_rest.state)).broken == []
    assert not forgettable(app, days=30).anything
    again = forget_beside(app, writer, plan, actor=AUDITOR)
    assert again == 0, "who is forgotten is not forgotten twice"


def test_between_two_parts_there_is_room_for_others(owned):
    """An alert that is opened meanwhile waits for one part, and what is left is kept for another time."""
    app, writer = owned
    plan = forgettable(app, days=30)
    opened = an_alert(
        id="L-NEW000", created_at=app.clock.now(), expires_at=app.clock.now() + timedelta(hours=1)
    )

    def open_one(ledger):
        ledger.open_alert(an_opening("sms-main", alert=opened), at=micros(app.clock.now()))
        ledger.add_batch(opened.id, "sms-main", some_deliveries(2), priority=50)

    seen = []

    class Interrupted(GroupWriter):
        def submit(self, change):
            if len(seen) == 3:
                writer.submit(open_one).result()
            seen.append(change)
            return writer.submit(change)

    with pytest.raises(LedgerBusy, match="an alert is being sent"):
        forget_beside(app, Interrupted(lambda: None), plan, actor=AUDITOR)
    assert len(seen) == 4
    assert verify_file(app.ledger_path, key=stand_in_key(app.state)).broken == [], (
        "half forgotten is whole too"
    )
    assert forgettable(app, days=30).anything


def test_the_schedule_forgets_by_itself_and_says_so(owned):
    app, writer = owned

    async def one_look():
        said = asyncio.Event()
        app.log.info = lambda event, **_: said.set() if event == "people.forgotten" else None
        task = asyncio.create_task(run_retention(app, writer, first_s=0, look_s=3600))
        await said.wait()
        task.cancel()

    asyncio.run(asyncio.wait_for(one_look(), timeout=30))
    assert not forgettable(app, days=30).anything
    reader = app.own_reader()
    assert {act.actor for act in reader.audit() if act.action == "people.forgotten"} == {ACTOR.name}
    reader.close()


def test_without_a_number_of_days_nobody_is_ever_forgotten_by_itself(owned):
    app, writer = owned
    app.config.retain_days = None

    async def some_looks():
        task = asyncio.create_task(run_retention(app, writer, first_s=0, look_s=0.001))
        await asyncio.sleep(0.1)
        task.cancel()

    asyncio.run(some_looks())
    assert forgettable(app, days=30).anything


def test_upkeep_between_transactions_is_outside_of_any_and_its_error_is_its_own(owned):
    _, writer = owned
    inside = writer.submit(lambda ledger: ledger._connection.raw.in_transaction)
    outside = writer.between(lambda ledger: ledger._connection.raw.in_transaction)
    assert (inside.result(), outside.result()) == (True, False)
    with pytest.raises(ZeroDivisionError):
        writer.between(lambda _: 1 / 0).result()
    assert writer.submit(lambda _: 7).result() == 7
    writer.close()
    with pytest.raises(LedgerUnavailable):
        writer.between(lambda _: 1).result()


# -- the command, while `alert serve` runs ---------------------------------------------------------


def past(folder, days):
    """A ledger in which an alert came to rest so many days ago: receipts, a reply, a stop, an orphan."""
    at = datetime.now(UTC) - timedelta(days=days)
    now, clock = micros(at), FrozenClock(at)
    (folder / "state").mkdir(mode=0o700)
    ledger = SqliteLedger.open(folder / "state" / "ledger.db", clock=clock)
    old = an_alert(id="L-01DA1T", created_at=at, expires_at=at + timedelta(hours=1))
    with ledger.transaction():
        ledger.open_alert(an_opening("sms-main", alert=old), at=now)
        ledger.add_batch(old.id, "sms-main", some_deliveries(3), priority=50)
        ledger.planned(old.id, recipients=3, notes={})
        batch = ledger.lease("sms-main", owner="test", at=now, until=now + 60_000_000)
        ledger.claim(batch, [row.id for row in batch.rows], at=now)
        first, second, third = batch.rows
        refused = rejected(third, at=now, detail="+15550000002 is no number")
        ledger.settle(batch, [accepted(first, at=now), accepted(second, at=now), refused])
        ledger.release(batch, not_before=0)
        ledger.settle_alert(old.id, at=now)

    def told(status, name, **more):
        return Receipt(channel="sms-main", status=status, at=instant(now), dedupe=name, **more)

    with ledger.transaction():
        failed = told(
            ReceiptStatus.UNDELIVERED, "1", provider_id=f"SM{first.id}.1", detail="ann@example.edu is full"
        )
        stop = told(ReceiptStatus.OPTED_OUT, "2", address="phone:+15550000001")
        orphan = told(ReceiptStatus.DELIVERED, "3", address="phone:+15550000009")
        ledger.apply([failed, stop, orphan], at=now)
        ledger.keep_replies([ReplyRow("sms-main", "phone:+15550000000", "I am safe", now, "SMr")])
    assert ledger.orphans() == 1
    ledger.close()
    return old.id


def test_people_are_forgotten_while_serve_has_the_ledger(alert, home):  # noqa: F811
    old = past(home, days=40)
    state = home / "state"
    made = alert("audit", "checkpoint", "--to", "kept", env=alert.credentials)
    assert made.returncode == 0, made.stderr
    with alert.start("serve", env=alert.credentials, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as serve:
        until = time.monotonic() + 30
        while not (state / "engine.sock").exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert RunnerLock(state).held_by() == serve.pid
        shown = alert("audit", "retain", "--days", "30", "--dry-run")
        assert shown.stdout == f"Would be forgotten: the people of {old}\nWould be forgotten: 1 reply\n"

        done = alert("audit", "retain", "--days", "30", "--json")

        assert (done.returncode, done.stderr) == (0, "")
        told = json.loads(done.stdout)
        assert (told["done"], told["alerts"], told["replies"]) == (True, [old], 1)
        assert RunnerLock(state).held_by() == serve.pid, "it was never stopped for that"
        disk = b"".join(p.read_bytes() for p in state.iterdir() if p.name.startswith("ledger.db"))
        # Who asked to stop stays on the register: that wish outlives every alert.
        assert b"1555000000" not in disk.replace(b"phone:+15550000001", b"")
        assert not [words for words in (b"I am safe", b"ann@example.edu") if words in disk]
        verdict = alert("audit", "verify", "--checkpoint", "kept", "--json")
        assert json.loads(verdict.stdout)["broken"] == []
        assert [
            json.loads(line)["action"]
            for line in alert("audit", "log", old, "--json", env=alert.credentials).stdout.splitlines()
        ][-1] == "people.forgotten"
    ledger = SqliteLedger.open(state / "ledger.db", write=False, clock=SystemClock())
    assert ledger.opted_out("sms-main") == {"phone:+15550000001"}
    assert ledger.orphans() == 0
    ledger.close()
