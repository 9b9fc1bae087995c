"""A template and its values become a message: rendered once, the same for every channel.

The core has the last word: it puts the source and the time in front where the author forgot them, and
builds the drill wall where no template can reach it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from alerting.errors import Problem, TemplateProblem
from alerting.model.alert import Status
from alerting.model.message import Message
from alerting.rendering.compiled import mistakes, ready, told
from alerting.rendering.core import CoreWords
from alerting.rendering.leftover import denies_drill
from alerting.rendering.markup import paragraph, refused_markup, text_of
from alerting.rendering.sanitise import refused
from alerting.rendering.template import Block, Template
from alerting.rendering.values import checked

_SPACES: Final = re.compile(r"(?<=\S)[ \t]{2,}")
_ONE_LINE: Final = ("sms", "subject")
#: Where the message is taken from when a template has no ``message`` block.
_MESSAGE_FROM: Final = ("message", "post", "sms", "email", "email_html")
#: What the drill wall says where there is room.
_SENTENCES: Final = {
    "DRILL": "DRILL: this is practice.",
    "TEST": "TEST: this is a test of the alert system.",
    "NOTICE": "NOTICE: this is about the alert system.",
}


def render(
    template: Template,
    values: Mapping[str, str],
    *,
    core: CoreWords,
    only: Collection[str] | None = None,
) -> Message:
    """Fill a template once: every block it has, and always ``message`` and ``subject``.

    With ``only``, the blocks that are read; the others may say nothing, or too much, with these values.

    Raises:
        TemplateProblem: everything that is wrong with the template or its values, at once.
    """
    problems = [*_mistakes(template), *_wrong_mode(template, core)]
    filled: Mapping[str, str] = {}
    try:
        filled = checked(template, values)
    except TemplateProblem as error:
        problems += error.problems
    if problems:
        raise TemplateProblem(*problems)
    return fill(template, filled, core=core, only=only)


def _mistakes(template: Template) -> list[Problem]:
    return [] if template.sound else mistakes(template)


def _wrong_mode(template: Template, core: CoreWords) -> Iterator[Problem]:
    if template.drill and core.status is Status.ACTUAL:
        yield Problem(
            where=template.at("drill" if "drill" in template.lines else "status"),
            what="a template for drills cannot be sent as a real alert",
            fix="send another, or run it as a drill",
        )


def fill(
    template: Template,
    values: Mapping[str, str],
    *,
    core: CoreWords,
    only: Collection[str] | None = None,
) -> Message:
    """Fill a template without mistakes from values that are already checked; see ``render``.

    Raises:
        TemplateProblem: what only shows in the result: too long, forbidden words, hidden markup.
    """
    words = {**values, **core.words()}
    problems: list[Problem] = []
    wanted = {*template.blocks, "message", "subject"} if only is None else set(only)
    source = next((name for name in _MESSAGE_FROM if name in template.blocks), "")
    blocks = {
        block.name: _filled(template, block, words, core, problems)
        for block in template.blocks.values()
        if block.name in wanted or (block.name == source and "message" in wanted)
    }
    if "message" in wanted:
        text = blocks.get(source, "")
        blocks.setdefault("message", text_of(text) if source == "email_html" else text)
    if "subject" in wanted:
        blocks.setdefault("subject", _named(_tidy("subject", template.title), core))
    walled = {name: _walled(name, text, core.wall) for name, text in blocks.items()}
    for name, text in walled.items():
        problems += _unsayable(template, name, text)
    if problems:
        raise TemplateProblem(*problems)
    return Message(blocks=walled, language=template.languages[0] if template.languages else "")


def _filled(
    template: Template, block: Block, words: Mapping[str, str], core: CoreWords, problems: list[Problem]
) -> str:
    """Return one block's text with the core's words in front where the author left them out."""
    code = ready(block)
    if code.problems:  # of a template that was sound, by an engine that has become stricter since
        problems += told(template, block, code.problems)
        return ""
    try:
        text = _tidy(block.name, code.fill(words))
    except OverflowError:
        where = f"{template.path}:{block.line}: {block.name}"
        problems.append(Problem(where=where, what="longer than 64 kB", fix="write less"))
        return ""
    if not text:
        where = f"{template.path}:{block.line}: {block.name}"
        problems.append(Problem(where=where, what="nothing to say with these values", fix="fill it in"))
        return ""
    text = _weighed(block.name, text, code.names, core)
    if block.name == "subject":
        return _named(text, core) if "source" not in code.names else text
    missing = _missing(code.names, text if block.name != "email_html" else text_of(text), core)
    if not missing:
        return text
    return paragraph(missing) + "\n" + text if block.name == "email_html" else f"{missing}: {text}"


def _weighed(name: str, text: str, names: Mapping[str, int], core: CoreWords) -> str:
    """Return a text that says how sure we are, behind the time, where the author left no place for it."""
    word = core.evidence
    if not word or "evidence" in names or word.casefold() in text.casefold():
        return text
    if name == "email_html":
        return f"{paragraph(word, strong=True)}\n{text}"
    mark = ": " if name == "subject" else f"{core.time}: "
    head, found, rest = text.partition(mark)
    if found:
        return f"{head}{mark}{word}: {rest}"
    return f"{word}\n\n{text}" if name == "email" else f"{word}: {text}"


def _missing(names: Mapping[str, int], text: str, core: CoreWords) -> str:
    """Return the words the core has to put in front: source, number, time.

    A word counts as said only where the author asked for it and it came out, so that a value that
    looks like the source cannot stand in for it.
    """
    flat = text.casefold()
    said = {name for name in ("source", "time") if name in names and core.words()[name].casefold() in flat}
    if len(said) == 2:  # noqa: PLR2004
        return ""
    front = [core.source if "source" not in said else "", "" if "number" in names else core.number]
    return " ".join(word for word in (*front, core.time if "time" not in said else "") if word)


def _named(subject: str, core: CoreWords) -> str:
    """Return a subject that says who speaks."""
    return f"{core.source}: {subject}" if core.source else subject


def _tidy(name: str, text: str) -> str:
    """Return a text in NFC without the spaces that empty words leave behind."""
    text = unicodedata.normalize("NFC", text)
    if name in _ONE_LINE:
        return " ".join(text.split())
    lines = (_SPACES.sub(" ", line).rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _walled(name: str, text: str, wall: str) -> str:
    """Return a text with the wall's word before and after it, always, whatever the text begins with."""
    if not wall:
        return text
    if name == "email_html":
        mark = paragraph(_SENTENCES[wall], strong=True)
        return f"{mark}\n{text}\n{mark}"
    if name == "email":
        return f"{_SENTENCES[wall]}\n\n{text}\n\n{_SENTENCES[wall]}"
    return f"{wall} {text} {wall}"


def _unsayable(template: Template, name: str, text: str) -> Iterator[Problem]:
    """Yield what may not leave the house, whoever wrote it."""
    block = template.blocks.get(name)
    where = f"{template.path}:{block.line}: {name}" if block else f"{template.path}: {name}"
    shown: Callable[[], str] = (lambda: text_of(text)) if name == "email_html" else (lambda: text)
    if denies_drill(text) or denies_drill(shown()):
        fix = "leave that out: only the program says which it is"
        yield Problem(where=where, what="says that it is no drill or no test", fix=fix)
    for character in refused(text):
        yield Problem(where=where, what=f"holds {character}", fix="write it without")
    if name == "email_html":
        for what in refused_markup(text):
            yield Problem(where=where, what=what, fix="write plain headings, paragraphs, lists and links")
