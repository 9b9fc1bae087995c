"""What a scheduler has to do now: drills to start, planned times that were missed, and when to look again.

Any number of schedulers may ask at once and may be killed at any moment. Asking changes nothing but the
moment from which a new schedule is watched; taking a planned time is one commit with its alert.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerting.clock import instant, micros
from alerting.digest import text_digest
from alerting.drills.drill import Drill, Programme, Schedule
from alerting.drills.exercise import BY_HAND
from alerting.drills.schedule import Occurrence, occurrences
from alerting.ledger.base import DrillLedger
from alerting.ledger.rows import Actor, OccurrenceRow

#: How far back planned times are looked for after a long silence.
LOOK_BACK: Final = timedelta(days=400)
#: How far ahead drills that meet are told of.
SOON: Final = timedelta(days=60)
_SLACK: Final = timedelta(days=1)
_AHEAD: Final = timedelta(days=7)
_MOMENT: Final = timedelta(microseconds=1)
_RECENT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be done now. ``next_at`` is when the next planned time comes, within a week."""

    ready: tuple[tuple[Drill, Occurrence], ...] = ()
    missed: tuple[Occurrence, ...] = ()
    next_at: datetime | None = None


def look(ledger: DrillLedger, programme: Programme, *, now: datetime) -> Due:
    """Say what is to be done at an instant; inside a transaction.

    A schedule is watched from the first look at it, or at a change of it: what was planned before that
    is nobody's promise.
    """
    ready: list[tuple[Drill, Occurrence]] = []
    missed: list[Occurrence] = []
    coming: list[datetime] = []
    for drill in programme.drills.values():
        if drill.schedule is None:
            continue
        recorded = {row.planned_local: row for row in ledger.occurrences_of(drill.name, limit=_RECENT)}
        start = _start(ledger, drill, drill.schedule, recorded, now)
        for occurrence in occurrences(drill, start, now + _MOMENT):
            row = recorded.get(occurrence.key)
            if now <= occurrence.ends_at and (row is None or row.outcome == "missed"):
                ready.append((drill, occurrence))
            elif row is None:
                missed.append(occurrence)
        upcoming = next(occurrences(drill, now + _MOMENT, now + _AHEAD), None)
        coming += [upcoming.due_at] if upcoming else []
    ready.sort(key=lambda pair: pair[1].due_at)
    return Due(ready=tuple(ready), missed=tuple(missed), next_at=min(coming, default=None))


def _start(
    ledger: DrillLedger, drill: Drill, schedule: Schedule, recorded: dict[str, OccurrenceRow], now: datetime
) -> datetime:
    """Return from when planned times are to be looked at: all before it are on record."""
    since = instant(ledger.watch_drill(drill.name, mark(schedule), at=micros(now)))
    planned = (row.due_at for row in recorded.values() if row.detail != BY_HAND)
    newest = max(planned, default=0)
    settled = min(instant(newest), now) - schedule.jitter - schedule.window - _SLACK
    return max(since, now - LOOK_BACK, settled)


def mark(schedule: Schedule) -> str:
    """Return the digest of a schedule's own words."""
    pauses = sorted(f"{p.first}..{p.last}" for p in schedule.breaks)
    left_out = sorted(at.isoformat() for at in schedule.left_out)
    words = (schedule.starts.isoformat(), schedule.zone, schedule.rule, str(schedule.jitter))
    return text_digest(*words, *pauses, "|", *left_out)


def record_missed(
    ledger: DrillLedger, missed: Occurrence, *, actor: Actor, at: datetime, why: str = ""
) -> bool:
    """Put a miss on record; say whether it was news."""
    row = OccurrenceRow(
        drill=missed.drill,
        planned_local=missed.key,
        due_at=micros(missed.due_at),
        at=micros(at),
        outcome="missed",
        detail=why or "not started within its window",
    )
    return ledger.miss_occurrence(row, actor=actor)


def by_hand(drill: Drill, programme: Programme, *, now: datetime) -> Occurrence:
    """Return the occurrence of a run that somebody starts now."""
    from zoneinfo import ZoneInfo

    local = now.astimezone(ZoneInfo(programme.zone)).replace(tzinfo=None, microsecond=0)
    return Occurrence(drill=drill.name, planned_local=local, due_at=now, ends_at=now)


def overlaps(programme: Programme, start: datetime, end: datetime) -> list[tuple[Occurrence, Occurrence]]:
    """Return the first clash of each pair of drills whose starting windows meet, in order of time."""
    every = sorted(
        (o for drill in programme.drills.values() for o in occurrences(drill, start, end)),
        key=lambda o: (o.due_at, o.drill),
    )
    found: dict[frozenset[str], tuple[Occurrence, Occurrence]] = {}
    for place, first in enumerate(every):
        for second in every[place + 1 :]:
            if second.due_at > first.ends_at:
                break
            found.setdefault(frozenset({first.drill, second.drill}), (first, second))
    return [pair for names, pair in found.items() if len(names) > 1]


def clash(pair: tuple[Occurrence, Occurrence]) -> str:
    """Return two planned times that meet, in words."""
    first, second = pair
    return (
        f"{first.drill} and {second.drill} may run at the same time: {first.planned_local:%Y-%m-%d %H:%M}"
        f" and {second.planned_local:%Y-%m-%d %H:%M}"
    )


def meets(programme: Programme, drill: Drill, *, now: datetime) -> list[str]:
    """Return in words which planned times of other drills meet those of one, in the weeks to come."""
    pairs = overlaps(programme, now, now + SOON)
    return [clash(pair) for pair in pairs if drill.name in (pair[0].drill, pair[1].drill)]
