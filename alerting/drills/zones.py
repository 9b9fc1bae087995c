"""Local times that do not exist, or exist twice, made into one instant.

A drill planned for 2:30 goes off at 3:00 on the night the clocks skip from 2:00 to 3:00, and once,
the first time, on the night they show 2:30 twice.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

_MINUTE: Final = timedelta(minutes=1)
_SECOND: Final = timedelta(seconds=1)


class Edge(StrEnum):
    """What the clocks do at a local time."""

    NONE = ""  #: nothing: it comes once
    GAP = "gap"  #: it never comes; the first minute after the gap stands in
    FOLD = "fold"  #: it comes twice; the first counts


def resolve(planned: datetime, zone: ZoneInfo) -> tuple[datetime, Edge]:
    """Return the instant (aware, UTC) of a naive local time, and what the clocks do then."""
    first = planned.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = planned.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first == second:
        return first, Edge.NONE
    if first < second:
        return first, Edge.FOLD
    return _after_gap(second, first, zone), Edge.GAP


def _after_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first whole minute after the change of clocks that lies between two instants."""
    old = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    whole = after.replace(second=0, microsecond=0)
    # The search ends up to a second after the change, which comes at a whole minute in our century.
    return whole if whole.astimezone(zone).utcoffset() != old else whole + _MINUTE
