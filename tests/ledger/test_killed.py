import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

from alerting.clock import FrozenClock
from alerting.ledger.audit import first_break
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.delivery import State

KILLS = 24
ROWS = 20
SCRIPT = Path(__file__).with_name("killed.py")


def run_until_killed(path, seed, lines):
    """Start the process, kill it when it has said so many lines, and return all it said."""
    process = subprocess.Popen([sys.executable, SCRIPT, path, str(seed)], stdout=subprocess.PIPE, text=True)
    try:
        said = [process.stdout.readline() for _ in range(lines)]
    finally:
        process.send_signal(signal.SIGKILL)
    said += process.communicate(timeout=20)[0].splitlines(keepends=True)
    assert process.returncode == -signal.SIGKILL, "it ended by itself"
    return [line.split() for line in said if line.endswith("\n")]


def test_what_was_promised_survives_kill_9_at_any_moment(path):
    rng = random.Random(9)
    promised = {"opened": set(), "claimed": set(), "accepted": set()}
    for seed in range(KILLS):
        for word, *told in run_until_killed(path, seed, rng.randint(1, 60)):
            promised[word].update(told)
        check(path, promised)
    assert all(len(kept) > KILLS for kept in promised.values())


def check(path, promised):
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    raw.close()
    ledger = SqliteLedger.open(path, write=False, clock=FrozenClock())
    alerts = {record.alert.id: record for record in ledger.alerts(limit=10_000)}
    assert promised["opened"] <= set(alerts)
    for alert_id in alerts:
        rows = list(ledger.deliveries(alert_id))
        assert len(rows) == ROWS, "half an alert"
        counted = Counter(row.state for row in rows)
        assert {s: n for s, n in ledger.tally(alert_id)[0].counts.items() if n} == counted
        tried = Counter(attempt.delivery for attempt in ledger.attempts(alert_id))
        for row in rows:
            assert row.attempt == tried[row.id]
            if str(row.id) in promised["accepted"]:
                assert (row.state, row.provider_id != "") == (State.ACCEPTED, True)
            elif str(row.id) in promised["claimed"]:
                assert row.state in {State.SENDING, State.UNCERTAIN, State.ACCEPTED}
    assert first_break(ledger.audit()) is None
    ledger.close()
