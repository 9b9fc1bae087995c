"""The embedded ledger: one SQLite file, one writing connection, any number of readers."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from threading import get_ident
from typing import Final

from alerting.clock import Clock
from alerting.errors import LedgerUnavailable, Problem
from alerting.ledger import statements
from alerting.ledger.connection import Connection
from alerting.ledger.listing import BESIDE, uri
from alerting.ledger.migrate import latest, steps
from alerting.ledger.place import refuse_network
from alerting.ledger.reader import (
    APPLICATION_ID,
    PATIENCE,
    SqliteReader,
    for_reading,
    is_current,
    look,
    version_of,
)
from alerting.ledger.reading import span
from alerting.ledger.rolls import Rolls
from alerting.ledger.rows import NewList, Row
from alerting.ledger.upgraded import note_upgrade
from alerting.model.delivery import State

#: Bytes of a page of a new ledger. A long list is written a page at a time, to the log and then to the file,
#: and wants large ones; a commit writes a whole page for a row that stands alone, and wants small ones. What
#: a statement may have to take back goes to a file of its own from 64 KiB on; a commit's are fewer than that.
_PAGE: Final = 8_192
#: Past the last place of any list.
_EVERY: Final = 1 << 62


class SqliteLedger(Rolls, SqliteReader):
    """The ledger port over one SQLite connection, for the thread that opened it."""

    @classmethod
    def open(
        cls, path: Path, *, write: bool = True, clock: Clock, patience: timedelta = PATIENCE
    ) -> SqliteLedger:
        """Open the ledger at ``path``; for writing, make it or bring it up to date first.

        Rows that its last owner accepted and did not come to write are written then, too.
        ``patience`` is how long to wait for another writer before giving up.

        Raises:
            LedgerBusy: another program is writing for longer than ``patience``.
            LedgerDamaged: the file is broken, empty, or not a ledger. It is never overwritten.
            LedgerUnavailable: no directory, no permission, a full disk, a network disk, a ledger of a
                newer version, or none at all for a reader.
        """
        if not write:
            return cls(for_reading(path, patience=patience), clock)
        refuse_network(path)
        look(path, write=True)
        if not path.exists():
            _make(path, patience)
        connection = Connection.connect(path, statements.load("sqlite"), write=True, patience=patience)
        ledger = cls(connection, clock)
        try:
            _bring_up(connection, clock)
            ledger.unroll_all()
        except BaseException:
            ledger.close()
            raise
        return ledger

    def add_list(self, alert_id: str, channel: str, rows: NewList, *, priority: int) -> int:
        """Write the deliveries a file lists, in batches, in its order; return how many were new.

        The database takes them over from file to file: not one of them becomes a value here.
        """
        if not self._connection.beside(BESIDE, uri(rows.path)):
            return super().add_list(alert_id, channel, rows, priority=priority)
        lane = self._lane(alert_id, channel)
        born = State.CANCELLED if lane.cancelled_at else State.PENDING
        ((first,),) = self._db.all("next_batch")
        where = (lane.alert, lane.channel)
        tail = (born.value, lane.accepted_at, lane.cancel_reason, json.dumps(sorted(rows.without)), 0, _EVERY)
        new = self._connection.run_on("add_listed", rows.question, (first, rows.size, *where, *tail))
        if new:
            waits = born is State.PENDING
            state = "ready" if waits else "done"
            self._db.run("add_batches", (first, *where, priority, state, int(waits), rows.size, new))
            if waits:
                self._db.run("reopen", (lane.alert,))
        return new

    def _open_rows(self, number: int) -> tuple[Row, ...]:
        """Return what is open of a batch; where none of it was tried yet, as nearly always, from two texts.

        Each row that ``sqlite3`` hands out lets go of the interpreter, and takes locks for its columns.
        """
        ((untried, addresses, fallbacks),) = self._db.all("open_at_once", span(number))
        if not untried:
            return super()._open_rows(number)
        others, pending = json.loads(fallbacks), State.PENDING
        return tuple(
            Row._make((int(place), address, pending, 0, 0, 0, False, others.get(place, "")))
            for place, address in json.loads(addresses).items()
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
            connection.do(f"PRAGMA page_size = {_PAGE}")
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


def _bring_up(connection: Connection, clock: Clock) -> None:
    if is_current(connection):
        return
    with connection.transaction():
        # Asked again under the lock: somebody may have been faster.
        version, ours = version_of(connection), latest()
        if version < ours:
            _apply(connection, version)
            note_upgrade(connection, clock, before=version, after=ours)
