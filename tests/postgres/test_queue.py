"""A batch that waits has a job in the queue, from the commit that made it wait; the ledger stays the truth."""

import json

import psycopg
import pytest
from psycopg.rows import dict_row

from alerting.clock import FrozenClock
from alerting.errors import LedgerUnavailable, MissingExtra
from alerting.ledger.postgres import queue as room
from alerting.ledger.postgres.connection import Connection
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.testing.builders import accepted, an_alert, some_deliveries
from alerting.testing.ledger_steps import (
    END,
    ID,
    LEASE,
    MAIL,
    NOW,
    SMS,
    cancel,
    lease,
    opened,
    plan,
    sent,
    settle,
    settle_alert,
)

TOLD = ("queue_name", "task_name", "priority", "lock", "queueing_lock", "args", "status", "scheduled_at")


class Beside:
    """The queue as somebody sees it who looks from outside."""

    def __init__(self, address, schema):
        self._raw = psycopg.connect(address, autocommit=True, row_factory=dict_row)
        self._raw.execute("SELECT set_config('search_path', %s, false)", (f'"{schema}"',))
        self.raw = self._raw

    def jobs(self):
        return self._raw.execute("SELECT * FROM procrastinate_jobs ORDER BY id").fetchall()

    def batches(self):
        return [job["args"]["batch"] for job in self.jobs()]

    def close(self):
        self._raw.close()


@pytest.fixture
def place(fresh_place):
    return fresh_place()


@pytest.fixture
def ledger(place):
    made = PostgresLedger.open(place, clock=FrozenClock())
    yield made
    made.close()


@pytest.fixture
def queue(ledger, place, postgres_address):
    made = Beside(postgres_address, place.schema)
    yield made
    made.close()


def plan_and_fail(ledger):
    with ledger.transaction():
        ledger.add_batch(ID, SMS, some_deliveries(3), priority=50)
        raise ZeroDivisionError


def test_rows_and_jobs_are_there_together_or_not_at_all(ledger, queue):
    opened(ledger)
    with pytest.raises(ZeroDivisionError):
        plan_and_fail(ledger)
    assert queue.jobs() == []
    with ledger.transaction():
        with pytest.raises(ZeroDivisionError):
            plan_and_fail(ledger)
        ledger.add_batch(ID, MAIL, some_deliveries(2), priority=80)
        assert queue.jobs() == [], "not before the commit"
    [job] = queue.jobs()
    assert (job["queue_name"], job["priority"], job["status"]) == (MAIL, 80, "todo")
    assert (job["lock"], job["queueing_lock"]) == (None, None), "a lock costs as much as the backlog is long"


def test_a_batch_in_which_everybody_was_told_already_has_no_job(ledger, queue):
    opened(ledger)
    assert plan(ledger, 3) == 3
    assert plan(ledger, 3) == 0
    cancel(ledger)
    assert plan(ledger, 3, start=10) == 3
    assert queue.jobs() == []


def test_a_job_is_what_procrastinate_itself_would_have_written(ledger, queue, place, postgres_address):
    import procrastinate

    opened(ledger)
    plan(ledger, 3)
    [ours] = queue.jobs()
    connector = procrastinate.SyncPsycopgConnector(
        conninfo=postgres_address, kwargs={"options": f"-c search_path={place.schema}"}
    )
    with procrastinate.App(connector=connector).open() as app:
        told = app.configure_task("alerting.batch", queue=SMS, priority=50, allow_unknown=True)
        told.defer(**ours["args"])
    theirs = queue.jobs()[-1]
    assert {name: ours[name] for name in TOLD} == {name: theirs[name] for name in TOLD}


def test_a_name_too_long_for_a_notification_still_has_a_queue(ledger, queue):
    name = "ü" * 60
    opened(ledger, name)
    with ledger.transaction():
        ledger.add_batch(ID, name, some_deliveries(1), priority=50)
    [job] = queue.jobs()
    assert (len(job["queue_name"]), job["args"]["channel"]) == (32, name)


def test_what_is_given_back_has_a_job_again_and_what_is_done_has_none(ledger, queue):
    opened(ledger)
    batch = sent(ledger, 2, claim=slice(0, 1))
    queue.raw.execute("DELETE FROM procrastinate_jobs")
    with ledger.transaction():
        ledger.release(batch, not_before=0)
    assert queue.batches() == [batch.id]
    queue.raw.execute("DELETE FROM procrastinate_jobs")
    with ledger.transaction():
        ledger.release(batch, not_before=0)
    assert queue.batches() == [], "it was given back already"
    batch = lease(ledger)
    with ledger.transaction():
        ledger.claim(batch, [row.id for row in batch.rows[1:]], at=NOW)
    settle(ledger, batch, *(accepted(row) for row in batch.rows[1:]))
    queue.raw.execute("DELETE FROM procrastinate_jobs")
    with ledger.transaction():
        ledger.expire(ID, at=END)
        ledger.release(batch, not_before=0)
    assert [job["args"]["batch"] for job in queue.jobs()] == [batch.id], "one is uncertain still"


