"""The YAML between the ``---`` lines: parsed with line numbers, every mistake at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from alerting.model.alert import (
    AlertClass,
    Category,
    Certainty,
    MsgType,
    ResponseType,
    Severity,
    Status,
    Urgency,
)
from alerting.named import NamedTuple
from alerting.rendering.reader import Reader
from alerting.rendering.suggest import suggestion
from alerting.rendering.template import CORE_NAMES, Variable, VariableType

_LIFETIME: Final = re.compile(r"(\d{1,4}) ?(m|min|minutes?|h|hours?|d|days?)")
_SPANS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_YES_NO: Final = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
#: A language, perhaps with a script and a region (BCP 47).
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_LONGEST: Final = timedelta(days=14)
#: The front matter starts below the first ``---``.
_FIRST_LINE: Final = 2
#: Room for a value of these types where the template does not say: ``12:45pm``, ``12,000``.
_USUAL_LENGTH: Final = {VariableType.TIME: 8, VariableType.NUMBER: 8}


class FrontMatter(NamedTuple):
    """The declared keys, converted, and the line each stands on."""

    fields: Mapping[str, Any]
    lines: Mapping[str, int]


def read_front_matter(text: str, reader: Reader) -> FrontMatter:
    """Read the declarations of a template; mistakes are added to the reader's problems."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        _note_yaml(error, reader)
        return FrontMatter(fields={}, lines={})
    if not isinstance(node, MappingNode):
        reader.wrong(_FIRST_LINE, "", "no declarations between the --- lines", "write `title: ...`")
        return FrontMatter(fields={}, lines={})
    return _read_keys(node, reader)


def _note_yaml(error: Exception, reader: Reader) -> None:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or "cannot be read"
    reader.wrong(
        _FIRST_LINE + (mark.line if mark else 0),
        "front matter",
        f"not YAML: {what}",
        "write `key: value`, and quote a value that holds `: ` or starts with a sign",
    )


def _line(node: Node) -> int:
    """Return the line of the file a node stands on."""
    return int(node.start_mark.line) + _FIRST_LINE


def _wrong(reader: Reader, node: Node, key: str, what: str, fix: str) -> None:
    reader.wrong(_line(node), key, what, fix)


def _read_keys(node: MappingNode, reader: Reader) -> FrontMatter:
    fields: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, value in _pairs(node, reader, known=tuple(_KEYS)):
        lines[key] = _line(value)
        read = _KEYS[key](value, key, reader)
        if read is not None:
            fields[_FIELD_OF.get(key, key)] = read
    if "title" not in lines:
        reader.wrong(_FIRST_LINE, "title", "missing", "write `title: Shots reported`")
    return FrontMatter(fields=fields, lines=lines)


def _pairs(node: Node, reader: Reader, *, known: tuple[str, ...] = ()) -> list[tuple[str, Node]]:
    """Return the keys of a mapping; unknown and repeated ones are problems."""
    if not isinstance(node, MappingNode):
        _wrong(reader, node, "front matter", "not a list of `key: value` lines", "write `key: value`")
        return []
    found: dict[str, Node] = {}
    for key_node, value in node.value:
        key = str(key_node.value)
        if key in found:
            _wrong(reader, key_node, key, "written twice", "delete one of them")
        elif known and key not in known:
            _wrong(reader, key_node, key, "no such key", suggestion(key, known))
        else:
            found[key] = value
    return list(found.items())


def _text(node: Node, key: str, reader: Reader) -> str | None:
    """Read a scalar exactly as written: ``no`` stays a word and 1:30 a time."""
    if not isinstance(node, ScalarNode):
        _wrong(reader, node, key, "not a single value", "write words after the colon")
        return None
    value = str(node.value).strip()
    if "\n" in value:
        _wrong(reader, node, key, "more than one line", "write it on one line")
        return None
    return value


def _words(node: Node, key: str, reader: Reader) -> tuple[str, ...] | None:
    """Read a list of words, or one word."""
    if isinstance(node, ScalarNode):
        one = _text(node, key, reader)
        return (one,) if one else ()
    if not isinstance(node, SequenceNode):
        _wrong(reader, node, key, "not a list", "write `[one, two]`")
        return None
    texts = [_text(item, key, reader) for item in node.value]
    return tuple(t for t in texts if t)


def _languages(node: Node, key: str, reader: Reader) -> tuple[str, ...] | None:
    """Read language tags, the text's own first; other programs are told it."""
    found = _words(node, key, reader)
    for word in found or ():
        if not _LANGUAGE.fullmatch(word):
            _wrong(reader, node, key, f'"{word}" is not a language tag', "write `[en]`, `[es]` or `[pt-BR]`")
    return found


