"""The record as the rest of the program gets at it: lock, writer, readers, copies.

It lies in a file of the state directory, which one process owns, or on a PostgreSQL, where everybody
writes. The state directory is there in both cases: for the lists, the keys, the log and the socket.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alerting.clock import Clock, micros
from alerting.errors import LedgerBusy, LedgerDamaged, LedgerUnavailable, Problem

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerReader
    from alerting.ledger.filling import FilledFile
    from alerting.ledger.forgetting import Forgetter
    from alerting.ledger.lock import RunnerLock
    from alerting.ledger.merging import Merged
    from alerting.ledger.postgres.forgetting import SharedForgetter
    from alerting.ledger.postgres.ledger import PostgresLedger
    from alerting.ledger.postgres.merging import FilledPlace
    from alerting.ledger.postgres.place import Place
    from alerting.ledger.reader import SqliteReader
    from alerting.ledger.rows import Actor
    from alerting.ledger.scrutiny import Scrutiny
    from alerting.ledger.writer import GroupWriter

    Reader = SqliteReader | PostgresLedger

_LEDGER: Final = "ledger.db"
_SEALING_S: Final = 10.0
#: How long a PostgreSQL may be away before whoever waits for it is told. Messages on their way wait with
#: it; an alert that is being opened, or an act of a command, does not wait so long.
_AWAY: Final = timedelta(seconds=30)
_BRIEFLY: Final = timedelta(seconds=5)


class Archive:
    """Where the ledger lies, and who may open it how. Making one touches no disk.

    ``state`` is the directory itself, ``base`` the configured one it lies in. ``shared`` is the PostgreSQL
    others write as well, None where the ledger is a file of the state directory. ``readers`` holds the
    open reading connections; programs of one process share it.
    """

    def __init__(
        self,
        *,
        base: Path,
        state: Path,
        clock: Clock,
        shared: Place | None = None,
        readers: list[Reader] | None = None,
    ) -> None:
        self.base, self.state, self.shared = base, state, shared
        self.clock = self._common(clock)
        self._readers = [] if readers is None else readers
        self._reading: Reader | None = None

    def _common(self, clock: Clock) -> Clock:
        """Return the clock that everybody who shares the ledger goes by."""
        if self.shared is None:
            return clock
        from alerting.ledger.postgres.clock import ServerClock

        return clock if isinstance(clock, ServerClock) else ServerClock(clock)

    def lock(self) -> RunnerLock:
        """Return the lock of this state directory, not taken yet.

        Raises:
            LedgerUnavailable: there can be none; or what is configured is the sandbox's own directory.
        """
        from alerting.ledger.lock import RunnerLock
        from alerting.ledger.place import refuse_rehearsals

        refuse_rehearsals(self.base)
        self.ready_state()
        return RunnerLock(self.state)

    def turn(self) -> AbstractContextManager[object]:
        """Return the right to write: the lock of the file's one owner; everybody's on PostgreSQL."""
        return self.lock() if self.shared is None else nullcontext()

    @contextmanager
    def alone(self, word: str) -> Iterator[bool]:
        """Give whether nobody else does what a word says, on any host, for as long as this is held."""
        if self.shared is None:
            yield True
            return
        ledger = self.own_reader()
        assert ledger is not None
        try:
            yield ledger.first_to(word)
        finally:
            ledger.close()

    def sending(self, ledger: LedgerReader) -> bool:
        """Say whether somebody is at work: here, or on another host that shares the ledger."""
        if self.lock().held_by():
            return True
        return self.shared is not None and ledger.leased(at=micros(self.clock.now()))

    @property
    def owner(self) -> str:
        """What the sender of this process calls itself in leases.

        On a file there is one sender at a time, and the next takes its batches over at once. On PostgreSQL
        there are many, and nobody may take another's before the lease is over.
        """
        if self.shared is None:
            return "embedded"
        import platform
        import secrets

        return f"{platform.node()} {os.getpid()} {secrets.token_hex(4)}"

    def writer(self) -> GroupWriter:
        """Return the thread that owns the writing connection; for an act that must not wait long."""
        return self._writer(_BRIEFLY)

    def lasting_writer(self) -> GroupWriter:
        """Return a writer for what is accepted already: it outlasts a PostgreSQL that is away for a while."""
        return self._writer(_AWAY)

    def _writer(self, patience: timedelta) -> GroupWriter:
        if self.shared is not None:
            from alerting.ledger.postgres.ledger import PostgresLedger
            from alerting.ledger.postgres.writer import SharedWriter

            opened = partial(PostgresLedger.open, self.shared, clock=self.clock, patience=_BRIEFLY)
            return SharedWriter(opened, patience=patience)
        from alerting.ledger.sqlite import SqliteLedger
        from alerting.ledger.writer import GroupWriter

        return GroupWriter(lambda: SqliteLedger.open(self.state / _LEDGER, clock=self.clock))

    def reader(self) -> LedgerReader | None:
        """Return the one reading connection of this program, or None when nothing was ever recorded here.

        It is good until ``let_go``, and for the thread that asks first.
        """
        if self._reading in self._readers:
            return self._reading
        self._reading = self.own_reader()
        if self._reading is not None:
            self._readers.append(self._reading)
        return self._reading

    def own_reader(self) -> Reader | None:
        """Return a reading connection that the caller closes; None when there is no ledger."""
        if self.shared is not None:
            from alerting.ledger.postgres.reader import reader_at

            return reader_at(self.shared, clock=self.clock, patience=_BRIEFLY)
        from alerting.ledger.reader import SqliteReader

        path = self.state / _LEDGER
        if not path.exists():
            return None
        try:
            return SqliteReader.at(path, clock=self.clock)
        except (LedgerBusy, LedgerDamaged):
            raise
        except LedgerUnavailable as error:
            # Perhaps of an older version, or its maker died half way: whoever may write mends both.
            try:
                self._bring_up()
            except LedgerUnavailable:
                raise self._held(error) from None
            return SqliteReader.at(path, clock=self.clock)

    def moved(
        self, whole: Callable[[Callable[[], Scrutiny]], list[str]], *, actor: Actor
    ) -> Mapping[str, int]:
        """Copy the file of this state directory to the shared ledger; return the rows of each table.

        Raises:
            LedgerBusy: somebody is sending from the file.
            LedgerUnavailable: something is there already, or the copy is not whole.
        """
        from alerting.ledger.postgres.copying import copy_ledger

        assert self.shared is not None
        lock = self.lock()
        # A sender whose last message is out still seals its record; that takes a moment.
        lock.acquire(patience_s=_SEALING_S)
        with lock:
            self._complete(self.ledger_path)
            return copy_ledger(self.ledger_path, self.shared, whole, actor=actor, clock=self.clock)

    def merged(self, source: Path, *, actor: Actor) -> Merged:
        """Take another record's alerts into this one as history; ``source`` is its file.

        Raises:
            LedgerBusy: somebody is sending from it, or, on a file, from this one.
            LedgerUnavailable: it cannot be read, or tells of other alerts under the same ids.
            NotAllowed: an alert in it has not come to rest.
        """
        from contextlib import closing

        from alerting.ledger.lock import RunnerLock
        from alerting.ledger.merging import Merger, open_source

        theirs = RunnerLock(source.parent)
        # A sender whose last message is out still seals its record; that takes a moment.
        theirs.acquire(patience_s=_SEALING_S)
        with theirs, self.turn():
            self._complete(source)
            with closing(open_source(source)) as raw, closing(self.filled()) as ledger:
                merger = Merger(source=raw, ledger=ledger, host=os.uname().nodename)
                return merger.merge(actor=actor, at=micros(self.clock.now()))

    def filled(self) -> FilledFile | FilledPlace:
        """Open the record for being merged into; whoever asks has the right to write."""
        if self.shared is not None:
            from alerting.ledger.postgres.merging import FilledPlace

            place = FilledPlace.open(self.shared, clock=self.clock)
            assert isinstance(place, FilledPlace)
            return place
        from alerting.ledger.filling import FilledFile

        own = FilledFile.open(self.ledger_path, clock=self.clock)
        assert isinstance(own, FilledFile)
        return own

    def brought_up(self, *, force: bool) -> str:
        """Bring the tables of the shared ledger up to date; return what they are now, in words."""
        from alerting.ledger.postgres.ledger import PostgresLedger

        assert self.shared is not None
        ledger = PostgresLedger.open(self.shared, clock=self.clock, force=force)
        try:
            return ledger.described()
        finally:
            ledger.close()

    def copy(self) -> Scrutiny:
        """Open the record as an auditor does: read-only, one snapshot."""
        if self.shared is not None:
            from alerting.ledger.postgres.scrutiny import SharedCopy

            return SharedCopy.open(self.shared)
        from alerting.ledger.filecopy import LedgerCopy

        return LedgerCopy.open(self.ledger_path)

    def admit(self) -> Callable[[str], None]:
        """Return what refuses audit keys that are not those this record is sealed with."""
        if self.shared is None:
            return lambda _: None
        from alerting.ledger.postgres.keys import admit_keys

        return partial(admit_keys, self.shared, clock=self.clock, state=self.state)

    def forgetter(self) -> Forgetter | SharedForgetter:
        """Open the record to take people out of it.

        Raises:
            LedgerUnavailable: it cannot be opened.
        """
        if self.shared is not None:
            from alerting.ledger.postgres.forgetting import SharedForgetter

            shared = SharedForgetter.open(self.shared, clock=self.clock)
            assert isinstance(shared, SharedForgetter)
            return shared
        from alerting.ledger.forgetting import Forgetter

        own = Forgetter.open(self.ledger_path, clock=self.clock)
        assert isinstance(own, Forgetter)
        return own

    def _held(self, error: LedgerUnavailable) -> LedgerUnavailable:
        """Return the error, or, where a program of an older version keeps it so, what to do about that."""
        from alerting.ledger.upgraded import OlderLedger, at_work

        pid = self.lock().held_by()
        return at_work(error, pid) if pid and isinstance(error, OlderLedger) else error

    def _bring_up(self) -> None:
        with self.lock():
            self._complete(self.ledger_path)

    def _complete(self, file: Path) -> None:
        """Open a file for writing once: it may be of an older version, or have rows to be written."""
        from alerting.ledger.sqlite import SqliteLedger

        SqliteLedger.open(file, clock=self.clock).close()

    def let_go(self) -> None:
        """Close every reading connection: a process that has one open must not be forked.

        The child would think it holds its parent's locks, and the next reader would start the log's index
        anew under its feet. Source: https://www.sqlite.org/howtocorrupt.html, section 2.6.
        """
        while self._readers:
            self._readers.pop().close()

    @property
    def where(self) -> str:
        """Where the record is, as people are told."""
        return self.shared.told if self.shared else str(self.ledger_path)

    @property
    def ledger_path(self) -> Path:
        """Where the record lies."""
        return self.state / _LEDGER

    def ready_state(self) -> None:
        """Make the state directory, for this user alone.

        Raises:
            LedgerUnavailable: it cannot be made.
        """
        try:
            for directory in (self.base, self.state):
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise LedgerUnavailable(
                Problem(
                    where=str(self.state),
                    what=f"the state directory cannot be made ({error.strerror})",
                    fix="give one that can be written: --state DIRECTORY, or `state:` in channels.yaml",
                )
            ) from error
