"""Who else is sending: the speakers of a channel, each there until it leaves or is not heard of."""

from __future__ import annotations

from typing import Final

from alerting.clock import Clock
from alerting.ledger.database import Database
from alerting.ledger.postgres.clock import ServerClock
from alerting.ledger.rows import Share

#: How long a lane that joins waits: the others may hold what they claimed for one second, their last
#: second as counted by the provider is another, and half of one is for whatever was late.
JOIN_US: Final = 2_500_000
#: How long one that has left still counts: its last second.
LEAVE_US: Final = 1_200_000
_FORGET_US: Final = 3600 * 1_000_000
_SECOND: Final = 1_000_000


class Speakers:
    """Divides channels; joins come one after the other, so that each sees all before it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db, self._clock = database, clock

    def share(self, channel: str, owner: str) -> Share | None:
        """Return an owner's share, or None when it is not among the speakers (any more)."""
        asked = self._clock.monotonic()
        rows = self._db.all("speakers", (channel,))
        for place, (name, since, now) in enumerate(rows):
            if name == owner:
                if isinstance(self._clock, ServerClock):
                    self._clock.learn(now, asked=asked)
                # The first was alone when it began; whoever found others waits for them to slow down.
                wait = max(0, since + JOIN_US - now) if place else 0
                return Share(place, len(rows), wait / _SECOND)
        return None

    def go_on(self, channel: str, owner: str, until_s: float) -> bool:
        """Say that an owner is still there; False when it has not said so for half of ``until_s`` seconds.

        So long before its time is over nobody can have counted it out, and nobody need wait for it.
        """
        lasts = int(until_s * _SECOND)
        return self._db.run("keep_speaking", (lasts, channel, owner, lasts // 2)) > 0

    def join(self, channel: str, owner: str, until_s: float) -> None:
        """Say that an owner is there, ``until_s`` seconds long; nobody else may join meanwhile."""
        self._db.run("forget_speakers", (channel, _FORGET_US))
        self._db.run("join_speakers", (channel, owner, int(until_s * _SECOND)))

    def hold(self, channel: str, owner: str) -> None:
        """Let those who have joined after an owner, and still wait, wait from now on."""
        self._db.run("hold_speakers", (channel, JOIN_US, channel, owner))

    def leave(self, channel: str, owner: str) -> None:
        """Let an owner count for its last second only."""
        self._db.run("leave_speakers", (LEAVE_US, channel, owner))
