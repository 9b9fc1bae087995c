"""A shift: a local time, how long it lasts, and how it comes again.

Shifts count on the clocks of their zone, so that one from 19:00 to 7:00 ends at 7:00 on the night the
clocks change too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, cast
from zoneinfo import ZoneInfo

from alerting.drills.rule import parse
from alerting.drills.zones import resolve

#: Clocks of one zone are never this far apart; what lies further off is not looked at.
_ASIDE: Final = timedelta(hours=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """When something begins and how long it lasts, on the clocks of ``zone``.

    ``starts`` is naive local time; ``rule`` the value of an RRULE, empty for once. ``left_out`` are
    planned times that do not happen, ``added`` further ones.
    """

    starts: datetime
    lasts: timedelta
    zone: tzinfo
    rule: str = ""
    left_out: frozenset[datetime] = frozenset()
    added: tuple[datetime, ...] = ()

    def until(self, at: datetime) -> datetime | None:
        """Return when the shift that is on at an instant ends (aware, UTC), or None when none is.

        Raises:
            BadRule: the rule cannot be followed.
        """
        local = at.astimezone(self.zone).replace(tzinfo=None)
        ends = [
            end
            for planned in self._planned(local - self.lasts - _ASIDE, local + _ASIDE)
            for begin, end in [self._instants(planned)]
            if begin <= at < end
        ]
        return max(ends, default=None)

    def _instants(self, planned: datetime) -> tuple[datetime, datetime]:
        zone = cast("ZoneInfo", self.zone)
        return resolve(planned, zone)[0], resolve(planned + self.lasts, zone)[0]

    def _planned(self, first: datetime, last: datetime) -> Iterator[datetime]:
        for planned in {*self._of_rule(first, last), *self.added}:
            if first <= planned <= last and planned not in self.left_out:
                yield planned

    def _of_rule(self, first: datetime, last: datetime) -> Iterator[datetime]:
        # The first one happens whether or not it fits the rule.  RFC 5545 section 3.8.5.3
        yield self.starts
        if not self.rule or self.starts > last:
            return
        from dateutil.rrule import rrulestr

        rule = parse(self.rule, cast("ZoneInfo", self.zone))
        until = min(last, rule.until) if rule.until else last
        for count, planned in enumerate(rrulestr(rule.text, dtstart=self.starts), 1):
            if planned > until or (rule.count and count > rule.count):
                return
            if planned >= first:
                yield planned


def aware(local: datetime, zone: tzinfo) -> datetime:
    """Return the instant (UTC) of a naive local time."""
    return local.replace(tzinfo=zone).astimezone(UTC)