@pytest.mark.parametrize("end", ["cancel", "expire"])
def test_what_is_stopped_leaves_nothing_in_the_way_of_the_next(ledger, queue, end):
    opened(ledger)
    other = an_alert(id="L-AFTER0", run_key="another")
    opened(ledger, alert=other)
    plan(ledger, 3)
    plan(ledger, 2, start=10)
    plan(ledger, 2, alert_id=other.id)
    assert len(queue.jobs()) == 3
    if end == "cancel":
        cancel(ledger)
    else:
        with ledger.transaction():
            ledger.expire(ID, at=END)
    [left] = queue.jobs()
    assert ledger.alert(other.id) is not None
    assert lease(ledger, at=NOW + LEASE).id == left["args"]["batch"]


def test_an_alert_that_has_come_to_rest_has_no_jobs(ledger, queue):
    opened(ledger)
    batch = sent(ledger, 1)
    settle(ledger, batch, accepted(batch.rows[0]))
    with ledger.transaction():
        ledger.release(batch, not_before=0)
        ledger.planned(ID, recipients=1, notes={})
    assert len(queue.jobs()) == 1, "nobody has taken it"
    assert settle_alert(ledger)
    assert queue.jobs() == []


def test_the_tables_are_those_of_the_version_that_is_on_record(ledger, queue):
    with Connected(ledger) as connection:
        assert room.recorded(connection) == room.KNOWN
        room.refuse_other(connection)
    [found] = queue.raw.execute("SELECT value FROM meta WHERE name = 'queue'").fetchall()
    assert found["value"] == max(room._migrations(room.packaged()))


@pytest.mark.parametrize(
    ("found", "words"),
    [("99.00.00_50", "use the newer version"), ("03.01.00_50", "run `alert ledger upgrade`")],
)
def test_other_tables_than_ours_are_refused_in_words(ledger, queue, found, words):
    queue.raw.execute("UPDATE meta SET value = %s WHERE name = 'queue'", (found,))
    with Connected(ledger) as connection, pytest.raises(LedgerUnavailable, match=words) as refused:
        room.refuse_other(connection)
    assert f"version {found}, we know {room.KNOWN}" in str(refused.value)


def test_another_library_than_the_one_we_know_is_refused_before_anything_is_made(fresh_place, monkeypatch):
    monkeypatch.setattr(room, "KNOWN", "03.05.00_50")
    with pytest.raises(LedgerUnavailable, match=r"version 03\.04\.00_50, we know 03\.05\.00_50") as refused:
        PostgresLedger.open(fresh_place(), clock=FrozenClock())
    assert "pip install" in str(refused.value)


def test_a_missing_library_is_told_with_what_to_install(fresh_place, monkeypatch):
    monkeypatch.setattr(room, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match="alerting\\[postgres\\]"):
        PostgresLedger.open(fresh_place(), clock=FrozenClock())


def test_older_tables_of_the_queue_are_brought_up_by_its_own_migrations(place):
    """A later version of ours will name a later version of the queue: the steps in between are applied."""
    made = PostgresLedger.open(place, clock=FrozenClock())
    raw = made._connection.raw
    raw.execute(f"CREATE SCHEMA {place.schema}_old")
    raw.execute(f"SET search_path TO {place.schema}_old")
    raw.execute("CREATE TABLE meta (name text PRIMARY KEY, value text)")
    older = room._between(room.packaged(), "", "03.03.00_01")
    for file in older:
        raw.execute(file.read_text("utf-8"))
    raw.execute("INSERT INTO meta VALUES ('queue', '03.03.00_01')")
    assert raw.execute("SELECT to_regproc('procrastinate_retry_job_v2')").fetchone() == (None,)
    with Connected(made) as connection, connection.transaction():
        connection.do("SELECT 1")
        room.raise_queue(connection, room.KNOWN)
        assert room.recorded(connection) == room.KNOWN
    assert raw.execute("SELECT to_regproc('procrastinate_retry_job_v2')").fetchone() != (None,)
    made.close()


class Connected:
    """The connection of a ledger, lent."""

    def __init__(self, ledger):
        self._connection = ledger._connection

    def __enter__(self) -> Connection:
        return self._connection

    def __exit__(self, *_):
        return None


def test_jobs_say_nothing_of_people(ledger, queue):
    opened(ledger)
    plan(ledger, 3)
    assert set(queue.jobs()[0]["args"]) == {"batch", "alert", "channel"}
    assert "phone:" not in json.dumps(queue.jobs(), default=str)
