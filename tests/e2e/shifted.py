"""``alert`` on a host whose clock is wrong: ``python shifted.py SECONDS WORDS``, or a file that holds them."""

import sys
from datetime import timedelta
from pathlib import Path

from alerting.cli import main
from alerting.clock import SystemClock, micros

if __name__ == "__main__":
    told, right = sys.argv.pop(1), SystemClock.now
    file = Path(told)

    def now(self):
        return right(self) + timedelta(seconds=float(file.read_text() if file.is_file() else told))

    SystemClock.now = now
    SystemClock.micros = lambda self: micros(self.now())
    main()
