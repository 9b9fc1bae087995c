"""People from a CSV file, as campuses export them, streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Final, TextIO, TypeVar

from alerting.audience.clean import Clean, CleanRows
from alerting.audience.columns import Columns, columns, delimiter, separator_line
from alerting.audience.normalise import Malformed, email, phone
from alerting.audience.person import PersonReader, plain
from alerting.audience.rows import LINE_MOST, Damage, Lines, rows
from alerting.audience.source import Refused, masked
from alerting.errors import AudienceProblem, Problem
from alerting.model.audience import Recipient

T = TypeVar("T")
_SAMPLE: Final = 4096  # bytes looked at to tell what kind of file it is
_NAMES_SHOWN: Final = 8
#: How files begin that are called CSV and are something else.
_OTHER_FORMATS: Final = (
    (b"PK\x03\x04", "is an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook"),
    (b"\xff\xfe", "is saved as UTF-16"),
    (b"\xfe\xff", "is saved as UTF-16"),
)


class CsvAudience:
    """A CSV file with one person a row and the names of the columns in its first line.

    Comma, semicolon, tab or bar between cells; any order and usual name of columns; with or without
    byte order mark; cells may hold line breaks in quotes. ``region`` is the country of numbers without
    a country code. With ``groups`` only people of at least one of them are read.
    """

    def __init__(self, path: Path, *, region: str, groups: Sequence[str] = ()) -> None:
        self.name = path.name
        self._path = path
        self._region = region
        self._groups = frozenset(map(plain, groups))

    def read(self) -> Iterator[Recipient | Refused]:
        """Stream everyone, and what had to be left out.

        Raises:
            AudienceProblem: the file is not there, is not text, or names no column of addresses.
        """
        yield from self._stream(self._people)

    def quick(self) -> Iterator[Clean | Recipient | Refused]:
        """Stream the same people, without languages and groups, those with nothing odd about them quickly.

        Raises:
            AudienceProblem: as ``read``.
        """
        yield from self._stream(self._quick_people)

    def _stream(self, people: Callable[[TextIO], Iterator[T]]) -> Iterator[T]:
        if self._path.is_fifo():
            raise self._problem("is a pipe, and nobody may ever write into it", "name a file")
        try:
            with self._path.open("rb") as raw:
                self._refuse_other_formats(raw.peek(_SAMPLE)[:_SAMPLE])
                # A byte that is not UTF-8 spoils its own cell, not the file.
                with TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="") as file:
                    yield from people(file)
        except OSError as wrong:
            raise self._problem(wrong.strerror or "cannot be read", "see that the file is there") from wrong

    def _refuse_other_formats(self, sample: bytes) -> None:
        what = next((what for mark, what in _OTHER_FORMATS if sample.startswith(mark)), "")
        if not what and sample.count(0) > len(sample) // 4:
            what = "is saved as UTF-16"
        if what:
            raise self._problem(what, "save it as CSV UTF-8")

    def _people(self, file: TextIO) -> Iterator[Recipient | Refused]:
        lines, sign = _opened(file)
        stream = rows(lines, delimiter=sign)
        person = self._reader(self._header(next(stream, None)))
        for row in stream:
            yield from _person(row, person)

    def _quick_people(self, file: TextIO) -> Iterator[Clean | Recipient | Refused]:
        lines, sign = _opened(file)
        stream = rows(lines, delimiter=sign)
        columns = self._header(next(stream, None))
        person, clean = self._reader(columns), CleanRows(columns, sign=sign, region=self._region)
        row: tuple[int, list[str]] | Damage | None = (0, [])
        while row is not None:
            if not self._groups:
                yield from clean.run(lines)
            row = next(stream, None)
            if row is not None:
                yield from _person(row, person)

    def _reader(self, columns: Columns) -> PersonReader:
        return PersonReader(columns, region=self._region, groups=self._groups)

    def _header(self, row: tuple[int, list[str]] | Damage | None) -> Columns:
        if row is None:
            raise self._problem("is empty", "write the names of the columns first: id,phone,email,groups")
        if isinstance(row, Damage):
            raise self._problem(f"line {row.line}: {row.reason}", row.fix)
        line, header = row
        if any(_is_address(cell, self._region) for cell in header):
            raise self._problem(
                f"line {line} is a person, not the names of the columns",
                "write the names above it: id,phone,email,groups",
            )
        found = columns(header)
        if not found.addresses:
            names = ", ".join(masked(name) for name in header[:_NAMES_SHOWN])
            raise self._problem(f"no column of phones or mailboxes ({names})", 'call one "phone" or "email"')
        if self._groups and not found.groups:
            raise self._problem(
                "no column of groups, and only some groups are asked for", 'call one "groups"'
            )
        return found

    def _problem(self, what: str, fix: str) -> AudienceProblem:
        return AudienceProblem(Problem(where=self.name, what=what, fix=fix))


def _opened(file: TextIO) -> tuple[Lines, str]:
    """Return a list's lines from its header on, and what stands between its cells."""
    before, first = _first_line(file)
    sign = separator_line(first)
    if sign:
        before, first = before + 1, file.readline(LINE_MOST)
    return Lines(file, first=first, before=before), sign or delimiter(first)


def _person(row: tuple[int, list[str]] | Damage, person: PersonReader) -> Iterator[Recipient | Refused]:
    if isinstance(row, Damage):
        yield Refused(line=row.line, field="row", value="", reason=row.reason, fix=row.fix)
        yield from person.read(row.line, row.cells, whole=False)
    else:
        yield from person.read(*row)


def _first_line(file: TextIO) -> tuple[int, str]:
    """Return how many blank lines come first, and the line after them."""
    before = 0
    while (line := file.readline(LINE_MOST)) and not line.strip():
        before += 1
    return before, line


def _is_address(cell: str, region: str) -> bool:
    for parse in (email, lambda text: phone(text, region)):
        try:
            parse(cell)
        except Malformed:
            continue
        return True
    return False
