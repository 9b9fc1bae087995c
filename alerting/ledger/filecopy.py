"""A ledger file, or a copy of one, opened for scrutiny: read-only, in the order of its keys."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from heapq import merge
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from alerting.errors import LedgerDamaged, LedgerUnavailable, Problem
from alerting.ledger import statements
from alerting.ledger.migrate import expected_objects, latest, squeezed
from alerting.ledger.roll import Roll
from alerting.ledger.scrutiny import DeliveryRow, History, Scrutiny

_SQL: Final = Path(__file__).with_name("sql") / "scrutiny.sqlite.sql"


class LedgerCopy(Scrutiny):
    """A ledger file opened for scrutiny."""

    def __init__(self, raw: sqlite3.Connection, path: Path) -> None:
        self._raw, self.path, self.where = raw, path, str(path)
        self._sql = statements.parse(_SQL.read_text("utf-8"), _SQL.name)
        self._receipts = "receipt" in self.tables()
        self._rolls = "roll" in self.tables()

    @classmethod
    def open(cls, path: Path) -> LedgerCopy:
        """Open a file for reading.

        Raises:
            LedgerUnavailable: there is no file, or it may not be read.
            LedgerDamaged: it is no ledger.
        """
        if not path.is_file():
            raise LedgerUnavailable(Problem(where=str(path), what="there is no ledger here"))
        # A copy on a read-only disk has no log to read, and none can be made there.
        alone = not path.with_name(path.name + "-wal").exists()
        for mode in ("mode=ro", "mode=ro&immutable=1")[: 2 if alone else 1]:
            raw = sqlite3.connect(
                f"file:{quote(str(path.absolute()))}?{mode}", uri=True, isolation_level=None
            )
            try:
                raw.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except sqlite3.OperationalError:
                raw.close()
                continue
            except sqlite3.DatabaseError as error:
                raw.close()
                raise LedgerDamaged(Problem(where=str(path), what=f"is no ledger ({error})")) from error
            return cls(raw, path)
        raise LedgerUnavailable(Problem(where=str(path), what="cannot be opened for reading"))

    def __enter__(self) -> Self:
        """Hold one snapshot: what is written meanwhile is not seen."""
        self._raw.execute("BEGIN")
        return self

    def close(self) -> None:
        """Give the file back; may be called twice."""
        self._raw.close()

    def _all(self, name: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._raw.execute(self._sql[name], params).fetchall()
        except sqlite3.DatabaseError as error:
            raise LedgerDamaged(Problem(where=str(self.path), what=f"cannot be read ({error})")) from error

    def rolls(self, ref: int) -> list[Roll]:
        """Return what of an alert's lists has no rows yet."""
        return [Roll(*row) for row in self._all("rolls_raw", (ref,))] if self._rolls else []

    def list_digest(self, ref: int) -> str:
        """Return the SHA-256 of the list an alert's rows are still written from, in hex."""
        return hashlib.sha256(b"".join(self._pieces(ref))).hexdigest()

    def deliveries(self, ref: int) -> Iterator[History]:
        """Yield every delivery of an alert, in order; one without a row yet as it will be written."""
        yield from merge(super().deliveries(ref), self._unwritten(ref), key=lambda found: found.row.id)

    def _unwritten(self, ref: int) -> Iterator[History]:
        for roll in self.rolls(ref):
            at = roll.changed_at
            told: tuple[Any, ...] = (roll.state, 0, at, at, 0, 0, 0, roll.reason)
            # A list that cannot be read is not the one that was accepted either, which is told in words.
            with suppress(LedgerDamaged):
                for row in roll.rows(self._pieces(ref)):
                    whole: tuple[Any, ...] = (row.id, ref, roll.channel, *row[1:], *told)
                    yield History(DeliveryRow(*whole), (), (), ())

    def _pieces(self, ref: int) -> Iterator[bytes]:
        return (piece for (piece,) in self._all("pieces_raw", (ref,)))

    def integrity(self) -> Sequence[str]:
        """Return what SQLite itself finds wrong with the file; empty when nothing."""
        try:
            found = [str(row[0]) for row in self._raw.execute("PRAGMA integrity_check(20)")]
        except sqlite3.DatabaseError as error:
            return [str(error)]
        return [line for line in found if line != "ok"] + self._cut()

    def _cut(self) -> list[str]:
        """Return whether the file ends within a page. What a page lacks is read as if it were empty."""
        ((page,),) = self._raw.execute("PRAGMA page_size")
        return ["the file ends within a page"] if self.path.stat().st_size % page else []

    def objects(self) -> dict[tuple[str, str], str]:
        """Return every table, index and trigger by (type, name), with its text."""
        return {(kind, name): squeezed(sql) for kind, name, _, sql in self._all("objects")}

    def expected(self) -> dict[tuple[str, str], str]:
        """Return what ``objects`` says of a ledger of this version as this program made it."""
        return expected_objects(self.version())

    def latest(self) -> int:
        """Return the newest version this program knows."""
        return latest()

    def _table(self, table: str) -> list[tuple[Any, ...]]:
        name = table.replace('"', '""')
        try:
            rows: list[tuple[Any, ...]] = self._raw.execute(f'SELECT * FROM "{name}"').fetchall()  # noqa: S608
        except sqlite3.DatabaseError as error:
            raise LedgerDamaged(Problem(where=str(self.path), what=f"cannot be read ({error})")) from error
        return sorted(rows, key=repr)
