"""What older programs use is taken away when none of them is connected, and not before."""

from datetime import timedelta

import psycopg
import pytest

from alerting.clock import FrozenClock
from alerting.errors import LedgerUnavailable
from alerting.ledger.audit import first_break
from alerting.ledger.postgres import migrate
from alerting.ledger.postgres.connection import Connection
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.programs import refuse_older, register
from alerting.ledger.postgres.writer import SharedWriter
from alerting.ledger.upgraded import UPGRADED, NewerLedger
from alerting.testing.builders import an_actor
from alerting.testing.ledger_steps import opened

SHORT = timedelta(seconds=2)
OURS = migrate.latest()


@pytest.fixture
def place(fresh_place):
    """Where a ledger of this version is, with an alert on record."""
    where = fresh_place()
    ledger = PostgresLedger.open(where, clock=FrozenClock())
    opened(ledger)
    ledger.close()
    return where


@pytest.fixture
def next_step(monkeypatch, tmp_path):
    """Return a function that makes this program one version newer, by one step."""
    known = migrate.files()

    def add(text):
        file = tmp_path / f"{OURS + 1:04d}_next.sql"
        file.write_text(text)
        monkeypatch.setattr(migrate, "files", lambda: [*known, file])

    return add


def program(place, version):
    """Connect as a program of a version does."""
    connection = Connection.connect(place, {}, write=True, patience=SHORT)
    register(connection, place.schema, version)
    connection.do("SELECT 1")
    return connection


def bring_up(place, **given):
    return PostgresLedger.open(place, clock=FrozenClock(), **given)


NARROW = f"-- least: {OURS}\nALTER TABLE alert DROP COLUMN pending;\n"
WIDE = f"-- least: {OURS}\nALTER TABLE alert ADD COLUMN aside text NOT NULL DEFAULT '';\n"


def test_a_step_that_shuts_out_older_programs_waits_until_they_are_gone(place, next_step):
    next_step(NARROW)
    older, ours = program(place, OURS - 1), program(place, OURS)
    for force in (False, True):
        with pytest.raises(LedgerUnavailable) as refused:
            bring_up(place, force=force)
        assert f"programs older than version {OURS} use it" in str(refused.value)
        assert f"1 of version {OURS - 1} from its own host" in str(refused.value)
        assert "stop them or bring them up to date" in str(refused.value)
    older.close()
    bring_up(place).close()
    ours.close()


def test_a_program_from_before_they_said_their_version_counts_as_older(place, next_step):
    next_step(NARROW)
    older = Connection.connect(place, {}, write=True, patience=SHORT)
    with pytest.raises(LedgerUnavailable, match="1 of version unknown"):
        bring_up(place)
    older.close()
    bring_up(place).close()


def test_nobody_older_comes_while_the_step_is_made(postgres_address, place):
    newer = program(place, OURS + 1)
    with psycopg.connect(postgres_address) as older, newer.transaction():
        refuse_older(newer, place.schema, OURS + 1)
        older.execute("SET lock_timeout = '100ms'")
        named = (f"{place.schema}.program", OURS)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            older.execute("SELECT pg_advisory_lock_shared(hashtext(%s), %s)", named)
    program(place, OURS).close()
    newer.close()


def test_programs_of_another_record_in_the_same_database_do_not_matter(place, fresh_place, next_step):
    elsewhere = fresh_place()
    bring_up(elsewhere).close()
    next_step(NARROW)
    other = program(elsewhere, OURS - 1)
    brought_up = bring_up(place)
    assert brought_up.described().startswith(f"schema {OURS + 1},")
    brought_up.close()
    other.close()


def test_a_step_that_only_widens_disturbs_nobody_and_is_on_record(place, next_step):
    older = bring_up(place)
    next_step(WIDE)
    newer = bring_up(place)
    for ledger in (older, newer, older):
        with ledger.transaction():
            ledger.record_act("probe", "s", {}, actor=an_actor("kim"), at=1)
    assert [act.body for act in newer.audit("ledger") if act.action == UPGRADED] == [
        f'{{"from":{OURS},"to":{OURS + 1}}}'
    ]
    assert first_break(older.audit()) is None
    older.close()
    newer.close()


def test_a_step_never_lets_in_again_whom_an_earlier_one_has_shut_out(postgres_address, place, next_step):
    with psycopg.connect(postgres_address, autocommit=True) as server:
        server.execute(f"UPDATE {place.schema}.meta SET value = %s WHERE name = 'least'", (str(OURS),))
    next_step("-- least: 1\nALTER TABLE alert ADD COLUMN aside text NOT NULL DEFAULT '';\n")
    bring_up(place).close()
    with psycopg.connect(postgres_address) as server:
        told = server.execute(f"SELECT value FROM {place.schema}.meta WHERE name = 'least'").fetchone()
    assert told == (str(OURS),)


def test_a_program_that_was_cut_off_meanwhile_leaves_the_ledger_alone(postgres_address, place):
    writer = SharedWriter(lambda: bring_up(place), patience=timedelta(seconds=20))
    pid = writer.submit(lambda ledger: ledger._connection.raw.info.backend_pid).result(10)
    with psycopg.connect(postgres_address, autocommit=True) as server:
        for name in ("schema", "least"):
            server.execute(
                f"UPDATE {place.schema}.meta SET value = %s WHERE name = %s", (str(OURS + 1), name)
            )
        server.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(NewerLedger, match="use that version, or a newer one"):
        writer.submit(lambda ledger: ledger.alerts()).result(10)
    writer.close()


def test_an_older_program_that_is_there_and_not_seen_is_waited_for_as_well(
    place, next_step, postgres_address
):
    """It came, or went, between the two looks."""
    next_step("ALTER TABLE alert ADD COLUMN aside text NOT NULL DEFAULT '';\n")
    with psycopg.connect(postgres_address, autocommit=True) as unseen:
        word = f"{place.schema}.program"
        unseen.execute("SELECT pg_advisory_lock(hashtext(%s), %s::integer)", (word, OURS))
        with pytest.raises(LedgerUnavailable, match="one that has just gone"):
            bring_up(place)
    bring_up(place).close()
