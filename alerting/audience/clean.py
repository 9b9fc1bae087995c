"""Rows in which nothing is odd, read in short ways.

Most rows of most lists are a number and a mailbox as everybody writes them. Such a line holds no quote, as
many cells as there are columns, and addresses that need no library. Where a whole block of lines is so, it
is read a column at a time; else in one short loop over its lines. Any other line is given back, and goes the
way that knows about damage, refusals and the rest of the world. So neither ever has to be complete, only the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from alerting.audience.block import Blocks
from alerting.audience.columns import Columns
from alerting.audience.normalise import plain_email, plain_phone
from alerting.audience.person import ID_MOST, text_of
from alerting.audience.source import EMAIL, PHONE, Row
from alerting.named import NamedTuple

#: Characters of the longest line read here; one cell of it is then no longer than the csv module takes.
_LINE_MOST: Final = 100_000
#: Characters of a block read from the file, and lines of one that was read before and is not all clean.
_BLOCK, _FEW = 1 << 16, 32
#: People at a time of a list that has no such blocks.
_TOGETHER: Final = 2_000

Plain = Callable[[str], str]


class Clean(NamedTuple):
    """So many people, one after the other in the list, and what they add to a roster."""

    people: int
    rows: list[Row]


class Lines(Protocol):
    """Physical lines that can be given back."""

    number: int  #: of the line taken last, from 1

    def take(self) -> str:
        """Return the next line; empty at the end of the file."""
        ...

    def give_back(self, line: str) -> None:
        """Let the line just taken be the next one again."""
        ...

    def take_text(self, size: int, *, few: int) -> str:
        """Return whole lines, not counted yet; empty at the end of the file."""
        ...

    def give_back_text(self, text: str) -> None:
        """Let lines taken as text be the next ones again."""
        ...

    def passed(self, count: int) -> None:
        """Count lines that were taken as text."""
        ...


class CleanRows:
    """The clean rows of one list, separated by ``sign``; ``region`` is where local numbers are from."""

    def __init__(self, columns: Columns, *, sign: str, region: str) -> None:
        ways: dict[str, Plain] = {"phone": lambda cell: plain_phone(cell, region), "email": plain_email}
        self._columns, self._sign = columns, sign
        self._ways = [(at, field, ways[field]) for at, field, _ in columns.addresses]
        self._blocks = Blocks(columns, sign=sign, region=region)

    def run(self, lines: Lines) -> Iterator[Clean]:
        """Yield people, many at a time, up to the first line that is not clean, which is given back."""
        odd = False
        while not odd:
            if self._blocks.able:
                yield from self._by_columns(lines)
            clean, odd = self._by_lines(lines)
            if clean.people:
                yield clean

    def _by_columns(self, lines: Lines) -> Iterator[Clean]:
        """Yield people up to the first few lines that are not all clean; whatever block they stand in."""
        while text := lines.take_text(_BLOCK, few=_FEW):
            rows = self._blocks.read(text, line=lines.number + 1)
            if rows is not None:
                lines.passed(len(rows))
                yield Clean(len(rows), rows)
                continue
            lines.give_back_text(text)
            if text.count("\n") <= _FEW:
                return

    def _by_lines(self, lines: Lines) -> tuple[Clean, bool]:
        """Return people, and whether an odd line, or the end, has been met."""
        take, sign, width, at_id = lines.take, self._sign, self._columns.width, self._columns.id
        most = _FEW if self._blocks.able else _TOGETHER
        rows: list[Row] = []
        people = 0
        while people < most:
            line = take()
            cells = line.rstrip("\r\n").split(sign)
            told = self._addresses(cells) if len(cells) == width and '"' not in line else None
            if not told or len(line) > _LINE_MOST:
                if line:
                    lines.give_back(line)
                return Clean(people, rows), True
            name = "" if at_id is None else text_of(cells[at_id])[:ID_MOST]
            rows += rows_of(name or f"line {lines.number}", told)
            people += 1
        return Clean(people, rows), False

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


def rows_of(name: str, told: Sequence[tuple[str, str]]) -> list[Row]:
    """Return a person's rows: first number and first mailbox, then any further one beside those."""
    phones = [value for kind, value in told if kind == "phone"]
    emails = [value for kind, value in told if kind == "email"]
    phone, email = (phones or [""])[0], (emails or [""])[0]
    first = (name, phone, email, (PHONE if phone else 0) | (EMAIL if email else 0))
    return [
        first,
        *((name, other, email, PHONE) for other in phones[1:]),
        *((name, phone, other, EMAIL) for other in emails[1:]),
    ]
