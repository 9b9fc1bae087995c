import json
import os
import sqlite3
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.clock import FrozenClock
from alerting.errors import LedgerBusy, LedgerDamaged, LedgerUnavailable
from alerting.ledger import migrate, reader, sqlite
from alerting.ledger.connection import Connection
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.delivery import State
from alerting.testing.builders import A_MOMENT_US, an_opening, some_deliveries

ALERT = "L-7K2QXD"


def filled(ledger, rows=500):
    with ledger.transaction():
        ledger.open_alert(an_opening(), at=A_MOMENT_US)
        ledger.add_batch(ALERT, "sms-main", some_deliveries(rows), priority=50)
    return ledger


def test_a_commit_is_on_disk_when_it_returns(open_ledger):
    connection = open_ledger()._connection
    assert connection.do("PRAGMA journal_mode") == [("wal",)]
    assert connection.do("PRAGMA synchronous") == [(2,)]
    assert connection.do("PRAGMA foreign_keys") == [(1,)]


def test_a_path_may_hold_any_characters(open_ledger, tmp_path):
    odd = tmp_path / "a?b#c%20d é" / "l?mode=memory#.sqlite"
    odd.parent.mkdir()
    filled(open_ledger(at=odd), 2)
    assert open_ledger(at=odd, write=False).tally(ALERT)[0].total == 2
    assert odd.stat().st_size > 0


def test_only_its_owner_may_read_a_new_ledger(open_ledger, path):
    open_ledger()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(".")] == []


def test_a_reader_reads_while_a_writer_writes(open_ledger):
    writer = filled(open_ledger())
    reader = open_ledger(write=False)
    with writer.transaction():
        writer.add_batch(ALERT, "sms-main", some_deliveries(5, 1000), priority=50)
        assert reader.tally(ALERT)[0].counts[State.PENDING] == 500
        assert len(list(reader.deliveries(ALERT))) == 500
    assert reader.tally(ALERT)[0].counts[State.PENDING] == 505


def test_a_reader_reads_what_a_closed_writer_left(open_ledger):
    filled(open_ledger()).close()
    assert open_ledger(write=False).alert(ALERT) is not None


def test_a_reader_cannot_write(open_ledger):
    open_ledger()
    reader = open_ledger(write=False)
    with pytest.raises(LedgerUnavailable, match="may not be written"), reader.transaction():
        reader.open_alert(an_opening(), at=A_MOMENT_US)


def test_a_reader_of_nothing_is_told_so_and_makes_nothing(open_ledger, path):
    with pytest.raises(LedgerUnavailable, match="no ledger here yet"):
        open_ledger(write=False)
    assert list(path.parent.iterdir()) == []


def test_two_that_make_the_same_ledger_share_it(path):
    ledgers, start = [], threading.Barrier(4)

    def make():
        start.wait()
        SqliteLedger.open(path, clock=FrozenClock()).close()
        ledgers.append(1)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(ledgers) == 4


def test_a_ledger_that_somebody_else_has_just_made_is_not_replaced(open_ledger, path):
    filled(open_ledger(), 2)
    sqlite._make(path, timedelta(seconds=1))
    assert open_ledger(write=False).tally(ALERT)[0].total == 2


def test_a_locked_ledger_names_the_trouble(open_ledger):
    ledger, other = open_ledger(), open_ledger(patience=timedelta(milliseconds=20))
    with (
        ledger.transaction(),
        pytest.raises(LedgerBusy, match="another program holds it"),
        other.transaction(),
    ):
        pass
    with other.transaction():
        other.open_alert(an_opening(), at=A_MOMENT_US)


def test_a_full_disk_changes_nothing_and_can_be_read(open_ledger):
    ledger = filled(open_ledger(), 10)
    ((pages,),) = ledger._connection.do("PRAGMA page_count")
    for more in range(12):
        ledger._connection.do(f"PRAGMA max_page_count = {pages + more}")
        with pytest.raises(LedgerUnavailable, match="disk is full"):
            add_many(ledger)
        assert ledger.tally(ALERT)[0].total == len(list(ledger.deliveries(ALERT))) == 10
    ledger._connection.do("PRAGMA max_page_count = 1000000")
    with ledger.transaction():
        assert ledger.add_batch(ALERT, "sms-main", some_deliveries(500, 1000), priority=50) == 500


def add_many(ledger):
    with ledger.transaction():
        for start in range(1000, 6000, 500):
            ledger.add_batch(ALERT, "sms-main", some_deliveries(500, start), priority=50)


