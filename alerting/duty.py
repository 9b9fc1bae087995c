"""Who is on duty, from the roster's file and the calendar it may follow: what every face asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from alerting.config.roster import load_roster
from alerting.errors import ConfigProblem, Problem
from alerting.oncall.copy import STALE, Copies, Copy, shown
from alerting.oncall.ical import Calendar, read
from alerting.oncall.rota import Rota

if TYPE_CHECKING:
    from alerting.config import Config
    from alerting.oncall.rota import Stint

#: What is named one by one.
_NAMED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """The roster as it is known now. ``source`` says where duty is read from, for a screen.

    ``copy`` is the calendar's, None for a roster without one.
    """

    rota: Rota
    source: str
    copy: Copy | None = None

    def on_duty(self, at: datetime) -> list[Stint]:
        """Return who is on duty at an instant."""
        return self.rota.on_duty(at)

    def troubles(self, at: datetime) -> Iterator[Problem]:
        """Yield what is not as it should be with the roster itself."""
        if self.copy is not None:
            yield from self._of_copy(self.copy, at)
        flaws = self.rota.calendar.flaws if self.rota.calendar else ()
        for flaw in flaws[:_NAMED]:
            yield Problem(where=self.source, what=flaw, fix="correct the event")
        if strangers := self.rota.strangers():
            what = f"the calendar names {', '.join(strangers[:_NAMED])}, whom the roster does not know"
            yield Problem(where=self.source, what=what, fix="add them to people with that mailbox or name")

    def _of_copy(self, copy: Copy, at: datetime) -> Iterator[Problem]:
        fix = "correct on_call.calendar, or the network"
        if copy.fetched_at is None:
            why = copy.trouble or "never fetched"
            what = f"there is no copy of the calendar ({why}), so nobody is known to be on duty"
            yield Problem(where=self.source, what=what, fix=fix)
        elif copy.trouble:
            what = f"the calendar cannot be had ({copy.trouble}); used is the copy of {_age(copy, at)} ago"
            yield Problem(where=self.source, what=what, fix=fix)
        elif copy.age(at) > STALE:
            what = f"the copy of the calendar is {_age(copy, at)} old"
            yield Problem(where=self.source, what=what, fix="run alert serve: it fetches the calendar")


def duty_of(
    config: Config, *, state: Path, environ: Mapping[str, str], now: datetime, ask: bool = True
) -> Duty | None:
    """Return the duty roster; None where the campus has none.

    Without ``ask`` the network is left alone: the calendar's last copy must do.

    Raises:
        ConfigProblem: the roster's file cannot be used, or names a variable that is not set.
    """
    told = config.on_call
    if told is None:
        return None
    rota = _with_approvers(load_roster(told.roster, zone=config.campus.time_zone), config)
    if not told.calendar:
        return Duty(rota=rota, source=told.roster.name)
    zone, address = ZoneInfo(config.campus.time_zone), address_of(told.calendar, environ, "on_call.calendar")
    copies = Copies(directory=state, address=address, good=lambda text: read(text, zone))
    copy = copies.read(now, ask=ask)
    calendar = read(copy.text, zone) if copy.text else Calendar(events=())
    # Whoever keeps a calendar has moved there: shifts that still stand in the file are an older plan.
    rota = replace(rota, calendar=calendar, shifts=())
    return Duty(rota=rota, source=shown(address), copy=copy)


def _with_approvers(rota: Rota, config: Config) -> Rota:
    """Return the roster with the approvers of operators.yaml, where it names none itself."""
    if rota.approvers:
        return rota
    from alerting.authority.people import Role
    from alerting.config.operators import load_operators

    operators = load_operators(config)
    approvers = [one for one in operators.people.values() if Role.APPROVER in one.roles] if operators else []
    words = {word for one in approvers for word in (one.key, one.name, *one.accounts)}
    keys = (key for key, person in rota.people.items() if any(person.called(word) for word in words if word))
    return replace(rota, approvers=tuple(keys))


def address_of(told: str, environ: Mapping[str, str], key: str) -> str:
    """Return an address of the configuration, looked up where it only names a variable.

    Raises:
        ConfigProblem: the variable is not set.
    """
    if not told.startswith("$"):
        return told
    if address := environ.get(told[1:], "").strip():
        return address
    what = f"the variable {told[1:]} is not set"
    raise ConfigProblem(Problem(where=key, what=what, fix="set it to the address"))


def _age(copy: Copy, at: datetime) -> str:
    minutes = max(0, int(copy.age(at).total_seconds() // 60))
    return f"{minutes // 60} h {minutes % 60} min"
