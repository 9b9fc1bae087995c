import asyncio
import threading
import time
from concurrent.futures import CancelledError

import pytest

from alerting.clock import FrozenClock
from alerting.errors import LedgerBusy, LedgerDamaged, LedgerUnavailable, UnknownAlert
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.testing.builders import A_MOMENT_US, an_alert, an_opening, some_deliveries

BOUND_S = 10


class Spied:
    """Opens the ledger for a writer, counts its commits, and can hold it up or break it."""

    def __init__(self, path):
        self.path = path
        self.commits = 0
        self.threads = set()
        self.go = threading.Event()
        self.go.set()

    def __call__(self):
        self.go.wait(BOUND_S)
        self.threads.add(threading.get_ident())
        self.ledger = SqliteLedger.open(self.path, clock=FrozenClock())
        self.ledger._connection.raw.set_trace_callback(self._saw)
        return self.ledger

    def _saw(self, statement):
        self.commits += statement == "COMMIT"


@pytest.fixture
def spied(path):
    return Spied(path)


@pytest.fixture
def writer(spied):
    writer = GroupWriter(spied)
    yield writer
    spied.go.set()
    writer.close()


def act(number):
    return lambda ledger: ledger.open_alert(an_opening(alert=an_alert(id=f"L-{number:06d}")), at=A_MOMENT_US)


def count(ledger):
    return len(ledger.alerts(limit=1000))


def test_what_comes_together_commits_once(writer, spied):
    spied.go.clear()
    futures = [writer.submit(act(n)) for n in range(50)]
    spied.go.set()
    assert [f.result(BOUND_S) for f in futures] == [None] * 50
    assert spied.commits == 1
    assert writer.submit(count).result(BOUND_S) == 50
    assert spied.commits == 2


def test_what_arrives_while_more_is_coming_shares_the_commit(path, spied):
    writer = GroupWriter(spied, window_s=2.0)
    futures = [writer.submit(act(0))]
    for n in range(1, 20):
        time.sleep(0.02)
        futures.append(writer.submit(act(n)))
    writer.close()
    assert [f.result(0) for f in futures] == [None] * 20
    assert spied.commits == 1


def test_a_lone_change_does_not_wait_for_the_window(spied):
    writer = GroupWriter(spied, window_s=5.0)
    writer.submit(count).result(BOUND_S)
    began = time.monotonic()
    writer.submit(act(1)).result(BOUND_S)
    assert time.monotonic() - began < 2.5
    writer.close()


def test_a_future_resolves_only_after_its_commit(writer, spied, open_ledger):
    seen = []
    writer.submit(count).result(BOUND_S)
    reader = open_ledger(write=False)
    reader._connection.raw.close()

    def look(_future):
        other = SqliteLedger.open(spied.path, write=False, clock=FrozenClock())
        seen.append(len(other.alerts()))
        other.close()

    future = writer.submit(act(1))
    future.add_done_callback(look)
    future.result(BOUND_S)
    writer.close()
    assert seen == [1]


def test_one_failure_does_not_poison_the_others(writer, spied):
    def half(ledger):
        act(7)(ledger)
        ledger.add_batch("L-NONE00", "sms-main", some_deliveries(1), priority=1)

    spied.go.clear()
    futures = [writer.submit(fn) for fn in (act(1), half, act(2))]
    spied.go.set()
    futures[0].result(BOUND_S)
    with pytest.raises(UnknownAlert):
        futures[1].result(BOUND_S)
    futures[2].result(BOUND_S)
    assert spied.commits == 1
    assert {r.alert.id for r in writer.submit(lambda ledger: ledger.alerts()).result(BOUND_S)} == {
        "L-000001",
        "L-000002",
    }


def test_a_full_disk_fails_all_that_shared_the_commit_and_later_ones_work_again(writer, spied):
    writer.submit(act(0)).result(BOUND_S)
    raw = spied.ledger._connection

    def limit(pages):
        return lambda _: raw.do(f"PRAGMA max_page_count = {pages}")

    ((pages,),) = writer.submit(lambda _: raw.do("PRAGMA page_count")).result(BOUND_S)
    writer.submit(limit(pages + 2)).result(BOUND_S)
    with_rows = [
        writer.submit(
            lambda ledger: ledger.add_batch("L-000000", "sms-main", some_deliveries(500), priority=1)
        ),
        writer.submit(act(1)),
    ]
    for future in with_rows:
        with pytest.raises(LedgerUnavailable, match="disk is full"):
            future.result(BOUND_S)
    writer.submit(limit(pages + 500)).result(BOUND_S)
    assert writer.submit(count).result(BOUND_S) == 1
    writer.submit(act(1)).result(BOUND_S)


