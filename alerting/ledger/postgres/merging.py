"""The shared ledger, taking in a record that one host kept alone; others go on writing meanwhile."""

from __future__ import annotations

from typing import Any

from alerting.ledger.postgres.copying import Target


class FilledPlace(Target):
    """A ledger on PostgreSQL open for being merged into; see ``merging.Filled``."""

    def look_at(self, columns: str, table: str) -> list[tuple[Any, ...]]:
        """Return some columns of every row of a table."""
        return self._connection.do(f"SELECT {columns} FROM {table}")  # noqa: S608 - names of ours

    def numbers(self, table: str, column: str, count: int) -> list[int]:
        """Return numbers for so many new rows, out of those that everybody draws from."""
        return [
            number
            for (number,) in self._connection.do(
                "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
                (table, column, count),
            )
        ]

    def channel_ref(self, name: str) -> int:
        """Return a channel's number, new when it has none."""
        self._connection.run("add_channel", (name,))
        return {known: int(ref) for ref, known in self.look_at("ref, name", "channel")}[name]
