"""A long list of people on its way into a ledger: read from its file, or taken over by the database itself.

A row that becomes a value here and a parameter there costs three times what the database needs to take it
from one file into another.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from alerting.errors import AudienceProblem, Problem
from alerting.ledger.rows import NewDelivery, NewList

#: How the file is called where it is beside the ledger.
BESIDE: Final = "list"


def uri(path: Path) -> str:
    """Return where a list is, as SQLite opens what nobody writes to any more: without locks.

    Raises:
        AudienceProblem: it is not there any more.
    """
    if not path.exists():
        what = "the list changed while it was being read; nothing was sent"
        raise AudienceProblem(Problem(where=path.name, what=what, fix="repeat the command"))
    return f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"


def batches_in(rows: NewList) -> Iterator[Sequence[NewDelivery]]:
    """Yield the rows of a list, so many at a time."""
    with closing(sqlite3.connect(uri(rows.path), uri=True, isolation_level=None)) as db:
        found = db.execute(rows.question)
        while batch := found.fetchmany(rows.size):
            yield [NewDelivery(*row) for _, *row in batch if row[0] not in rows.without]
