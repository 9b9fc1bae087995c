"""The duty roster: who is on duty at an instant, and who is told next when nobody answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from alerting.oncall.ical import Calendar
from alerting.oncall.person import Person
from alerting.oncall.shift import Shift


@dataclass(frozen=True, slots=True, kw_only=True)
class Stint:
    """Somebody's time on duty, and until when (aware, UTC)."""

    person: Person
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rota:
    """Everybody who can be called, and when.

    ``shifts`` are the roster file's own, each with the keys of its people; ``calendar`` says it instead,
    where there is one. ``then`` are groups told one after the other when nobody answers; ``approvers``
    are asked to agree. ``notes`` are sentences about what is not as it should be.
    """

    people: Mapping[str, Person]
    shifts: tuple[tuple[tuple[str, ...], Shift], ...] = ()
    calendar: Calendar | None = None
    then: tuple[tuple[str, ...], ...] = ()
    approvers: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def on_duty(self, at: datetime) -> list[Stint]:
        """Return who is on duty at an instant, in the roster's order; the longest stint of each."""
        found: dict[str, datetime] = {}
        for key, until in self._found(at):
            found[key] = max(until, found.get(key, until))
        return [Stint(person=self.people[key], until=found[key]) for key in self.people if key in found]

    def _found(self, at: datetime) -> Iterator[tuple[str, datetime]]:
        for who, shift in self.shifts:
            if until := shift.until(at):
                yield from ((key, until) for key in who)
        for event in self.calendar.events if self.calendar else ():
            if until := event.shift.until(at):
                yield from ((key, until) for word in event.words if (key := self._key(word)))

    def _key(self, word: str) -> str:
        return next((key for key, person in self.people.items() if person.called(word)), "")

    def strangers(self) -> list[str]:
        """Return whom the calendar names and the roster does not know."""
        words = (word for event in (self.calendar.events if self.calendar else ()) for word in event.words)
        return [word for word in dict.fromkeys(words) if not self._key(word)]

    def steps(self, at: datetime) -> list[list[Person]]:
        """Return who is told, in order: those on duty, then each further group, each person once.

        Without groups, everybody else of the roster is the second. Where nobody is on duty the next
        ones are the first.
        """
        first = [stint.person for stint in self.on_duty(at)]
        groups = [[self.people[key] for key in group] for group in self.then]
        return _once([first, *(groups or [list(self.people.values())])])

    def asked(self) -> list[list[Person]]:
        """Return who is asked to agree: the approvers, or everybody where the roster names none."""
        chosen = [self.people[key] for key in self.approvers]
        return _once([chosen or list(self.people.values())])


def _once(groups: list[list[Person]]) -> list[list[Person]]:
    seen: set[str] = set()
    found = []
    for group in groups:
        fresh = [person for person in group if person.key not in seen and person.addresses]
        seen.update(person.key for person in fresh)
        if fresh:
            found.append(fresh)
    return found
