"""Instructions of a cold ``alert send`` refused at the word, so all but fork and sending, by valgrind.

``python -m benchmarks.counted [--operators] [TREE]`` prints millions, and those of an interpreter that does
nothing. ``--operators`` is for a campus with operators.yaml, ``TREE`` for the program of another worktree.
On a busy machine it says more than time does; the kernel's part is not in it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.campus import campus, people, sms

_OPERATORS = "version: 1\npeople: {kim: {roles: [sender, approver], os_user: [root, '0']}}\n"
_COUNT = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
_NOT_CONFIRMED = 5


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "--operators"]
    tree = Path(words[0] if words else Path(__file__).parents[1]).absolute()
    environ = {**os.environ, "BENCH_TOKEN": "t" * 32, "PYTHONHASHSEED": "0", "PYTHONPATH": str(tree)}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = campus(folder, people(folder, 20_000), [sms("sms-main", "http://127.0.0.1:9", rate=100)])
        if "--operators" in sys.argv:
            config.with_name("operators.yaml").write_text(_OPERATORS)
        line = ["-m", "benchmarks.command", "--config", str(config), "send", "gas-leak"]
        line += ["-v", "place=Baker Hall", "--confirm", "another word"]
        # The first makes the state directory, and bytecode; the second keeps there what it has checked.
        for _ in range(2):
            subprocess.run([sys.executable, *line], env=environ, cwd=folder, capture_output=True, check=False)
        told = _counted(line, environ, folder, code=_NOT_CONFIRMED)
        print(f"{told:.0f}, doing nothing {_counted(['-c', 'pass'], environ, folder):.0f}")


def _counted(line: list[str], environ: Mapping[str, str], folder: Path, *, code: int = 0) -> float:
    done = subprocess.run(
        [*_COUNT, sys.executable, *line], env=environ, cwd=folder, capture_output=True, text=True, check=False
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert done.returncode == code, done.stderr[-2000:]
    assert found, "valgrind is not here"
    return int(found[1]) / 1e6


if __name__ == "__main__":
    main()
