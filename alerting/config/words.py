"""What pydantic finds wrong, said to people."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from alerting.channels.settings import NAME_PATTERN
from alerting.config.model import suggestion

_SHOWN: Final = 24  # characters; what is longer may be a credential in the wrong place
Words = tuple[str, str]  #: what is wrong, and what to write instead


def sentence(error: ErrorDetails, *, model: type[BaseModel], text: str | None) -> Words:
    """Return what is wrong and what to write instead.

    ``model`` is the class around the field; ``text`` what stands there, None for lists and groups.
    """
    field = str(error["loc"][-1]) if error["loc"] else ""
    case = _Case(model=model, field=field, text=text, context=error.get("ctx", {}))
    kind = error["type"]
    if kind in _ALWAYS:
        return _ALWAYS[kind](case)
    if text in ("", "~", "null"):
        return "is empty", "write a value, or take the line out"
    if kind in _VALUES:
        single = text is not None or kind not in _SCALARS
        return _VALUES[kind](case) if single else ("not a single value", "write one value after the colon")
    told, _, fix = error["msg"].removeprefix("Value error, ").partition("; ")
    return told[:1].lower() + told[1:], fix


def fields(model: type[BaseModel]) -> list[str]:
    """Return the names a section's fields have in the file."""
    return [field.alias or name for name, field in model.model_fields.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    model: type[BaseModel]
    field: str
    text: str | None
    context: Mapping[str, Any]

    @property
    def shown(self) -> str:
        """The value in quotes, or ``this`` where it is long enough to be a secret."""
        if self.text is None or len(self.text) > _SHOWN or not self.text.isprintable():
            return "this"
        return f'"{self.text}"'

    @property
    def described(self) -> str:
        """What the field's own description says, as the rest of a sentence."""
        known = {field.alias or name: field.description for name, field in self.model.model_fields.items()}
        words = (known.get(self.field) or "").removesuffix(".")
        return words[:1].lower() + words[1:] if words[1:2].islower() else words


_Say = Callable[[_Case], Words]


def _refused(case: _Case) -> Words:
    return str(case.context["what"]), str(case.context["fix"])


def _unknown(case: _Case) -> Words:
    return "no such field", suggestion(case.field, fields(case.model))


def _missing(case: _Case) -> Words:
    return "is missing", f"add it: {case.described}" if case.described else "add it"


def _form(case: _Case) -> Words:
    what, pattern = f"{case.shown} has not the right form", str(case.context["pattern"])
    if pattern == NAME_PATTERN:
        return what, "write 2 to 32 small letters, digits and dashes, a letter first"
    return what, f"it is: {case.described}" if case.described else f"write it so that it matches {pattern}"


def _choice(case: _Case) -> Words:
    expected = str(case.context["expected"])
    choices = re.findall(r"'([^']*)'", expected) or [expected]
    what = (
        f"{case.shown} is not one of {', '.join(choices)}"
        if choices[1:]
        else f"{case.shown} is not {expected}"
    )
    return what, suggestion(case.text or "", choices)


def _say(what: str, fix: str) -> _Say:
    def say(case: _Case) -> Words:
        return what.format(text=case.shown, **case.context), fix.format(**case.context)

    return say


_WHOLE: Final = _say("{text} is not a whole number", "write one, like 10")
_NUMBER: Final = _say("{text} is not a number", "write one, like 2.5")
_YES_NO: Final = _say("{text} is neither true nor false", "write true or false")
_LIST: Final = _say("not a list", "write each on its own line after a dash, or [a, b]")
_GROUP: Final = _say("not a group of fields", "write name: value lines below it, indented")

# Error types of pydantic 2.  https://docs.pydantic.dev/latest/errors/validation_errors/

#: Said whatever stands there.
_ALWAYS: Final[Mapping[str, _Say]] = {
    "refused": _refused,
    "extra_forbidden": _unknown,
    "missing": _missing,
}
#: Wrong scalars; where a list or a group stands instead, that is what is wrong.
_SCALARS: Final[Mapping[str, _Say]] = {
    "string_type": _say("is not text", "write it in quotes"),
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _YES_NO,
    "bool_parsing": _YES_NO,
    "literal_error": _choice,
    "enum": _choice,
}
_VALUES: Final[Mapping[str, _Say]] = {
    **_SCALARS,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "dict_type": _GROUP,
    "model_type": _GROUP,
    "model_attributes_type": _GROUP,
    "string_pattern_mismatch": _form,
    "greater_than": _say("{text} is too small", "write more than {gt}"),
    "greater_than_equal": _say("{text} is too small", "write at least {ge}"),
    "less_than": _say("{text} is too large", "write less than {lt}"),
    "less_than_equal": _say("{text} is too large", "write at most {le}"),
    "string_too_short": _say("{text} is too short", "write at least {min_length} characters"),
    "string_too_long": _say("{text} is too long", "write at most {max_length} characters"),
    "too_short": _say("not enough in the list", "list at least {min_length}"),
    "too_long": _say("too much in the list", "list at most {max_length}"),
}
