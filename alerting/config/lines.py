"""A YAML file as plain values, and the line each of them stands on.

Every scalar is read as the text that stands there; what it must be is the settings' business. So
``page: 007``, ``from: +14135550100`` and ``name: no`` mean what they look like. Aliases and tags are
refused: they have no use here, and can be made to explode.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from alerting.errors import ConfigProblem, Problem

Where = tuple[str | int, ...]  #: the way to a value: ``("channels", 2, "from")``

_SIZE_MOST: Final = 1 << 20  # bytes
_DEPTH_MOST: Final = 16  # levels; libyaml's own reading in C has no limit, and ends the process
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
#: What YAML 1.1 section 5.1 does not allow, and the line breaks only it knows.
_FORBIDDEN: Final = re.compile(
    "[^\t\n\r\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
#: How libyaml begins its complaints, and what people understand.
_WORDS: Final = (
    (
        "mapping values are not allowed",
        "a colon in the wrong place",
        "put the value in quotes, or check the indentation",
    ),
    ("did not find expected ',' or", "a bracket is not closed", "close it"),
    (
        "did not find expected key",
        "the indentation does not fit the lines above",
        "line it up with its neighbours",
    ),
    (
        "did not find expected '-'",
        "the indentation does not fit the lines above",
        "line it up with its neighbours",
    ),
    ("could not find expected ':'", "a line without a colon", "write name: value"),
    (
        "did not find expected <document start>",
        "this does not belong to what stands above",
        "check the brackets",
    ),
    ("did not find expected node content", "no value where one should be", "write one, or put it in quotes"),
    ("block sequence entries are not allowed", "a dash in the wrong place", "put it on a line of its own"),
    ("mapping keys are not allowed", "a value that begins with ?", "put it in quotes"),
    ("found unexpected end of stream", "a quote is not closed", "close it"),
    ("found unknown escape character", "a backslash in double quotes", "use single quotes"),
)


@dataclass(slots=True, kw_only=True)
class Document:
    """What a file says. ``lines`` and ``texts`` hold the line of every value and the text of scalars."""

    name: str
    data: Any = None
    lines: dict[Where, int] = field(default_factory=dict)
    texts: dict[Where, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, where: Where) -> int:
        """Return the line of a value, or of the nearest one around it."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def problem(self, where: Where, label: str, what: str, fix: str = "") -> Problem:
        """Return a problem with file, line and field in front."""
        head = f"{self.name}:{self.line(where)}"
        return Problem(where=f"{head}: {label}" if label else head, what=what, fix=fix)


def read(raw: bytes, name: str) -> Document:
    """Read a file's bytes.

    Raises:
        ConfigProblem: it is not YAML, or not only plain values.
    """
    import yaml

    document = Document(name=name)
    text = _decoded(raw, document)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        _Reader(loader, document).read()
    except yaml.MarkedYAMLError as wrong:
        document.problems.append(_syntax(wrong, text, name))
    finally:
        loader.dispose()
    if document.problems:
        raise ConfigProblem(*document.problems)
    return document


class _Reader:
    """Turns the parser's events into values, one level of the file a call."""

    def __init__(self, loader: Any, document: Document) -> None:
        self._loader = loader
        self._document = document

    def read(self) -> None:
        from yaml import events

        self._loader.get_event()  # the stream begins
        if isinstance(self._loader.get_event(), events.StreamEndEvent):
            self._refuse(1, "is empty", "copy the example that came with the program")
            return
        self._document.data = self._value((), self._loader.get_event())
        self._loader.get_event()  # the document ends
        event = self._loader.get_event()
        if not isinstance(event, events.StreamEndEvent):
            self._refuse(event.start_mark.line + 1, "a second document begins", "take the line --- out")

    def _value(self, where: Where, event: Any) -> Any:
        from yaml import events

        line = event.start_mark.line + 1
        self._document.lines.setdefault(where, line)
        if len(where) > _DEPTH_MOST:
            raise ConfigProblem(*self._document.problems, self._problem(line, "too many levels", "nest less"))
        if isinstance(event, events.AliasEvent):
            self._refuse(line, "a value that begins with *", "put it in quotes")
            return None
        if event.tag is not None:
            self._refuse(line, "a value that begins with !", "put it in quotes")
        if isinstance(event, events.ScalarEvent):
            self._document.texts[where] = event.value
            return None if event.implicit[0] and event.value in _NULLS else event.value
        if isinstance(event, events.SequenceStartEvent):
            return self._sequence(where)
        return self._mapping(where)

    def _sequence(self, where: Where) -> list[Any]:
        from yaml import events

        items: list[Any] = []
        while not isinstance(event := self._loader.get_event(), events.SequenceEndEvent):
            items.append(self._value((*where, len(items)), event))
        return items

    def _mapping(self, where: Where) -> dict[str, Any]:
        from yaml import events

        entries: dict[str, Any] = {}
        while not isinstance(event := self._loader.get_event(), events.MappingEndEvent):
            line = event.start_mark.line + 1
            if not isinstance(event, events.ScalarEvent):
                self._refuse(line, "the name of a field must be a word", "write name: value")
                self._value((*where, ""), event)
                self._value((*where, ""), self._loader.get_event())
                continue
            inner = (*where, event.value)
            first = self._document.lines.setdefault(inner, line)
            known = event.value in entries
            value = self._value(inner if not known else (*inner, ""), self._loader.get_event())
            if known:
                self._refuse(line, f'"{event.value}" is already on line {first}', "keep one of them")
            entries.setdefault(event.value, value)
        return entries

    def _problem(self, line: int, what: str, fix: str) -> Problem:
        return Problem(where=f"{self._document.name}:{line}", what=what, fix=fix)

    def _refuse(self, line: int, what: str, fix: str) -> None:
        self._document.problems.append(self._problem(line, what, fix))


def _decoded(raw: bytes, document: Document) -> str:
    def refused(before: str, what: str, fix: str) -> ConfigProblem:
        return ConfigProblem(
            Problem(where=f"{document.name}:{before.count(chr(10)) + 1}", what=what, fix=fix)
        )

    if len(raw) > _SIZE_MOST:
        raise refused("", "larger than a megabyte", "is it the right file?")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        before = raw[: wrong.start].decode("utf-8", "replace")
        raise refused(before, "a letter that is not UTF-8", "save the file as UTF-8") from None
    strange = _FORBIDDEN.search(text)
    if strange:
        sign = f"an invisible character, U+{ord(strange[0]):04X}"
        raise refused(text[: strange.start()], sign, "take it out")
    return text


def _syntax(wrong: Any, text: str, name: str) -> Problem:
    mark = wrong.problem_mark or wrong.context_mark
    line = mark.line if mark else 0
    lines: Sequence[str] = text.split("\n")
    sign = lines[line][mark.column : mark.column + 1] if mark and line < len(lines) else ""
    said = str(wrong.problem or "")
    if sign == "\t":
        what, fix = "a tab", "indent with spaces"
    elif said.startswith("found character that cannot start"):
        what, fix = f'a value that begins with "{sign}"', "put it in quotes"
    else:
        plain = (f"not YAML ({said})", "compare it with the example that came with the program")
        what, fix = next(((what, fix) for begin, what, fix in _WORDS if said.startswith(begin)), plain)
    if "not closed" in what and wrong.context_mark:
        line = wrong.context_mark.line
    return Problem(where=f"{name}:{min(line, len(lines) - 1) + 1}", what=what, fix=fix)
