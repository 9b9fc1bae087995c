"""Which column of a list holds what, whatever the list calls it."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: Column names in small letters without spaces and signs, by what they hold. A number may follow.
SYNONYMS: Final = {
    "phone": (
        "phone phones phonenumber phoneno telephone telephonenumber tel mobile mobiles mobilephone "
        "mobilenumber mobileno cell cellphone cellnumber cellular sms smsnumber text textnumber handy gsm"
    ),
    "email": "email emails emailaddress mail mails mailaddress mailbox smtp",
    "id": "id personid studentid employeeid staffid userid campusid universityid externalid netid uid sisid",
    "language": "language lang languages locale preferredlanguage",
    "group": "group groups groupname tag tags role roles audience audiences",
}
_DELIMITERS: Final = (",", ";", "\t", "|")
#: What a spreadsheet may write above the names to say what stands between its cells.
_SEPARATOR_LINE: Final = re.compile(r"\ufeff?sep=(.)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Positions of the columns that are used. ``addresses`` are (position, field, name in the list)."""

    width: int
    addresses: tuple[tuple[int, str, str], ...]
    id: int | None = None
    language: int | None = None
    groups: tuple[int, ...] = ()


def meaning(name: str) -> str:
    """Return what a column of this name holds, or nothing."""
    plain = re.sub(r"[^a-z]", "", name.casefold().removeprefix("\ufeff"))
    return next((field for field, words in SYNONYMS.items() if plain in words.split()), "")


def columns(header: Sequence[str]) -> Columns:
    """Find the columns of a header row; ``addresses`` is empty where there are none."""
    meanings = [meaning(name) for name in header]
    addresses = (
        (i, word, header[i].strip()) for i, word in enumerate(meanings) if word in ("phone", "email")
    )
    return Columns(
        width=len(header),
        addresses=tuple(addresses),
        id=meanings.index("id") if "id" in meanings else None,
        language=meanings.index("language") if "language" in meanings else None,
        groups=tuple(i for i, word in enumerate(meanings) if word == "group"),
    )


def separator_line(line: str) -> str:
    """Return the delimiter that a line such as ``sep=;`` names, or nothing."""
    match = _SEPARATOR_LINE.fullmatch(line)
    return match[1] if match else ""


def delimiter(line: str) -> str:
    """Return what stands between the cells of a header line: comma, semicolon, tab or bar.

    The one that yields the most known columns; a comma where none does better.
    """
    return max(
        _DELIMITERS, key=lambda sign: sum(map(bool, map(meaning, next(csv.reader([line], delimiter=sign)))))
    )
