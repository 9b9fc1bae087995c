"""Processes that accept an alert with a list, write its rows, and are killed at their nth statement.

``python rolled.py FOLDER``: one process for each n, from the first statement to the last, each in a folder of
its own named by n. What it was promised is in that folder's ``said``, written after the commit it speaks of.
"""

import hashlib
import os
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from alerting.clock import SystemClock
from alerting.ledger import rolls
from alerting.ledger.rows import NewList
from alerting.ledger.sqlite import SqliteLedger
from alerting.testing.builders import A_MOMENT_US as NOW
from alerting.testing.builders import an_address, an_opening

PEOPLE = "people.roster"
ID, CHANNELS = "L-7K2QXD", ("sms-main", "email-main")
COUNT, SIZE, AT_ONCE = 25, 10, 10
QUESTION = "SELECT id - 1 AS place, address, '' AS recipient, '' AS fallback FROM person ORDER BY id"


def accept(ledger, path):
    rows = NewList(
        path=path,
        question=QUESTION,
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        size=SIZE,
        total=COUNT,
        without=frozenset([str(an_address(3))]),
    )
    with ledger.transaction():
        ledger.open_alert(an_opening(*CHANNELS), at=NOW)
        ledger.roll(ID, dict.fromkeys(CHANNELS, rows), priority=50)
        ledger.planned(ID, recipients=COUNT, notes={})


def unroll(ledger):
    with ledger.transaction():
        return ledger.unroll()


def prepare(folder):
    """Make an empty ledger and a list, to begin each life with."""
    SqliteLedger.open(folder / "ledger.db", clock=SystemClock()).close()
    with closing(sqlite3.connect(folder / PEOPLE)) as raw, raw:
        raw.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, address TEXT)")
        raw.executemany(
            "INSERT INTO person (address) VALUES (?)", [(str(an_address(n)),) for n in range(COUNT)]
        )


def life(folder, kill_at):
    """Accept and write, and die on the way."""
    ledger = SqliteLedger.open(folder / "ledger.db", clock=SystemClock())
    seen = 0

    def count(_):
        nonlocal seen
        seen += 1
        if seen == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    ledger._connection.raw.set_trace_callback(count)
    accept(ledger, folder / PEOPLE)
    (folder / "said").write_text("accepted")
    (folder / PEOPLE).unlink()
    while unroll(ledger):
        pass
    ledger.close()


def main(home):
    rolls.AT_ONCE = AT_ONCE
    (home / "0").mkdir()
    prepare(home / "0")
    for n in range(1, 1_000):
        folder = shutil.copytree(home / "0", home / str(n))
        child = os.fork()
        if not child:
            life(folder, n)
            os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if ended != -signal.SIGKILL:
            sys.exit(ended)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
