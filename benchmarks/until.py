"""Runs ``benchmarks.ours`` until a stand-in has counted so many requests, then ends it.

``python -m benchmarks.until URL COUNT CHANNELS.YAML``
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request

_LONGEST_S = 60.0


def main() -> None:
    url, count, config = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.ours", config], stderr=subprocess.DEVNULL)
    until = time.monotonic() + _LONGEST_S
    try:
        while process.poll() is None and time.monotonic() < until:
            with urllib.request.urlopen(f"{url}/counts", timeout=5) as answer:
                if json.load(answer)["total"] >= count:
                    return
            time.sleep(0.2)
        raise SystemExit("the healthy channels did not finish")
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
