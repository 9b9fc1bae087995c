"""Planned drills as an iCalendar file: one event each, in UTC, so that any calendar shows them right.

Source: RFC 5545 sections 3.1 (folding), 3.3.11 (escaping), 3.6.1 (events).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from alerting.drills.drill import Drill, Programme
from alerting.drills.schedule import Occurrence
from alerting.drills.zones import resolve

_OCTETS: Final = 75
_ESCAPES: Final = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n", "\r": None})


def calendar(programme: Programme, planned: Iterable[Occurrence], *, made_at: datetime) -> str:
    """Return the calendar; lines end with CRLF.

    An event spans the time in which the drill may start: what a calendar shows gives no minute away.
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//alerting//drills//EN", "CALSCALE:GREGORIAN"]
    for occurrence in planned:
        lines += _event(programme.drills[occurrence.drill], occurrence, made_at)
    return "".join(part + "\r\n" for line in [*lines, "END:VCALENDAR"] for part in _folded(line))


def _event(drill: Drill, occurrence: Occurrence, made_at: datetime) -> Iterator[str]:
    schedule = drill.schedule
    assert schedule
    begins, _ = resolve(occurrence.planned_local, ZoneInfo(schedule.zone))
    ends = begins + schedule.jitter + schedule.window
    known = "announced" if drill.announced else "unannounced"
    yield "BEGIN:VEVENT"
    yield f"UID:{drill.name}-{occurrence.planned_local:%Y%m%dT%H%M}@drills.alerting"
    yield f"DTSTAMP:{_utc(made_at)}"
    yield f"DTSTART:{_utc(begins)}"
    yield f"DTEND:{_utc(ends)}"
    yield f"SUMMARY:{_text(f'DRILL: {drill.title}')}"
    about = (
        f"{drill.description} ({known}; audience {drill.audience or 'none'}; owner {drill.owner or 'nobody'})"
    )
    yield f"DESCRIPTION:{_text(about.strip())}"
    yield "END:VEVENT"


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(text: str) -> str:
    clean = "".join(c for c in text if c == "\n" or c >= " ")
    return clean.translate(_ESCAPES)


def _folded(line: str) -> Iterator[str]:
    """Yield a line in pieces of at most 75 octets, between characters; later ones begin with a blank."""
    piece, size = "", 0
    for character in line:
        octets = len(character.encode())
        if size + octets > _OCTETS:
            yield piece
            piece, size = " ", 1
        piece, size = piece + character, size + octets
    yield piece
