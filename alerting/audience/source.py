"""The audience port: where people come from, one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from alerting.errors import Problem
from alerting.model.audience import Recipient
from alerting.named import NamedTuple

if TYPE_CHECKING:
    from alerting.audience.clean import Clean

#: Which of a row's addresses are its own: the same address in a later row is not.
PHONE, EMAIL = 1, 2
#: One row of a roster: person, number, mailbox, and which of the two are its own.
Row = tuple[str, str, str, int]

_UNPRINTABLE: Final = r"[^\w !-~\u00a1-\u00ac\u00ae-\u00ff\u2010-\u2027]"
_SHOWN: Final = 24  # characters of a cell worth repeating
_HEAD, _TAIL = 3, 2  # characters that stay readable at either end


class Refused(NamedTuple):
    """One cell, or row, of a list that reaches nobody.

    ``line`` is the physical line its row starts on, from 1. ``value`` is masked: enough to find the
    cell, not enough to know the person. The rest of the row is still used.
    """

    line: int
    field: str
    value: str
    reason: str
    fix: str = ""

    def problem(self, source: str) -> Problem:
        """Return this as a sentence about ``source``, such as ``people.csv``."""
        what = f'"{self.value}" {self.reason}' if self.value else self.reason
        return Problem(where=f"{source}:{self.line}: {self.field}", what=what, fix=self.fix)


class AudienceSource(Protocol):
    """A list of people."""

    name: str

    def read(self) -> Iterator[Recipient | Refused]:
        """Stream everyone in the order of the list, and what had to be left out, each where it stands.

        A row with one good and one bad address gives both. Nothing is remembered between rows: the
        same address may come twice.

        Raises:
            AudienceProblem: the list as a whole cannot be read.
        """
        ...


@runtime_checkable
class QuickSource(AudienceSource, Protocol):
    """A list that can be read for its addresses only."""

    def quick(self) -> Iterator[Clean | Recipient | Refused]:
        """Stream what ``read`` does, in its order; people with nothing odd about them many at a time.

        Raises:
            AudienceProblem: the list as a whole cannot be read.
        """
        ...


def masked(text: str) -> str:
    """Return a cell as a report may show it: both ends, without its middle and its control characters."""
    shown = re.sub(_UNPRINTABLE, "?", " ".join(text.split()))
    local, at, domain = shown.rpartition("@")
    if at:
        return f"{local[:1] if local[1:] else ''}***@{domain[:_SHOWN]}"
    if len(shown) > _SHOWN:
        return f"{shown[:_HEAD]}***{shown[-_TAIL:]}"
    if len(shown) <= _HEAD + _TAIL:
        # Nothing would be left between the ends: a short cell is somebody's too.
        return shown[:1] + re.sub(r"\w", "*", shown[1:])
    middle = shown[_HEAD:-_TAIL]
    return shown[:_HEAD] + re.sub(r"\w", "*", middle) + shown[-_TAIL:]
