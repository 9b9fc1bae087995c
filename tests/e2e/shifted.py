"""``alert`` on a host whose clock is wrong: ``python shifted.py SECONDS WORDS``."""

import sys
from datetime import timedelta

from alerting.cli import main
from alerting.clock import SystemClock

if __name__ == "__main__":
    off, right = timedelta(seconds=float(sys.argv.pop(1))), SystemClock.now
    SystemClock.now = lambda self: right(self) + off
    main()
