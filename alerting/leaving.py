"""Leaving when told to: with everything given back, or without, where the ledger is away.

Whoever shares a ledger may be killed at any moment, and others go on with what it had in hand. So there is
nothing to wait for when the ledger does not answer, neither for a server that is gone, nor for a client
library that would wait for a frozen one for ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from threading import Thread
from typing import Final

from alerting.errors import Exit, LedgerLost, Problem

#: How long a ledger that does not answer is waited for once somebody wants to leave: a server that is
#: started again may be there by then.
_GRACE_S: Final = 5.0
_LOOK_S: Final = 0.1


class Leaving:
    """Heeds SIGTERM and Ctrl-C. The second of them is not heeded, but ends the process at once.

    Args:
        where: the ledger, as people are told.
        shared: whether others go on with what this process leaves behind.
        silent_since: since when the ledger has owed an answer, in ``monotonic`` seconds; None if it does not.
        monotonic: the clock ``silent_since`` goes by.
        sleep: passes the time between two looks at it.
        end: ends the process with a code, whatever its threads wait for.
    """

    def __init__(
        self,
        where: str,
        *,
        shared: bool,
        silent_since: Callable[[], float | None],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._where, self._shared, self._silent_since = where, shared, silent_since
        self._monotonic, self._sleep, self._end = monotonic, sleep, end
        self.told = False

    def heed(self, stop: asyncio.Event) -> None:
        """Set ``stop`` when somebody wants this process to leave; for the loop that runs now."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._leave, stop)

    def _leave(self, stop: asyncio.Event) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        self.told = True
        stop.set()
        if self._shared:
            Thread(target=self.watch, name="leaving", daemon=True).start()

    def watch(self) -> None:
        """End the process when the ledger is silent for too long; otherwise it ends by itself."""
        told_at = self._monotonic()
        while True:
            since = self._silent_since()
            if since is not None and self._monotonic() - max(since, told_at) >= _GRACE_S:
                break
            self._sleep(_LOOK_S)
        try:
            sys.stderr.write(f"alert: {self.without}\n")
            sys.stderr.flush()
        finally:
            self._end(Exit.LEDGER)

    @property
    def without(self) -> LedgerLost:
        """What to tell whoever wanted this process to leave, when nothing could be given back."""
        kept = "what was in hand stays claimed until its lease ends" if self._shared else "what waits is kept"
        what = f"the ledger does not answer, so this ended without it; {kept}"
        fix = "then any other worker goes on with it, or `alert resume`"
        return LedgerLost(Problem(where=self._where, what=what, fix=fix))
