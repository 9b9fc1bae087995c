"""A scheduler that looks all the time, at a clock on which an hour takes a second, until it is killed."""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drill_campus import ZONE, Campus, a_drill, a_programme

from alerting.clock import micros
from alerting.drills.drill import Schedule
from alerting.errors import LedgerUnavailable

SPEED = 3600
BEGIN = datetime(2026, 9, 2, 16, tzinfo=UTC)
MINUTES = (3, 15, 27, 39, 51)


class FastClock:
    """Every process that begins from the same real instant shows the same time."""

    def __init__(self, zero):
        self._zero = zero

    def now(self):
        return BEGIN + timedelta(seconds=(time.time() - self._zero) * SPEED)

    def micros(self):
        return micros(self.now())

    def monotonic(self):
        return time.monotonic() * SPEED


def programme():
    drills = [
        a_drill(
            f"at-{minute:02d}",
            canaries=(),
            schedule=Schedule(
                starts=datetime(2026, 9, 1, 8, minute),
                zone=ZONE,
                rule="FREQ=HOURLY",
                # A slow machine may be late: late is not what is tested here.
                window=timedelta(days=3),
            ),
        )
        for minute in MINUTES
    ]
    return a_programme(*drills)


def main(folder, zero):
    campus, drills, told = Campus(Path(folder), clock=FastClock(float(zero))), programme(), False
    while True:
        try:
            campus.fire(drills)
        except LedgerUnavailable:
            continue
        if not told:
            os.write(1, b"looking\n")
            told = True
        time.sleep(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
