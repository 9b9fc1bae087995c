"""The value of an RRULE: read strictly, with words for what is wrong.

Source: RFC 5545 section 3.3.10.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

_EXAMPLE: Final = "write it like FREQ=MONTHLY;BYDAY=1WE (the first Wednesday of a month)"
_FREQUENCIES: Final = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY")
_TOO_OFTEN: Final = ("MINUTELY", "SECONDLY")
_NUMBERS: Final = re.compile(r"[+-]?\d{1,4}(?:,[+-]?\d{1,4})*")
_DAY: Final = r"(?:[+-]?[1-9]\d?)?(?:MO|TU|WE|TH|FR|SA|SU)"
_DAYS: Final = re.compile(rf"{_DAY}(?:,{_DAY})*")
_ONE: Final = re.compile(r"[1-9]\d{0,5}")
_UNTIL: Final = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
#: What each part may hold, and an example of it.
_PARTS: Final = {
    "BYDAY": (_DAYS, "1WE or MO,WE,FR"),
    "BYMONTH": (_NUMBERS, "9 or 1,9"),
    "BYMONTHDAY": (_NUMBERS, "15 or -1"),
    "BYYEARDAY": (_NUMBERS, "100"),
    "BYWEEKNO": (_NUMBERS, "20"),
    "BYHOUR": (_NUMBERS, "12"),
    "BYMINUTE": (_NUMBERS, "30"),
    "BYSETPOS": (_NUMBERS, "1 or -1"),
    "INTERVAL": (_ONE, "2"),
    "COUNT": (_ONE, "12"),
    "WKST": (re.compile("MO|TU|WE|TH|FR|SA|SU"), "MO"),
    "UNTIL": (_UNTIL, "20271231 or 20271231T170000Z"),
}
#: The least and the most a number may be, whatever its sign.
_RANGES: Final = {
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (1, 31),
    "BYYEARDAY": (1, 366),
    "BYWEEKNO": (1, 53),
    "BYHOUR": (0, 23),
    "BYMINUTE": (0, 59),
    "BYSETPOS": (1, 366),
}
_DAY_PARTS: Final = ("BYDAY", "BYMONTH", "BYMONTHDAY", "BYYEARDAY")
_UNSIGNED: Final = ("BYMONTH", "BYHOUR", "BYMINUTE")


class BadRule(ValueError):
    """A rule that cannot be used: what is wrong, and what to write instead."""

    def __init__(self, what: str, fix: str = _EXAMPLE) -> None:
        super().__init__(f"{what}; {fix}")
        self.what, self.fix = what, fix


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule without its ends: those are ours to keep. ``until`` is naive local time, included.

    ``days`` is the rule by which its days are chosen, whatever its frequency; empty for any day.
    """

    text: str
    days: str = ""
    until: datetime | None = None
    count: int | None = None


def parse(text: str, zone: ZoneInfo) -> Rule:
    """Read the value of an RRULE; an UNTIL in UTC is turned into local time, a bare date ends at midnight.

    Raises:
        BadRule: it is not one, or asks for something no drill should do.
    """
    parts = _split(text)
    until, count = parts.pop("UNTIL", ""), parts.pop("COUNT", "")
    if until and count:
        raise BadRule("says both UNTIL and COUNT", "keep one of them")
    rule = Rule(
        text=_joined(parts),
        days=_joined({name: value for name, value in parts.items() if name in _DAY_PARTS}),
        until=_until(until, zone) if until else None,
        count=int(count) if count else None,
    )
    _tried(rule.text)
    return rule


def _joined(parts: dict[str, str]) -> str:
    return ";".join(f"{name}={value}" for name, value in parts.items())


def _split(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for word in text.strip().upper().removeprefix("RRULE:").rstrip(";").split(";"):
        name, equals, value = (piece.strip() for piece in word.partition("="))
        if not equals:
            raise BadRule(f'"{word[:30]}" is not NAME=VALUE')
        if name in parts:
            raise BadRule(f"{name} comes twice", "keep one of them")
        _looked_at(name, value)
        parts[name] = value
    if "FREQ" not in parts:
        raise BadRule("FREQ is missing")
    if any(c.isdigit() for c in parts.get("BYDAY", "")) and parts["FREQ"] not in ("MONTHLY", "YEARLY"):
        raise BadRule(
            "only a month or a year has a first or a last weekday", "write FREQ=MONTHLY, or BYDAY=WE"
        )
    return parts


def _looked_at(name: str, value: str) -> None:
    if name == "FREQ":
        if value in _TOO_OFTEN:
            raise BadRule(f"FREQ={value} fires more often than hourly", "write HOURLY or less often")
        if value not in _FREQUENCIES:
            raise BadRule(f'FREQ "{value[:20]}" is not known', f"write one of {', '.join(_FREQUENCIES)}")
    elif name not in _PARTS:
        raise BadRule(f'no part is called "{name[:20]}"', f"parts are FREQ, {', '.join(_PARTS)}")
    elif not _PARTS[name][0].fullmatch(value):
        raise BadRule(f'{name} cannot be "{value[:30]}"', f"write it like {name}={_PARTS[name][1]}")
    elif name in _RANGES:
        low, high = _RANGES[name]
        for number in value.split(","):
            if not low <= abs(int(number)) <= high or (name in _UNSIGNED and number[0] == "-"):
                raise BadRule(f"{name} cannot be {number}", f"write numbers from {low} to {high}")


def _until(text: str, zone: ZoneInfo) -> datetime:
    match = _UNTIL.fullmatch(text)
    assert match
    try:
        if not match[2]:
            return datetime.combine(datetime.strptime(match[1], "%Y%m%d").date(), time.max)  # noqa: DTZ007
        at = datetime.strptime(match[1] + match[2], "%Y%m%d%H%M%S")  # noqa: DTZ007
    except ValueError:
        raise BadRule(f"UNTIL={text} is no date", "write it like UNTIL=20271231") from None
    return at.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) if match[3] else at


def _tried(text: str) -> None:
    """Let the library that will follow the rule refuse it now."""
    from dateutil.rrule import rrulestr

    try:
        rrulestr(text, dtstart=datetime(2026, 1, 1))  # noqa: DTZ001
    except (ValueError, IndexError, TypeError) as wrong:
        said = str(wrong).rstrip(".") or "cannot be followed"
        raise BadRule(f"{text}: {said[:1].lower()}{said[1:]}") from None
