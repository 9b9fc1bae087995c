"""Many lines of a list read at once, a column at a time.

Looking at a row by itself costs three times what its columns cost when a thousand rows are looked at
together: one expression goes over all numbers, one over all that stands before an @, and each domain is
looked at once.
A block in which anything is odd is given back as a whole, and goes the way of single lines. So this, too,
never has to be complete, only the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from alerting.audience.columns import Columns
from alerting.audience.nanp import AREAS
from alerting.audience.normalise import ROLES, plain_email, plain_phone
from alerting.audience.person import ID_MOST, text_of
from alerting.audience.source import EMAIL, PHONE, Row

#: Characters of the longest block, and so of the longest line in one; see ``clean.LINE_MOST``.
_BLOCK_MOST: Final = 100_000
#: One a line, in E.164, whatever the area. Possessive: a list has no use for a way back.
_NUMBERS: Final = re.compile(r"(?:\+1[2-9][0-9]{2}[2-9][0-9]{6}\n)*+")
_AREA: Final = slice(2, 5)
#: What stands before the @ (RFC 5322 section 3.2.3), one a line.
_LOCALS: Final = re.compile(
    r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++)*+\n)*+"
)
#: A mailbox no longer than what may stand before its @ is too short for any limit.
_MAILBOX_SHORT: Final = 64


class Blocks:
    """Reads blocks of one list, separated by ``sign``; ``region`` is where local numbers are from."""

    def __init__(self, columns: Columns, *, sign: str, region: str) -> None:
        at = {field: place for place, field, _ in columns.addresses}
        self._columns, self._sign, self._region = columns, sign, region
        self._phone, self._email = at.get("phone"), at.get("email")
        #: Whether such a list can be read so at all: with one number and one mailbox a person, at most.
        self.able = len(at) == len(columns.addresses)

    def read(self, text: str, *, line: int) -> list[Row] | None:
        """Return the people of whole lines, the first of which is ``line``; None unless all are plain."""
        if '"' in text or len(text) > _BLOCK_MOST:
            return None
        text = text.replace("\r\n", "\n") if "\r" in text else text
        text = text if text.endswith("\n") else f"{text}\n"
        count, width = text.count("\n"), self._columns.width + 1
        # Every line's end becomes a cell of its own: where all of them stand in one column, no row is
        # longer or shorter than the others.
        cells = text.replace("\n", f"{self._sign}\n{self._sign}").split(self._sign)
        if "\r" in text or len(cells) != count * width + 1 or cells[width - 1 :: width] != ["\n"] * count:
            return None
        phones = self._phones(_column(cells, self._phone, width, count))
        emails = self._emails(_column(cells, self._email, width, count))
        if phones is None or emails is None:
            return None
        own = _own(phones, emails)
        if own is None:
            return None
        return list(zip(self._names(cells, width, line, count), phones, emails, own, strict=True))

    def _phones(self, cells: Sequence[str]) -> Sequence[str] | None:
        filled = [cell for cell in cells if cell]
        together = "\n".join([*filled, ""])
        if _NUMBERS.fullmatch(together) and AREAS.issuperset({cell[_AREA] for cell in filled}):
            return cells
        region = self._region
        read = [plain_phone(cell, region) if cell else "" for cell in cells]
        return read if read.count("") == len(cells) - len(filled) else None

    def _emails(self, cells: Sequence[str]) -> Sequence[str] | None:
        filled = [cell for cell in cells if cell]
        if not filled:
            return cells
        parts = "@\n@".join([*filled, ""]).split("@")
        locals_, domains = parts[0:-1:3], parts[1::3]
        # Each @ makes two of a cell: where all line ends stand in one column, every cell has exactly one.
        if len(parts) != 3 * len(filled) + 1 or parts[2::3] != ["\n"] * len(filled):
            return None
        known = {domain: plain_email(f"x@{domain}")[2:] for domain in set(domains)}
        if (
            max(map(len, filled)) > _MAILBOX_SHORT
            or not all(known.values())
            or not _LOCALS.fullmatch("\n".join([*locals_, ""]))
            or not ROLES.isdisjoint(map(str.lower, locals_))
        ):
            return None
        if all(domain == lower for domain, lower in known.items()):
            return cells
        return [_lowered(cell, known) for cell in cells]

    def _names(self, cells: list[str], width: int, line: int, count: int) -> Sequence[str]:
        numbers = range(line, line + count)
        if self._columns.id is None:
            return [f"line {number}" for number in numbers]
        ids = cells[self._columns.id : -1 : width]
        together = "".join(ids)
        plain = together.isascii() and together.isprintable() and " " not in together
        if plain and all(ids) and max(map(len, ids)) <= ID_MOST:
            return ids
        return [
            text_of(cell)[:ID_MOST] or f"line {number}" for cell, number in zip(ids, numbers, strict=True)
        ]


def _column(cells: list[str], at: int | None, width: int, count: int) -> list[str]:
    return [""] * count if at is None else cells[at:-1:width]


def _own(phones: Sequence[str], emails: Sequence[str]) -> Sequence[int] | None:
    """Return for each row which of its addresses it has; None where one has none."""
    if all(phones):
        return [PHONE | EMAIL] * len(phones) if all(emails) else [PHONE | (EMAIL if e else 0) for e in emails]
    own = [(PHONE if p else 0) | (EMAIL if e else 0) for p, e in zip(phones, emails, strict=True)]
    return None if 0 in own else own


def _lowered(cell: str, known: dict[str, str]) -> str:
    local, at, domain = cell.partition("@")
    return f"{local}@{known[domain]}" if at else cell
