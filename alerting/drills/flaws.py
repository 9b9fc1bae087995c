"""What keeps a drill from starting, found before it is due: its template, its values, its schedule.

A schedule may be right by itself and still belong to a drill that cannot be. Whoever looks at what comes
next is told so now, not at noon on the day of the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from alerting.drills.schedule import occurrences
from alerting.errors import AlertingError

if TYPE_CHECKING:
    from alerting.drills.drill import Drill, Programme
    from alerting.rendering.store import TemplateStore
    from alerting.rendering.template import Template

#: The law asks for a test each year.
YEAR: Final = timedelta(days=366)


def flaws(programme: Programme, templates: TemplateStore, *, now: datetime) -> Iterator[str]:
    """Yield in sentences what keeps drills from starting, in the order of the file."""
    for drill in programme.drills.values():
        try:
            names = lacking(templates.find(drill.template), drill)
        except AlertingError as error:
            yield f"{drill.name} cannot start: {error.problems[0].what}"
            continue
        if names:
            yield f"{drill.name} cannot start: {drill.template} needs {', '.join(names)} in its values"
        if drill.schedule is not None and next(occurrences(drill, now, now + YEAR), None) is None:
            yield f"{drill.name} has no time to come within a year; its schedule has ended"


def lacking(template: Template, drill: Drill) -> list[str]:
    """Return the variables a template needs and a drill gives no value for."""
    needed = (v.name for v in template.variables.values() if v.required and not v.default)
    return [name for name in needed if not drill.values.get(name)]
