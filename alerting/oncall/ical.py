"""Reading iCalendar: the events of an on-call calendar, as shifts with the words people are named by.

Only what says who is on duty when is read: VEVENT with DTSTART, DTEND or DURATION, RRULE, EXDATE, RDATE,
RECURRENCE-ID, STATUS, SUMMARY and ATTENDEE. What cannot be read is told, and the rest is used.

Source: RFC 5545 sections 3.1 (lines), 3.3 (values), 3.6.1 (events) and 3.8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from io import StringIO
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alerting.drills.rule import BadRule, parse
from alerting.named import NamedTuple
from alerting.oncall.shift import Shift, aware

#: A calendar larger than this is none of ours.
LARGEST: Final = 2_000_000
_MOST_EVENTS: Final = 5_000
_HEAD: Final = re.compile(r'((?:[^":]|"[^"]*")*):(.*)', re.DOTALL)
_PARAMETER: Final = re.compile(r';([A-Za-z0-9-]+)=((?:[^";]|"[^"]*")*)')
_TIME: Final = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
_SPAN: Final = re.compile(
    r"\+?P(?:(\d{1,3})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?"
)
_DAY: Final = timedelta(days=1)


class NotCalendar(ValueError):
    """A text that is no calendar, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A shift of a calendar. ``words`` are who it names: attendees' mailboxes, or the summary's parts."""

    uid: str
    words: tuple[str, ...]
    shift: Shift
    replaces: datetime | None = None  #: the instant of its series that this one stands for, aware
    cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """What a calendar says; ``flaws`` are sentences about what of it could not be read."""

    events: tuple[Event, ...]
    flaws: tuple[str, ...] = ()


class _Line(NamedTuple):
    name: str
    parameters: dict[str, str]
    value: str


def read(text: str, zone: tzinfo) -> Calendar:
    """Read a calendar; ``zone`` is where times without a zone are from.

    Raises:
        NotCalendar: it is none, or too large.
    """
    if len(text) > LARGEST:
        raise NotCalendar(f"larger than {LARGEST // 1_000_000} MB")
    lines = list(_lines(text))
    if not lines or (lines[0].name, lines[0].value.upper()) != ("BEGIN", "VCALENDAR"):
        raise NotCalendar("no iCalendar file: it does not begin with BEGIN:VCALENDAR")
    if (lines[-1].name, lines[-1].value.upper()) != ("END", "VCALENDAR"):
        raise NotCalendar("cut off: it does not end with END:VCALENDAR")
    events: list[Event] = []
    flaws: list[str] = []
    zones = _Zones(text, zone)
    for number, properties in enumerate(_components(lines)):
        if number == _MOST_EVENTS:
            flaws.append(f"more than {_MOST_EVENTS:,} events; the rest was not read")
            break
        try:
            events.append(_event(properties, zones))
        except (ValueError, OverflowError) as wrong:
            flaws.append(f"{_summary(properties)}: {wrong}")
    return Calendar(events=tuple(_settled(events)), flaws=tuple(flaws))


def _lines(text: str) -> Iterator[_Line]:
    unfolded = re.sub(r"\r?\n[ \t]", "", text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))
    for raw in unfolded.splitlines():
        if match := _HEAD.fullmatch(raw):
            name = match[1].partition(";")[0].strip().upper()
            found = _PARAMETER.findall(match[1])
            yield _Line(name, {key.upper(): value.strip('"') for key, value in found}, match[2].strip())


def _components(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    """Yield the properties of each event, without those of the alarms in it."""
    stack: list[str] = []
    current: list[_Line] = []
    for line in lines:
        if line.name == "BEGIN":
            stack.append(line.value.upper())
            if stack[-1] == "VEVENT":
                current = []
        elif line.name == "END" and stack:
            if stack.pop() == "VEVENT":
                yield current
        elif stack and stack[-1] == "VEVENT":
            current.append(line)


class _Zones:
    """Finds the zone a TZID means: by its IANA name, else by the calendar's own definition of it."""

    def __init__(self, text: str, home: tzinfo) -> None:
        self._text, self.home = text, home
        self._known: dict[str, tzinfo] = {}

    def find(self, name: str) -> tzinfo:
        if name not in self._known:
            self._known[name] = self._iana(name) or self._defined(name)
        return self._known[name]

    def _iana(self, name: str) -> tzinfo | None:
        try:
            return ZoneInfo(name.removeprefix("/"))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return None

    def _defined(self, name: str) -> tzinfo:
        from dateutil.tz import tzical

        blocks = re.findall(r"BEGIN:VTIMEZONE.*?END:VTIMEZONE", self._text, re.DOTALL | re.IGNORECASE)
        try:
            found = tzical(StringIO("\n".join(blocks) + "\n")).get(name) if blocks else None
        except (ValueError, IndexError, KeyError):
            found = None
        if found is None:
            raise ValueError(f'the time zone "{name[:40]}" is not known, and the calendar does not define it')
        return found


