"""What the rooms of a store need from a database: named statements in, tuples out.

The tables and nearly all statements are the same on every database. What differs (how a connection is
opened, how its errors read, how a list of ids travels) stays behind this port.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

#: An accepted row on its way into the database: id, attempt, instant in microseconds, the provider's id.
Taken = tuple[int, int, int, str]


class Database(Protocol):
    """One connection, used by one thread."""

    def all(self, name: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a named statement and return every row."""
        ...

    def one(self, name: str, params: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Run a named statement and return its first row, or None."""
        ...

    def run(self, name: str, params: Sequence[Any] = ()) -> int:
        """Run a named statement and return how many rows it changed."""
        ...

    def many(self, name: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run a named statement once for each row and return how many rows it changed."""
        ...

    def at_last(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a named statement for each row, just before the commit: other writers want the same row."""
        ...

    def ids(self, numbers: Iterable[int]) -> Any:
        """Return a list of ids as this database takes one as a parameter."""
        ...

    def taken(self, rows: Iterable[Taken]) -> Any:
        """Return accepted rows as this database takes many of them as one parameter."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Commit on leaving, roll back on an error. A nested one is a savepoint."""
        ...

    def close(self) -> None:
        """Give the connection back; may be called twice."""
        ...
