"""Looking at the embedded ledger: one connection that cannot write, and none of the rooms that do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final, Self

from alerting.clock import Clock
from alerting.errors import LedgerDamaged, LedgerUnavailable, Problem
from alerting.ledger import statements
from alerting.ledger.connection import Connection
from alerting.ledger.drilling import Drilling
from alerting.ledger.hearing import Hearing
from alerting.ledger.migrate import latest
from alerting.ledger.place import refuse_network
from alerting.ledger.unwritten import Unwritten
from alerting.ledger.upgraded import newer, older

#: Marks the file as ours ("ALRT"), so that no other program's file is taken for a ledger.
APPLICATION_ID: Final = 0x414C5254
#: How long to wait for another program that has the file.
PATIENCE: Final = timedelta(seconds=2)


class SqliteReader(Unwritten, Hearing, Drilling):
    """What can be asked of a ledger, over one SQLite connection, for the thread that opened it."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        super().__init__(connection, clock)
        self._connection = connection

    @classmethod
    def at(cls, path: Path, *, clock: Clock, patience: timedelta = PATIENCE) -> Self:
        """Open the ledger at ``path`` for reading; see ``for_reading``."""
        return cls(for_reading(path, patience=patience), clock)

    def close(self) -> None:
        """Give the connection back; may be called twice."""
        self._connection.close()


def for_reading(path: Path, *, patience: timedelta) -> Connection:
    """Return a connection that reads a ledger of this version.

    Raises:
        LedgerBusy: another program has the file for longer than ``patience``.
        LedgerDamaged: the file is broken, empty, or not a ledger.
        LedgerUnavailable: none there, no permission, a network disk, a ledger of another version.
    """
    refuse_network(path)
    look(path, write=False)
    connection = Connection.connect(path, statements.load("sqlite"), write=False, patience=patience)
    try:
        _refuse_older(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_older(connection: Connection) -> None:
    if not is_current(connection):
        raise older(str(connection.path), version_of(connection), latest())


def look(path: Path, *, write: bool) -> None:
    """Find out what can be said without opening anything.

    Raises:
        LedgerDamaged: the file is empty, or missing beside its log.
        LedgerUnavailable: no directory, or nothing there for who does not write.
    """
    where = str(path)
    if not path.parent.is_dir():
        raise LedgerUnavailable(
            Problem(
                where=where, what=f"there is no directory {path.parent}", fix="make it, or correct the path"
            )
        )
    if path.is_dir():
        raise LedgerUnavailable(Problem(where=where, what="is a directory", fix="name a file in it"))
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        _look_beside(path, write=write)
        return
    except OSError as error:
        raise LedgerUnavailable(
            Problem(where=where, what=f"cannot be looked at ({error.strerror})")
        ) from error
    if not size:
        raise LedgerDamaged(
            Problem(
                where=where,
                what="the file is empty, and a ledger never is; it has been left as it is",
                fix="move it aside together with its -wal and -shm files, and restore the last backup",
            )
        )


def _look_beside(path: Path, *, write: bool) -> None:
    log = path.with_name(path.name + "-wal")
    if log.exists():
        # A fresh file beside an old log would be filled with pages of the old one.
        raise LedgerDamaged(
            Problem(
                where=str(path),
                what=f"the ledger is missing, but {log.name} is still there",
                fix="restore both from the last backup, or move the log aside to begin anew",
            )
        )
    if not write:
        raise LedgerUnavailable(
            Problem(
                where=str(path),
                what="there is no ledger here yet",
                fix="the first alert or drill makes it; if there was one, check the path",
            )
        )


def version_of(connection: Connection) -> int:
    """Return which version a ledger's tables are of.

    Raises:
        LedgerDamaged: this is no ledger.
    """
    ((mark,),) = connection.do("PRAGMA application_id")
    if mark != APPLICATION_ID:
        raise LedgerDamaged(
            Problem(
                where=str(connection.path),
                what="this is a database of another program, or its beginning is damaged",
                fix="check the path; the file has been left as it is",
            )
        )
    ((version,),) = connection.do("SELECT value FROM meta WHERE name = 'schema'")
    return int(version)


def is_current(connection: Connection) -> bool:
    """Whether a ledger's tables are those of this program, and not older ones.

    Raises:
        LedgerDamaged: this is no ledger.
        LedgerUnavailable: they are newer.
    """
    version, ours = version_of(connection), latest()
    if version > ours:
        raise newer(str(connection.path), version, ours)
    return version == ours
