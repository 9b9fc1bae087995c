"""``python -m benchmarks [--quick] [--only WORD]``: measure, print the table, write it down.

Everything runs on this machine, between processes started and ended here.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import both, flood, mails, recall, start, store, texts, workers
from benchmarks.lab import Lab
from benchmarks.table import Line, markdown, write

PARTS: dict[str, Callable[[Lab], Iterator[Line]]] = {
    "plain": texts.plain,
    "tls": texts.tls,
    "latency": texts.near_the_limit,
    "ledger": store.ledger,
    "paced": texts.paced,
    "mail": mails.mail,
    "both": both.both,
    "trouble": texts.trouble,
    "start": start.start,
    "list": store.lists,
    "memory": store.memory,
    "growth": store.growth,
    "recall": recall.recall,
    "flood": flood.flood,
    "workers": workers.workers,
    "shared": workers.shared,
}
#: What runs for a while before it can be measured, and what comes after sending; a quick run leaves them
#: out unless they are named.
_LONG = ("workers", "shared", "both", "recall", "flood")
_QUICK_PAIRS, _PAIRS = 1, 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--quick", action="store_true", help="under two minutes; one round, smaller numbers")
    parser.add_argument("--only", default="", help=f"parts, comma between: {', '.join(PARTS)}")
    options = parser.parse_args()
    chosen = [part for part in PARTS if not (options.quick and part in _LONG)]
    if options.only:
        chosen = options.only.split(",")
    pairs = _QUICK_PAIRS if options.quick else _PAIRS
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        lab = Lab(Path(folder), pairs=pairs, quick=options.quick)
        for part in chosen:
            began = time.monotonic()
            lines += _measured(part, lab)
            print(f"({part}: {time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
    print(markdown(lines))
    if not options.only:
        write(lines, pairs=pairs, quick=options.quick)


def _measured(part: str, lab: Lab) -> Iterator[Line]:
    try:
        for line in PARTS[part](lab):
            print(
                f"{line.verdict:12} {line.what}: {line.measured}, wanted {line.target}",
                file=sys.stderr,
                flush=True,
            )
            yield line
    except Exception as error:  # noqa: BLE001 - one part that fails must not take the others' figures with it
        words = str(error).strip().splitlines() or [type(error).__name__]
        print(f"{part}: {error}", file=sys.stderr)
        yield Line(what=part, target="", measured=f"not measured: {words[-1][:160]}", met=False)


if __name__ == "__main__":
    main()
