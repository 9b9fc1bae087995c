"""Rows of a CSV file with the line each starts on, past any damage.

A quote that is opened and never closed makes an ordinary reader swallow everybody below it. Here such a
row is told apart, and reading goes on with the very next line.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Final, TextIO

#: Characters of the longest line that is read; the csv module refuses cells above 131,072 anyway.
LINE_MOST: Final = 1 << 20
_LINES_MOST: Final = 200  # lines one row may span before its quote counts as never closed


@dataclass(frozen=True, slots=True)
class Damage:
    """A row that cannot be taken apart: its line, why, and the cells that stand before the damage."""

    line: int
    reason: str
    fix: str
    cells: list[str]


class _Overlong(Exception):
    """A line, or a row, beyond every bound."""


class Lines:
    """Physical lines that can be given back, counted.

    ``file`` is open with ``newline=""``; ``first`` is a line already taken from it, and ``before`` how
    many lines stand above that one.
    """

    def __init__(self, file: TextIO, *, first: str = "", before: int = 0) -> None:
        self._file = file
        self._again = deque([first] if first else [])
        self._row: list[str] = []
        self.number = before
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._row) >= _LINES_MOST:
            raise _Overlong
        line = self._again.popleft() if self._again else self._file.readline(LINE_MOST)
        if not line:
            self.ended = True
            raise StopIteration
        self.number += 1
        if len(line) >= LINE_MOST:
            self._skip_rest(line)
            raise _Overlong
        self._row.append(line)
        return line

    def take(self) -> str:
        """Return the next line outside of any row, empty at the end."""
        line = self._again.popleft() if self._again else self._file.readline(LINE_MOST)
        if line:
            self.number += 1
        return line

    def take_text(self, size: int, *, few: int) -> str:
        """Return whole lines outside of any row, about ``size`` characters; empty at the end.

        Of lines that were given back no more than a ``few`` are taken.
        """
        if self._again:
            text = "".join(self._again.popleft() for _ in range(min(few, len(self._again))))
        else:
            text = self._file.read(size)
            text += self._file.readline(LINE_MOST) if text else ""
        return text

    def passed(self, count: int) -> None:
        """Count lines that were taken as text."""
        self.number += count

    def give_back(self, line: str) -> None:
        """Let a line just taken be the next one again."""
        self.number -= 1
        self._again.appendleft(line)

    def give_back_text(self, text: str) -> None:
        """Let lines taken as text be the next ones again, as a file would part them."""
        self._again.extendleft(reversed(list(StringIO(text, newline=""))))

    def _skip_rest(self, line: str) -> None:
        while line and not line.endswith(("\n", "\r")):
            line = self._file.readline(LINE_MOST)

    @property
    def row(self) -> list[str]:
        """The lines taken since the row began."""
        return self._row

    def begin_row(self) -> None:
        """Forget the lines of the row before."""
        self._row.clear()

    def keep_first(self) -> None:
        """Give back all lines of the row but the first."""
        back = self._row[1:]
        self._again.extendleft(reversed(back))
        self.number -= len(back)
        self.ended = False


def rows(lines: Lines, *, delimiter: str) -> Iterator[tuple[int, list[str]] | Damage]:
    """Stream (line a row starts on, its cells), or the damage met there. Blank lines are left out.

    Between two rows the next line may be taken away.
    """
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        start = lines.number + 1
        lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _Overlong):
            sound = False
        else:
            sound = not lines.ended and (len(lines.row) == 1 or _closes(lines.row, delimiter))
        if sound:
            if cells:
                yield start, cells
            continue
        damage = _damage(start, lines.row, delimiter)
        # First, since whoever is told may go on with the lines below by another way.
        lines.keep_first()
        reader = csv.reader(lines, delimiter=delimiter)
        yield damage


def _closes(lines: list[str], delimiter: str) -> bool:
    """Say whether a row of several lines is one row also to a strict reader.

    A strict reader wants a delimiter after a closing quote. Where the quote that closes was meant to
    open the next cell, it finds a letter.
    """
    try:
        return len(list(csv.reader(lines, delimiter=delimiter, strict=True))) == 1
    except csv.Error:
        return False


def _damage(start: int, lines: list[str], delimiter: str) -> Damage:
    first = lines[0] if lines else ""
    try:
        cells = next(csv.reader([first], delimiter=delimiter))[:-1]
    except csv.Error:
        cells = []
    if '"' in first:
        return Damage(start, "a quote is opened and never closed", "close it, or take it out", cells)
    return Damage(start, "a cell of more than 131,072 characters", "shorten it", cells)
