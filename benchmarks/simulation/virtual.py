"""An event loop whose time jumps: nobody waits for a timer, the clock goes to it.

What runs on it is the program's own code; only waiting costs nothing.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alerting.clock import micros

_BEGAN: Final = datetime(2026, 9, 1, 2, 14, 3, tzinfo=UTC)
#: Time passes in steps so long. A lane may run ahead of its pace by more, and a provider takes ten of them to
#: answer; a heap of every single timer took half of the whole simulation.
TICK_S: Final = 0.01


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs callbacks in order of their time, to a hundredth of a second, as fast as they can be run."""

    def __init__(self) -> None:
        self._virtual_s = 0.0
        self._ticks: dict[int, list[asyncio.TimerHandle]] = {}
        self._last = -1
        super().__init__(_Jumping(self))

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at the first tick that is not before an instant, after what was to come then already."""
        # Always a later one: whoever waits for less than a number can tell would wait for ever.
        tick = max(self._last + 1, math.ceil(when / TICK_S - 1e-6))
        due = self._ticks.get(tick)
        if due is None:
            due = self._ticks[tick] = []
            super().call_at(tick * TICK_S, self._ring, tick)
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        due.append(handle)
        return handle

    def _ring(self, tick: int) -> None:
        self._last = tick
        ready: Any = self._ready  # type: ignore[attr-defined] # where the loop itself puts what is due
        ready.extend(handle for handle in self._ticks.pop(tick) if not handle.cancelled())

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

    def micros(self) -> int:
        """Return the virtual wall time as microseconds since 1970."""
        return micros(self.now())

    def monotonic(self) -> float:
        """Return the virtual seconds."""
        return self._loop.time()
