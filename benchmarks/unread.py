"""What a list that is planned takes when reading and checking it cost nothing.

``python -m benchmarks.unread PEOPLE.CSV`` prints CPU seconds: everything that ``benchmarks.planning`` does,
by the same program, except that all rows lie checked in memory before the clock starts.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from alerting.audience.clean import Clean
from alerting.audience.csvfile import CsvAudience
from alerting.audience.roster import roster_of
from alerting.audience.source import Refused
from alerting.model.audience import Recipient
from benchmarks.planning import planned, roster_size


class AtHand:
    """A list whose people have been read and checked."""

    def __init__(self, source: CsvAudience) -> None:
        self.name, self.read = source.name, source.read
        self._found = list(source.quick())

    def quick(self) -> Iterator[Clean | Recipient | Refused]:
        """Give what was read."""
        yield from self._found


def main() -> None:
    gc.set_threshold(100_000)
    path = Path(sys.argv[1])
    source = AtHand(CsvAudience(path, region="US"))
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory() as name:
        began = time.process_time()
        count = planned(roster_of(source, name="everyone", list_path=path, salt="", directory=Path(name)))
        print(time.process_time() - began)
    assert count == 2 * roster_size(path), count


if __name__ == "__main__":
    main()
