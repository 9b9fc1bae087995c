"""Time as an argument, so that tests and simulations can move it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where the program gets its time from; nothing else asks the machine."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        ...

    def micros(self) -> int:
        """Return the wall time as microseconds since 1970: ``micros(now())``, for who needs no more."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never jump, for spans and deadlines."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        return datetime.now(UTC)

    def micros(self) -> int:
        """Return the wall time as microseconds since 1970; by way of ``now`` it takes three times as long."""
        return time.time_ns() // 1000

    #: The machine's monotonic seconds; asked for several times a message, so there is no call around it.
    monotonic = staticmethod(time.monotonic)


class FrozenClock:
    """A clock that stands still until it is told to advance."""

    def __init__(self, at: datetime | None = None) -> None:
        self._now = at or datetime(2026, 9, 1, 2, 14, 3, tzinfo=UTC)
        self._monotonic = 1_000.0

    def now(self) -> datetime:
        """Return the frozen wall time."""
        return self._now

    def micros(self) -> int:
        """Return the frozen wall time as microseconds since 1970."""
        return micros(self.now())

    def monotonic(self) -> float:
        """Return the frozen monotonic seconds."""
        return self._monotonic

    def advance(self, span: timedelta) -> None:
        """Move both clocks forward by a span."""
        self._now += span
        self._monotonic += span.total_seconds()


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S = 86_400


def micros(instant: datetime) -> int:
    """Return an aware instant as microseconds since 1970, UTC: exact, and what the ledger stores."""
    since = instant - _EPOCH
    return (since.days * _DAY_S + since.seconds) * 1_000_000 + since.microseconds


def instant(micros_since_1970: int) -> datetime:
    """Return the aware UTC instant of a stored number."""
    return _EPOCH + timedelta(microseconds=micros_since_1970)
