"""What the queue has lost is found, and what somebody is at is left alone; what was left behind goes urgent first."""

import contextlib

import psycopg
import pytest
from psycopg.rows import dict_row

from alerting.clock import SystemClock, micros
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.testing.builders import accepted, some_deliveries
from alerting.testing.ledger_steps import ID, MAIL, SMS, opened, settle

SECOND = 1_000_000
SILENT_S = 15.0


@pytest.fixture
def ledger(fresh_place):
    with contextlib.closing(PostgresLedger.open(fresh_place(), clock=SystemClock())) as made:
        opened(made)
        yield made


@pytest.fixture
def do(ledger):
    """Ask the database beside the ledger, as the queue's own library does."""
    with psycopg.connect(ledger._place.address.reveal(), autocommit=True, row_factory=dict_row) as raw:
        raw.execute("SELECT set_config('search_path', %s, false)", (f'"{ledger._place.schema}"',))
        yield lambda text, *params: raw.execute(text, params)


def now():
    return micros(SystemClock().now())


def planned(ledger, *, start=0, priority=50, channel=SMS):
    with ledger.transaction():
        ledger.add_batch(ID, channel, some_deliveries(2, start), priority=priority)


def leased(ledger, *, until, channel=SMS, skip=()):
    with ledger.transaction():
        return ledger.lease(channel, owner="dead", at=now(), until=until, skip=skip)


def fetched_by_a_worker(do, *, silent_s):
    """A worker last heard of so long ago has taken the next job."""
    do(
        "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => %s))",
        silent_s,
    )
    do("SELECT procrastinate_fetch_job_v2(NULL, (SELECT max(id) FROM procrastinate_workers))")


def mend(ledger, *, all_of_it=False):
    with ledger.transaction():
        return ledger.jobs.mend(silent_s=SILENT_S, all_of_it=all_of_it)


def statuses(do):
    return [job["status"] for job in do("SELECT status::text FROM procrastinate_jobs ORDER BY id")]


def test_a_job_a_living_worker_has_in_hand_is_left_to_it(ledger, do):
    planned(ledger)
    fetched_by_a_worker(do, silent_s=1)
    assert mend(ledger, all_of_it=True) == 0
    assert statuses(do) == ["doing"]


def test_a_job_whose_worker_was_forgotten_is_queued_anew(ledger, do):
    planned(ledger)
    fetched_by_a_worker(do, silent_s=1)
    do("UPDATE procrastinate_jobs SET worker_id = NULL")
    do("DELETE FROM procrastinate_workers")
    assert mend(ledger) == 1
    assert statuses(do) == ["todo"]


def test_a_batch_that_was_sent_is_not_queued_anew_with_the_job_of_the_worker_that_died(ledger, do):
    planned(ledger)
    batch = leased(ledger, until=now() + 60 * SECOND)
    with ledger.transaction():
        ledger.claim(batch, [row.id for row in batch.rows], at=now())
    settle(ledger, batch, *(accepted(row) for row in batch.rows))
    with ledger.transaction():
        ledger.release(batch, not_before=0)
    fetched_by_a_worker(do, silent_s=60)
    assert mend(ledger, all_of_it=True) == 1
    assert statuses(do) == []


def test_what_was_left_behind_is_what_nobody_holds_any_more_most_urgent_first(ledger):
    planned(ledger)
    planned(ledger, start=10, priority=80)
    planned(ledger, start=20, channel=MAIL, priority=60)
    urgent = leased(ledger, until=now() - 1)
    calm = leased(ledger, until=now() - 1, skip=[urgent.id])
    mails = leased(ledger, until=now() - 1, channel=MAIL)
    planned(ledger, start=30)
    leased(ledger, until=now() + 60 * SECOND, skip=[urgent.id, calm.id])

    def left(most=20, at=None):
        with ledger.transaction():
            return ledger.jobs.left_behind(at=at or now(), most=most)

    assert left() == [(SMS, urgent.id), (MAIL, mails.id), (SMS, calm.id)]
    assert left(most=1) == [(SMS, urgent.id)]
    assert left(at=now() - 3600 * SECOND) == []


def test_the_most_urgent_job_is_one_that_may_be_taken_now(ledger):
    def most_urgent():
        with ledger.transaction():
            return ledger.jobs.most_urgent([SMS, MAIL])

    assert most_urgent() == {}
    planned(ledger)
    planned(ledger, start=10, priority=80)
    assert most_urgent() == {SMS: 80}
    batch = leased(ledger, until=now() + 60 * SECOND)
    assert batch.priority == 80
    with ledger.transaction():
        ledger.jobs.drop(1)
        ledger.release(batch, not_before=now() + 3600 * SECOND)
    assert most_urgent() == {}, "its provider has asked for an hour"
