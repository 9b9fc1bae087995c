"""What a person reads when PostgreSQL cannot be used."""

from datetime import timedelta

import psycopg
import pytest

from alerting.clock import FrozenClock
from alerting.errors import LedgerBusy, LedgerDamaged, LedgerLost, LedgerUnavailable
from alerting.ledger import statements
from alerting.ledger.postgres import connection as room
from alerting.ledger.postgres.connection import Connection
from alerting.ledger.postgres.faults import LedgerConflict, told
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.migrate import latest
from alerting.ledger.postgres.place import Place
from alerting.secret import Secret
from alerting.testing.builders import an_actor
from alerting.testing.ledger_steps import opened

SHORT = timedelta(seconds=2)


def open_at(address, **options):
    place = Place(address=Secret(address), schema=options.pop("schema", "none"))
    return PostgresLedger.open(place, clock=FrozenClock(), patience=SHORT, **options)


def admin(address):
    return psycopg.connect(address, autocommit=True)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (
            "postgresql://alert:canary-pg@127.0.0.1:1/alerts",
            "127.0.0.1:1/alerts (none): cannot be reached (Connection refused)",
        ),
        ("postgresql://alert:canary-pg@/alerts?host=/nowhere", "cannot be reached"),
        ("mysql://alert:canary-pg@db/alerts", "write it like postgresql://"),
        ("postgresql://alert:canary-pg@db/alerts?nonsense=1", "write it like postgresql://"),
    ],
)
def test_a_wrong_address_is_told_without_its_password(address, words):
    with pytest.raises(LedgerUnavailable) as wrong:
        open_at(address)
    assert words in str(wrong.value)
    assert "canary" not in str(wrong.value)


def test_no_such_database_and_no_such_user(postgres_address):
    with pytest.raises(LedgerUnavailable, match="no such database"):
        open_at(postgres_address.replace("/postgres?", "/elsewhere?"))
    with pytest.raises(LedgerUnavailable, match="does not let this user in"):
        open_at(postgres_address.replace("postgres@", "nobody-here@"))


def test_a_reader_finds_no_ledger_where_none_was_made(fresh_place):
    with pytest.raises(LedgerUnavailable, match="no ledger here yet"):
        PostgresLedger.open(fresh_place(), write=False, clock=FrozenClock())


def test_a_reader_cannot_write(fresh_place):
    place = fresh_place()
    PostgresLedger.open(place, clock=FrozenClock()).close()
    reader = PostgresLedger.open(place, write=False, clock=FrozenClock())
    with pytest.raises(LedgerUnavailable, match="read-only"):
        opened(reader)
    reader.close()


def test_missing_rights_are_told(postgres_address):
    with admin(postgres_address) as server:
        server.execute("DROP ROLE IF EXISTS visitor")
        server.execute("CREATE ROLE visitor LOGIN")
    with pytest.raises(LedgerUnavailable, match="not the rights"):
        open_at(postgres_address.replace("postgres@", "visitor@"), schema="visited")


def test_a_schema_of_a_newer_program_is_left_alone_unless_it_says_we_may(postgres_address, fresh_place):
    place = fresh_place()
    PostgresLedger.open(place, clock=FrozenClock()).close()
    newer = str(latest() + 1)

    def say(name, value):
        with admin(postgres_address) as server:
            server.execute(f"UPDATE {place.schema}.meta SET value = %s WHERE name = %s", (value, name))

    say("schema", newer)
    PostgresLedger.open(place, clock=FrozenClock()).close()
    say("least", newer)
    for write in (True, False):
        with pytest.raises(LedgerUnavailable, match="newer version"):
            PostgresLedger.open(place, write=write, clock=FrozenClock())


def test_an_old_server_is_refused(postgres_address, fresh_place, monkeypatch):
    monkeypatch.setattr(room, "OLDEST", 99)
    with pytest.raises(LedgerUnavailable, match="use 99 or newer"):
        PostgresLedger.open(fresh_place(), clock=FrozenClock())


def test_a_missing_table_is_damage(postgres_address, fresh_place):
    place = fresh_place()
    ledger = PostgresLedger.open(place, clock=FrozenClock())
    with admin(postgres_address) as server:
        server.execute(f"DROP TABLE {place.schema}.opt")
    with pytest.raises(LedgerDamaged, match="table is missing"):
        ledger.opted_out("sms-main")
    ledger.close()


@pytest.mark.parametrize("table", ["audit", "attempt", "outcome", "receipt", "drill_note", "occurrence"])
def test_the_record_cannot_be_emptied(postgres_address, fresh_place, table):
    place = fresh_place()
    PostgresLedger.open(place, clock=FrozenClock()).close()
    with admin(postgres_address) as server, pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        server.execute(f"TRUNCATE {place.schema}.{table}")


@pytest.mark.parametrize("change", ["UPDATE {}.audit SET actor = 'x'", "DELETE FROM {}.audit"])
def test_the_audit_log_is_append_only(postgres_address, fresh_place, change):
    place = fresh_place()
    ledger = PostgresLedger.open(place, clock=FrozenClock())
    opened(ledger)
    ledger.close()
    with admin(postgres_address) as server, pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        server.execute(change.format(place.schema))


@pytest.mark.parametrize(
    ("state", "kind", "words"),
    [
        ("53300", LedgerLost, "no more connections"),
        ("53100", LedgerUnavailable, "disk is full"),
        ("25006", LedgerLost, "read-only"),
        ("55P03", LedgerBusy, "another program"),
        ("40P01", LedgerConflict, "the same"),
        ("57P01", LedgerLost, "cannot be reached"),
        ("08006", LedgerLost, "cannot be reached"),
        ("58030", LedgerDamaged, "disk reported"),
    ],
)
def test_codes_are_told_in_words(state, kind, words):
    class Said(psycopg.OperationalError):
        sqlstate = state

    error = told(Said("x"), "postgresql://db/alerts")
    assert type(error) is kind
    assert words in str(error)


def test_a_mistake_of_ours_is_no_fault_of_the_ledger():
    assert told(psycopg.errors.SyntaxError("x"), "postgresql://db/alerts") is None


def test_every_statement_is_postgresql(fresh_place):
    """What conformance does not happen to run is at least understood by the server."""
    place = fresh_place()
    PostgresLedger.open(place, clock=FrozenClock()).close()
    connection = Connection.connect(place, {}, write=True, patience=SHORT)
    for number, (name, text) in enumerate(statements.load("postgres").items()):
        numbered = "".join(
            f"${place_}{part}" if place_ else part for place_, part in enumerate(text.split("?"))
        )
        with connection.transaction():
            connection.do(f"PREPARE s{number} AS {numbered}")
        assert name
    connection.close()


def test_a_text_may_hold_what_postgresql_cannot(fresh_place):
    ledger = PostgresLedger.open(fresh_place(), clock=FrozenClock())
    opened(ledger)
    with ledger.transaction():
        ledger.record_act("probe", "s", {"said": "a\x00b"}, actor=an_actor("a\x00b"), at=1)
    (row,) = ledger.audit("s")
    assert row.actor == "a\ufffdb"
    ledger.close()
