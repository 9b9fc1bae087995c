"""What SQLite takes by itself for a list that is planned: nothing is read from a file, nothing is checked.

``python -m benchmarks.unread PEOPLE.CSV`` prints CPU seconds. The tables, the search for addresses that come
twice, the deliveries and their commit are those of ``benchmarks.planning``; only the rows come from a table.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from alerting.audience.csvfile import CsvAudience
from alerting.audience.roster import _KINDS, _PRAGMAS, _SCHEMA, Roster, _drop_doubles, roster_of
from benchmarks.planning import planned, roster_size


def main() -> None:
    gc.set_threshold(100_000)
    path = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = CsvAudience(path, region="US")
        checked = roster_of(source, name="everyone", list_path=path, salt="", directory=folder)
        began = time.process_time()
        count = planned(_written(checked, folder / "again.roster"))
        print(time.process_time() - began)
    assert count == 2 * roster_size(path), count


def _written(checked: Roster, path: Path) -> Roster:
    """Write the rows of a roster as its own were written, from table to table."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(_PRAGMAS + _SCHEMA)
        db.execute("ATTACH ? AS other", (str(checked.path),))
        db.execute("BEGIN")
        db.execute(
            "INSERT INTO entry (recipient, phone, email, own) "
            "SELECT recipient, phone, email, own FROM other.entry ORDER BY id"
        )
        for kind in _KINDS.values():
            _drop_doubles(db, *kind)
        db.execute("INSERT INTO meta SELECT name, value FROM other.meta")
        db.execute("COMMIT")
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return Roster(path)


if __name__ == "__main__":
    main()
