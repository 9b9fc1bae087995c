"""The record of a state directory as the rest of the program gets at it: lock, writer, readers, keeper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from alerting.clock import Clock
from alerting.errors import LedgerBusy, LedgerDamaged, LedgerUnavailable, Problem

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerReader
    from alerting.ledger.lock import RunnerLock
    from alerting.ledger.sqlite import SqliteLedger
    from alerting.ledger.writer import GroupWriter

_LEDGER: Final = "ledger.db"


class Archive:
    """Where the ledger lies, and who may open it how. Making one touches no disk.

    ``state`` is the directory itself, ``base`` the configured one it lies in. ``readers`` holds the open
    reading connections; programs of one process share it.
    """

    def __init__(
        self, *, base: Path, state: Path, clock: Clock, readers: list[SqliteLedger] | None = None
    ) -> None:
        self.base, self.state, self.clock = base, state, clock
        self._readers = [] if readers is None else readers

    def lock(self) -> RunnerLock:
        """Return the lock of this state directory, not taken yet."""
        from alerting.ledger.lock import RunnerLock

        self.ready_state()
        return RunnerLock(self.state)

    def writer(self) -> GroupWriter:
        """Return the thread that owns the writing connection."""
        from alerting.ledger.sqlite import SqliteLedger
        from alerting.ledger.writer import GroupWriter

        return GroupWriter(lambda: SqliteLedger.open(self.state / _LEDGER, clock=self.clock))

    def reader(self) -> LedgerReader | None:
        """Return a reading connection, or None when nothing was ever recorded here.

        It is good until ``let_go``.
        """
        reader = self.own_reader()
        if reader is not None:
            self._readers.append(reader)
        return reader

    def own_reader(self) -> SqliteLedger | None:
        """Return a reading connection that the caller closes; None when there is no ledger."""
        from alerting.ledger.sqlite import SqliteLedger

        path = self.state / _LEDGER
        if not path.exists():
            return None
        try:
            return SqliteLedger.open(path, write=False, clock=self.clock)
        except (LedgerBusy, LedgerDamaged):
            raise
        except LedgerUnavailable as error:
            # Perhaps of an older version, or its maker died half way: whoever may write mends both.
            try:
                self._bring_up()
            except LedgerUnavailable:
                raise error from None
            return SqliteLedger.open(path, write=False, clock=self.clock)

    def _bring_up(self) -> None:
        from alerting.ledger.sqlite import SqliteLedger

        with self.lock():
            SqliteLedger.open(self.state / _LEDGER, clock=self.clock).close()

    def let_go(self) -> None:
        """Close every reading connection: a process that has one open must not be forked.

        The child would think it holds its parent's locks, and the next reader would start the log's index
        anew under its feet. Source: https://www.sqlite.org/howtocorrupt.html, section 2.6.
        """
        while self._readers:
            self._readers.pop().close()

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