def _event(properties: Sequence[_Line], zones: _Zones) -> Event:
    one = {line.name: line for line in reversed(properties)}
    if "DTSTART" not in one:
        raise ValueError("it has no DTSTART")
    starts, zone, whole_day = _time(one["DTSTART"], zones)
    rule = one["RRULE"].value if "RRULE" in one else ""
    if rule:
        try:
            parse(rule, zone if isinstance(zone, ZoneInfo) else ZoneInfo("UTC"))
        except BadRule as wrong:
            raise ValueError(f"its rule is not followed: {wrong.what}") from None
    shift = Shift(
        starts=starts,
        lasts=_lasts(one, starts, zone, zones, whole_day=whole_day),
        zone=zone,
        rule=rule,
        left_out=frozenset(_times(properties, "EXDATE", zone, zones)),
        added=tuple(_times(properties, "RDATE", zone, zones)),
    )
    replaced = [aware(local, UTC) for local in _times(properties, "RECURRENCE-ID", UTC, zones)]
    return Event(
        uid=one["UID"].value if "UID" in one else "",
        words=tuple(_words(properties)),
        shift=shift,
        replaces=replaced[0] if replaced else None,
        cancelled="STATUS" in one and one["STATUS"].value.upper() == "CANCELLED",
    )


def _lasts(
    one: dict[str, _Line], starts: datetime, zone: tzinfo, zones: _Zones, *, whole_day: bool
) -> timedelta:
    if "DTEND" in one:
        ends, other, _ = _time(one["DTEND"], zones)
        lasts = _moved(ends, other, zone) - starts
    elif "DURATION" in one:
        lasts = _span(one["DURATION"].value)
    else:
        lasts = _DAY if whole_day else timedelta()
    if lasts < timedelta():
        raise ValueError("it ends before it begins")
    return lasts


def _time(line: _Line, zones: _Zones) -> tuple[datetime, tzinfo, bool]:
    """Return a naive local time, its zone, and whether it is a whole day."""
    match = _TIME.fullmatch(line.value)
    if not match:
        raise ValueError(f'{line.name} "{line.value[:30]}" is no time')
    if not match[2]:
        return datetime.strptime(match[1], "%Y%m%d"), zones.home, True  # noqa: DTZ007 - local by intent
    local = datetime.strptime(match[1] + match[2], "%Y%m%d%H%M%S")  # noqa: DTZ007
    if match[3]:
        return local, UTC, False
    name = line.parameters.get("TZID", "")
    return local, zones.find(name) if name else zones.home, False


def _times(properties: Sequence[_Line], name: str, zone: tzinfo, zones: _Zones) -> Iterator[datetime]:
    for line in properties:
        if line.name == name:
            for value in line.value.split(","):
                single = line._replace(value=value.partition("/")[0].strip())
                local, other, _ = _time(single, zones)
                yield _moved(local, other, zone)


def _moved(local: datetime, zone: tzinfo, to: tzinfo) -> datetime:
    """Return a local time of one zone on the clocks of another."""
    return local if zone is to else local.replace(tzinfo=zone).astimezone(to).replace(tzinfo=None)


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if not match:
        raise ValueError(f'DURATION "{text[:30]}" is none')
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def _words(properties: Sequence[_Line]) -> Iterator[str]:
    """Yield who an event names: its attendees, or without any the parts of its summary."""
    attendees = [line for line in properties if line.name == "ATTENDEE"]
    for line in attendees:
        yield re.sub(r"(?i)^mailto:", "", line.value)
    if not attendees:
        summary = _summary(properties)
        named = summary.rpartition(":")[2]
        yield from (part.strip() for part in re.split(r"[,;/&+]| and ", named) if part.strip())


def _summary(properties: Sequence[_Line]) -> str:
    text = next((line.value for line in properties if line.name == "SUMMARY"), "an event without a title")
    return re.sub(r"\\(.)", lambda found: " " if found[1] in "nN" else found[1], text)[:80]


def _settled(events: Sequence[Event]) -> Iterator[Event]:
    """Yield events as they happen: moved and cancelled ones taken out of their series."""
    moved: dict[str, set[datetime]] = {}
    for event in events:
        if event.replaces is not None:
            moved.setdefault(event.uid, set()).add(event.replaces)
    for event in events:
        if event.cancelled:
            continue
        shift = event.shift
        if event.replaces is None:
            out = {at.astimezone(shift.zone).replace(tzinfo=None) for at in moved.get(event.uid, ())}
            shift = replace(shift, left_out=shift.left_out | out)
        yield replace(event, shift=shift)