def _yes_no(node: Node, key: str, reader: Reader) -> bool | None:
    value = (_text(node, key, reader) or "").lower()
    if value not in _YES_NO:
        _wrong(reader, node, key, f'neither yes nor no ("{value}")', "write yes or no")
    return _YES_NO.get(value)


def _one_of(enum: type[StrEnum], *, without: str = "") -> Callable[[Node, str, Reader], StrEnum | None]:
    """Return a reader of one word of an enumeration."""

    def read(node: Node, key: str, reader: Reader) -> StrEnum | None:
        value = (_text(node, key, reader) or "").lower().replace("-", "_").replace(" ", "_")
        known = [str(member) for member in enum if member != without]
        if value not in known:
            _wrong(reader, node, key, f'unknown word "{value}"', suggestion(value, known))
            return None
        return enum(value)

    return read


def _lifetime(node: Node, key: str, reader: Reader) -> timedelta | None:
    value = _text(node, key, reader) or ""
    match = _LIFETIME.fullmatch(value.lower())
    span = timedelta(**{_SPANS[match[2][0]]: int(match[1])}) if match else timedelta()
    if not timedelta() < span <= _LONGEST:
        _wrong(
            reader, node, key, f'not a span up to 14 days ("{value}")', "write `lifetime: 90m`, `2h` or `1d`"
        )
        return None
    return span


def _max_length(node: Node, key: str, reader: Reader) -> int | None:
    value = _text(node, key, reader) or ""
    if not re.fullmatch(r"[1-9][0-9]{0,3}", value):
        _wrong(reader, node, key, f'not a number of characters ("{value}")', "write `max_length: 24`")
        return None
    return int(value)


def _variables(node: Node, _key: str, reader: Reader) -> dict[str, Variable]:
    """Read the declared variables; a name alone declares a required text."""
    variables = {}
    for name, value in _pairs(node, reader):
        if not _NAME.fullmatch(name):
            _wrong(reader, value, f"variables.{name}", "not a name", "write small letters, digits and _")
        elif name in CORE_NAMES:
            what = "filled by the program itself"
            _wrong(
                reader, value, f"variables.{name}", what, f"use {{{{ {name} }}}} and delete the declaration"
            )
        else:
            variables[name] = _variable(name, value, reader)
    return variables


def _variable(name: str, node: Node, reader: Reader) -> Variable:
    if isinstance(node, ScalarNode):
        return Variable(name=name, prompt=str(node.value), line=_line(node))
    given: dict[str, Any] = {}
    for key, value in _pairs(node, reader, known=tuple(_VARIABLE_KEYS)):
        read = _VARIABLE_KEYS[key](value, f"variables.{name}.{key}", reader)
        if read is not None:
            given[key] = read
    given.setdefault("type", VariableType.CHOICE if "choices" in given else VariableType.TEXT)
    given.setdefault("max_length", _USUAL_LENGTH.get(given["type"]))
    given.setdefault("required", "default" not in given)
    variable = Variable(name=name, line=_line(node), **given)
    for what, fix in _contradictions(variable):
        _wrong(reader, node, f"variables.{name}", what, fix)
    return variable


def _contradictions(variable: Variable) -> list[tuple[str, str]]:
    """Return what a declaration says against itself."""
    found = []
    choice = variable.type is VariableType.CHOICE
    if choice and not variable.choices:
        found.append(("a choice without choices", "write `choices: [one, two]`"))
    if variable.choices and not choice:
        found.append((f"choices for a {variable.type}", "write `type: choice`"))
    if choice and variable.default and variable.default not in variable.choices:
        found.append((f'default "{variable.default}" is not a choice', "write one of the choices"))
    if variable.max_length is not None and len(variable.default) > variable.max_length:
        found.append(("the default is longer than max_length", "shorten it"))
    return found


_KEYS: Final[Mapping[str, Callable[[Any, str, Reader], Any]]] = {
    "id": _text,
    "title": _text,
    "class": _one_of(AlertClass),
    "category": _one_of(Category),
    "severity": _one_of(Severity),
    "urgency": _one_of(Urgency),
    "certainty": _one_of(Certainty),
    "status": _one_of(Status, without=Status.SYSTEM),
    "msg_type": _one_of(MsgType),
    "response_type": _one_of(ResponseType),
    "hazard": _text,
    "lifetime": _lifetime,
    "languages": _languages,
    "channels": _words,
    "drill": _yes_no,
    "variables": _variables,
}
_FIELD_OF: Final = {"class": "alert_class"}
_VARIABLE_KEYS: Final[Mapping[str, Callable[[Any, str, Reader], Any]]] = {
    "type": _one_of(VariableType),
    "prompt": _text,
    "choices": _words,
    "default": _text,
    "max_length": _max_length,
    "required": _yes_no,
}
