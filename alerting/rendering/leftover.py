"""What somebody meant to fill in, and words that may never be said."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_PLACEHOLDERS: Final = (
    "ADD TEXT|AREA NAME|BUILDING NAME|BUILDING NUMBER|CAMPUS NAME|CITY NAME|DATE TIME|DEPARTMENT NAME|"
    "DESCRIBE HERE|END TIME|ENTER HERE|EVENT NAME|HAZARD TYPE|INSERT [A-Z]+|LOCATION HERE|LOCATION NAME|"
    "LOREM IPSUM|PERSON NAME|PHONE NUMBER|PLACE NAME|ROAD NAME|ROOM NUMBER|START TIME|STREET NAME|"
    "SUSPECT DESCRIPTION|TEXT HERE|TYPE HERE|UNIVERSITY NAME|YOUR [A-Z]+"
)
_LEFTOVER: Final = re.compile(
    r"\[[^\]\n]*\w[^\]\n]*\]"  # [building]
    r"|<[A-Za-z][^<>@/\n]*>"  # <building>, but not <https://...> or <a@b>
    r"|\b(?:TODO|FIXME|TBD|TBC|[xX]{3,}|X{2,})\b"
    rf"|\b(?:{_PLACEHOLDERS})\b"
    r"|_{3,}|\?{3,}"
)

#: Letters only. In a drill these make people act; in a real alert they teach people to doubt the next one.
_FORBIDDEN: Final = (
    "notadrill", "isntadrill", "isnodrill", "notatest", "isntatest", "isnotest",
    "notanexercise", "isntanexercise", "isnoexercise",
)  # fmt: skip
#: Letters of other scripts that look like Latin small letters.
_FOREIGN: Final = "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0442\u043d\u0501\u04cf\u0455\u0131"
_LATIN: Final = "aeopcyxitndlsi"
_FOREIGN_GREEK: Final = "\u03b1\u03bf\u03b9\u03c4\u03bd\u03b5\u03c1"
_LATIN_GREEK: Final = "aoitnep"
_LOOKS_LIKE: Final = str.maketrans(_FOREIGN + _FOREIGN_GREEK, _LATIN + _LATIN_GREEK)
#: Digits written for letters: n0t a dri11.
_DIGITS: Final = str.maketrans("01345", "oleas")


def leftover(text: str) -> str:
    """Return the first thing in a text that was meant to be replaced, or nothing.

    ``[building]``, ``<building>``, ``BUILDING NAME``, ``TODO``, ``XXX``, ``___``.
    """
    found = _LEFTOVER.search(text)
    return found[0] if found else ""


def denies_drill(text: str) -> bool:
    """Say whether a text claims to be no drill or no test, however it is spaced or written."""
    flat = unicodedata.normalize("NFKD", text).casefold().translate(_LOOKS_LIKE)
    said = [_letters(way) for way in (flat, flat.translate(_DIGITS))]
    return any(word in letters for letters in said for word in _FORBIDDEN)


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text))
