"""Callbacks that were turned away: counted, and told to the audit without letting a flood into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from alerting.named import NamedTuple

#: Seconds between two audit rows about one source.
_BETWEEN_S: Final = 60.0
#: Sources told apart; a flood from everywhere is told as one.
_SOURCES: Final = 100
OTHERS: Final = "others"


class Told(NamedTuple):
    """What one source was refused for since it was last told: reasons with counts."""

    source: str
    why: dict[str, int]


@dataclass(slots=True)
class _Source:
    next_at: float = float("-inf")
    why: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Refusals:
    """Counts per source and reason; ``due`` gives what may be told now: each source once a minute."""

    total: int = 0
    _sources: dict[str, _Source] = field(default_factory=dict)

    def add(self, source: str, why: str) -> None:
        """Count one refusal."""
        self.total += 1
        if source not in self._sources and len(self._sources) >= _SOURCES:
            source = OTHERS
        self._sources.setdefault(source, _Source()).why[why] += 1

    def due(self, mono: float, *, all_of_it: bool = False) -> Iterator[Told]:
        """Give what is to be told at an instant of the monotonic clock; it counts as told then.

        A source that has been quiet for a minute is forgotten.
        """
        for name, source in list(self._sources.items()):
            if mono < source.next_at and not all_of_it:
                continue
            if source.why:
                yield Told(name, dict(source.why))
                source.why = Counter()
                source.next_at = mono + _BETWEEN_S
            else:
                del self._sources[name]
