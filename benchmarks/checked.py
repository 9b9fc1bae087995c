"""A list of people, checked as the first command after an export does, and nothing sent.

``python -m benchmarks.checked CHANNELS.YAML`` leaves the checked list beside the ledger, for what is measured
next.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path


def main() -> None:
    gc.set_threshold(100_000)  # as the command line does
    from alerting.app import App
    from alerting.clock import SystemClock

    App(Path(sys.argv[1]), clock=SystemClock(), environ=os.environ).house().roster("everyone").counts()


if __name__ == "__main__":
    main()
