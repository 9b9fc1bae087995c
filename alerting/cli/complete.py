"""What the shell offers while somebody types. On any trouble it offers nothing, and says nothing.

The configuration is read as it stands, unchecked: one mistake in it must not take the place names away.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from alerting.ledger.reader import SqliteReader
    from alerting.rendering.template import Template

_ALERTS: Final = 20

#: Carries what bash has split off before the word it asks about.
_BEFORE: Final = "_ALERT_COMPLETE_BEFORE"
#: What bash would take for something else than a letter of a word.
_SPECIAL: Final = r"([^\w@%+=:,./-])"

Source = Callable[[typer.Context, str], list[tuple[str, str]]]


def _offered(source: Callable[[_Setting], Iterable[tuple[str, str]]]) -> Source:
    """Return a source as typer asks for one: (word, help) pairs that begin as what was typed."""

    @wraps(source)
    def offer(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        import logging  # every command reads this room; few complete a line

        # A half-typed command is no place for a library's warnings.
        logging.disable()
        try:
            *before, word = incomplete.split(",") if source.__name__ == "channels" else [incomplete]
            head = "".join(f"{name}," for name in before)
            found: list[tuple[str, str]] = [
                (_Word(_as_typed(head + name, os.environ)), words)
                for name, words in source(_Setting(ctx))
                if name.casefold().startswith(word.casefold()) and name not in before
            ]
        except Exception:  # noqa: BLE001 - nothing may be printed into a half-typed line
            return []
        return found

    offer.__annotations__ = {"ctx": typer.Context, "incomplete": str}
    del offer.__wrapped__
    return offer


class _Word(str):
    """A word to offer. Typer looks once more how it begins, and knows neither case nor bash's ways."""

    __slots__ = ()

    def startswith(self, *_: object) -> bool:
        return True


class _Setting:
    """What is known while a line is typed: the words before, and the configuration file unchecked."""

    def __init__(self, ctx: typer.Context) -> None:
        root = ctx.find_root().params
        self.path = Path(root.get("config") or os.environ.get("ALERT_CONFIG") or "channels.yaml")
        self._state: Path | None = root.get("state")
        self._sandbox = bool(root.get("sandbox"))
        self.data = self._read()

    def _read(self) -> dict[str, Any]:
        from alerting.config.lines import read

        data: dict[str, Any] = read(self.path.read_bytes(), str(self.path)).data
        return data

    @property
    def templates(self) -> Path:
        return self.path.parent / str(self.data.get("templates", "templates"))

    @property
    def ledger(self) -> Path:
        named = self._state or os.environ.get("ALERT_STATE")
        state = Path(named) if named else self.path.parent / str(self.data.get("state", "state"))
        return (state / "sandbox" if self._sandbox else state) / "ledger.db"

    @contextmanager
    def record(self) -> Iterator[SqliteReader]:
        """Open the record on this host to read it; closed on leaving."""
        from alerting.clock import SystemClock
        from alerting.ledger.reader import SqliteReader

        ledger = SqliteReader.at(self.ledger, clock=SystemClock())
        try:
            yield ledger
        finally:
            ledger.close()

    @property
    def template(self) -> Template:
        """The template already on the line."""
        from alerting.rendering.store import TemplateStore

        store = TemplateStore(self.templates)
        known = store.names()
        return store.find(next(word for word in _words(os.environ) if word in known))


def _words(environ: Mapping[str, str]) -> list[str]:
    """Return the words of the line being typed: what the shells tell, each in its own variable.

    The parser forgets them as soon as an option lacks its value, which is when they are asked for.
    """
    import shlex

    line = environ.get("COMP_WORDS") or environ.get("_TYPER_COMPLETE_ARGS", "")
    try:
        return shlex.split(line)
    except ValueError:  # an open quote
        return line.split()


