"""The server's clock, on every host: leases and lifetimes are judged by one clock, whatever hosts think."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from alerting.clock import Clock, instant, micros

#: An answer that took longer, in seconds, does not say what time it is: somebody stood still on its way.
#: Far below the quarter of a lease in which nothing is sent any more.
_PROMPT_S: Final = 0.5


class ServerClock:
    """A host's clock until the server was heard; then the server's, carried on by the steady one here.

    A host whose clock is wrong by minutes, or is set while alerts are being sent, takes nobody's lease
    early and lets nothing live too long.
    """

    def __init__(self, own: Clock) -> None:
        self._own = own
        self._heard: tuple[int, float] | None = None

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        heard = self._heard
        if heard is None:
            return self._own.now()
        at, mono = heard
        return instant(at) + timedelta(seconds=self._own.monotonic() - mono)

    def micros(self) -> int:
        """Return the wall time as microseconds since 1970."""
        return micros(self.now())

    def monotonic(self) -> float:
        """Return this machine's monotonic seconds."""
        return self._own.monotonic()

    def learn(self, at: int, *, asked: float) -> bool:
        """Take the server's time, in microseconds since 1970, told to who asked at ``asked`` (monotonic).

        Return whether it came promptly. A late answer says only that it is at least so late: taken for the
        time of this moment it would set the clock back, and a lease would end before its owner thinks. It
        counts only where nothing better is known.
        """
        mono = self._own.monotonic()
        prompt = mono - asked <= _PROMPT_S
        if prompt or self._heard is None or at > micros(self.now()):
            self._heard = at, mono
        return prompt

    @property
    def ahead(self) -> timedelta:
        """How far this host's own clock is ahead of the server's; below zero when it is behind."""
        return self._own.now() - self.now()
