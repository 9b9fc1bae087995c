"""The command line as its console script starts it: ``python -m benchmarks.command WORDS``."""

from __future__ import annotations

from alerting.cli import main

if __name__ == "__main__":
    main()
