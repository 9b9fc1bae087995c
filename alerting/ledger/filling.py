"""An embedded ledger that takes in another record's rows. For the process that owns it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from alerting.ledger.sqlite import SqliteLedger


class FilledFile(SqliteLedger):
    """A ledger file open for being merged into; see ``merging.Filled``."""

    def take_in(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Add rows as they are; return how many."""
        places = ", ".join("?" * len(columns))
        said = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - names of ours
        return int(self._connection.raw.executemany(said, rows).rowcount)

    def look_at(self, columns: str, table: str) -> list[tuple[Any, ...]]:
        """Return some columns of every row of a table."""
        return self._connection.do(f"SELECT {columns} FROM {table}")  # noqa: S608 - names of ours

    def numbers(self, table: str, column: str, count: int) -> list[int]:
        """Return numbers for so many new rows; nobody else writes here."""
        ((last,),) = self.look_at(f"coalesce(max({column}), 0)", table)
        return list(range(last + 1, last + 1 + count))

    def channel_ref(self, name: str) -> int:
        """Return a channel's number, new when it has none."""
        self._connection.run("add_channel", (name,))
        return {known: int(ref) for ref, known in self.look_at("ref, name", "channel")}[name]
