"""Looking templates over against the channels they would go to, with the campus's own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alerting.errors import Problem, TemplateProblem
from alerting.rendering.check import Findings, check
from alerting.rendering.core import CoreWords
from alerting.rendering.store import TemplateStore

if TYPE_CHECKING:
    from alerting.config import Config
    from alerting.model.message import Shape
    from alerting.rendering.template import Template

#: As long as a clock's words get.
_LONGEST_TIME: Final = "12:59pm"


def core_words(config: Config, *, number: str = "") -> CoreWords:
    """Return the campus's words at their longest."""
    campus = config.campus
    return CoreWords(
        source=campus.source,
        time=_LONGEST_TIME,
        number=number,
        link=campus.link,
        next_update=_LONGEST_TIME,
    )


def lint(config: Config, shapes: Mapping[str, Shape], names: Sequence[str]) -> dict[str, Findings]:
    """Return the findings of these templates, of all when none is named, by name.

    ``shapes`` are what fits each configured channel.

    Raises:
        TemplateProblem: the folder cannot be read, or there is no template of a given name.
    """
    store = TemplateStore(config.templates)
    every = store.names()
    found = {name: _looked_at(store, name, shapes, core_words(config)) for name in names or every}
    if not names:
        _add_shared(store, found)
    return found


def _looked_at(store: TemplateStore, name: str, shapes: Mapping[str, Shape], core: CoreWords) -> Findings:
    try:
        template = store.find(name)
    except TemplateProblem as error:
        return Findings(errors=tuple(error.problems))
    chosen = {at: shape for at, shape in shapes.items() if not template.channels or at in template.channels}
    findings = check(template, chosen, core)
    unknown = _unknown_channels(template, shapes)
    return Findings(errors=(*unknown, *findings.errors), warnings=findings.warnings)


def _unknown_channels(template: Template, shapes: Mapping[str, Shape]) -> list[Problem]:
    """Return the channels a template names that nobody configured: it could not be sent."""
    where = f"{template.at('channels')}: channels"
    fix = f"write some of: {', '.join(shapes)}"
    return [
        Problem(where=where, what=f"no channel {name!r} in channels.yaml", fix=fix)
        for name in template.channels
        if name not in shapes
    ]


def _add_shared(store: TemplateStore, found: dict[str, Findings]) -> None:
    """Add what is wrong only when all are read together, such as an id used twice."""
    known = {problem for findings in found.values() for problem in findings.errors}
    try:
        store.all()
    except TemplateProblem as error:
        for problem in error.problems:
            name = Path(problem.where.partition(":")[0]).stem
            if problem not in known:
                findings = found.get(name, Findings())
                found[name] = replace(findings, errors=(*findings.errors, problem))
