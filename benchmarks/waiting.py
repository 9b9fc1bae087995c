"""From Enter to the first request where something waits already: an officer's prompt, or ``alert serve``."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.lab import Lab
from benchmarks.stub import cpu_of

_WORD = b"Baker Hall\n"
#: How long somebody needs to read a preview and to type a place, at the very least.
_TYPING_S = 2.0
_LONGEST_S = 20.0

Words = tuple[str, ...]


def at_the_prompt(lab: Lab, words: Words, folder: Path, heard: Callable[[], float]) -> float:
    """Type the word at the prompt; return CPU seconds from that Enter until the provider has heard."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *words], stdin=theirs, stdout=theirs, stderr=theirs, **lab.surroundings()
    )
    try:
        said = b""
        until = time.monotonic() + _LONGEST_S
        while b" to send (" not in said:
            if time.monotonic() > until:
                raise RuntimeError(f"no prompt: {said[-400:]!r}")
            if select.select([ours], [], [], 0.1)[0]:
                said += os.read(ours, 65_536)
        time.sleep(_TYPING_S)
        before = cpu_of(str(folder))
        os.write(ours, _WORD)
        return heard() - before
    finally:
        process.kill()
        process.wait()
        os.close(theirs)
        os.close(ours)


@contextmanager
def serving(lab: Lab, config: Path, folder: Path) -> Iterator[None]:
    """Run ``alert serve`` while the block runs, until it listens to other commands."""
    command = [sys.executable, "-m", "benchmarks.command", "--config", str(config), "serve"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **lab.surroundings()
    )
    try:
        until = time.monotonic() + _LONGEST_S
        while not (folder / "state" / "engine.sock").exists():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("alert serve did not start")
            time.sleep(0.05)
        time.sleep(0.5)
        yield
    finally:
        process.terminate()
        process.wait()


def handed_over(lab: Lab, words: Words, config: Path, heard: Callable[[], float]) -> float:
    """Send through ``alert serve``; return CPU of the command, and of the owner until the provider heard.

    The folder of ``config`` marks the owner, so the command is told the file by a variable instead.
    """
    before = cpu_of(str(config.parent))
    cost = lab.cost(*words, codes=(8,), environ={"ALERT_CONFIG": str(config)}).cpu_s
    return heard() - before + cost
