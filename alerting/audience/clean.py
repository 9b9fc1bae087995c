"""Rows in which nothing is odd, read in one short loop.

Most rows of most lists are a number and a mailbox as everybody writes them. Such a line holds no quote, as
many cells as there are columns, and addresses that need no library. Any other line is given back, and goes
the way that knows about damage, refusals and the rest of the world. So this loop never has to be complete,
only the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from alerting.audience.columns import Columns
from alerting.audience.normalise import plain_email, plain_phone
from alerting.audience.person import ID_MOST, text_of

#: Characters of the longest line read here; one cell of it is then no longer than the csv module takes.
_LINE_MOST: Final = 100_000
_TOGETHER: Final = 2_000

Plain = Callable[[str], str]


#: (kind, address, person, that person's other addresses, one a line), as a roster keeps it.
Entry = tuple[str, str, str, str]


class Clean(NamedTuple):
    """So many people, one after the other in the list, and what they add to a roster."""

    people: int
    entries: list[Entry]


class Lines(Protocol):
    """Physical lines that can be given back."""

    number: int  #: of the line taken last, from 1

    def take(self) -> str:
        """Return the next line; empty at the end of the file."""
        ...

    def give_back(self, line: str) -> None:
        """Let the line just taken be the next one again."""
        ...


class CleanRows:
    """The clean rows of one list, separated by ``sign``; ``region`` is where local numbers are from."""

    def __init__(self, columns: Columns, *, sign: str, region: str) -> None:
        ways: dict[str, Plain] = {"phone": lambda cell: plain_phone(cell, region), "email": plain_email}
        self._columns, self._sign = columns, sign
        self._ways = [(at, field, ways[field]) for at, field, _ in columns.addresses]

    def run(self, lines: Lines) -> Iterator[Clean]:
        """Yield people, many at a time, up to the first line that is not clean, which is given back."""
        while found := self._next(lines):
            yield found

    def _next(self, lines: Lines) -> Clean | None:
        take, sign, width, at_id = lines.take, self._sign, self._columns.width, self._columns.id
        entries: list[Entry] = []
        people = 0
        while people < _TOGETHER and (line := take()):
            cells = line.rstrip("\r\n").split(sign)
            told = self._addresses(cells) if len(cells) == width and '"' not in line else None
            if not told or len(line) > _LINE_MOST:
                lines.give_back(line)
                break
            name = "" if at_id is None else text_of(cells[at_id])[:ID_MOST]
            entries += rows_of(name or f"line {lines.number}", told)
            people += 1
        return Clean(people, entries) if people else None

    def _addresses(self, cells: list[str]) -> list[tuple[str, str]] | None:
        """Return what a row's cells hold; None where one of them is anything but plain."""
        found = []
        for at, kind, way in self._ways:
            if cell := cells[at]:
                value = way(cell)
                if not value or (kind, value) in found:
                    return None
                found.append((kind, value))
        return found


def rows_of(name: str, told: Sequence[tuple[str, str]]) -> Sequence[Entry]:
    """Return an entry for each address of a person, with the others."""
    if len(told) == 1:
        return ((*told[0], name, ""),)
    if len(told) == 2:  # noqa: PLR2004 - a number and a mailbox: nearly everybody
        (kind, value), (other, mate) = told
        return ((kind, value, name, f"{other}:{mate}"), (other, mate, name, f"{kind}:{value}"))
    texts = [f"{kind}:{value}" for kind, value in told]
    return [
        (*address, name, "\n".join(texts[:place] + texts[place + 1 :])) for place, address in enumerate(told)
    ]
