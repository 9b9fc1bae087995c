"""What the order of a list costs: its rows taken over in its order, or in that of their addresses.

``python -m benchmarks.ordering PEOPLE [shuffled]`` prints CPU microseconds a person, two deliveries each:
with the index that keeps an address from being planned twice, without it, and with one made after the rows.
The list is the one of ``--only list``, or the same in no order.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from alerting.audience.csvfile import CsvAudience
from alerting.audience.roster import roster_of
from alerting.clock import SystemClock
from alerting.ledger.sqlite import SqliteLedger
from benchmarks.campus import people

_ADD: Final = (
    "INSERT INTO delivery (id, alert, channel, address, recipient, fallback, state, changed_at) "
    "SELECT {number}, 1, {channel}, '{kind}:' || {column}, recipient, '', 'pending', 1 "
    "FROM list.entry ORDER BY {order}"
)
_KINDS: Final = (("phone", "phone"), ("email", "email"))


def main() -> None:
    count = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = people(folder, count, mail=True)
        if sys.argv[2:] == ["shuffled"]:
            _shuffle(path)
        source = CsvAudience(path, region="US")
        roster = roster_of(source, name="everyone", list_path=path, salt="", directory=folder)
        for index in ("kept", "none", "made after"):
            for by_address in (False, True):
                cost = _taken_over(folder / "ledger.db", roster.path, index=index, by_address=by_address)
                order = "by address" if by_address else "as listed"
                print(f"{order}, index {index}: {cost / count * 1e6:.2f}")


def _shuffle(path: Path) -> None:
    head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    random.Random(1).shuffle(rows)
    path.write_text(head + "".join(rows), encoding="utf-8")


def _taken_over(path: Path, roster: Path, *, index: str, by_address: bool) -> float:
    """Return the CPU seconds until the rows are committed, in a new ledger."""
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()
    SqliteLedger.open(path, clock=SystemClock()).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA cache_size = -8192")
        db.execute("ATTACH ? AS list", (str(roster),))
        [(made,)] = db.execute(
            "SELECT sql FROM main.sqlite_master WHERE name = 'delivery_address'"
        ).fetchall()
        began = time.process_time()
        db.execute("BEGIN IMMEDIATE")
        if index != "kept":
            db.execute("DROP INDEX delivery_address")
        for channel, (kind, column) in enumerate(_KINDS, 1):
            number, order = ("NULL", column) if by_address else (f"id + {channel} * 1000000000", "id")
            db.execute(_ADD.format(number=number, channel=channel, kind=kind, column=column, order=order))
        if index == "made after":
            db.execute(made)
        db.execute("COMMIT")
        return time.process_time() - began


if __name__ == "__main__":
    main()
