"""The writer of a ledger that others write as well, and that may be away for a while.

Two processes that want the same rows in another order are told apart by the database: one of them repeats
its transaction. When the server goes away nothing is sent, since no attempt can be committed; the writer
connects anew, asks what became of the commit that was never answered, and goes on. So it does when the server
is there but has no connection left, or has become a standby: another one is the primary then, or it will be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from alerting.errors import LedgerDamaged, LedgerInDoubt, LedgerLost, LedgerUnavailable, Problem
from alerting.ledger.base import Ledger
from alerting.ledger.postgres.faults import LedgerConflict
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.upgraded import NewerLedger
from alerting.ledger.writer import GroupWriter, Task, attempt

#: How often a transaction is repeated that others crossed, before that is told to whoever waits.
_CROSSED: Final = 20
_PAUSE_S: Final = 0.1


class SharedWriter(GroupWriter):
    """One thread that writes to PostgreSQL, one transaction for all that came together.

    Args:
        open_ledger: connects, for writing; called once, in the writer's own thread.
        patience: how long a server may be away before those who wait are told.
        window_s: the longest a function waits for others to share its commit with, in seconds.
        sleep: passes the time between two tries.

    A function may run more than once; only its last run is kept.
    """

    def __init__(
        self,
        open_ledger: Callable[[], PostgresLedger],
        *,
        patience: timedelta,
        window_s: float = 0.005,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(lambda: self._opened(open_ledger), window_s=window_s)
        self._patience, self._sleep = patience, sleep
        self._silent_since: float | None = None

    @property
    def silent_since(self) -> float | None:
        """Since when the server has been asked for something and has not answered; None while it does."""
        return self._silent_since

    def _opened(self, open_ledger: Callable[[], PostgresLedger]) -> Ledger:
        until = self._until()
        self._silent_since = time.monotonic()
        while True:
            try:
                ledger = open_ledger()
            except LedgerLost:
                if not self._paused(until):
                    raise
            else:
                self._silent_since = None
                return ledger

    def _commit(self, ledger: Ledger, tasks: Sequence[Task]) -> None:
        assert isinstance(ledger, PostgresLedger)
        until, crossed = self._until(), 0
        self._silent_since = self._silent_since or time.monotonic()
        while True:
            try:
                _run(ledger, tasks)
            except LedgerConflict as error:
                crossed += 1
                if crossed < _CROSSED:
                    continue
                self._fail(tasks, error)
            except LedgerLost as error:
                failed, kept = self._mended(ledger, until, error)
                if kept is False:
                    continue
                if kept is None:
                    self._fail(tasks, _doubtful(failed) if ledger.in_doubt else failed)
                    return
            except BaseException as error:  # noqa: BLE001  # whoever waits must hear of it, whatever it is
                self._fail(tasks, error)
            self._silent_since = None
            return

    def _mended(
        self, ledger: PostgresLedger, until: float, lost: LedgerLost
    ) -> tuple[LedgerUnavailable, bool | None]:
        """Connect again; say whether the last transaction was kept, None when the patience is at its end.

        With it what went wrong: the loss, or that a newer program took the ledger over meanwhile.
        """
        while True:
            try:
                kept = ledger.mend()
            except NewerLedger as newer:
                return newer, None
            except LedgerDamaged:
                return lost, None
            except LedgerUnavailable:
                kept = None
            if kept is not None or not self._paused(until):
                return lost, kept

    def _until(self) -> float:
        return time.monotonic() + self._patience.total_seconds()

    def _paused(self, until: float) -> bool:
        left = until - time.monotonic()
        if left <= 0 or self._closing:
            return False
        self._sleep(min(_PAUSE_S, left))
        return True


def _doubtful(lost: LedgerUnavailable) -> LedgerInDoubt:
    """Say of a server that went away with a COMMIT what may have become of it."""
    told = "; what was just being written may be kept or not"
    fix = "look at `alert status` before you repeat it"
    return LedgerInDoubt(*(Problem(where=p.where, what=p.what + told, fix=fix) for p in lost.problems))


def _run(ledger: Ledger, tasks: Sequence[Task]) -> None:
    with ledger.transaction():
        for task in tasks:
            task.result = task.error = None
            attempt(ledger, task)
