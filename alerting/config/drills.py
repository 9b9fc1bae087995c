"""``drills.yaml``, beside ``channels.yaml``: every drill of the campus, read whole and checked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from alerting.config.model import Config, suggestion
from alerting.drills.drill import Break, Drill, Expectations, Programme, Schedule
from alerting.errors import ConfigProblem, Problem

if TYPE_CHECKING:
    from alerting.config.drill_sections import DrillSection, DrillsFile, ScheduleSection
    from alerting.config.lines import Document, Where

#: The file's name; it lies in the folder of channels.yaml.
FILE: Final = "drills.yaml"


def load_drills(config: Config) -> Programme:
    """Read the drills that belong to a configuration; a campus without the file has none.

    Raises:
        ConfigProblem: the file cannot be used; it lists every problem, each with its line.
    """
    from alerting.config import lines
    from alerting.config.checked import checked
    from alerting.config.drill_sections import DrillsFile

    path = config.path.with_name(FILE)
    raw = _bytes(path)
    if raw is None:
        return Programme(drills={}, zone=config.campus.time_zone)
    document = lines.read(raw, FILE)
    if not isinstance(document.data, dict):
        raise ConfigProblem(document.problem((), "", "not a group of fields", "begin with version: 1"))
    file = checked(DrillsFile, document.data, document)
    if file is not None:
        document.problems.extend(_lost(document, file, config))
    if file is None or document.problems:
        raise ConfigProblem(*sorted(document.problems, key=_line_of))
    programme = _programme(file, config)
    document.problems.extend(_idle(document, programme))
    if document.problems:
        raise ConfigProblem(*document.problems)
    return programme


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as wrong:
        what = (wrong.strerror or "cannot be read").lower()
        raise ConfigProblem(Problem(where=str(path), what=what, fix="let this user read it")) from wrong


def _line_of(problem: Problem) -> int:
    number = problem.where.partition(": ")[0].rpartition(":")[2]
    return int(number) if number.isdecimal() else 0


def _programme(file: DrillsFile, config: Config) -> Programme:
    zone = config.campus.time_zone
    breaks = {name: Break(name=name, first=part.first, last=part.last) for name, part in file.breaks.items()}
    return Programme(
        drills={name: _drill(name, part, breaks, zone) for name, part in file.drills.items()},
        audiences=frozenset(file.allowed_audiences),
        zone=zone,
    )


def _drill(name: str, part: DrillSection, breaks: dict[str, Break], zone: str) -> Drill:
    return Drill(
        name=name,
        title=part.title or name,
        template=part.template,
        audience=part.audience,
        channels=tuple(part.channels),
        values=dict(part.values),
        schedule=_schedule(part.schedule, breaks, zone) if part.schedule else None,
        announced=part.announced,
        rehearsal=part.rehearsal,
        expect=Expectations(**part.expect.model_dump()),
        canaries=tuple(part.canaries),
        owner=part.owner,
        description=part.description,
        objectives=tuple(part.objectives),
        publicised=part.publicised,
    )


def _schedule(part: ScheduleSection, breaks: dict[str, Break], zone: str) -> Schedule:
    left_out = {entry for entry in part.left_out if isinstance(entry, datetime)}
    days = [entry for entry in part.left_out if isinstance(entry, date) and not isinstance(entry, datetime)]
    named = [breaks[entry] for entry in part.left_out if isinstance(entry, str)]
    return Schedule(
        starts=part.starts,
        zone=part.time_zone or zone,
        rule=part.rule,
        left_out=frozenset(left_out),
        breaks=(*named, *(Break(name="", first=day, last=day) for day in days)),
        jitter=timedelta(minutes=part.jitter_minutes),
        window=timedelta(minutes=part.window_minutes),
    )


def _lost(document: Document, file: DrillsFile, config: Config) -> Iterator[Problem]:
    """Yield names that lead nowhere, and an audience no drill may have."""
    for index, name in enumerate(file.allowed_audiences):
        if name not in config.audiences:
            where: Where = ("allowed_audiences", index)
            fix = suggestion(name, config.audiences)
            yield document.problem(where, "allowed_audiences", f'no audience "{name}" in channels.yaml', fix)
    channels = [*(channel.name for channel in config.channels), *config.off]
    for name, part in file.drills.items():
        yield from _audience(document, name, part, file, config)
        for index, channel in enumerate(part.channels):
            if channel not in channels:
                where = ("drills", name, "channels", index)
                label, fix = f"drills.{name}.channels", suggestion(channel, channels)
                yield document.problem(where, label, f'no channel "{channel}" in channels.yaml', fix)
        yield from _breaks(document, name, part, file)
        yield from _rule(document, name, part, config)


def _audience(
    document: Document, name: str, part: DrillSection, file: DrillsFile, config: Config
) -> Iterator[Problem]:
    where: Where = ("drills", name, "audience")
    label = f"drills.{name}.audience"
    if part.audience and part.audience not in config.audiences:
        fix = suggestion(part.audience, config.audiences)
        yield document.problem(where, label, f'no audience "{part.audience}" in channels.yaml', fix)
    elif part.audience and not part.rehearsal and part.audience not in file.allowed_audiences:
        what = f"{part.audience} is not in allowed_audiences, so no drill may reach it"
        yield document.problem(where, label, what, f"add it there, or {_other(file)}")


def _other(file: DrillsFile) -> str:
    return f"write {file.allowed_audiences[0]}" if file.allowed_audiences else "make this a rehearsal"


def _breaks(document: Document, name: str, part: DrillSection, file: DrillsFile) -> Iterator[Problem]:
    for index, entry in enumerate(part.schedule.left_out if part.schedule else ()):
        if isinstance(entry, str) and entry not in file.breaks:
            where: Where = ("drills", name, "schedule", "except", index)
            fix = "write a date like 2026-11-26, or a name from breaks"
            if file.breaks:
                fix = f"{fix}: {', '.join(file.breaks)}"
            what = f'"{entry[:40]}" is neither a date nor one of breaks'
            yield document.problem(where, f"drills.{name}.schedule.except", what, fix)


def _rule(document: Document, name: str, part: DrillSection, config: Config) -> Iterator[Problem]:
    from alerting.drills.rule import BadRule, parse

    if part.schedule is None or not part.schedule.rule:
        return
    try:
        parse(part.schedule.rule, ZoneInfo(part.schedule.time_zone or config.campus.time_zone))
    except BadRule as wrong:
        where: Where = ("drills", name, "schedule", "rule")
        yield document.problem(where, f"drills.{name}.schedule.rule", wrong.what, wrong.fix)


def _idle(document: Document, programme: Programme) -> Iterator[Problem]:
    """Yield schedules that never fire, or fire all the time."""
    from alerting.drills.schedule import is_restless, is_silent

    for name, drill in programme.drills.items():
        where: Where = ("drills", name, "schedule")
        label = f"drills.{name}.schedule"
        if drill.schedule is None:
            continue
        if is_silent(drill.schedule):
            what = "never fires within five years of its start"
            yield document.problem(where, label, what, "check rule, starts and except")
        elif is_restless(drill.schedule):
            what = "fires more often than hourly"
            yield document.problem(where, label, what, "leave people time between drills")