def rejoin(environ: MutableMapping[str, str]) -> None:
    """Put ``place=Ma`` together again: bash ends words at ``=`` and tells ``place``, ``=`` and ``Ma``.

    Called before the parser reads the line; it changes COMP_WORDS and COMP_CWORD.
    """
    words = environ.get("COMP_WORDS", "").split("\n")
    at = int(environ.get("COMP_CWORD") or 0)
    words += [""] * (at + 1 - len(words))
    first = at - 2 if words[at - 1] == "=" else at - 1 if words[at] == "=" else at
    if first in (at, 0) or first < 0 or words[first].startswith("-"):
        return
    environ[_BEFORE] = f"{words[first]}="
    environ["COMP_WORDS"] = "\n".join([*words[:first], "".join(words[first : at + 1])])
    environ["COMP_CWORD"] = str(first)


def _as_typed(word: str, environ: Mapping[str, str]) -> str:
    """Return a word as the shell wants it: bash gets only what follows ``=``, with its blanks escaped."""
    if environ.get("_ALERT_COMPLETE") != "complete_bash":
        return word
    before = environ.get(_BEFORE, "")
    current = environ.get("COMP_WORDS", "").split("\n")[-1].removeprefix(before)
    rest = word.removeprefix(before)
    return rest if current.startswith(("'", '"')) else re.sub(_SPECIAL, r"\\\1", rest)


@_offered
def templates(setting: _Setting) -> Iterable[tuple[str, str]]:
    """Offer template names."""
    from alerting.errors import TemplateProblem
    from alerting.rendering.store import TemplateStore

    store = TemplateStore(setting.templates)
    for name in store.names():
        try:
            yield name, store.find(name).title
        except TemplateProblem:
            yield name, "has mistakes"


@_offered
def places(setting: _Setting) -> Iterable[tuple[str, str]]:
    """Offer the campus's places."""
    return ((place, "") for place in setting.data["campus"].get("places", ()))


@_offered
def channels(setting: _Setting) -> Iterable[tuple[str, str]]:
    """Offer channel names, several with commas between."""
    return ((entry["name"], entry.get("kind", "")) for entry in setting.data["channels"])


@_offered
def audiences(setting: _Setting) -> Iterable[tuple[str, str]]:
    """Offer audience names."""
    return ((name, str(entry.get("csv", ""))) for name, entry in setting.data["audiences"].items())


@_offered
def alerts(setting: _Setting) -> Iterable[tuple[str, str]]:
    """Offer the newest alerts."""
    with setting.record() as ledger:
        return [(record.alert.id, record.alert.title) for record in ledger.alerts(limit=_ALERTS)]


@_offered
def notices(setting: _Setting) -> Iterable[tuple[str, str]]:
    """Offer the newest notices to the people on call."""
    with setting.record() as ledger:
        return [(record.alert.id, record.alert.title) for record in ledger.notices(limit=_ALERTS)]


@_offered
def reviews(setting: _Setting) -> Iterable[tuple[str, str]]:
    """Offer the alerts a review is owed for."""
    from alerting.authority.aftermath import still_owed

    with setting.record() as ledger:
        return [(one.alert, f"{one.by} sent it alone") for one in still_owed(ledger)]


@_offered
def approvals(setting: _Setting) -> Iterable[tuple[str, str]]:
    """Offer the requests that wait for a second person."""
    from alerting.authority.approvals import Standing, asked_for
    from alerting.clock import SystemClock

    with setting.record() as ledger:
        found, now = asked_for(ledger).values(), SystemClock().now()
    return [(asked.id, asked.title) for asked in found if asked.standing(now) is Standing.OPEN]


@_offered
def variables(setting: _Setting) -> Iterable[tuple[str, str]]:
    """Offer what the template asks for: ``name=``, with each choice or place where those are known."""
    for variable in setting.template.variables.values():
        known = variable.choices
        if variable.type == "place":
            known = tuple(setting.data["campus"].get("places", ()))
        yield f"{variable.name}=", variable.prompt
        for value in known:
            yield f"{variable.name}={value}", variable.prompt
