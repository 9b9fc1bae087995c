"""The embedded ledger: one SQLite file, one writing connection, any number of readers."""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from threading import get_ident
from typing import Final

from alerting.clock import Clock
from alerting.errors import LedgerDamaged, LedgerUnavailable, Problem
from alerting.ledger import statements
from alerting.ledger.connection import Connection
from alerting.ledger.drilling import Drilling
from alerting.ledger.listing import BESIDE, uri
from alerting.ledger.migrate import latest, steps
from alerting.ledger.place import refuse_network
from alerting.ledger.receiving import Receiving
from alerting.ledger.rows import NewList
from alerting.ledger.upgraded import newer, note_upgrade, older
from alerting.model.delivery import State

#: Marks the file as ours ("ALRT"), so that no other program's file is taken for a ledger.
APPLICATION_ID: Final = 0x414C5254
_PATIENCE: Final = timedelta(seconds=2)


class SqliteLedger(Receiving, Drilling):
    """The ledger port over one SQLite connection, for the thread that opened it."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        super().__init__(connection, clock)
        self._connection = connection

    @classmethod
    def open(
        cls, path: Path, *, write: bool = True, clock: Clock, patience: timedelta = _PATIENCE
    ) -> SqliteLedger:
        """Open the ledger at ``path``; for writing, make it or bring it up to date first.

        ``patience`` is how long to wait for another writer before giving up.

        Raises:
            LedgerBusy: another program is writing for longer than ``patience``.
            LedgerDamaged: the file is broken, empty, or not a ledger. It is never overwritten.
            LedgerUnavailable: no directory, no permission, a full disk, a network disk, a ledger of a
                newer version, or none at all for a reader.
        """
        refuse_network(path)
        _look(path, write=write)
        if write and not path.exists():
            _make(path, patience)
        connection = Connection.connect(path, statements.load("sqlite"), write=write, patience=patience)
        try:
            _bring_up(connection, clock, write=write)
        except BaseException:
            connection.close()
            raise
        return cls(connection, clock)

    def transaction(self) -> AbstractContextManager[None]:
        """Commit on leaving, roll back on an error. A nested one is a savepoint."""
        return self._connection.transaction()

    def add_list(self, alert_id: str, channel: str, rows: NewList, *, priority: int) -> int:
        """Write the deliveries a file lists, in batches, in its order; return how many were new.

        The database takes them over from file to file: not one of them becomes a value here.
        """
        if not self._connection.beside(BESIDE, uri(rows)):
            return super().add_list(alert_id, channel, rows, priority=priority)
        lane = self._lane(alert_id, channel)
        born = State.CANCELLED if lane.cancelled_at else State.PENDING
        ((first,),) = self._db.all("next_batch")
        where = (lane.alert, lane.channel)
        tail = (born.value, lane.accepted_at, lane.cancel_reason, json.dumps(sorted(rows.without)))
        new = self._connection.run_on("add_listed", rows.question, (first, rows.size, *where, *tail))
        if new:
            waits = born is State.PENDING
            state = "ready" if waits else "done"
            self._db.run("add_batches", (first, *where, priority, state, int(waits)))
            if waits:
                self._db.run("reopen", (lane.alert,))
        return new

    def close(self) -> None:
        """Give the connection back; may be called twice."""
        self._connection.close()


def _look(path: Path, *, write: bool) -> None:
    """Find out what can be said without opening anything."""
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


def _make(path: Path, patience: timedelta) -> None:
    """Make a new ledger beside its place, whole, then move it in; another's ledger is never replaced."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}.new")
    draft.unlink(missing_ok=True)
    try:
        draft.touch(mode=0o600)
        # Not WAL: what a commit there has left in the log is moved on closing, and a disk error while
        # it is moved would go unheard.
        connection = Connection.connect(draft, {}, write=True, patience=patience, journal="DELETE")
        try:
            with connection.transaction():
                connection.do(f"PRAGMA application_id = {APPLICATION_ID}")
                _apply(connection, 0)
        finally:
            connection.close()
        _move_in(draft, path)
    except OSError as error:
        raise LedgerUnavailable(
            Problem(
                where=str(path),
                what=f"cannot be made ({error.strerror})",
                fix="check the directory, its permissions and the space left on its disk",
            )
        ) from error
    finally:
        for left in (draft, draft.with_name(draft.name + "-journal")):
            left.unlink(missing_ok=True)


def _move_in(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _apply(connection: Connection, version: int) -> None:
    for step in steps(version):
        for statement in step.statements:
            connection.do(statement)
        version = step.number
    connection.do(
        f"INSERT INTO meta (name, value) VALUES ('schema', '{version}') "  # noqa: S608  # a number of ours
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )


def _version(connection: Connection) -> int:
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


def _bring_up(connection: Connection, clock: Clock, *, write: bool) -> None:
    version, ours = _version(connection), latest()
    if version > ours:
        raise newer(str(connection.path), version, ours)
    if version == ours:
        return
    if not write:
        raise older(str(connection.path), version, ours)
    with connection.transaction():
        # Asked again under the lock: somebody may have been faster.
        version = _version(connection)
        if version < ours:
            _apply(connection, version)
            note_upgrade(connection, clock, before=version, after=ours)
