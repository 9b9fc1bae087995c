"""How many calls a lane keeps open: halved when the provider throttles, grown back by success."""

from __future__ import annotations

from typing import Final

_REST_S: Final = 1.0
_FLOW_S: Final = 0.02


class Window:
    """Additive increase, multiplicative decrease, between 1 and the configured number.

    One burst of refusals is one event: after a decrease the window rests for a second.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._rest_until = float("-inf")

    @property
    def limit(self) -> int:
        """Calls that may be open now."""
        return int(self._limit)

    def cap(self, most: int) -> None:
        """Let no more than this many calls be open from now on."""
        grown = self._limit >= self._most
        self._most = most
        self._limit = float(most) if grown else min(self._limit, float(most))

    def succeeded(self) -> None:
        """Grow by one for each full window of answers."""
        if self._limit < self._most:
            self._limit = min(float(self._most), self._limit + 1.0 / self._limit)

    def throttled(self, now: float) -> None:
        """Halve, at most once a second."""
        if now >= self._rest_until:
            self._limit = max(1.0, self._limit / 2)
            self._rest_until = now + _REST_S


class Flow:
    """How many outcomes come in a second, smoothed over the last few looks."""

    def __init__(self) -> None:
        self.per_s = 0.0
        self._count = 0
        self._since: float | None = None

    def add(self, count: int, now: float) -> None:
        """Count outcomes that came in by now."""
        if self._since is None:
            self._since = now
        self._count += count
        span = now - self._since
        if span >= _FLOW_S:
            self.per_s = (self.per_s + self._count / span) / 2
            self._count, self._since = 0, now
