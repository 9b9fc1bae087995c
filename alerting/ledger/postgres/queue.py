"""The queue's own tables, beside ours: Procrastinate's packaged SQL, of the one version we know.

A migration of ours that names a version in a line ``-- queue: VERSION`` brings the queue's tables to it:
where there are none by the packaged schema, else by the packaged migrations in between. So both have one
order, and one transaction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from alerting.errors import LedgerUnavailable, MissingExtra, Problem
from alerting.ledger.postgres.connection import Connection

#: The newest packaged migration this program was proved with: Procrastinate 3.10.
#: https://procrastinate.readthedocs.io/en/stable/howto/production/migrations.html
KNOWN: Final = "03.04.00_50"
_PIN: Final = 'pip install "procrastinate>=3.10,<3.11"'
_MIGRATION: Final = re.compile(r"(\d\d\.\d\d\.\d\d_\d\d)_.*\.sql")
_WANTED: Final = re.compile(r"^-- queue: (\S+)$", re.MULTILINE)


def wanted_by(text: str) -> str:
    """Return the version of the queue a migration of ours names, or nothing."""
    found = _WANTED.search(text)
    return found[1] if found else ""


def raise_queue(connection: Connection, wanted: str) -> None:
    """Bring the queue's tables to a version, inside the caller's transaction.

    Raises:
        MissingExtra: Procrastinate is not installed.
        LedgerUnavailable: it is, but of a version this program does not know.
    """
    found = recorded(connection)
    if found >= wanted:
        return
    folder = packaged()
    for file in [folder / "schema.sql"] if not found else _between(folder, found, wanted):
        connection.do(file.read_text("utf-8"))
    connection.do(
        "INSERT INTO meta (name, value) VALUES ('queue', %s)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (KNOWN if not found else wanted,),
    )


def recorded(connection: Connection) -> str:
    """Return the version the queue's tables have; nothing where there are none."""
    rows = connection.do("SELECT value FROM meta WHERE name = 'queue'")
    return str(rows[0][0]) if rows else ""


def refuse_other(connection: Connection) -> None:
    """Refuse to work on a queue whose tables are not those this program and its library know.

    Raises:
        LedgerUnavailable: they are older or newer, or the library is.
        MissingExtra: Procrastinate is not installed.
    """
    packaged()
    found = recorded(connection)
    if found == KNOWN:
        return
    told = f"the queue's tables are of version {found or 'none'}, we know {KNOWN}"
    fix = "use the newer version of this program" if found > KNOWN else "run `alert ledger upgrade` once"
    raise LedgerUnavailable(Problem(where=connection.where, what=told, fix=fix))


def packaged() -> Path:
    """Return the folder of the queue's SQL; nothing of the library is imported for it.

    Raises:
        MissingExtra: Procrastinate is not installed.
        LedgerUnavailable: it is, but of a version this program does not know.
    """
    spec = find_spec("procrastinate")
    if spec is None or spec.origin is None:
        what = "a ledger on PostgreSQL needs a library that is not installed"
        raise MissingExtra(Problem(where="ledger", what=what, fix='pip install "alerting[postgres]"'))
    folder = Path(spec.origin).parent / "sql"
    newest = max(_migrations(folder), default="")
    if newest != KNOWN:
        what = f"Procrastinate is installed with tables of version {newest or 'none'}, we know {KNOWN}"
        raise LedgerUnavailable(Problem(where=str(folder.parent), what=what, fix=_PIN))
    return folder


def _migrations(folder: Path) -> dict[str, Path]:
    found = ((_MIGRATION.fullmatch(file.name), file) for file in sorted((folder / "migrations").iterdir()))
    return {match[1]: file for match, file in found if match}


def _between(folder: Path, found: str, wanted: str) -> Sequence[Path]:
    return [file for version, file in _migrations(folder).items() if found < version <= wanted]
