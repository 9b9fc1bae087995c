"""A CSV list whose reader is imported when it is read: a list that has not changed never is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alerting.audience.clean import Clean
    from alerting.audience.csvfile import CsvAudience
    from alerting.audience.source import Refused
    from alerting.model.audience import Recipient


class LaterCsv:
    """What ``CsvAudience`` is, from the moment on when somebody reads it."""

    def __init__(self, path: Path, *, region: str, groups: Sequence[str] = ()) -> None:
        self.name = path.name
        self._path, self._region, self._groups = path, region, groups

    def read(self) -> Iterator[Recipient | Refused]:
        """Stream everyone; see ``CsvAudience.read``."""
        yield from self._csv().read()

    def quick(self) -> Iterator[Clean | Recipient | Refused]:
        """Stream the same people quickly; see ``CsvAudience.quick``."""
        yield from self._csv().quick()

    def _csv(self) -> CsvAudience:
        from alerting.audience.csvfile import CsvAudience

        return CsvAudience(self._path, region=self._region, groups=self._groups)
