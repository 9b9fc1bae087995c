"""What a drill is: its schedule, its audience, what is expected of it, and what the record must say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from alerting.errors import Problem, UsageProblem
from alerting.model.audience import Address

#: How late a drill may still start when nothing else is said.
WINDOW: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Days on which no drill is planned: a holiday, finals week. Both ends belong to it."""

    name: str
    first: date
    last: date

    def holds(self, day: date) -> bool:
        """Say whether a day belongs to it."""
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a drill is planned, on the campus's clocks.

    ``starts`` is naive local time: the earliest occurrence, and the time of day. ``rule`` is the value
    of an RRULE (RFC 5545 section 3.3.10), empty for once. ``zone`` is an IANA name. ``jitter`` is how
    much later than planned it may go off, so that nobody can wait for it; ``window`` how late after
    that it may still start.
    """

    starts: datetime
    zone: str
    rule: str = ""
    left_out: frozenset[datetime] = frozenset()  #: planned local times that do not happen (EXDATE)
    breaks: tuple[Break, ...] = ()
    jitter: timedelta = timedelta()
    window: timedelta = WINDOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """What a drill must reach to pass; None where nothing is expected. Seconds since acceptance."""

    first_post_s: float | None = None
    accepted_95_s: float | None = None
    canaries_s: float | None = None
    failures_percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A named drill. ``canaries`` are addresses of ours that must be reached."""

    name: str
    title: str
    template: str
    audience: str = ""
    channels: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    schedule: Schedule | None = None  #: None: only run by hand
    announced: bool = True
    rehearsal: bool = False  #: real audience and texts, sandbox providers: nothing leaves
    expect: Expectations = field(default_factory=Expectations)
    canaries: tuple[Address, ...] = ()
    owner: str = ""
    description: str = ""
    objectives: tuple[str, ...] = ()
    publicised: str = ""  #: where and when the emergency procedures were published with it

    @property
    def word(self) -> str:
        """What a person types to run it; nothing a live prompt ever asks for."""
        return f"DRILL {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """Every drill of a campus. Only ``audiences`` may ever receive one."""

    drills: Mapping[str, Drill]
    audiences: frozenset[str] = frozenset()
    zone: str = "UTC"

    def drill(self, name: str) -> Drill:
        """Return a drill by name.

        Raises:
            UsageProblem: there is none of that name.
        """
        if name in self.drills:
            return self.drills[name]
        from difflib import get_close_matches

        near = get_close_matches(name, self.drills, n=1)
        fix = "write one in drills.yaml"
        if self.drills:
            fix = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(self.drills))}"
        raise UsageProblem(Problem(where="", what=f"there is no drill {name!r}", fix=fix))
