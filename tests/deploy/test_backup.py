"""A backup taken in use is whole, can be proved, and comes back; what is damaged or in the way is refused."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from alerting.clock import SystemClock, micros
from alerting.ledger.audit import first_break
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.place import Place
from alerting.ledger.sqlite import SqliteLedger
from alerting.secret import Secret
from alerting.testing.builders import A_MOMENT_US, an_alert, an_opening, some_deliveries
from alerting.testing.postgres import programs

BACKUP = Path(__file__).parents[2] / "deploy" / "backup"


def run(script, *words, **more):
    environ = {**os.environ, "ALERTING_BIN": str(Path(sys.executable).parent)}
    environ.pop("DATABASE_URL", None)
    environ |= more
    return subprocess.run(
        [BACKUP / script, *words], env=environ, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def state(tmp_path):
    """A record in use: its newest rows are in the log beside the file."""
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    ledger = SqliteLedger.open(made / "ledger.db", clock=SystemClock())
    for name in ("L-AAAAAA", "L-BBBBBB"):
        alert = an_alert(id=name, incident=name, run_key=name)
        with ledger.transaction():
            ledger.open_alert(an_opening("sms-main", alert=alert), at=A_MOMENT_US)
            ledger.add_batch(alert.id, "sms-main", some_deliveries(3), priority=50)
            ledger.planned(alert.id, recipients=3, notes={})
    assert (made / "ledger.db-wal").stat().st_size
    yield made
    ledger.close()


def alerts(folder):
    ledger = SqliteLedger.open(folder / "ledger.db", write=False, clock=SystemClock())
    try:
        return {
            record.alert.id: sum(t.total for t in ledger.tally(record.alert.id)) for record in ledger.alerts()
        }
    finally:
        ledger.close()


def test_a_backup_in_use_comes_back_whole(state, tmp_path):
    saved = run("backup", state, tmp_path / "saved")
    assert saved.returncode == 0, saved.stderr

    back = run("restore", tmp_path / "saved", tmp_path / "new")

    assert back.returncode == 0, back.stderr
    assert alerts(tmp_path / "new") == {"L-AAAAAA": 3, "L-BBBBBB": 3}
    assert (tmp_path / "new" / "ledger.db").stat().st_mode & 0o077 == 0
    ledger = SqliteLedger.open(tmp_path / "new" / "ledger.db", clock=SystemClock())
    with ledger.transaction():
        ledger.cancel("L-BBBBBB", actor=an_opening("sms-main").actor, at=micros(SystemClock().now()))
    ledger.close()


def test_a_record_that_is_there_is_never_overwritten(state, tmp_path):
    run("backup", state, tmp_path / "saved")

    refused = run("restore", tmp_path / "saved", state)

    assert refused.returncode == 2
    assert "has a record" in refused.stderr
    assert run("backup", state, tmp_path / "saved").returncode == 2


def test_a_damaged_backup_is_refused_before_anything_is_put_back(state, tmp_path):
    run("backup", state, tmp_path / "saved")
    copy = tmp_path / "saved" / "ledger.db"
    whole = copy.read_bytes()
    copy.write_bytes(whole[: len(whole) // 2])

    refused = run("restore", tmp_path / "saved", tmp_path / "new")

    assert refused.returncode == 3
    assert "damaged" in refused.stderr
    assert not (tmp_path / "new" / "ledger.db").exists()


def test_a_backup_of_nothing_leaves_nothing(tmp_path):
    (tmp_path / "empty").mkdir()

    refused = run("backup", tmp_path / "empty", tmp_path / "saved")

    assert refused.returncode != 0
    assert not (tmp_path / "saved").exists()
    assert not (tmp_path / "saved.part").exists()


def shared(address, write):
    place = Place(address=Secret(address), schema="alerting")
    return PostgresLedger.open(place, write=write, clock=SystemClock())


def test_a_shared_record_comes_back_into_an_empty_database(postgres_address, fresh_database, tmp_path):
    origin = f"origin_{os.getpid()}"
    address = postgres_address.replace("/postgres?", f"/{origin}?")
    with psycopg.connect(postgres_address, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {origin}")
    try:
        ledger = shared(address, write=True)
        with ledger.transaction():
            ledger.open_alert(an_opening("sms-main", alert=an_alert(id="L-AAAAAA")), at=A_MOMENT_US)
            ledger.add_batch("L-AAAAAA", "sms-main", some_deliveries(3), priority=50)
        ledger.close()
        path = f"{programs()}:{os.environ['PATH']}"

        saved = run("backup", tmp_path, tmp_path / "saved", DATABASE_URL=address, PATH=path)
        assert saved.returncode == 0, saved.stderr
        back = run("restore", tmp_path / "saved", tmp_path / "new", DATABASE_URL=fresh_database, PATH=path)
        assert back.returncode == 0, back.stderr

        copy = shared(fresh_database, write=False)
        [tally] = copy.tally("L-AAAAAA")
        broken = first_break(copy.audit())
        copy.close()
    finally:
        with psycopg.connect(postgres_address, autocommit=True) as server:
            server.execute(f"DROP DATABASE {origin} WITH (FORCE)")
    assert tally.total == 3
    assert broken is None
