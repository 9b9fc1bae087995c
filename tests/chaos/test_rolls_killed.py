"""``kill -9`` between an alert that was accepted with a list and the last row written of it."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing

import pytest
import rolled
from campus import phone
from reaper import at_a_call, at_a_size, at_a_time, ways

from alerting.audit.verify import verify_file
from alerting.clock import SystemClock
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.delivery import State
from alerting.testing.builders import an_address

#: Statements from the first of accepting to the last of writing; fewer would mean that some are not counted.
LEAST = 60
ROUNDS = int(os.environ.get("ALERT_CHAOS_ROUNDS") or 2)
#: More than are accepted with their rows.
PEOPLE = 1_100


def test_at_whatever_statement_it_is_killed_everybody_is_in_the_list_or_in_a_row_and_once(tmp_path):
    subprocess.run([sys.executable, rolled.__file__, tmp_path], check=True, timeout=60)
    folders = sorted(tmp_path.iterdir(), key=lambda folder: int(folder.name))
    assert len(folders) > LEAST
    ways_it_was_left = Counter(left(folder) for folder in folders)
    # Not there, wholly in the list, in both parts, and all written: each was met.
    assert set(ways_it_was_left) == {None, 0, 9, 18, 28, 38, 43, 48}


def left(folder):
    """Assert what a dead process left, and what the next makes of it; return how many rows there were."""
    path = folder / "ledger.db"
    promised = (folder / "said").exists()
    reader = SqliteLedger.open(path, write=False, clock=SystemClock())
    accepted = reader.alert(rolled.ID) is not None
    assert accepted or not promised, "what was promised is lost"
    if accepted:
        assert_everybody(reader)
    reader.close()
    assert verify_file(path).broken == []
    rows = rows_in(path)
    (folder / rolled.PEOPLE).unlink(missing_ok=True)
    SqliteLedger.open(path, clock=SystemClock()).close()
    assert [file.name for file in folder.iterdir() if "list" in file.name] == []
    if not accepted:
        assert rows_in(path) == 0
        return None
    reader = SqliteLedger.open(path, write=False, clock=SystemClock())
    assert_everybody(reader)
    assert not reader.rolled()
    reader.close()
    assert rows_in(path) == 48
    assert verify_file(path).broken == []
    return rows


def assert_everybody(ledger):
    expected = Counter(str(an_address(n)) for n in range(rolled.COUNT) if n != 3)
    for channel in rolled.CHANNELS:
        assert Counter(row.address for row in ledger.deliveries(rolled.ID, channel=channel)) == expected
    assert [tally.counts[State.PENDING] for tally in ledger.tally(rolled.ID)] == [24, 24]


def rows_in(path):
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute("SELECT count(*) FROM delivery").fetchone()[0]


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_sender_killed_around_its_list_tells_everybody_once(build, box, seed):
    rng = random.Random(seed)
    campus = build(people=PEOPLE, x={"lookup_after_s": 1}, sms={"lookup_after_s": 1, "fallback": ""})
    words = ("send", "hazard", "-v", "place=Hill", "--confirm", "Hill", "--run-key", "once")
    words += ("--channels", "x-campus,sms-main", "--no-wait", "--json")
    process = campus.start(*words)
    campus.awaited_sender()
    time.sleep(rng.random() * 0.5)
    campus.kill_sender()
    process.communicate(timeout=20)
    for kill in rng.choices([at_a_time, at_a_size, at_a_call][: len(ways())], k=2):
        campus(*words, code=8)
        if campus.sender():
            kill(campus, rng)
        campus.whole()
    done = campus("resume", "--json", timeout=60)
    assert done.returncode == 0, (done.stdout, done.stderr)
    [record] = campus.alerts()
    assert Counter(text["to"] for text in box.state("texts")) == dict.fromkeys(map(phone, range(PEOPLE)), 1)
    assert len(box.state("posts")) == 1
    states = Counter((row.channel, row.state) for row in campus.deliveries(record.alert.id))
    assert states == {("x-campus", State.ACCEPTED): 1, ("sms-main", State.ACCEPTED): PEOPLE}
    campus.whole()
    assert verify_file(campus.state / "ledger.db").broken == []
