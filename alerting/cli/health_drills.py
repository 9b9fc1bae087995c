"""The doctor's look at drills: whether the file is one, what comes next, and what would meet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from alerting.cli.finding import Area, Finding, Level, failures
from alerting.cli.words import plural
from alerting.errors import ConfigProblem

if TYPE_CHECKING:
    from alerting.config import Config
    from alerting.drills.drill import Programme


def drills(config: Config, now: datetime) -> Iterator[Finding]:
    """Look at drills.yaml; a campus without one is told so, and no more."""
    from alerting.config.drills import load_drills
    from alerting.drills.due import SOON, clash, overlaps
    from alerting.drills.flaws import flaws
    from alerting.rendering.store import TemplateStore

    try:
        programme = load_drills(config)
    except ConfigProblem as error:
        yield from failures("drills", Area.CONFIG, error.problems)
        return
    if not programme.drills:
        yield Finding(what="drills", detail="none are written: drills.yaml is not there")
        return
    yield _next(programme, now)
    for words in flaws(programme, TemplateStore(config.templates), now=now):
        fix = "alert drill plan NAME shows it; correct drills.yaml"
        yield Finding(what="drills", level=Level.WARN, area=Area.CONFIG, detail=words, fix=fix)
    for pair in overlaps(programme, now, now + SOON):
        fix = "move one of them in drills.yaml"
        yield Finding(what="drills", level=Level.WARN, area=Area.CONFIG, detail=clash(pair), fix=fix)


def _next(programme: Programme, now: datetime) -> Finding:
    from alerting.drills.flaws import YEAR
    from alerting.drills.schedule import occurrences

    coming = (next(occurrences(drill, now, now + YEAR), None) for drill in programme.drills.values())
    first = min((one for one in coming if one), key=lambda one: one.due_at, default=None)
    told = plural(len(programme.drills), "drill")
    if first is None:
        fix = "give one of them a schedule: a test is due every year"
        return Finding(what="drills", level=Level.WARN, detail=f"{told}, none within a year", fix=fix)
    return Finding(what="drills", detail=f"{told}; next {first.drill}, {first.planned_local:%Y-%m-%d %H:%M}")
