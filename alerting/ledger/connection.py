"""One connection to an SQLite file, with the pragmas the promises rest on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from alerting.ledger.database import Taken
from alerting.ledger.faults import told

#: KiB of pages kept in memory: the address index of a large alert, instead of reading it again.
_CACHE_KIB: Final = 8 * 1024
#: Bytes to which the write-ahead log is cut back after a checkpoint.
_LOG_LIMIT: Final = 64 * 1024 * 1024
_STATEMENTS_KEPT: Final = 256
#: From this instant on (2001, in microseconds) one takes sixteen digits by itself.
_SIXTEEN_DIGITS: Final = 10**15
#: What may not stand in the path of an SQLite URI.  https://www.sqlite.org/uri.html section 3.1
_QUOTED: Final = str.maketrans({"%": "%25", "?": "%3f", "#": "%23"})


class Connection:
    """Named statements over ``sqlite3``, errors told in words.

    FULL: a commit is on disk when it returns. With NORMAL a power cut takes the last ones back.
    """

    def __init__(self, path: Path, raw: sqlite3.Connection, statements: Mapping[str, str]) -> None:
        self.path = path
        self.raw = raw
        self._statements = statements
        self._depth = 0
        self._beside: dict[str, str] = {}

    @classmethod
    def connect(
        cls,
        path: Path,
        statements: Mapping[str, str],
        *,
        write: bool,
        patience: timedelta,
        journal: str = "WAL",
    ) -> Connection:
        """Open a file that exists, for writing or only for reading.

        Raises:
            LedgerUnavailable: it cannot be opened, is locked for longer than ``patience``, or damaged.
        """
        uri = f"file:{str(path.absolute()).translate(_QUOTED)}?mode={'rw' if write else 'ro'}"
        try:
            raw = sqlite3.connect(
                uri,
                uri=True,
                isolation_level=None,
                timeout=patience.total_seconds(),
                cached_statements=_STATEMENTS_KEPT,
            )
        except sqlite3.Error as error:
            raise told(error, path) or error from error
        connection = cls(path, raw, statements)
        try:
            connection.set_up(write=write, journal=journal)
        except BaseException:
            connection.close()
            raise
        return connection

    def set_up(self, *, write: bool, journal: str) -> None:
        """Set the pragmas; the first of them reads the file and finds out whether it is one."""
        self.do("PRAGMA foreign_keys = ON")
        self.do(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if write:
            self.do(f"PRAGMA journal_mode = {journal}")
            self.do("PRAGMA synchronous = FULL")
            self.do(f"PRAGMA journal_size_limit = {_LOG_LIMIT}")
        else:
            self.do("PRAGMA query_only = ON")

    def do(self, text: str) -> list[tuple[Any, ...]]:
        """Run a statement given as text, and return its rows."""
        try:
            return self.raw.execute(text).fetchall()
        except sqlite3.Error as error:
            raise told(error, self.path) or error from error

    def all(self, name: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a named statement and return every row."""
        try:
            return self.raw.execute(self._statements[name], params).fetchall()
        except sqlite3.Error as error:
            raise told(error, self.path) or error from error

    def one(self, name: str, params: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Run a named statement and return its first row, or None."""
        rows = self.all(name, params)
        return rows[0] if rows else None

    def run(self, name: str, params: Sequence[Any] = ()) -> int:
        """Run a named statement and return how many rows it changed."""
        try:
            return self.raw.execute(self._statements[name], params).rowcount
        except sqlite3.Error as error:
            raise told(error, self.path) or error from error

    def run_on(self, name: str, question: str, params: Sequence[Any]) -> int:
        """Run a named statement around a question to a file beside; return how many rows it changed."""
        try:
            return self.raw.execute(self._statements[name].format(question=question), params).rowcount
        except sqlite3.Error as error:
            raise told(error, self.path) or error from error

    def beside(self, name: str, uri: str) -> bool:
        """Let another file be asked until the transaction ends; say no when a third one has that name."""
        if name not in self._beside:
            try:
                self.raw.execute(f"ATTACH ? AS {name}", (uri,))
            except sqlite3.Error as error:
                raise told(error, self.path) or error from error
            self._beside[name] = uri
        return self._beside[name] == uri

    def _part(self) -> None:
        """Let go of other files; inside of a transaction that cannot be done.

        What was committed stays so, whatever comes of this: a file that stays may be asked again.
        """
        for name in tuple(self._beside):
            with suppress(sqlite3.Error):
                self.raw.execute(f"DETACH {name}")
                del self._beside[name]

    def many(self, name: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run a named statement once for each row and return how many rows it changed."""
        try:
            return max(0, self.raw.executemany(self._statements[name], rows).rowcount)
        except sqlite3.Error as error:
            raise told(error, self.path) or error from error

    def at_last(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a named statement for each row, at once: nobody else is writing."""
        self.many(name, rows)

    def ids(self, numbers: Iterable[int]) -> str:
        """Return a list of ids as JSON."""
        return f"[{','.join(map(str, numbers))}]"

    def taken(self, rows: Iterable[Taken]) -> str:
        """Return accepted rows as JSON, one text for each: taking arrays apart costs three times more."""
        # Widths cost as much as all the rest; a first attempt of this century needs none. Bytes are known
        # to be letters and digits in a fifth of the time.
        lines = [
            f'"{row}":"{at}0001{sid}"'
            if attempt == 1 and at >= _SIXTEEN_DIGITS and sid.encode().isalnum()
            else f'"{row}":{json.encoder.encode_basestring_ascii(f"{at:016d}{attempt:04d}{sid}")}'
            for row, attempt, at, sid in rows
        ]
        return f"{{{','.join(lines)}}}"

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit on leaving, roll back on an error. A nested one is a savepoint.

        IMMEDIATE takes the right to write at once: two deferred ones can lock each other out.
        """
        opens, closes, undoes = _WORDS if not self._depth else _nested(self._depth)
        self.do(opens)
        self._depth += 1
        try:
            yield
            self.do(closes)
        except BaseException:
            # After some errors (a full disk) SQLite has rolled everything back by itself.
            if self.raw.in_transaction:
                for undo in undoes:
                    self.raw.execute(undo)
            raise
        finally:
            self._depth -= 1
            if not self._depth:
                self._part()

    def close(self) -> None:
        """Give the connection back; may be called twice."""
        self.raw.close()


_WORDS: Final = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))


def _nested(depth: int) -> tuple[str, str, tuple[str, ...]]:
    name = f"part_{depth}"
    return f"SAVEPOINT {name}", f"RELEASE {name}", (f"ROLLBACK TO {name}", f"RELEASE {name}")
