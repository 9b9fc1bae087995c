"""What a transaction has undone leaves nothing behind: no act, no job, no lock, no doubt."""

import contextlib
from dataclasses import replace

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from alerting.clock import FrozenClock
from alerting.errors import LedgerDamaged, LedgerLost
from alerting.ledger.postgres.clock import ServerClock
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.secret import Secret
from alerting.testing.builders import A_MOMENT_US as NOW
from alerting.testing.builders import an_actor
from alerting.testing.ledger_steps import opened, plan


class Mistake(Exception):
    """Somebody has made one, in the middle."""


@pytest.fixture
def ledger(fresh_place):
    with contextlib.closing(PostgresLedger.open(fresh_place(), clock=FrozenClock())) as made:
        yield made


@contextlib.contextmanager
def undone(ledger):
    with contextlib.suppress(Mistake), ledger.transaction():
        yield
        raise Mistake


def act(ledger, action):
    ledger.record_act(action, "s", {}, actor=an_actor(), at=NOW)


def acts(ledger):
    return [row.action for row in ledger.audit("s")]


def test_an_act_that_was_undone_is_not_told_by_the_next_commit(ledger):
    with undone(ledger):
        act(ledger, "never done")
    with ledger.transaction():
        act(ledger, "done")
    assert acts(ledger) == ["done"]


def test_a_part_that_is_undone_takes_its_own_acts_with_it_and_no_others(ledger):
    with ledger.transaction():
        act(ledger, "before")
        with undone(ledger):
            act(ledger, "never done")
        act(ledger, "after")
    assert acts(ledger) == ["before", "after"]


def test_a_batch_whose_planning_was_undone_has_no_job_and_spoils_no_later_commit(ledger):
    opened(ledger)
    with undone(ledger):
        plan(ledger, 3)
    plan(ledger, 3, start=10)
    jobs = ledger._connection.do("SELECT count(*) FROM procrastinate_jobs")
    assert jobs == [(1,)]


def test_a_statement_that_failed_does_not_keep_what_waits_from_being_undone(ledger):
    """A lock that waits for the next statement is not to travel with the ROLLBACK: it would fail, and that too."""
    with undone(ledger):
        with pytest.raises(LedgerDamaged):
            ledger._connection.do("SELECT * FROM no_such_table")
        ledger.alone("anything")
    with ledger.transaction():
        act(ledger, "done")
    assert acts(ledger) == ["done"]


def test_a_commit_is_durable_whatever_the_server_does_by_default(fresh_place):
    place = fresh_place()
    lax = make_conninfo(place.address.reveal(), options="-c synchronous_commit=off -c lock_timeout=0")
    made = PostgresLedger.open(replace(place, address=Secret(lax)), clock=FrozenClock())
    with contextlib.closing(made):
        assert made._connection.do("SHOW synchronous_commit") == [("on",)]
        for limit in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            assert made._connection.do(f"SHOW {limit}") != [("0",)], limit


def test_a_commit_that_may_still_arrive_is_asked_after_until_it_is_known(ledger, postgres_address):
    """The session it was sent on is cut, and the server is not through with it yet."""
    with psycopg.connect(postgres_address) as slow:
        ((name,),) = slow.execute("SELECT pg_current_xact_id()::text").fetchall()
        ledger._connection.in_doubt = name
        assert ledger.mend() is None
        assert ledger.mend() is None, "the doubt goes over to the new connection"
        slow.commit()
    assert ledger.mend() is True
    assert ledger.mend() is False, "and ends with its answer"


class Interrupted(ServerClock):
    """Asks the server for the time just when it goes away again, once."""

    cut = False

    def learn(self, at, *, asked):
        if self.cut:
            self.cut = False
            raise LedgerLost("the connection is lost again")
        return super().learn(at, asked=asked)


def test_a_commit_known_to_have_arrived_is_not_repeated_when_the_new_connection_is_lost_too(
    fresh_place, postgres_address
):
    clock = Interrupted(FrozenClock())
    with contextlib.closing(PostgresLedger.open(fresh_place(), clock=clock)) as ledger:
        with psycopg.connect(postgres_address) as other:
            ((ledger._connection.in_doubt,),) = other.execute("SELECT pg_current_xact_id()::text").fetchall()
        clock.cut = True
        with pytest.raises(LedgerLost):
            ledger.mend()
        assert ledger.mend() is True


def test_a_commit_that_did_not_arrive_is_repeated(ledger, postgres_address):
    with psycopg.connect(postgres_address) as slow:
        ((name,),) = slow.execute("SELECT pg_current_xact_id()::text").fetchall()
        slow.rollback()
    ledger._connection.in_doubt = name
    assert ledger.mend() is False
