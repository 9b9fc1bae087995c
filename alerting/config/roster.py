"""The duty roster's file, YAML or CSV, read whole and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from alerting.config.model import suggestion
from alerting.errors import ConfigProblem, Problem
from alerting.model.audience import Address, AddressKind
from alerting.oncall.person import Person
from alerting.oncall.rota import Rota
from alerting.oncall.shift import Shift

if TYPE_CHECKING:
    from alerting.config.lines import Document, Where
    from alerting.config.roster_sections import PersonSection, RosterFile, ShiftSection


def load_roster(path: Path, *, zone: str) -> Rota:
    """Read the roster's file; a calendar is added by whoever has fetched it.

    ``zone`` is the campus's clock, on which shifts are written.

    Raises:
        ConfigProblem: the file cannot be used; it lists every problem, each with its line.
    """
    from alerting.config import lines
    from alerting.config.checked import checked
    from alerting.config.roster_csv import as_document
    from alerting.config.roster_sections import RosterFile

    raw = _bytes(path)
    document = as_document(raw, path.name) if path.suffix == ".csv" else lines.read(raw, path.name)
    if not isinstance(document.data, dict):
        raise ConfigProblem(document.problem((), "", "not a group of fields", "begin with version: 1"))
    file = checked(RosterFile, document.data, document)
    if file is not None:
        document.problems.extend(_lost(document, file))
        document.problems.extend(_unusable(document, file, ZoneInfo(zone)))
    if file is None or document.problems:
        raise ConfigProblem(*document.problems)
    return Rota(
        people={key: _person(key, part) for key, part in file.people.items()},
        shifts=tuple((tuple(part.who), _shift(part, ZoneInfo(zone))) for part in file.shifts),
        then=tuple(tuple(group) for group in file.then),
        approvers=tuple(file.approvers),
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as wrong:
        what = (wrong.strerror or "cannot be read").lower()
        fix = "write the duty roster there, or correct on_call.roster in channels.yaml"
        raise ConfigProblem(Problem(where=str(path), what=what, fix=fix)) from wrong


def _person(key: str, part: PersonSection) -> Person:
    return Person(
        key=key,
        name=part.name,
        phone=Address(AddressKind.PHONE, part.phone) if part.phone else None,
        email=Address(AddressKind.EMAIL, part.email) if part.email else None,
    )


def _shift(part: ShiftSection, zone: ZoneInfo) -> Shift:
    times = {entry for entry in part.left_out if isinstance(entry, datetime)}
    days = {e for e in part.left_out if isinstance(e, date) and not isinstance(e, datetime)}
    times |= {datetime.combine(day, part.starts.time()) for day in days}
    return Shift(
        starts=part.starts,
        lasts=part.ends - part.starts,
        zone=zone,
        rule=part.rule,
        left_out=frozenset(times),
    )


def _named(file: RosterFile) -> Iterator[tuple[Where, str, str]]:
    """Yield every place that names a person."""
    for index, part in enumerate(file.shifts):
        yield from ((("shifts", index, "who"), "shifts.who", key) for key in part.who)
    for index, group in enumerate(file.then):
        yield from ((("then", index), "then", key) for key in group)
    yield from ((("approvers", index), "approvers", key) for index, key in enumerate(file.approvers))


def _lost(document: Document, file: RosterFile) -> Iterator[Problem]:
    for where, label, key in _named(file):
        if key not in file.people:
            yield document.problem(where, label, f'no "{key}" in people', suggestion(key, file.people))
    yield from _silent(document, file.people)


def _silent(document: Document, people: Mapping[str, PersonSection]) -> Iterator[Problem]:
    for key, part in people.items():
        if not (part.phone or part.email):
            fix = "add a phone, an email, or both"
            yield document.problem(("people", key), f"people.{key}", "cannot be reached at all", fix)


def _unusable(document: Document, file: RosterFile, zone: ZoneInfo) -> Iterator[Problem]:
    """Yield shifts that end before they begin, or whose rule cannot be followed."""
    from alerting.drills.rule import BadRule, parse

    for index, part in enumerate(file.shifts):
        if part.ends <= part.starts:
            what = f"ends ({part.ends:%Y-%m-%d %H:%M}) before it begins"
            fix = "for a night shift write the day after in ends"
            yield document.problem(("shifts", index, "ends"), "shifts.ends", what, fix)
        elif part.ends - part.starts > timedelta(days=32):
            where: Where = ("shifts", index, "ends")
            yield document.problem(where, "shifts.ends", "lasts more than a month", "check the year")
        try:
            if part.rule:
                parse(part.rule, zone)
        except BadRule as wrong:
            where = ("shifts", index, "rule")
            yield document.problem(where, "shifts.rule", wrong.what, wrong.fix)
        for entry in part.left_out:
            if isinstance(entry, str):
                where = ("shifts", index, "except")
                yield document.problem(
                    where, "shifts.except", f'"{entry[:30]}" is no date', "like 2026-11-26"
                )
