"""How much a lane takes up: what leaves in the next moment, and no more.

What is claimed can no longer be cancelled, and what is leased is kept from other workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alerting.broadcast.breaker import Breaker
from alerting.broadcast.pace import Pace
from alerting.broadcast.part import Part
from alerting.broadcast.sending import Senders
from alerting.broadcast.window import Flow, Window
from alerting.broadcast.work import Hold

#: Most rows claimed ahead of a small window. A large one may be ahead by as much as itself: answers come
#: as they left, a window at a time, and each must find a claimed message to follow it. Half as many take a
#: sixteenth more CPU a text, in more commits; what is claimed is left to look up after a kill.
_AHEAD: Final = 500
#: What is claimed ahead leaves within so many seconds, at the provider's rate and as answers come in.
_AHEAD_S: Final = 0.1
#: How long outcomes may gather before they are recorded, while there is claimed work to go on with,
#: and how much of that work a commit may last. One commit then serves a hundred deliveries.
_GATHER_S: Final = 0.01
_COMMIT_S: Final = 0.008


class Appetite:
    """What a lane may claim and lease next; ``flow`` is told of the outcomes that came in."""

    def __init__(self, *, pace: Pace, window: Window, breaker: Breaker, part: Part, senders: Senders) -> None:
        self._pace, self._window, self._breaker = pace, window, breaker
        self._part, self._senders = part, senders
        self.flow = Flow()

    def room(self, out: int, mono: float) -> int:
        """Return how many more rows may be claimed now, while so many are out."""
        silent = self._pace.ready_in(1, mono) > _AHEAD_S * 2
        if self._breaker.open:
            return 0 if self._breaker.down or out or silent or self._breaker.trial_in(mono) > 0 else 1
        if silent or not self._part.known:
            return 0
        paced = max(1, int(self._pace.rate * _AHEAD_S))
        return min(paced - self._senders.unsent, self._window.limit + self._ahead - out)

    @property
    def _ahead(self) -> int:
        return max(1, min(max(_AHEAD, self._window.limit), int(self.flow.per_s * _AHEAD_S)))

    def gathering(self) -> float:
        """Return the seconds that outcomes may wait for more: none when the senders would run dry."""
        flow = self.flow.per_s
        left = self._senders.unsent - flow * _COMMIT_S
        return min(_GATHER_S, left / flow) if flow and left > 0 else 0.0

    def short_of(self, holds: Sequence[Hold], priority: int) -> bool:
        """Say whether little is in hand that is at least so urgent."""
        fresh = (len(hold.fresh) for hold in holds if hold.batch.priority >= priority)
        return sum(fresh) < self._window.limit + self._ahead
