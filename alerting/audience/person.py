"""One row of a list made into a person."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from alerting.audience.columns import Columns
from alerting.audience.normalise import Flaw, Malformed, email, phone
from alerting.audience.source import Refused, masked
from alerting.model.audience import Address, Recipient

#: What people write into a cell that has nothing to say.
_NOTHING: Final = frozenset({"-", "--", "n/a", "na", "none", "null", "nil", "unknown", "?"})
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_BETWEEN_GROUPS: Final = re.compile(r"[;,|\n]")
#: Characters of the campus's own id that are kept.
ID_MOST: Final = 200


class PersonReader:
    """Makes people of rows. ``groups`` are plain group names; empty takes everyone."""

    def __init__(self, columns: Columns, *, region: str, groups: frozenset[str]) -> None:
        self._columns = columns
        self._groups = groups
        parsers: dict[str, Callable[[str], Address]] = {
            "phone": partial(phone, region=region),
            "email": email,
        }
        self._addresses = [(at, parsers[field], name) for at, field, name in columns.addresses]
        self._names = ", ".join(name for _, _, name in columns.addresses)

    def read(self, line: int, cells: list[str], *, whole: bool = True) -> Iterator[Recipient | Refused]:
        """Yield what a row leaves out, then its person, if anything is left of them.

        ``whole`` is false for a row that lost cells; then what it lacks is not held against it.
        """
        columns = self._columns
        groups: tuple[str, ...] = ()
        if columns.groups:
            groups = tuple(name for at in columns.groups for name in _split(_cell(cells, at)))
        if self._groups and self._groups.isdisjoint(map(plain, groups)):
            return
        addresses: list[Address] = []
        told = not whole
        for at, parse, name in self._addresses:
            parsed = _parsed(parse, _cell(cells, at))
            if isinstance(parsed, Malformed):
                told = True
                yield self._refused(line, cells, at, name, parsed)
            elif parsed is not None and parsed not in addresses:
                addresses.append(parsed)
        if addresses:
            yield Recipient(
                addresses=tuple(addresses),
                id=text_of(_cell(cells, columns.id))[:ID_MOST],
                language=_language(_cell(cells, columns.language)),
                groups=groups,
                line=line,
            )
        elif not told and any(map(str.strip, cells)):
            yield Refused(line=line, field=self._names, value="", reason="no address at all", fix="add one")

    def _refused(self, line: int, cells: list[str], at: int, name: str, wrong: Malformed) -> Refused:
        fix, width = wrong.fix, self._columns.width
        if len(cells) > width:
            fix = (
                f"the row has {len(cells)} cells for {width} columns; put a cell that holds commas in quotes"
            )
        return Refused(line=line, field=name, value=masked(cells[at]), reason=wrong.why.words, fix=fix)


def plain(group: str) -> str:
    """Return a group's name as it is compared: without capitals and double spaces."""
    return " ".join(group.split()).casefold()


def _parsed(parse: Callable[[str], Address], cell: str) -> Address | Malformed | None:
    """Return the address in a cell, what is wrong with it, or None where there is nothing."""
    try:
        return parse(cell)
    except Malformed as wrong:
        if wrong.why is Flaw.EMPTY or cell.strip().casefold() in _NOTHING:
            return None
        return wrong


def _cell(cells: list[str], at: int | None) -> str:
    return cells[at] if at is not None and at < len(cells) else ""


def _split(cell: str) -> Iterator[str]:
    return (name for part in _BETWEEN_GROUPS.split(cell) if (name := text_of(part)))


def _language(cell: str) -> str:
    if not cell:
        return ""
    word = cell.strip().replace("_", "-")
    return word if _LANGUAGE.fullmatch(word) else ""


def text_of(cell: str) -> str:
    """Return a cell on one line; bytes that are not UTF-8 are read as Windows writes them."""
    if not cell:
        return ""
    text = " ".join(cell.split())
    if text.isascii() and text.isprintable():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode(errors="surrogateescape").decode("cp1252", errors="replace")
    return "".join(filter(str.isprintable, text))
