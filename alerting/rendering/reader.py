"""Where we are in a template's file, and what was found wrong so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter

from alerting.errors import Problem


@dataclass(slots=True, kw_only=True)
class Reader:
    """Collects the mistakes of one file, so that a person sees them all at once."""

    path: str
    found: list[tuple[int, Problem]] = field(default_factory=list)

    def wrong(self, line: int, key: str, what: str, fix: str) -> None:
        """Note one mistake; ``key`` may be empty."""
        where = f"{self.path}:{line}: {key}" if key else f"{self.path}:{line}"
        self.found.append((line, Problem(where=where, what=what, fix=fix)))

    @property
    def problems(self) -> list[Problem]:
        """The mistakes in the order of their lines."""
        return [problem for _, problem in sorted(self.found, key=itemgetter(0))]
