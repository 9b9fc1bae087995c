"""Advice on the words of a warning: what a reader needs, and what a reader stumbles over.

The elements a warning must have: source, hazard, place, action, time. Words that stand for them are
looked for in the text as it will be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from alerting.errors import Problem
from alerting.model.alert import MsgType, ResponseType
from alerting.rendering.compiled import compiled
from alerting.rendering.markup import text_of
from alerting.rendering.sanitise import sanitise
from alerting.rendering.template import Block, Template, VariableType

_ACTION: Final = re.compile(
    r"\b(?:boil|call|check|close|cover|do not|don't|drink|drive|drop|evacuate|fight|find|follow|get|go|"
    r"hide|hold|ignore|keep|leave|lock|look|move|no action|practi[cs]e|reply|report|return|run|seek|shelter|"
    r"shut|stay|stop|take|tell|turn|use|wait|walk|wash|work|you (?:can|may))\b",
    re.IGNORECASE,
)
_AVOID: Final = re.compile(r"\bavoid (?:the|this) (?:area|vicinity|location)\b", re.IGNORECASE)
#: Words of the trade, and what people say.
_JARGON: Final = {
    "active threat": "say what it is: a person with a gun, a fire",
    "apparatus": "fire engines",
    "be advised": "leave it out",
    "bolo": "look out for",
    "code red": "say what it is",
    "eoc": "emergency centre",
    "hazmat": "dangerous chemicals",
    "in the vicinity of": "near",
    "lockdown": "lock the doors and stay inside",
    "occupants": "people inside",
    "perpetrator": "attacker",
    "personnel": "staff",
    "secure in place": "lock the doors and stay inside",
    "shelter in place": "go inside and stay there",
    "shelter-in-place": "go inside and stay there",
    "swat": "police",
    "until further notice": "say when the next message comes",
    "upd": "campus police",
    "vehicular": "cars",
}
_JARGON_WORDS: Final = re.compile(rf"\b(?:{'|'.join(map(re.escape, _JARGON))})\b", re.IGNORECASE)
_FEW_LETTERS: Final = 20
_TOO_LOUD: Final = 0.7
_TEXTS: Final = ("message", "sms", "post", "email", "email_html")
_SHORT: Final = ("message", "sms", "post")


def advice(template: Template, texts: dict[str, str]) -> Iterator[Problem]:
    """Yield what would make a template's texts better; ``texts`` are its blocks filled with samples."""
    if not template.hazard and template.msg_type is MsgType.ALERT and not template.drill:
        yield Problem(where=f"{template.path}:1: hazard", what="not declared", fix="write `hazard: gas leak`")
    for name in _TEXTS:
        block = template.blocks.get(name)
        if block is None:
            continue
        text = text_of(texts[name]) if name == "email_html" else texts[name]
        for line, what, fix in (*_absent(template, block, text), *_clumsy(block, text)):
            yield Problem(where=f"{template.path}:{line}: {name}", what=what, fix=fix)


def _absent(template: Template, block: Block, text: str) -> Iterator[tuple[int, str, str]]:
    """Yield which element of a warning is not there."""
    names = compiled(block).names
    for core, word in (("source", "who speaks"), ("time", "when this was true")):
        if core not in names:
            yield block.line, f"does not say {word}; the program puts it in front", f"write {{{{ {core} }}}}"
    first = template.msg_type is MsgType.ALERT and not template.drill
    if template.hazard and not template.drill and not _mentions(text, template.hazard):
        yield (
            block.line,
            f'does not name the hazard ("{template.hazard}")',
            "say what it is and what it can do",
        )
    places = [v.name for v in template.variables.values() if v.type is VariableType.PLACE]
    if first and not any(name in names for name in places):
        yield block.line, "does not say where", "declare a variable of type place and use it"
    if not _ACTION.search(text):
        vague = "only says to avoid the area" if _AVOID.search(text) else "does not say what to do"
        yield block.line, vague, "write a verb people can follow: leave, go inside, lock doors"
    if template.msg_type is not MsgType.ALERT and "number" not in names and block.name in _SHORT:
        yield block.line, "does not carry its number in the incident", "write {{ number }}"
    if template.response_type is ResponseType.ALL_CLEAR and "all clear" not in text.casefold():
        yield block.line, 'does not say "all clear"', "say it: people look for these two words"


def _mentions(text: str, hazard: str) -> bool:
    """Say whether a text holds the hazard, or one of its words of three letters or more."""
    flat = text.casefold()
    words = re.findall(r"\w{3,}", hazard.casefold())
    return hazard.casefold() in flat or any(word in flat for word in words)


def _clumsy(block: Block, text: str) -> Iterator[tuple[int, str, str]]:
    """Yield what a reader stumbles over."""
    for match in _JARGON_WORDS.finditer(block.source):
        line = block.line + block.source.count("\n", 0, match.start())
        yield line, f'"{match[0]}" is a word of the trade', f"write: {_JARGON[match[0].lower()]}"
    letters = [c for c in text if c.isalpha()]
    loud = sum(c.isupper() for c in letters)
    if len(letters) > _FEW_LETTERS and loud > _TOO_LOUD * len(letters):
        yield block.line, "nearly all in capitals", "keep them for the hazard and the action"
    if block.name == "sms":
        for old, new in sanitise(block.source).replaced:
            at = block.line + block.source.count("\n", 0, block.source.index(old))
            yield at, f"{old} would halve the room; it is sent as {new!r}", f"write {new!r}"
