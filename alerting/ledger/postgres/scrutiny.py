"""The shared ledger as an auditor reads it: one snapshot, read-only, nothing believed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self

from alerting.ledger import statements
from alerting.ledger.postgres.connection import Connection
from alerting.ledger.postgres.migrate import admit, files, latest
from alerting.ledger.postgres.place import Place
from alerting.ledger.scrutiny import Scrutiny

_SQL: Final = Path(__file__).parent.parent / "sql" / "scrutiny.sqlite.sql"
_PATIENCE: Final = timedelta(seconds=5)
_TABLE: Final = re.compile(r"^CREATE TABLE (\w+)", re.MULTILINE)
_INDEX: Final = re.compile(r"^CREATE (?:UNIQUE )?INDEX (\w+)", re.MULTILINE)
_TRIGGER: Final = re.compile(r"^CREATE TRIGGER (\w+)[^;]*", re.MULTILINE)
_FUNCTION: Final = re.compile(r"^CREATE FUNCTION (\w+)\(\)[^$]*\$\$(.*?)\$\$", re.MULTILINE | re.DOTALL)
#: The queue's objects are left out: they are its maker's, and nothing in them is believed.
_OBJECTS: Final = """
SELECT 'table', relname, '' FROM pg_class
WHERE relnamespace = to_regnamespace(current_schema()) AND relkind IN ('r', 'p')
  AND relname NOT LIKE 'procrastinate\\_%'
UNION ALL
SELECT 'index', relname, CASE WHEN indisvalid THEN '' ELSE 'broken' END
FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid
WHERE relnamespace = to_regnamespace(current_schema()) AND NOT indisprimary
  AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)
  AND indrelid::regclass::text NOT LIKE 'procrastinate\\_%'
UNION ALL
SELECT 'trigger', tgname,
       pg_get_triggerdef(pg_trigger.oid) || CASE WHEN tgenabled IN ('O', 'A') THEN '' ELSE ' switched off' END
FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid
WHERE relnamespace = to_regnamespace(current_schema()) AND NOT tgisinternal
  AND relname NOT LIKE 'procrastinate\\_%'
UNION ALL
SELECT 'function', proname, prosrc FROM pg_proc
WHERE pronamespace = to_regnamespace(current_schema()) AND proname NOT LIKE 'procrastinate\\_%'
"""


class SharedCopy(Scrutiny):
    """A ledger on PostgreSQL opened for scrutiny; others go on writing, and are not seen."""

    def __init__(self, connection: Connection, place: Place) -> None:
        self._connection, self._schema, self.where = connection, place.schema, place.told
        self._receipts = True

    @classmethod
    def open(cls, place: Place) -> SharedCopy:
        """Connect for reading.

        Raises:
            LedgerUnavailable: it cannot be reached, or is not for this version any more.
        """
        named = statements.parse(_SQL.read_text("utf-8"), _SQL.name)
        connection = Connection.connect(place, named, write=False, patience=_PATIENCE)
        try:
            admit(connection, place.schema)
        except BaseException:
            connection.close()
            raise
        return cls(connection, place)

    def __enter__(self) -> Self:
        """Hold one snapshot: what is written meanwhile is not seen."""
        self._connection.do("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._connection.do("SET LOCAL idle_in_transaction_session_timeout = 0")
        return self

    def close(self) -> None:
        """Give the connection back; may be called twice."""
        self._connection.close()

    def _all(self, name: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.all(name, params)

    def _table(self, table: str) -> list[tuple[Any, ...]]:
        name = table.replace('"', '""')
        return sorted(self._connection.do(f'SELECT * FROM "{name}"'), key=repr)  # noqa: S608

    def integrity(self) -> Sequence[str]:
        """Return what the server itself has found wrong: pages whose checksum did not fit."""
        ((failed,),) = self._connection.do(
            "SELECT coalesce(checksum_failures, 0) FROM pg_stat_database WHERE datname = current_database()"
        )
        return [f"{failed} pages have a wrong checksum"] if failed else []

    def objects(self) -> dict[tuple[str, str], str]:
        """Return every table, index, trigger and function by (type, name), with its text."""
        own, found = f"{self._schema}.", self._connection.do(_OBJECTS)
        return {(kind, name): _squeezed(text.replace(own, "")) for kind, name, text in found}

    def expected(self) -> dict[tuple[str, str], str]:
        """Return what ``objects`` says of a ledger of this version as this program made it."""
        found: dict[tuple[str, str], str] = {}
        for file in files()[: self.version()]:
            text = file.read_text("utf-8")
            found |= {("table", name): "" for name in _TABLE.findall(text)}
            found |= {("index", name): "" for name in _INDEX.findall(text)}
            found |= {("trigger", made[1]): _squeezed(made[0]) for made in _TRIGGER.finditer(text)}
            found |= {("function", name): _squeezed(body) for name, body in _FUNCTION.findall(text)}
        return found

    def latest(self) -> int:
        """Return the newest version this program knows."""
        return latest()


def _squeezed(text: str) -> str:
    return " ".join(text.split()).replace("((", "(").replace("))", ")")