def test_after_damage_nothing_is_tried_again(writer):
    def broken(_ledger):
        raise LedgerDamaged("the disk reported an error")

    writer.submit(act(0)).result(BOUND_S)
    with pytest.raises(LedgerDamaged):
        writer.submit(broken).result(BOUND_S)
    with pytest.raises(LedgerDamaged):
        writer.submit(count).result(BOUND_S)


def test_a_writer_that_fails_for_an_unknown_reason_leaves_nobody_waiting(writer, spied):
    writer.submit(act(0)).result(BOUND_S)
    # Ends the transaction under the writer: its own COMMIT then fails, which no rule foresees.
    futures = [writer.submit(lambda _: spied.ledger._connection.raw.commit()), writer.submit(act(1))]
    for future in [*futures, writer.submit(count)]:
        with pytest.raises(LedgerUnavailable, match="writer stopped"):
            future.result(BOUND_S)


def test_a_ledger_that_cannot_be_opened_fails_every_change(tmp_path):
    writer = GroupWriter(lambda: SqliteLedger.open(tmp_path / "none" / "l.sqlite", clock=FrozenClock()))
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match="no directory"):
            writer.submit(count).result(BOUND_S)
    writer.close()


def test_a_locked_ledger_is_busy_and_the_next_change_works(path, open_ledger):
    other = open_ledger()
    writer = GroupWriter(lambda: open_patient(path))
    with other.transaction(), pytest.raises(LedgerBusy, match="another program"):
        writer.submit(act(1)).result(BOUND_S)
    writer.submit(act(1)).result(BOUND_S)
    writer.close()


def open_patient(path):
    from datetime import timedelta

    return SqliteLedger.open(path, clock=FrozenClock(), patience=timedelta(milliseconds=20))


def test_closing_commits_what_was_submitted_and_refuses_the_rest(writer, open_ledger):
    futures = [writer.submit(act(n)) for n in range(20)]
    writer.close()
    writer.close()
    assert all(f.done() and f.exception() is None for f in futures)
    with pytest.raises(LedgerUnavailable, match="closed"):
        writer.submit(count).result(BOUND_S)
    assert count(open_ledger(write=False)) == 20


def test_closing_a_writer_that_never_wrote_opens_nothing(path, spied):
    GroupWriter(spied).close()
    assert not path.exists()


def test_a_change_that_was_cancelled_in_time_is_not_made(writer, spied):
    spied.go.clear()
    kept, dropped = writer.submit(act(1)), writer.submit(act(2))
    assert dropped.cancel()
    spied.go.set()
    kept.result(BOUND_S)
    with pytest.raises(CancelledError):
        dropped.result(BOUND_S)
    assert writer.submit(count).result(BOUND_S) == 1


async def test_an_event_loop_is_woken_once_for_a_commit(writer, spied, monkeypatch):
    loop = asyncio.get_running_loop()
    woken = []
    real = loop.call_soon_threadsafe
    monkeypatch.setattr(
        loop, "call_soon_threadsafe", lambda fn, *a, **k: woken.append(fn) or real(fn, *a, **k)
    )
    spied.go.clear()
    tasks = [asyncio.create_task(writer.do(act(n))) for n in range(50)]
    await asyncio.sleep(0)
    spied.go.set()
    await asyncio.wait_for(asyncio.gather(*tasks), BOUND_S)
    assert (len(woken), spied.commits) == (1, 1)
    assert len(spied.threads) == 1


async def test_a_coroutine_gets_answers_and_errors(writer):
    assert await writer.do(count) == 0
    with pytest.raises(UnknownAlert):
        await writer.do(lambda ledger: ledger.settle_alert("L-NONE00", at=1))
    assert await writer.do(lambda ledger: ledger.alert_of_run("none")) is None


async def test_a_coroutine_that_gives_up_does_not_take_the_change_back(writer, spied):
    spied.go.clear()
    task = asyncio.create_task(writer.do(act(1)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    spied.go.set()
    assert await writer.do(count) == 1


def test_a_loop_that_has_gone_does_not_stop_the_writer(writer, spied):
    spied.go.clear()

    async def ask():
        task = asyncio.create_task(writer.do(act(1)))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(ask())
    spied.go.set()
    assert writer.submit(count).result(BOUND_S) == 1
