"""Two writers at once, a server that goes away, a commit nobody answered."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from alerting.clock import FrozenClock
from alerting.errors import LedgerLost
from alerting.ledger.audit import first_break
from alerting.ledger.postgres.faults import LedgerConflict
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.writer import SharedWriter
from alerting.model.delivery import State
from alerting.secret import Secret
from alerting.testing.builders import A_MOMENT_US as NOW
from alerting.testing.builders import accepted, an_actor, an_alert, an_opening, deferred, some_deliveries
from alerting.testing.ledger_receipts import a_receipt
from alerting.testing.ledger_steps import ID, LEASE, SMS, opened, plan

LONG = timedelta(seconds=20)
#: An address at which nobody answers.
NOBODY = "postgresql://nobody@/postgres?host=/nowhere"


@pytest.fixture
def place(fresh_place):
    return fresh_place()


@pytest.fixture
def open_ledger(place):
    opened_ones = []

    def opener():
        opened_ones.append(PostgresLedger.open(place, clock=FrozenClock()))
        return opened_ones[-1]

    yield opener
    for one in opened_ones:
        one.close()


@pytest.fixture
def writers(open_ledger):
    made = [SharedWriter(open_ledger, patience=LONG) for _ in range(4)]
    yield made
    for writer in made:
        writer.close()


def end(postgres_address, pid):
    """Cut a session as an administrator does."""
    with psycopg.connect(postgres_address, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))


def act(number):
    return lambda ledger: ledger.record_act("probe", f"s{number}", {}, actor=an_actor(), at=number)


def test_acts_of_many_writers_make_one_chain(writers, open_ledger):
    told = [writers[n % 4].submit(act(n)) for n in range(200)]
    assert [future.result(20) for future in told] == [None] * 200
    rows = list(open_ledger().audit())
    assert first_break(rows) is None
    assert sorted(row.at for row in rows) == list(range(200))


def test_no_batch_is_leased_twice(writers, open_ledger):
    ledger = open_ledger()
    opened(ledger)
    for start in range(40):
        plan(ledger, 1, start=start)

    def take(writer, owner):
        taken = []
        while batch := writer.submit(
            lambda held: held.lease(SMS, owner=owner, at=NOW, until=NOW + LEASE, skip=taken)
        ).result(20):
            taken.append(batch.id)
        return taken

    with ThreadPoolExecutor(4) as pool:
        shares = list(pool.map(take, writers, "abcd"))
    everything = [number for share in shares for number in share]
    assert len(everything) == len(set(everything)) == 40


def test_receipts_and_results_of_one_row_meet_in_any_order(writers, open_ledger):
    ledger = open_ledger()
    opened(ledger)
    for start in range(20):
        plan(ledger, 1, start=start)
    with ledger.transaction():
        ledger.planned(ID, recipients=20, notes={})

    def one_batch(start):
        with ledger.transaction():
            batch = ledger.lease(SMS, owner="a", at=NOW, until=NOW + LEASE, skip=done)
            done.append(batch.id)
            ledger.claim(batch, [batch.rows[0].id], at=NOW)
        return batch

    done = []
    batches = [one_batch(start) for start in range(20)]
    results = [
        writers[0].submit(
            lambda held, b=b: (held.settle(b, [accepted(b.rows[0])]), held.settle_alert(ID, at=NOW))
        )
        for b in batches
    ]
    receipts = [
        writers[1 + n % 3].submit(
            lambda held, b=b, n=n: held.apply([a_receipt(b.rows[0].id, person=n)], at=NOW)
        )
        for n, b in reversed(list(enumerate(batches)))
    ]
    for future in (*results, *receipts):
        future.result(20)
    (tally,) = (t for t in ledger.tally(ID) if t.channel == SMS)
    assert {state: n for state, n in tally.counts.items() if n} == {State.DELIVERED: 20}
    assert all(d.state is State.DELIVERED for d in ledger.deliveries(ID))
    assert ledger.alert(ID).settled_at is not None


def test_cancelling_while_others_claim_loses_no_row(writers, open_ledger):
    ledger = open_ledger()
    opened(ledger)
    for start in range(0, 300, 100):
        plan(ledger, 100, start=start)

    def leased(writer, owner):
        return writer.submit(lambda held: held.lease(SMS, owner=owner, at=NOW, until=NOW + LEASE)).result(20)

    def work(writer, held_batch):
        for row in held_batch.rows[:50]:
            writer.submit(lambda held, row=row: held.claim(held_batch, [row.id], at=NOW)).result(20)
            writer.submit(
                lambda held, row=row: held.settle(
                    held_batch, [accepted(row) if row.id % 2 else deferred(row)]
                )
            ).result(20)

    batches = [leased(writer, owner) for writer, owner in zip(writers, "abc", strict=False)]
    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(work, writer, batch) for writer, batch in zip(writers, batches, strict=False)]
        stopped = writers[3].submit(lambda held: held.cancel(ID, actor=an_actor(), at=NOW)).result(20)
        for future in working:
            future.result(60)
    (tally,) = (t for t in ledger.tally(ID) if t.channel == SMS)
    rows = [d.state for d in ledger.deliveries(ID)]
    assert {state: n for state, n in tally.counts.items() if n} == {s: rows.count(s) for s in set(rows)}
    assert State.PENDING not in rows
    assert stopped.stopped <= tally.counts[State.CANCELLED]


def test_a_cut_session_is_taken_up_again(postgres_address, writers, open_ledger):
    writers[0].submit(act(1)).result(20)
    pid = writers[0].submit(lambda ledger: ledger._connection.raw.info.backend_pid).result(20)
    end(postgres_address, pid)
    assert writers[0].submit(act(2)).result(20) is None
    assert [row.at for row in open_ledger().audit()] == [1, 2]


@pytest.mark.parametrize("arrived", [True, False])
def test_a_commit_without_an_answer_is_asked_after(postgres_address, open_ledger, arrived):
    ledger = open_ledger()
    writer = SharedWriter(lambda: ledger, patience=LONG)
    real = ledger._connection._send

    def cut(text, params):
        if text == "COMMIT":
            ledger._connection._send = real
            if arrived:
                real(text, params)
            end(postgres_address, ledger._connection.raw.info.backend_pid)
            raise LedgerLost("cut")
        return real(text, params)

    ledger._connection._send = cut
    runs = []
    assert writer.submit(lambda held: (runs.append(1), act(7)(held))[0]).result(20) is None
    assert len(runs) == (1 if arrived else 2)
    assert [row.at for row in open_ledger().audit()] == [7]
    writer.close()


def test_one_key_opens_one_alert_however_many_try(writers, open_ledger):
    gate = threading.Barrier(4)

    def open_one(writer, number):
        gate.wait(20)

        def change(ledger):
            ledger.alone("opening")
            if earlier := ledger.alert_of_run("same"):
                return earlier
            alert = an_alert(id=f"L-{number:06d}", run_key="same")
            ledger.open_alert(an_opening(SMS, alert=alert), at=NOW)
            ledger.add_batch(alert.id, SMS, some_deliveries(50), priority=50)
            return alert.id

        return writer.submit(change).result(20)

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(open_one, writers, range(4)))
    assert len(set(told)) == 1
    assert [record.alert.id for record in open_ledger().alerts()] == [told[0]]


def test_a_server_that_stays_away_is_told_in_words(open_ledger):
    def away():
        raise LedgerLost("postgresql://db/alerts: cannot be reached")

    paused = []
    writer = SharedWriter(away, patience=timedelta(seconds=0.05), sleep=paused.append)
    with pytest.raises(LedgerLost, match="cannot be reached"):
        writer.submit(act(1)).result(20)
    assert paused
    writer.close()


@pytest.fixture
def held(open_ledger):
    """Return a function that submits changes which all come into one transaction."""
    writer = SharedWriter(open_ledger, patience=LONG)

    def together(*changes):
        begun, go = threading.Event(), threading.Event()
        first = writer.submit(lambda _: (begun.set(), go.wait(20)))
        begun.wait(20)
        futures = [writer.submit(change) for change in changes]
        go.set()
        first.result(20)
        return futures

    yield together
    writer.close()


def test_a_mistake_of_a_run_that_is_repeated_is_forgotten(held, open_ledger):
    """Told otherwise, somebody would believe that nothing was recorded, and do it again."""
    runs = []

    def stumbles(ledger):
        runs.append("stumbled")
        if len(runs) == 1:
            raise ValueError("as it was then")
        act(7)(ledger)
        return "recorded"

    def crosses(_):
        if len(runs) == 1:
            raise LedgerConflict("others were writing the same")

    stumbled, crossed = held(stumbles, crosses)
    assert stumbled.result(20) == "recorded"
    assert crossed.result(20) is None
    assert [row.at for row in open_ledger().audit()] == [7]


def test_who_crosses_others_for_ever_is_told_and_nothing_is_kept(held, open_ledger):
    runs = []

    def crosses(ledger):
        runs.append(1)
        act(7)(ledger)
        raise LedgerConflict("others were writing the same")

    [crossed] = held(crosses)
    with pytest.raises(LedgerConflict):
        crossed.result(20)
    assert 2 < len(runs) < 100
    [after] = held(act(8))
    assert after.result(20) is None
    assert [row.at for row in open_ledger().audit()] == [8]


def test_what_could_not_be_written_while_the_server_was_away_is_never_told_as_done(
    postgres_address, open_ledger
):
    ledger = open_ledger()
    writer = SharedWriter(lambda: ledger, patience=timedelta(seconds=0.3))
    writer.submit(act(1)).result(20)
    place, ledger._place = ledger._place, replace(ledger._place, address=Secret(NOBODY))
    end(postgres_address, ledger._connection.raw.info.backend_pid)

    with pytest.raises(LedgerLost):
        writer.submit(act(2)).result(20)
    ledger._place = place
    assert writer.submit(act(3)).result(20) is None

    assert [row.at for row in open_ledger().audit()] == [1, 3]
    writer.close()


def test_a_writer_that_is_closed_waits_for_no_server():
    """Whoever stops a host whose database is away does not wait for the end of its patience."""
    pauses, closing = [], []

    def away():
        raise LedgerLost("postgresql://db/alerts: cannot be reached")

    def pause(_):
        pauses.append(1)
        assert len(pauses) < 5
        if not closing:
            closing.append(threading.Thread(target=writer.close))
            closing[0].start()
        closing[0].join(0.2)

    writer = SharedWriter(away, patience=timedelta(hours=1), sleep=pause)
    with pytest.raises(LedgerLost):
        writer.submit(act(1)).result(20)
    closing[0].join(20)
    assert not closing[0].is_alive()


def test_a_writer_says_since_when_the_server_owes_it_an_answer(postgres_address, open_ledger):
    """Whoever is told to stop looks at this: a server may be away for longer than anybody waits."""
    ledger, seen = open_ledger(), []

    def pause(_):
        seen.append(writer.silent_since)
        if len(seen) == 3:
            ledger._place = place

    writer = SharedWriter(lambda: ledger, patience=timedelta(hours=1), sleep=pause)
    assert writer.silent_since is None
    writer.submit(act(1)).result(20)
    assert writer.silent_since is None
    place, ledger._place = ledger._place, replace(ledger._place, address=Secret(NOBODY))
    end(postgres_address, ledger._connection.raw.info.backend_pid)

    writer.submit(act(2)).result(20)
    writer.close()

    assert len(set(seen)) == 1
    assert seen[0] is not None
    assert writer.silent_since is None


def test_a_server_that_stayed_away_for_too_long_still_owes_its_answer(postgres_address, open_ledger):
    """Else every change that fails would begin the wait of whoever wants to leave anew."""
    ledger = open_ledger()
    writer = SharedWriter(lambda: ledger, patience=timedelta(seconds=0.05))
    writer.submit(act(1)).result(20)
    place, ledger._place = ledger._place, replace(ledger._place, address=Secret(NOBODY))
    end(postgres_address, ledger._connection.raw.info.backend_pid)

    owed = set()
    for number in (2, 3):
        with pytest.raises(LedgerLost):
            writer.submit(act(number)).result(20)
        owed.add(writer.silent_since)
    assert len(owed) == 1
    assert None not in owed

    ledger._place = place
    writer.submit(act(4)).result(20)
    writer.close()
    assert writer.silent_since is None
