"""What a list would reach, found out before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from alerting.audience.source import AudienceSource, Refused
from alerting.model.audience import Address, AddressKind, Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """An address that stands in two rows; only the first is used. ``address`` is masked."""

    address: str
    line: int
    first_line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceReport:
    """A list in figures.

    ``rows`` counts rows that say something, ``recipients`` those that reach somebody. ``phones`` and
    ``emails`` count different addresses. ``refused`` and ``duplicates`` are cut to a bound; their totals
    are not. ``languages`` and ``groups`` count recipients; the empty language is the campus's own.
    """

    name: str
    rows: int
    recipients: int
    phones: int
    emails: int
    refused: tuple[Refused, ...]
    refused_total: int
    duplicates: tuple[Duplicate, ...]
    duplicates_total: int
    languages: Mapping[str, int]
    groups: Mapping[str, int]


def check(source: AudienceSource, *, most: int = 50) -> AudienceReport:
    """Read a whole list and report on it, with at most so many examples of each kind.

    Holds every address in memory, unlike sending.

    Raises:
        AudienceProblem: the list as a whole cannot be read.
    """
    count = _Count(most)
    for entry in source.read():
        count.see_line(entry.line)
        if isinstance(entry, Refused):
            count.see_refused(entry)
        else:
            count.see_person(entry)
    return count.report(source.name)


class _Count:
    """Figures while a list goes by."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows = self._last = self._recipients = 0
        self._lines: dict[Address, int] = {}
        self._refused: list[Refused] = []
        self._refused_total = 0
        self._duplicates: list[Duplicate] = []
        self._duplicates_total = 0
        self._kinds: Counter[AddressKind] = Counter()
        self._languages: Counter[str] = Counter()
        self._groups: Counter[str] = Counter()

    def see_line(self, line: int) -> None:
        self._rows += line != self._last
        self._last = line

    def see_refused(self, refused: Refused) -> None:
        self._refused_total += 1
        if len(self._refused) < self._most:
            self._refused.append(refused)

    def see_person(self, person: Recipient) -> None:
        self._recipients += 1
        self._languages[person.language] += 1
        self._groups.update(set(person.groups))
        for address in person.addresses:
            first_line = self._lines.setdefault(address, person.line)
            if first_line == person.line:
                self._kinds[address.kind] += 1
            else:
                self._see_duplicate(address, person.line, first_line)

    def _see_duplicate(self, address: Address, line: int, first_line: int) -> None:
        self._duplicates_total += 1
        if len(self._duplicates) < self._most:
            self._duplicates.append(Duplicate(address=address.masked, line=line, first_line=first_line))

    def report(self, name: str) -> AudienceReport:
        return AudienceReport(
            name=name,
            rows=self._rows,
            recipients=self._recipients,
            phones=self._kinds[AddressKind.PHONE],
            emails=self._kinds[AddressKind.EMAIL],
            refused=tuple(self._refused),
            refused_total=self._refused_total,
            duplicates=tuple(self._duplicates),
            duplicates_total=self._duplicates_total,
            languages=dict(self._languages.most_common()),
            groups=dict(self._groups.most_common()),
        )
