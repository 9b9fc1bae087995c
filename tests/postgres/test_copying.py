"""A ledger file moves to PostgreSQL whole, is proved there, and goes on."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from alerting.archive import Archive
from alerting.audit.verify import verify_opened
from alerting.clock import FrozenClock
from alerting.errors import LedgerUnavailable
from alerting.ledger.migrate import expected_objects
from alerting.ledger.postgres import copying, migrate
from alerting.ledger.postgres.copying import TABLES, UNWRITTEN, copy_ledger
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.rows import NoteRow, OccurrenceRow, ReplyRow
from alerting.ledger.sqlite import SqliteLedger
from alerting.testing.builders import A_MOMENT_US as NOW
from alerting.testing.builders import accepted, an_actor, an_alert, rejected, unanswered
from alerting.testing.ledger_lists import listed
from alerting.testing.ledger_receipts import a_receipt
from alerting.testing.ledger_steps import ID, LEASE, SMS, opened, plan, sent, settle


@pytest.fixture
def file(tmp_path):
    """A ledger file with something in every table."""
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger.open(path, clock=FrozenClock())
    opened(ledger)
    batch = sent(ledger, 3)
    first, second, third = batch.rows
    settle(ledger, batch, accepted(first), rejected(second), unanswered(third))
    with ledger.transaction():
        ledger.apply([a_receipt(first.id), a_receipt(9, key="", provider_id="SMnobody")], at=NOW)
        ledger.planned(ID, recipients=3, notes={"no_phone": 2})
        ledger.keep_replies([ReplyRow(SMS, "phone:+14135550000", "safe \U0001f600", NOW, "SM1")])
        ledger.take_occurrence(
            OccurrenceRow(drill="d", planned_local="2026-09-01T10:00", due_at=NOW, at=NOW, alert=ID)
        )
        ledger.watch_drill("d", "mark", at=NOW)
        ledger.add_note(ID, NoteRow(NOW, "note", "calm", "kim"), actor=an_actor())
    plan(ledger, 500, start=10)
    ledger.close()
    return path


def copied(file, place, broken=()):
    def whole(open_it):
        found = verify_opened(open_it).broken
        assert found == []
        return [*found, *broken]

    return copy_ledger(file, place, whole, actor=an_actor(), clock=FrozenClock())


def told(ledger):
    return (
        ledger.alerts(),
        ledger.tally(ID),
        list(ledger.deliveries(ID)),
        list(ledger.attempts(ID)),
        list(ledger.receipts(ID)),
        list(ledger.replies()),
        ledger.orphans(),
        [row for row in ledger.audit() if row.action != copying.COPIED],
        ledger.occurrences_of("d"),
        ledger.notes(ID),
    )


def test_everything_is_there_and_the_ledger_goes_on(file, fresh_place, tmp_path):
    place = fresh_place()
    counts = copied(file, place)
    assert (counts["alert"], counts["delivery"], counts["receipt"]) == (1, 503, 1)
    old = SqliteLedger.open(file, write=False, clock=FrozenClock())
    ledger = PostgresLedger.open(place, clock=FrozenClock())
    assert told(ledger) == told(old)
    old.close()
    opened(ledger, SMS, alert=an_alert(id="L-AFTER0"))
    with ledger.transaction():
        batch = ledger.lease(SMS, owner="new", at=NOW + LEASE, until=NOW + 2 * LEASE)
        ledger.keep_replies([ReplyRow(SMS, "phone:+14135550000", "again", NOW, "SM2")])
        ledger.claim(batch, [row.id for row in batch.rows[:5]], at=NOW + LEASE)
    ledger.close()
    archive = Archive(base=tmp_path, state=tmp_path, clock=FrozenClock(), shared=place)
    assert verify_opened(archive.copy).broken == []


def test_every_table_of_a_file_is_known_to_the_copy(file):
    tables = {name for kind, name in expected_objects(99) if kind == "table"}
    assert tables == {*TABLES, *UNWRITTEN, "meta"}
    with closing(sqlite3.connect(file)) as raw:
        filled = {t for t in TABLES if raw.execute(f"SELECT count(*) FROM {t}").fetchone() != (0,)}
    assert set(TABLES) - filled <= {"early", "opt"}, "the test has rows of nearly every kind"


def test_a_used_place_is_left_alone(file, fresh_place):
    place = fresh_place()
    copied(file, place)
    with pytest.raises(LedgerUnavailable, match="holds a record of"):
        copied(file, place)


def test_a_copy_that_is_not_whole_is_thrown_away(file, fresh_place, postgres_address):
    place = fresh_place()
    with pytest.raises(LedgerUnavailable, match="not whole: a page is missing"):
        copied(file, place, broken=["a page is missing"])
    with psycopg.connect(postgres_address) as server:
        assert server.execute("SELECT to_regnamespace(%s)", (f"{place.schema}_copy",)).fetchone() == (None,)
    copied(file, place)


def test_what_somebody_opens_meanwhile_is_not_overwritten(file, fresh_place):
    place = fresh_place()

    def whole(open_it):
        ledger = PostgresLedger.open(place, clock=FrozenClock())
        opened(ledger)
        ledger.close()
        return verify_opened(open_it).broken

    with pytest.raises(LedgerUnavailable, match="meanwhile"):
        copy_ledger(file, place, whole, actor=an_actor(), clock=FrozenClock())
    ledger = PostgresLedger.open(place, clock=FrozenClock())
    assert [record.alert.id for record in ledger.alerts()] == [ID]
    assert list(ledger.deliveries(ID)) == []
    ledger.close()


def test_what_somebody_is_just_opening_is_waited_for_and_not_overwritten(file, fresh_place, postgres_address):
    place, begun = fresh_place(), threading.Event()
    waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

    def just_opening():
        with (
            closing(PostgresLedger.open(place, clock=FrozenClock())) as ledger,
            psycopg.connect(postgres_address, autocommit=True) as watcher,
            ledger.transaction(),
        ):
            ledger.record_act("alert.opened", ID, {}, actor=an_actor(), at=NOW)
            assert list(ledger.audit()), "it is written, and nobody else sees it yet"
            begun.set()
            for _ in range(1000):
                if watcher.execute(waits).fetchall():
                    break
                time.sleep(0.005)

    def whole(open_it):
        opening.append(pool.submit(just_opening))
        assert begun.wait(10)
        return verify_opened(open_it).broken

    opening = []
    with ThreadPoolExecutor(1) as pool, pytest.raises(LedgerUnavailable, match="meanwhile"):
        copy_ledger(file, place, whole, actor=an_actor(), clock=FrozenClock())
    opening[0].result()
    with closing(PostgresLedger.open(place, clock=FrozenClock())) as ledger:
        assert [act.action for act in ledger.audit()] == ["alert.opened"]


def test_a_file_whose_people_have_no_rows_yet_is_refused(tmp_path, fresh_place):
    path = tmp_path / "ledger.db"
    with closing(SqliteLedger.open(path, clock=FrozenClock())) as ledger, ledger.transaction():
        opened(ledger)
        ledger.roll(ID, {SMS: listed(tmp_path, 25, size=10)}, priority=50)
        ledger.planned(ID, recipients=25, notes={})
    with pytest.raises(LedgerUnavailable, match="still to be written"):
        copied(path, fresh_place())


def test_tables_are_not_changed_under_somebody_who_sends(fresh_place, postgres_address, monkeypatch):
    place = fresh_place()
    ledger = PostgresLedger.open(place, clock=FrozenClock())
    opened(ledger)
    plan(ledger, 1)
    far = 4_000_000_000 * 1_000_000
    with ledger.transaction():
        ledger.lease(SMS, owner="a", at=NOW, until=far)
    with psycopg.connect(postgres_address, autocommit=True) as server:
        server.execute(f"UPDATE {place.schema}.meta SET value = '1' WHERE name = 'schema'")
        server.execute(f"DROP TABLE {place.schema}.speaker")
    with pytest.raises(LedgerUnavailable, match=r"an alert is being sent.*upgrade --force"):
        PostgresLedger.open(place, clock=FrozenClock())
    PostgresLedger.open(place, clock=FrozenClock(), force=True).close()
    assert ledger.described().startswith(f"schema {migrate.latest()}, ")
    ledger.close()
