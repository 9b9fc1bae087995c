"""An event loop whose time jumps: nobody waits for a timer, the clock goes to it.

What runs on it is the program's own code; only waiting costs nothing.
"""

from __future__ import annotations

import asyncio
import selectors
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_BEGAN: Final = datetime(2026, 9, 1, 2, 14, 3, tzinfo=UTC)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs callbacks in order of their time, as fast as they can be run."""

    def __init__(self) -> None:
        self._virtual_s = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Return the seconds since the simulation began."""
        return self._virtual_s

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._virtual_s += seconds


class _Jumping(selectors.SelectSelector):
    """Never waits: where others would sleep until a timer, time moves on instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everybody waits, and nothing will ever happen")
            self._loop.jump(max(0.0, timeout))
        return ready


class VirtualClock:
    """The loop's time as the program's clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """Return the virtual wall time, aware, in UTC."""
        return _BEGAN + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        """Return the virtual seconds."""
        return self._loop.time()
