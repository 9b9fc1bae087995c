"""How fast a channel may speak: never above its rate in any second, and close to it always."""

from __future__ import annotations

from collections import deque
from typing import Final

#: How far ahead of an even spacing a lane may run, so that a late wake-up costs no throughput.
BURST_S: Final = 0.05
#: A second as counted here is longer than the provider's by this share: what leaves evenly arrives unevenly.
_JITTER: Final = 0.005
#: The share of a second's rate left unused at the start of a run. The first messages open connections and
#: arrive late, so that those of the next moment would share a second with them.
_RUN_UP: Final = 0.05
#: The shortest wait worth asking for; less would not move a clock.
_TICK_S: Final = 1e-6


class Pace:
    """A rate in units a second (messages, or SMS segments).

    Two rules hold together. An even spacing (a virtual schedule, at most ``BURST_S`` ahead) keeps
    providers' finer limits quiet; an exact count of the last second keeps the promise of the name.
    Rates below one a second are counted over the time one unit takes.
    """

    def __init__(self, rate_per_s: float) -> None:
        self.change(rate_per_s)
        self._schedule = float("-inf")
        self._sent: deque[tuple[float, int]] = deque()
        self._used = 0
        self._blocked_until = float("-inf")

    def change(self, rate_per_s: float, *, jitter: float = _JITTER) -> None:
        """Go on at another rate; what was sent in the last second still counts.

        ``jitter`` is by how much of a second messages may arrive closer together than they left.
        """
        self.rate = rate_per_s
        span = max(1.0, 1.0 / rate_per_s)
        self._most = max(1.0, rate_per_s * span)
        self._span = span * (1 + jitter)

    def block(self, until: float) -> None:
        """Send nothing before this monotonic instant (a provider's own wait)."""
        self._blocked_until = max(self._blocked_until, until)

    def wait(self, units: int, now: float) -> float:
        """Return 0 and count the units as sent now, or the seconds to wait before asking again."""
        if wait := self.ready_in(units, now):
            return wait
        sent, schedule = self._sent, self._schedule
        if not sent and (unused := int(self.rate * _RUN_UP)):
            sent.append((now, unused))
            self._used += unused
        sent.append((now, units))
        self._used += units
        self._schedule = (max(now, schedule)) + units / self.rate
        return 0.0

    def left(self, newest: int, now: float) -> None:
        """Count the newest so many messages as sent now: they left later than they were allowed to."""
        sent = self._sent
        for place in range(-min(newest, len(sent)), 0):
            sent[place] = (now, sent[place][1])

    def ready_in(self, units: int, now: float) -> float:
        """Return the seconds until these units may go, counting nothing.

        A message larger than the whole rate goes alone, when nothing else is counted.
        """
        if now < self._blocked_until:
            return self._blocked_until - now
        ahead = self._schedule - now - BURST_S
        if ahead > 0:
            return max(ahead, _TICK_S)
        sent, ended = self._sent, now - self._span
        while sent and sent[0][0] <= ended:
            self._used -= sent.popleft()[1]
        if self._used and self._used + units > self._most:
            return max(sent[0][0] + self._span - now, _TICK_S)
        return 0.0
