"""Instants as rows hold them: whole microseconds since 1970 UTC, 0 for none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Return an aware instant as microseconds since 1970 UTC, exactly."""
    return (at - _EPOCH) // _MICROSECOND


def instant(us: int) -> datetime:
    """Return microseconds since 1970 UTC as an aware instant in UTC, exactly."""
    return _EPOCH + us * _MICROSECOND


def maybe_instant(us: int) -> datetime | None:
    """Return an instant, or None for 0."""
    return instant(us) if us else None
