"""Looking a template over before anybody needs it: every mistake and every piece of advice, with lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from alerting.errors import PlanRefused, Problem, TemplateProblem
from alerting.model.alert import Status
from alerting.model.message import Content, Message, Shape, Unit
from alerting.rendering.compiled import compiled, mistakes
from alerting.rendering.core import CoreWords
from alerting.rendering.fit import fit
from alerting.rendering.markup import text_of
from alerting.rendering.render import fill
from alerting.rendering.template import Template, Variable, VariableType
from alerting.rendering.wording import advice

#: Stands for a letter of a value: not capital, not a word, one septet, one weight.
_LETTER: Final = "m"
#: The longest number an incident is likely to reach.
_LONG_NUMBER: Final = "#12"
_UNBOUNDED: Final = 40
#: What an empty number, link or promise leaves behind: ``NSU ALERT :`` or ``Next`` at the end.
_GAP: Final = re.compile(r"\S* [:.,;](?=\s|$)|\b(?:Next|Next update|Help|News)[: ]*(?=\n|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found. With errors a template is not to be used; warnings are advice."""

    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def check(template: Template, shapes: Mapping[str, Shape], core: CoreWords) -> Findings:
    """Check a template against the channels it may go to, at the longest values it allows.

    ``shapes`` are what fits each channel, by channel name; ``core`` holds the campus's own words,
    as long as they get.
    """
    errors = [*mistakes(template), *_unused(template), *_unbounded(template)]
    warnings: list[Problem] = []
    if not mistakes(template):
        core = core._replace(number=core.number or _LONG_NUMBER, status=_status(template, core))
        try:
            samples = [(values, fill(template, values, core=core)) for values in _extremes(template)]
        except TemplateProblem as error:
            errors += error.problems
        else:
            errors += _too_long(template, shapes, [message for _, message in samples])
            longest = samples[0][1]
            warnings += advice(template, dict(longest.blocks))
            warnings += _gaps(template, fill(template, samples[-1][0], core=_bare(core)))
            warnings += _many_parts(template, shapes, longest)
            warnings += _drill_too_long(template, shapes, core, samples[0][0])
    return Findings(errors=tuple(dict.fromkeys(errors)), warnings=tuple(dict.fromkeys(warnings)))


def _status(template: Template, core: CoreWords) -> Status:
    """Return the status to check with: a template for drills is never anything else."""
    if not template.drill:
        return core.status
    return template.status if template.status is not Status.ACTUAL else Status.EXERCISE


def _unused(template: Template) -> Iterator[Problem]:
    codes = [compiled(block) for block in template.blocks.values()]
    if any(code.problems for code in codes):
        return  # what a broken block would use, nobody knows
    used = {name for code in codes for name in code.names}
    for variable in template.variables.values():
        if variable.name not in used:
            what = "asked for, and used in no block"
            fix = f"write {{{{ {variable.name} }}}} somewhere, or delete it"
            yield Problem(where=_at(template, variable), what=what, fix=fix)


def _unbounded(template: Template) -> Iterator[Problem]:
    for variable in template.variables.values():
        if variable.max_length is None and variable.type is not VariableType.CHOICE:
            what = "no max_length, so nobody can tell whether the text fits"
            yield Problem(where=_at(template, variable), what=what, fix="write `max_length: 24`")


def _at(template: Template, variable: Variable) -> str:
    return f"{template.path}:{variable.line}: variables.{variable.name}"


def _extremes(template: Template) -> Iterator[dict[str, str]]:
    """Yield values at their longest, then with each other choice, then without what is optional."""
    variables = template.variables.values()
    longest = {variable.name: _longest(variable) for variable in variables}
    yield longest
    for variable in variables:
        for choice in variable.choices:
            if choice != longest[variable.name]:
                yield {**longest, variable.name: choice}
    yield {v.name: longest[v.name] if v.required else v.default for v in variables}


def _longest(variable: Variable) -> str:
    if variable.choices:
        return max(variable.choices, key=len)
    return _LETTER * (variable.max_length or _UNBOUNDED)


def _too_long(template: Template, shapes: Mapping[str, Shape], messages: list[Message]) -> Iterator[Problem]:
    """Yield, for each channel, the first text that does not fit."""
    for channel, shape in shapes.items():
        for message in messages:
            fitted = _fitted(message, shape)
            if isinstance(fitted, Problem):
                what = f"{channel}: {fitted.what}, at the longest values"
                yield Problem(where=_slot_at(template, fitted.where), what=what, fix=fitted.fix)
                break


def _fitted(message: Message, shape: Shape) -> Content | Problem:
    try:
        return fit(message, shape)
    except PlanRefused as refused:
        return refused.problems[0]


def _slot_at(template: Template, slot: str) -> str:
    block = template.blocks.get(slot)
    return f"{template.path}:{block.line}: {slot}" if block else f"{template.path}: {slot}"


def _bare(core: CoreWords) -> CoreWords:
    """Return the core's words at their emptiest: a first message that promises no other."""
    return core._replace(number="", next_update="")


def _gaps(template: Template, message: Message) -> Iterator[Problem]:
    """Yield where a word that may be empty leaves a stray space or a sentence without an end."""
    for name, block in template.blocks.items():
        text = message.blocks[name]
        if found := _GAP.search(text_of(text) if name == "email_html" else text):
            what = f'"{found[0]}" is left when a word is empty'
            fix = "put {% if number %} {{ number }}{% endif %} around it, with its space"
            yield Problem(where=f"{template.path}:{block.line}: {name}", what=what, fix=fix)


def _many_parts(template: Template, shapes: Mapping[str, Shape], message: Message) -> Iterator[Problem]:
    for channel, shape in shapes.items():
        if shape.unit is not Unit.SEGMENTS:
            continue
        fitted = _fitted(message, shape)
        if isinstance(fitted, Content) and fitted.size > 1:
            slot = next((s for s in shape.slots if s in template.blocks), "message")
            what = f"{channel}: {fitted.notes[0]}: {fitted.size} times the price and the time of one"
            yield Problem(where=_slot_at(template, slot), what=what, fix="shorten it to one segment")


def _drill_too_long(
    template: Template, shapes: Mapping[str, Shape], core: CoreWords, values: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield where the drill wall makes a text that fits too long: it could never be practised."""
    if template.drill or core.status is not Status.ACTUAL:
        return
    message = fill(template, values, core=core._replace(status=Status.EXERCISE))
    for channel, shape in shapes.items():
        fitted = _fitted(message, shape)
        if isinstance(fitted, Problem):
            what = f"{channel}: as a drill it does not fit ({fitted.what})"
            yield Problem(where=_slot_at(template, fitted.where), what=what, fix=fitted.fix)
