"""What only people know about an alert: when it was reported and confirmed, by whom, and why.

Officers note it as acts in the log; a later note of a fact replaces the earlier one on the page, and
both stay in the log. The facts are those an emergency notification is asked for under the Clery Act.

Source: 34 CFR 668.46(g)(1) to (3): confirming, choosing the segment, deciding the content, initiating.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from alerting.clock import instant
from alerting.errors import Problem, UsageProblem

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerReader
    from alerting.ledger.rows import AlertRecord

NOTED: Final = "alert.noted"
#: Instants of the decision clock, in the order they come.
TIMES: Final = ("reported", "confirmed", "decided")
#: Given by the program where somebody typed the word that sends; an officer may know better.
MEASURED: Final = "decided"
#: Facts in words, and what each answers.
WORDS: Final[Mapping[str, str]] = {
    "by": "who confirmed it",
    "how": "how it was confirmed",
    "segment": "why these people were told, and not others",
    "content": "who decided the content, and how",
    "initiator": "who started the system",
    "withheld": "why sending was withheld or delayed",
}
_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_LONGEST: Final = 1000
#: A watch may be this much ahead of the machine's clock: then it is now.
_AHEAD: Final = timedelta(minutes=2)
#: What was reported longer ago than this is a mistyped date.
_OLDEST: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing noted: its value (ISO instant or words), who noted it, and when."""

    value: str
    noted_by: str  #: empty for what the program measured itself
    noted_at: datetime | None = None

    @property
    def at(self) -> datetime:
        """The value as an instant, for those that are one."""
        return datetime.fromisoformat(self.value)


def facts(ledger: LedgerReader, record: AlertRecord) -> dict[str, Fact]:
    """Return what is known by name; what was given when the alert was sent counts as noted by its author."""
    alert = record.alert
    found = {
        name: Fact(
            value=value, noted_by="" if name == MEASURED else alert.author, noted_at=record.accepted_at
        )
        for name, value in alert.clock.items()
        if name in (*TIMES, *WORDS)
    }
    for act in ledger.audit(alert.id):
        if act.action == NOTED:
            for name, value in json.loads(act.body).items():
                found[name] = Fact(value=str(value), noted_by=act.actor, noted_at=instant(act.at))
    return found


def checked(
    given: Mapping[str, str], *, known: Mapping[str, Fact], near: datetime, now: datetime, zone: ZoneInfo
) -> dict[str, str]:
    """Return what to note: instants as ISO text, words in one line.

    A time of day is taken on the day that brings it closest to ``near``, when the alert was accepted or
    is about to be; where the clocks show it twice, as the later of those that are not after ``near``.

    Raises:
        UsageProblem: every reason at once: no time, in the future, long ago, out of order, empty.
    """
    problems: list[Problem] = []
    told: dict[str, str] = {}
    for name, text in given.items():
        try:
            told[name] = _instant(name, text, near, now, zone) if name in TIMES else _words(name, text)
        except UsageProblem as error:
            problems += error.problems
    merged = {**{name: fact.value for name, fact in known.items()}, **told}
    problems += [] if problems else list(_disorder(merged, zone))
    if not given:
        problems.append(Problem(where="", what="nothing to note", fix="add --reported 02:03, for example"))
    if problems:
        raise UsageProblem(*problems)
    return told


def _instant(name: str, text: str, near: datetime, now: datetime, zone: ZoneInfo) -> str:
    where = f"--{name}"
    at = _of_day(text.strip(), near, zone) if _CLOCK.fullmatch(text.strip()) else _full(where, text, zone)
    shown = at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    if at > now + _AHEAD:
        fix = f"write when it happened; it is {now.astimezone(zone):%Y-%m-%d %H:%M} now"
        raise UsageProblem(Problem(where=where, what=f"{shown} is in the future", fix=fix))
    if at < near - _OLDEST:
        fix = "write the time alone for today or last night: 02:03"
        raise UsageProblem(
            Problem(where=where, what=f"{shown} is more than {_OLDEST.days} days ago", fix=fix)
        )
    return min(at, now).isoformat()


def _of_day(text: str, near: datetime, zone: ZoneInfo) -> datetime:
    match = _CLOCK.fullmatch(text)
    assert match is not None
    clock = time(int(match[1]), int(match[2]), int(match[3] or 0))
    middle = near.astimezone(zone).date()
    days = [middle + timedelta(days=shift) for shift in (-1, 0, 1)]
    # Compared in UTC: two instants of one zone are compared by what the clocks show.
    instants = [datetime.combine(day, clock, zone).astimezone(UTC) for day in days]
    nearest = days[instants.index(min(instants, key=lambda at: abs(at - near)))]
    first, second = (datetime.combine(nearest, clock.replace(fold=fold), zone) for fold in (0, 1))
    later = first.astimezone(UTC) < second.astimezone(UTC) <= near + _AHEAD
    return second if later else first


def _full(where: str, text: str, zone: ZoneInfo) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        fix = "write it on the campus's clock: 02:03, 02:03:20, or 2026-09-01 02:03"
        raise UsageProblem(Problem(where=where, what=f"{text[:40]!r} is not a time", fix=fix)) from None
    return at if at.tzinfo else at.replace(tzinfo=zone)


def _words(name: str, text: str) -> str:
    words = " ".join(text.split())
    if not words:
        raise UsageProblem(Problem(where=f"--{name}", what="is empty", fix=f"write {WORDS[name]}"))
    if len(words) > _LONGEST or not words.isprintable():
        fix = f"write at most {_LONGEST} plain characters"
        raise UsageProblem(
            Problem(where=f"--{name}", what="is too long, or holds control characters", fix=fix)
        )
    return words


def _disorder(told: Mapping[str, str], zone: ZoneInfo) -> Iterator[Problem]:
    """Yield what comes before the report. A warning may well be decided before anything is confirmed."""
    if "reported" not in told:
        return
    first = datetime.fromisoformat(told["reported"])
    for name in TIMES[1:]:
        if name in told and (at := datetime.fromisoformat(told[name])) < first:
            shown = [moment.astimezone(zone).strftime("%H:%M:%S") for moment in (at, first)]
            what = f"{name} ({shown[0]}) is before reported ({shown[1]})"
            yield Problem(where=f"--{name}", what=what, fix="correct one of the two")
