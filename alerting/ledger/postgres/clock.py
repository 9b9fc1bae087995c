"""The server's clock, on every host: leases and lifetimes are judged by one clock, whatever hosts think."""

from __future__ import annotations

from datetime import datetime, timedelta

from alerting.clock import Clock, instant


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

    def monotonic(self) -> float:
        """Return this machine's monotonic seconds."""
        return self._own.monotonic()

    def learn(self, at: int) -> None:
        """Take the server's time, in microseconds since 1970, as it is at this moment."""
        self._heard = at, self._own.monotonic()

    @property
    def ahead(self) -> timedelta:
        """How far this host's own clock is ahead of the server's; below zero when it is behind."""
        return self._own.now() - self.now()
