"""Moving an embedded ledger to PostgreSQL, whole: the same rows under the same numbers.

The copy is made beside the place it is for, looked at as an auditor would, and only then put there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from alerting.clock import Clock, micros
from alerting.errors import LedgerUnavailable, Problem
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.place import Place
from alerting.ledger.postgres.scrutiny import SharedCopy
from alerting.ledger.rows import Actor

#: Every table of an embedded ledger, in an order in which each finds what it refers to; each with the
#: order of its rows.
TABLES: Final = {
    "channel": "ref",
    "alert": "ref",
    "lane": "alert, seat",
    "batch": "id",
    "delivery": "id",
    "attempt": "delivery, attempt",
    "outcome": "delivery, n",
    "trouble": "alert, channel, state, reason",
    "progress": "alert, channel, second",
    "receipt": "delivery, mark",
    "early": "delivery, mark",
    "orphan": "mark",
    "opt": "seq",
    "reply": "seq",
    "arrival": "alert, channel, second",
    "occurrence": "drill, planned_local",
    "drill_watch": "drill",
    "drill_note": "id",
    "audit": "seq",
}
#: What waits to become rows of these tables. Whoever has opened a file for writing has none of it.
UNWRITTEN: Final = frozenset({"roll", "roll_part"})
#: Columns that number rows by themselves.
_NUMBERED: Final = {
    "channel": "ref",
    "alert": "ref",
    "batch": "id",
    "opt": "seq",
    "reply": "seq",
    "drill_note": "id",
}
COPIED: Final = "ledger.copied"


class Target(PostgresLedger):
    """A ledger that is being filled from another one."""

    def used(self) -> int:
        """Return how many acts are on record."""
        ((acts,),) = self._connection.do("SELECT count(*) FROM audit")
        return int(acts)

    def take_in(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Add rows as they are; return how many."""
        count = 0
        said = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        self._connection.do("SELECT 1")  # what waits to be said comes first
        with self._connection.raw.cursor().copy(said) as copy:
            for row in rows:
                copy.write_row(row)
                count += 1
        return count

    def number_on(self, table: str, column: str) -> None:
        """Let the next row of a table get the number after its last."""
        self._connection.do(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'),"  # noqa: S608 - names of ours
            f" coalesce((SELECT max({column}) FROM {table}), 0) + 1, false)"
        )

    def put(self, draft: str, schema: str) -> None:
        """Put a schema in the place of another, unless somebody has written there meanwhile."""
        with self.transaction():
            self._connection.do(f'LOCK TABLE "{schema}".audit')
            if self._connection.do(f'SELECT 1 FROM "{schema}".audit LIMIT 1'):  # noqa: S608 - a name of ours
                what = "somebody has opened an alert there meanwhile"
                raise LedgerUnavailable(Problem(where=schema, what=what, fix="see where it came from"))
            self._connection.do(f'DROP SCHEMA "{schema}" CASCADE')
            self._connection.do(f'ALTER SCHEMA "{draft}" RENAME TO "{schema}"')

    def drop(self, schema: str) -> None:
        """Remove a schema, if it is there."""
        self._connection.do(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


def copy_ledger(
    source: Path,
    place: Place,
    whole: Callable[[Callable[[], SharedCopy]], list[str]],
    *,
    actor: Actor,
    clock: Clock,
) -> dict[str, int]:
    """Copy a file, which nobody may be writing, to an empty place; return how many rows each table has.

    ``whole`` looks at the copy before it is put in its place, and returns what is broken.

    Raises:
        LedgerUnavailable: something is there already, the copy is not whole, or rows of the file are still to
            be written; then nothing was kept.
    """
    _refuse_used(place, clock)
    draft = replace(place, schema=f"{place.schema}_copy")
    ledger = Target.open(draft, clock=clock)
    assert isinstance(ledger, Target)
    try:
        with ledger.transaction():
            counts = dict(_tables(ledger, source))
            ledger.record_act(COPIED, "ledger", {"rows": counts}, actor=actor, at=micros(clock.now()))
        if broken := whole(lambda: SharedCopy.open(draft)):
            what = f"the copy is not whole: {broken[0]}"
            raise LedgerUnavailable(Problem(where=str(source), what=what, fix="see `alert audit verify`"))
        ledger.put(draft.schema, place.schema)
    finally:
        ledger.drop(draft.schema)
        ledger.close()
    return counts


def _refuse_used(place: Place, clock: Clock) -> None:
    ledger = Target.open(place, clock=clock)
    assert isinstance(ledger, Target)
    try:
        used = ledger.used()
    finally:
        ledger.close()
    if used:
        fix = "copy into an empty database, or into another one and look at both"
        raise LedgerUnavailable(
            Problem(where=place.told, what=f"holds a record of {used} acts already", fix=fix)
        )


def _tables(ledger: Target, source: Path) -> Iterator[tuple[str, int]]:
    raw = sqlite3.connect(f"file:{quote(str(source.absolute()))}?mode=ro", uri=True)
    try:
        if raw.execute("SELECT 1 FROM roll").fetchall():
            raise LedgerUnavailable(
                Problem(where=str(source), what="rows of it are still to be written", fix="`alert resume`")
            )
        for table, order in TABLES.items():
            columns = [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]
            names = ", ".join(columns)
            rows: Any = raw.execute(f"SELECT {names} FROM {table} ORDER BY {order}")  # noqa: S608 - ours
            count = ledger.take_in(table, columns, rows)
            if table in _NUMBERED:
                ledger.number_on(table, _NUMBERED[table])
            yield table, count
    finally:
        raw.close()
