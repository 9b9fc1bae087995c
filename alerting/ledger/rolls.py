"""Lists that were accepted with an alert and whose rows come a moment later; see ``rolling``.

A roll is what remains to be written of a list on one channel. Its batches are there from the beginning, and
hold the counts; the rows come in the order of the list, some at a time, each time in one transaction with
how far the roll has come. So a kill at any moment leaves a row in the list or in its place, never in both
and never in neither. The list goes with the transaction that writes its last row.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Final

from alerting.clock import Clock, micros
from alerting.errors import AudienceProblem, LedgerDamaged, LedgerUnavailable, Problem
from alerting.ledger.connection import Connection
from alerting.ledger.listing import BESIDE, uri
from alerting.ledger.planning import PlannedLane
from alerting.ledger.receiving import Receiving
from alerting.ledger.roll import Roll
from alerting.ledger.rows import NewList
from alerting.ledger.unwritten import Unwritten
from alerting.model.delivery import State

#: Rows written by one transaction: between two of them lanes and officers get their turn.
AT_ONCE: Final = 100_000
#: Bytes of a piece of a list; one is in memory at a time.
_PIECE: Final = 1 << 18
#: Digits of a digest that tell one list from another.
_MARK: Final = 16
#: No lane takes a batch before this instant.
_NEVER: Final = 1 << 62


class Rolls(Unwritten, Receiving):
    """Keeps lists, and writes their rows."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        super().__init__(connection, clock)
        self._connection = connection
        self._drawn: Path | None = None  #: the list that is being written, as a file

    # -- accepting --------------------------------------------------------------------------------

    def roll(self, alert_id: str, lists: Mapping[str, NewList], *, priority: int) -> int:
        """Keep lists of one file, by channel, with their batches; return how many deliveries they make."""
        ((path, digest),) = {(rows.path, rows.digest) for rows in lists.values()}
        with closing(sqlite3.connect(uri(path), uri=True)) as db:
            self._keep_list(self._head(alert_id).ref, path, digest)
            return sum(
                self._reserve(db, self._lane(alert_id, channel), rows, priority)
                for channel, rows in lists.items()
            )

    def _keep_list(self, alert: int, path: Path, expected: str) -> None:
        """Put a file into the record, in pieces, if it is what was checked.

        Otherwise that is found out now: nobody could mend it once the alert is accepted.
        """
        digest = hashlib.sha256()
        with path.open("rb") as file:
            for n, piece in enumerate(iter(lambda: file.read(_PIECE), b"")):
                digest.update(piece)
                self._db.run("add_part", (alert, n, piece))
        if digest.hexdigest() != expected:
            fix = f"remove {path} and repeat the command: the list is checked again then"
            what = "the checked list is damaged; nothing was sent"
            raise AudienceProblem(Problem(where=path.name, what=what, fix=fix))

    def _reserve(self, db: sqlite3.Connection, lane: PlannedLane, rows: NewList, priority: int) -> int:
        ((first,),) = self._db.all("next_batch")
        planned = {address for (address,) in self._db.all("planned_on", (lane.alert, lane.channel))}
        without = json.dumps(sorted(rows.without | planned))
        missing = Counter(place // rows.size for place in _places(db, rows, without))
        sizes = [
            min(rows.size, rows.total - start) - missing[start // rows.size]
            for start in range(0, rows.total, rows.size)
        ]
        held = (lane.alert, lane.channel, priority, _NEVER)
        self._db.many("reserve_batch", [(first + n, *held, size) for n, size in enumerate(sizes) if size])
        self._db.run("reopen", (lane.alert,))
        about = (lane.alert, lane.channel, first, rows.size, rows.total, rows.question, without, rows.digest)
        self._db.run("add_roll", (*about, State.PENDING.value, lane.accepted_at, ""))
        return sum(sizes)

    def _lists_of(self, alert_id: str) -> dict[str, object]:
        lists = {roll.channel_name: roll.digest for roll in self._rolls(alert_id)}
        return {"lists": lists} if lists else {}

    # -- writing ----------------------------------------------------------------------------------

    def rolled(self) -> Mapping[str, bool]:
        """Return the channels that have rows to be written, and whether they have other work meanwhile."""
        return {channel: bool(other) for channel, other in self._db.all("rolled", (_NEVER,))}

    def unroll(self) -> str | None:
        """Write some rows of the most urgent list; return its channel, None when all are written."""
        row = self._db.one("next_roll")
        if row is None:
            return None
        roll = Roll(*row)
        self._write(roll)
        return roll.channel_name

    def transaction(self) -> AbstractContextManager[None]:
        """Commit on leaving, roll back on an error. A nested one is a savepoint."""
        return self._connection.transaction()

    def unroll_all(self) -> None:
        """Write every row that waits, in several transactions."""
        while self.rolled():
            with self.transaction():
                self.unroll()

    def _write(self, roll: Roll) -> None:
        upto = min(roll.places, roll.written + AT_ONCE // roll.size * roll.size)
        batches = (roll.batch(roll.written), roll.batch(upto - 1), roll.alert, roll.channel)
        ((expected,),) = self._db.all("reserved", batches)
        if self._add_rows(roll, upto) != expected:
            raise self._damaged(roll, "does not hold the people that were counted")
        self._db.run("free_batches", batches)
        self._db.run("write_on", (upto, roll.alert, roll.channel))
        if upto == roll.places:
            self._drop(roll)

    def _add_rows(self, roll: Roll, upto: int) -> int:
        """Write the rows up to a place; from file to file, where no other file is asked at this moment."""
        draft = self._draw(roll)
        place = (roll.first, roll.size, roll.alert, roll.channel)
        born = (roll.state, roll.changed_at, roll.reason)
        if self._connection.beside(BESIDE, uri(draft)):
            said = (*place, *born, roll.without, roll.written, upto)
            return self._connection.run_on("add_listed", roll.question, said)
        state, at, reason = born
        fixed, tail = (roll.alert, roll.channel), (state, at, at, reason)
        with closing(sqlite3.connect(uri(draft), uri=True)) as db:
            rows = [(number, *fixed, *rest, *tail) for number, *rest in roll.among(db, upto)]
        return self._db.many("add_delivery", rows)

    def _draw(self, roll: Roll) -> Path:
        """Lay the list out as a file, as it was accepted; only this process asks it."""
        # By its content: a file that is still beside the ledger must not be taken for another list.
        path = self._connection.path
        draft = path.with_name(f"{_drafts(path)}{os.getpid()}.{roll.digest[:_MARK]}")
        if draft == self._drawn and draft.exists():
            return draft
        self._tidy()
        digest = hashlib.sha256()
        try:
            with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                for piece in self._pieces(roll.alert):
                    digest.update(piece)
                    file.write(piece)
        except OSError as error:
            raise _no_room(draft, error) from error
        if digest.hexdigest() != roll.digest:
            raise self._damaged(roll, "is not the one it was accepted with")
        self._drawn = draft
        return draft

    def _drop(self, roll: Roll) -> None:
        """Let go of what is written; nothing of the people stays behind in pages that are free."""
        self._db.run("drop_roll", (roll.alert, roll.channel))
        if self._rolls(roll.alert_id):
            return
        self._connection.do("PRAGMA secure_delete = ON")
        self._db.run("drop_parts", (roll.alert,))
        self._connection.do("PRAGMA secure_delete = OFF")
        self._tidy()
        self.settle_alert(roll.alert_id, at=micros(self._clock.now()))

    def _damaged(self, roll: Roll, what: str) -> LedgerDamaged:
        fix = "move the ledger aside together with its -wal and -shm files, and restore the last backup"
        where, whose = str(self._connection.path), f"{roll.alert_id} on {roll.channel_name}"
        return LedgerDamaged(Problem(where=where, what=f"the list of people of {whose} {what}", fix=fix))

    def _tidy(self) -> None:
        """Remove what was laid out, also by a process that was killed over it."""
        self._drawn = None
        folder, drafts = self._connection.path.parent, _drafts(self._connection.path)
        for name in os.listdir(folder):  # noqa: PTH208 - a third of what a glob takes
            if name.startswith(drafts):
                (folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Give the connection back; may be called twice."""
        self._connection.close()
        if self._drawn is not None:
            self._tidy()

    # -- what meets rows that are not written -------------------------------------------------------

    def settle_alert(self, alert_id: str, *, at: int) -> bool:
        """Stamp an alert whose deliveries are all settled, and written; return whether it is."""
        return not self._rolls(alert_id) and super().settle_alert(alert_id, at=at)

    def withdraw(self, alert_id: str, channel: str, address: str, *, reason: str, at: int) -> int:
        """Stop what waits for one address and was never tried; return how many that were."""
        self._write_out(alert_id, channel)
        return super().withdraw(alert_id, channel, address, reason=reason, at=at)

    def _write_out(self, alert_id: str, channel: str) -> None:
        """Give everybody in the lists of an alert on a channel a row: whom one has is not planned again."""
        while rolls := self._rolls(alert_id, channel):
            self._write(rolls[0])

    def _end_waiting(self, alert: int, state: State, *, reason: str, at: int) -> int:
        self._db.run("end_rolls", (state.value, at, reason, alert))
        return super()._end_waiting(alert, state, reason=reason, at=at)


def _places(db: sqlite3.Connection, rows: NewList, without: str) -> list[int]:
    """Return the places of those who are left out; nobody looks where nobody is."""
    if without == "[]":
        return []
    said = f"SELECT place FROM ({rows.question}) WHERE address IN (SELECT value FROM json_each(?))"  # noqa: S608 - a question of ours
    return [place for (place,) in db.execute(said, (without,))]


def _drafts(path: Path) -> str:
    """Return how the drafts of a ledger's lists begin."""
    return f".{path.name}.list."


def _no_room(path: Path, error: OSError) -> LedgerUnavailable:
    what = f"the list of people cannot be laid out here ({error.strerror}); it is kept, and tried again"
    return LedgerUnavailable(Problem(where=str(path.parent), what=what, fix="free some space there"))
