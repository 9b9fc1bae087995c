"""What a text may not hold anywhere, and what is swapped so that it stays a cheap text message."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

from alerting.errors import Problem, TemplateProblem
from alerting.named import NamedTuple
from alerting.rendering.gsm import GSM

_SPACES: Final = (
    "\t\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)

#: What is written for what looks like it. One curly quote would cut the room from 160 to 70.
_LOOKALIKES: Final[Mapping[str, str]] = {
    "'": "\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4`",
    '"': "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212",
    "...": "\u2026",
    "*": "\u2022\u00b7\u2219\u25cf\u25aa",
    "/": "\u2044\u2215",
    "x": "\u00d7",
    "->": "\u2192",
    "<-": "\u2190",
    "(C)": "\u00a9",
    "(R)": "\u00ae",
    "TM": "\u2122",
    " deg": "\u00b0",
    " ": _SPACES,
    "": "\u00ad",
}
_SWAPS: Final = {character: plain for plain, many in _LOOKALIKES.items() for character in many}

#: They turn the order of what is read around, so that a text says what nobody approved.
#: Source: Unicode property Bidi_Control.
_BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: Nobody sees them; they hide words from checks, or X refuses them.
_INVISIBLE: Final = frozenset("\u200b\u2028\u2029\u2060\ufeff\ufffe\uffff")
#: What a byte that cannot be decoded becomes (PEP 383), and what has to be taken off to have it again.
_SURROGATE: Final = 0xDC00
_UNREADABLE: Final = frozenset(map(chr, range(_SURROGATE + 0x80, _SURROGATE + 0x100)))
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cs", "Co"})


class Sanitised(NamedTuple):
    """A text for the SMS shape, and what was swapped in it: (as written, as sent) pairs."""

    text: str
    replaced: tuple[tuple[str, str], ...] = ()


def refused(text: str) -> tuple[str, ...]:
    """Return the names of characters no text may hold: controls, direction marks, invisible ones.

    Line breaks and tabs are fine here.
    """
    if text.isascii() and text.isprintable():
        return ()
    return tuple(_named(c) for c in dict.fromkeys(text) if _is_refused(c))


def _is_refused(character: str) -> bool:
    if character in "\n\t":
        return False
    return (
        character in _BIDI
        or character in _INVISIBLE
        or unicodedata.category(character) in _REFUSED_CATEGORIES
    )


def _named(character: str) -> str:
    code = f"U+{ord(character):04X}"
    if character in _UNREADABLE:
        # Python's stand-in for a byte of the command line that is not in the terminal's encoding.
        return f"a byte that is no UTF-8 (0x{ord(character) - _SURROGATE:02X}; is LANG a UTF-8 one?)"
    name = unicodedata.name(character, "control character")
    return f"{code} {name}"


def sanitise(text: str) -> Sanitised:
    """Swap look-alikes for characters of the GSM-7 tables, for the SMS shape only.

    Curly quotes, dashes, the ellipsis and odd spaces are always swapped. Accents that GSM-7 lacks
    are dropped only where that makes the whole text GSM-7; otherwise it is UCS-2 anyway and keeps
    them.

    Raises:
        TemplateProblem: the text holds control characters, direction marks or invisible characters.
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    if found := refused(text):
        raise TemplateProblem(
            Problem(where="", what=f"the text holds {', '.join(found)}", fix="write it without them")
        )
    swaps = {c: _SWAPS[c] for c in dict.fromkeys(text) if c in _SWAPS}
    foreign = [c for c in dict.fromkeys(text) if c not in GSM and c not in swaps]
    plain = {c: _without_accent(c) for c in foreign}
    if all(plain.values()):
        swaps.update(plain)
    swapped = text.translate({ord(c): to for c, to in swaps.items()}) if swaps else text
    return Sanitised(text=swapped, replaced=tuple(swaps.items()))


def _without_accent(character: str) -> str:
    """Return the GSM-7 letters a character is built on, or nothing."""
    base = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    base = "".join(_SWAPS.get(c, c) for c in base)
    return base if base and GSM.issuperset(base) else ""
