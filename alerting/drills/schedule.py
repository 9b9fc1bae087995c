"""When drills happen: the rule on the campus's clocks, without the days left out.

A rule counts in naive local time, so noon stays noon through the year. The planned local time, not
the instant, is what an occurrence is known by: a clock that is set back cannot bring it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from alerting.drills.drill import Drill, Schedule
from alerting.drills.rule import Rule, parse
from alerting.drills.zones import Edge, resolve

if TYPE_CHECKING:
    from dateutil.rrule import rrule

#: A planned local time and its instant lie less than this apart from the same time in UTC: zones
#: reach from -12 to +14 hours, and a gap of a whole day was seen once (Samoa, 2011).
_ASIDE: Final = timedelta(days=3)
#: A schedule that is silent for this long is a mistake.
SILENT: Final = timedelta(days=5 * 366)
_OFTEN: Final = timedelta(hours=1)
_LOOKED_AT: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One planned time of a drill; (``drill``, ``planned_local``) is its name for ever.

    ``due_at`` is the instant it goes off, aware, UTC, with the jitter in it. ``ends_at`` is the last
    instant it may still start.
    """

    drill: str
    planned_local: datetime
    due_at: datetime
    ends_at: datetime
    edge: Edge = Edge.NONE

    @property
    def key(self) -> str:
        """The planned local time as the ledger keeps it."""
        return self.planned_local.isoformat(timespec="seconds")


def occurrences(drill: Drill, start: datetime, end: datetime) -> Iterator[Occurrence]:
    """Yield the occurrences with ``start <= due_at < end``, in order; aware instants.

    Raises:
        ValueError: the rule cannot be read; ``problems`` says why.
    """
    schedule = drill.schedule
    if schedule is None:
        return
    zone = ZoneInfo(schedule.zone)
    first, last = (at.astimezone(UTC).replace(tzinfo=None) for at in (start, end))
    for planned in planned_times(schedule, first - _ASIDE - schedule.jitter, last + _ASIDE):
        occurrence = _occurrence(drill.name, schedule, planned, zone)
        if start <= occurrence.due_at < end:
            yield occurrence


def _occurrence(name: str, schedule: Schedule, planned: datetime, zone: ZoneInfo) -> Occurrence:
    instant, edge = resolve(planned, zone)
    due_at = instant + delay(name, planned, schedule.jitter)
    return Occurrence(
        drill=name,
        planned_local=planned,
        due_at=due_at,
        ends_at=due_at + schedule.window,
        edge=edge,
    )


def delay(name: str, planned: datetime, jitter: timedelta) -> timedelta:
    """Return how much after its planned time a drill goes off: whole seconds, from 0 to ``jitter``.

    The same in every process, and different for every occurrence.
    """
    mark = f"{name}|{planned.isoformat(timespec='seconds')}".encode()
    number = int.from_bytes(hashlib.sha256(mark).digest()[:8])
    return timedelta(seconds=number % (int(jitter.total_seconds()) + 1))


def planned_times(schedule: Schedule, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield planned local times between two naive local times, both included, without those left out."""
    for planned in _of_rule(schedule, end):
        if planned < start or planned in schedule.left_out:
            continue
        if not any(pause.holds(planned.date()) for pause in schedule.breaks):
            yield planned


def _of_rule(schedule: Schedule, end: datetime) -> Iterator[datetime]:
    if not schedule.rule:
        yield from [schedule.starts] if schedule.starts <= end else []
        return
    rule = parse(schedule.rule, ZoneInfo(schedule.zone))
    last = min(end, rule.until) if rule.until else end
    # COUNT is counted here: an endless search for a day that never comes must end somewhere.
    yield from islice(_dates(rule, schedule.starts, last), rule.count)


def _dates(rule: Rule, starts: datetime, until: datetime) -> rrule:
    from dateutil.rrule import rrule, rrulestr  # only schedules pay for it

    found = rrulestr(rule.text, dtstart=starts)
    assert isinstance(found, rrule)
    return found.replace(until=until)


def is_silent(schedule: Schedule) -> bool:
    """Say whether a schedule never fires within five years of its beginning."""
    if schedule.rule and not _any_day(parse(schedule.rule, ZoneInfo(schedule.zone)), schedule.starts):
        return True
    return next(planned_times(schedule, schedule.starts, schedule.starts + SILENT), None) is None


def _any_day(rule: Rule, starts: datetime) -> bool:
    """Say whether there is any such day: asked by the year, because by the hour it takes minutes."""
    from dateutil.rrule import rrulestr

    return not rule.days or next(iter(rrulestr(f"FREQ=YEARLY;{rule.days}", dtstart=starts)), None) is not None


def is_restless(schedule: Schedule) -> bool:
    """Say whether a schedule fires more often than hourly."""
    last: datetime | None = None
    for planned in islice(_of_rule(schedule, schedule.starts + SILENT), _LOOKED_AT):
        if last is not None and planned - last < _OFTEN:
            return True
        last = planned
    return False
