"""What the officer filled in, checked against what the template declares."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

from alerting.errors import Problem, TemplateProblem
from alerting.rendering.leftover import denies_drill, leftover
from alerting.rendering.sanitise import refused
from alerting.rendering.suggest import suggestion
from alerting.rendering.template import CORE_NAMES, Template, Variable, VariableType

_CLOCK: Final = r"(?:[01]?\d|2[0-3])(?::[0-5]\d)?\s?(?:[ap]\.?m\.?)|(?:[01]?\d|2[0-3]):[0-5]\d|noon|midnight"
#: A time of day, with a day before or after it where that is needed: ``3:20pm``, ``Mon 6am``, ``noon today``.
_TIME: Final = rf"(?i:(?:[^\W\d]+,? )?(?:{_CLOCK})(?:,? [^\W\d]+(?: \d{{1,2}})?)?)"
_NUMBER: Final = r"-?\d[\d,]*(?:\.\d+)?"
#: Nobody declares more; a longer value is a mistake, whatever the template says.
_LONGEST: Final = 2000


def checked(template: Template, values: Mapping[str, str]) -> dict[str, str]:
    """Return a value for every declared variable, in normal form.

    Optional ones that are not given take their default, or are empty.

    Raises:
        TemplateProblem: everything that is missing, unknown, too long or may not be said, at once.
    """
    problems = [*_unknown(template, values)]
    filled = {}
    for variable in template.variables.values():
        given = values.get(variable.name, "")
        found = list(_unusable(variable, given)) if given else []
        value = "" if found else _normal(variable, given)
        if not found:
            found = list(_unfit(variable, value))
        filled[variable.name] = value or variable.default
        problems += [Problem(where=f"{template.path}: {variable.name}", what=w, fix=f) for w, f in found]
    if problems:
        raise TemplateProblem(*problems)
    return filled


def _unknown(template: Template, values: Mapping[str, str]) -> Iterator[Problem]:
    declared = tuple(template.variables)
    for name in values:
        shown = name if name.isprintable() else ascii(name)
        if name in CORE_NAMES:
            what, fix = "filled by the program itself", "leave it out"
        elif name not in declared:
            what, fix = "the template has no such variable", suggestion(name, declared)
        else:
            continue
        yield Problem(where=f"{template.path}: {shown}", what=what, fix=fix)


def _unusable(variable: Variable, value: str) -> Iterator[tuple[str, str]]:
    """Yield what no value may hold."""
    if len(value) > _LONGEST:
        yield f"{len(value)} characters", f"write at most {variable.max_length or _LONGEST}"
        return
    for name in refused(value):
        yield f"holds {name}", "write it without"
    if "\n" in value or "\r" in value:
        yield "more than one line", "write it on one line"
    if found := leftover(value):
        yield f'"{found}" still has to be filled in', "write the real words"
    if denies_drill(value):
        yield "says that it is no drill or no test", "leave that out: only the program says which it is"


def _normal(variable: Variable, value: str) -> str:
    """Return a value in NFC with single spaces; a choice as the template writes it."""
    value = " ".join(unicodedata.normalize("NFC", value).split())
    if variable.type is VariableType.CHOICE:
        return next((c for c in variable.choices if c.casefold() == value.casefold()), value)
    return value


def _unfit(variable: Variable, value: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a value for this variable."""
    if not value:
        if variable.required and not variable.default:
            asked = f" ({variable.prompt})" if variable.prompt else ""
            fix = suggestion("", variable.choices) if variable.choices else f'write -v {variable.name}="..."'
            yield f"missing{asked}", fix
        return
    limit = variable.max_length
    if limit is not None and len(value) > limit:
        yield f"{len(value)} characters, {len(value) - limit} too many", f"write at most {limit}"
    if variable.type is VariableType.CHOICE and value not in variable.choices:
        yield f'"{value}" is not a choice', suggestion(value, variable.choices)
    if variable.type is VariableType.TIME and not re.fullmatch(_TIME, value):
        yield f'"{value}" is not a time', "write it like 3:20pm or 15:20"
    if variable.type is VariableType.NUMBER and not re.fullmatch(_NUMBER, value):
        yield f'"{value}" is not a number', "write digits"