def test_a_missing_directory_is_named(open_ledger, tmp_path):
    with pytest.raises(LedgerUnavailable, match=r"there is no directory .*/none"):
        open_ledger(at=tmp_path / "none" / "ledger.sqlite")
    with pytest.raises(LedgerUnavailable, match="is a directory"):
        open_ledger(at=tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"not a ledger at all, just some text that is long enough to be one" * 20, os.urandom(9000)],
)
@pytest.mark.parametrize("write", [True, False])
def test_what_is_not_a_ledger_is_left_as_it_is(open_ledger, path, content, write):
    path.write_bytes(content)
    with pytest.raises(LedgerDamaged, match=f"{path.name}.*left as it is"):
        open_ledger(write=write)
    assert path.read_bytes() == content


def test_another_programs_database_is_left_as_it_is(open_ledger, path):
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    with pytest.raises(LedgerDamaged, match="another program"):
        open_ledger()


def test_damage_is_found_not_read_past(open_ledger, path):
    filled(open_ledger(), 500).close()
    whole = path.read_bytes()
    # The first page stays: what is damaged lies deeper, as a bad sector would have it.
    page = page_size(whole)
    path.write_bytes(whole[:page] + os.urandom(len(whole) - page))
    with pytest.raises(LedgerDamaged, match="damaged"):
        list(open_ledger(write=False).deliveries(ALERT))


def test_a_ledger_cut_short_is_damaged(open_ledger, path):
    filled(open_ledger(), 500).close()
    whole = path.read_bytes()
    path.write_bytes(whole[: page_size(whole) * 3])
    with pytest.raises(LedgerDamaged):
        list(open_ledger().deliveries(ALERT))


def test_a_new_ledger_has_large_pages_and_an_older_one_keeps_its_own(open_ledger, path):
    filled(open_ledger(), 10).close()
    assert page_size(path.read_bytes()) == 8_192
    older = sqlite3.connect(path, isolation_level=None)
    for change in ("PRAGMA journal_mode = DELETE", "PRAGMA page_size = 4096", "VACUUM"):
        older.execute(change)
    older.close()

    ledger = open_ledger()
    with ledger.transaction():
        assert ledger.add_batch(ALERT, "sms-main", some_deliveries(500, 1000), priority=50) == 500
    ledger.close()

    assert page_size(path.read_bytes()) == 4096


def page_size(file):
    """Return what the header says.  https://www.sqlite.org/fileformat.html section 1.3.2"""
    return int.from_bytes(file[16:18], "big")


def test_a_log_without_its_ledger_is_never_played_into_a_new_one(open_ledger, path):
    log = path.with_name(path.name + "-wal")
    log.write_bytes(b"pages of the old ledger")
    for write in (True, False):
        with pytest.raises(LedgerDamaged, match=r"is missing, but ledger\.sqlite-wal is still there"):
            open_ledger(write=write)
    assert not path.exists()


def test_a_ledger_of_a_newer_version_is_refused(open_ledger, path):
    ledger = open_ledger()
    ledger._connection.do("UPDATE meta SET value = '999' WHERE name = 'schema'")
    ledger.close()
    for write in (True, False):
        with pytest.raises(LedgerUnavailable, match="newer version"):
            open_ledger(write=write)


@pytest.fixture
def next_version(monkeypatch, tmp_path):
    """Adds another migration, whose last statement may be made to fail."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for file in migrate._MIGRATIONS.glob("*.sql"):
        (folder / file.name).write_bytes(file.read_bytes())

    def write(*statements):
        (folder / f"{migrate.latest() + 1:04d}_next.sql").write_text("".join(f"{s};\n" for s in statements))
        monkeypatch.setattr(sqlite, "steps", lambda after=0: migrate.steps(after, folder))
        for room in (sqlite, reader):
            monkeypatch.setattr(room, "latest", lambda: migrate.latest(folder))

    return write


def test_an_older_ledger_is_brought_up_to_date_by_a_writer_only(open_ledger, next_version):
    filled(open_ledger(), 3).close()
    next_version("CREATE TABLE next (x INTEGER)", "ALTER TABLE alert ADD COLUMN y INTEGER")
    with pytest.raises(LedgerUnavailable, match="older version"):
        open_ledger(write=False)
    writer = open_ledger()
    assert writer._connection.do("SELECT value FROM meta WHERE name = 'schema'") == [
        (str(migrate.latest() + 1),)
    ]
    assert writer.tally(ALERT)[0].total == 3
    assert open_ledger(write=False).tally(ALERT)[0].total == 3


def test_a_migration_that_fails_half_way_leaves_the_old_ledger(open_ledger, next_version, path):
    filled(open_ledger(), 3).close()
    next_version("CREATE TABLE next (x INTEGER)", "INSERT INTO nowhere VALUES (1)")
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        open_ledger()
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT value FROM meta WHERE name = 'schema'").fetchall() == [
        (str(migrate.latest()),)
    ]
    assert raw.execute("SELECT name FROM sqlite_master WHERE name = 'next'").fetchall() == []
    raw.close()


@pytest.mark.parametrize("table", ["audit", "attempt", "outcome"])
def test_what_is_append_only_cannot_be_edited(open_ledger, table):
    ledger = filled(open_ledger(), 2)
    with ledger.transaction():
        batch = ledger.lease("sms-main", owner="a", at=A_MOMENT_US, until=A_MOMENT_US + 1)
        ledger.claim(batch, [row.id for row in batch.rows], at=A_MOMENT_US)
    with ledger.transaction():
        ledger.lease("sms-main", owner="a", at=A_MOMENT_US, until=A_MOMENT_US + 1)
    column = {"audit": "body", "attempt": "began_at", "outcome": "reason"}[table]
    for statement in (f"UPDATE {table} SET {column} = 'x'", f"DELETE FROM {table}"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            ledger._connection.raw.execute(statement)
    with pytest.raises(sqlite3.IntegrityError):
        ledger._connection.raw.execute(
            "INSERT OR REPLACE INTO audit SELECT 1, at, monotonic, 'eve', '', action, subject, '', '', '' FROM audit"
        )


def test_counters_cannot_go_below_zero(open_ledger):
    ledger = filled(open_ledger(), 1)
    with pytest.raises(sqlite3.IntegrityError):
        ledger._connection.do("UPDATE batch SET n_pending = n_pending - 2")


def test_questions_about_a_large_alert_do_not_look_at_its_rows(open_ledger):
    ledger = filled(open_ledger(), 5)
    reads = []
    connection = ledger._connection

    def spy(action, table, *_):
        reads.append(table)
        return sqlite3.SQLITE_OK

    connection.raw.set_authorizer(spy)
    ledger.tally(ALERT)
    ledger.failures(ALERT)
    ledger.progress(ALERT)
    ledger.unsettled()
    connection.raw.set_authorizer(None)
    assert "batch" in reads
    assert not {"delivery", "attempt", "outcome"} & set(reads)


def test_no_index_mentions_the_state_of_a_delivery(open_ledger):
    indexes = open_ledger()._connection.do(
        "SELECT sql FROM sqlite_master WHERE tbl_name = 'delivery' AND type = 'index'"
    )
    assert [sql for (sql,) in indexes] == [
        "CREATE UNIQUE INDEX delivery_address ON delivery (alert, channel, address)"
    ]


DISK_ERROR = """
import resource, signal, sys
from pathlib import Path
from alerting.clock import SystemClock
from alerting.errors import LedgerDamaged
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.testing.builders import *

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
writer = GroupWriter(lambda: SqliteLedger.open(path, clock=SystemClock()))
writer.submit(lambda l: l.open_alert(an_opening(), at=A_MOMENT_US)).result(10)
size = path.with_name(path.name + "-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + int(sys.argv[2]), -1))
try:
    writer.submit(lambda l: l.add_batch("L-7K2QXD", "sms-main", some_deliveries(500), priority=1)).result(10)
except LedgerDamaged as error:
    print("first", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
try:
    writer.submit(lambda l: l.alerts()).result(10)
except LedgerDamaged as error:
    print("second", error)
writer.close()
"""


@pytest.mark.parametrize("room", [0, 5000, 30000])
def test_after_a_disk_error_nothing_more_is_promised_and_what_was_stands(open_ledger, path, room):
    done = subprocess.run(
        [sys.executable, "-c", DISK_ERROR, path, str(room)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["first", "second"], done
    assert "the disk reported an error" in done.stdout
    ledger = open_ledger()
    assert (ledger.alert(ALERT) is not None, list(ledger.deliveries(ALERT))) == (True, [])


@given(
    rows=st.dictionaries(
        st.integers(1, 10**12),
        st.tuples(
            st.sampled_from([1, 2, 9_999]),
            st.integers(0, 10**16 - 1),
            st.text() | st.just("SM" + "0" * 32) | st.just("é５"),
        ),
    )
)
def test_accepted_rows_travel_with_places_of_fixed_width_whatever_they_hold(rows):
    connection = Connection(None, None, {})

    told = json.loads(connection.taken((row, attempt, at, sid) for row, (attempt, at, sid) in rows.items()))

    assert told == {str(row): f"{at:016d}{attempt:04d}{sid}" for row, (attempt, at, sid) in rows.items()}
