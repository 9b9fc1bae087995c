"""Console blocks of a page, run as a reader would run them, compared with what the page shows.

A line that begins with ``$ `` is a command; the lines below it are what it says. ``...`` stands for
anything: alone on a line for any number of lines, inside a line for any words. Ids, times, spans, ports
and process numbers need not agree, and an id that a page shows stands for the one that came instead.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from alerting.ledger.lock import RunnerLock

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ID = re.compile(r"\b[LDA]-[0-9A-Z]{6}\b")
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR")
_WITHIN_S = 60.0
#: What differs from run to run -> what it is compared as.
_LOOSE = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (_ID, "{id}"),
    (re.compile(r"\b\d{1,2}:\d{2}(am|pm)\b"), "{time}"),
    (re.compile(r"\b\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d+)?"), "{instant}"),
    (re.compile(r"\b\d+ (h|min) \d+ (min|s)\b"), "{span}"),
    (re.compile(r"(?<![\w.])\d+(\.\d+)? s\b"), "{span}"),
    (re.compile(r"\b127\.0\.0\.1:\d+"), "{place}"),
    (re.compile(r"\bprocess \d+"), "process {pid}"),
    (re.compile(r"[▁▂▃▄▅▆▇█]+"), "{spread}"),
    (re.compile(r"(status|posts)/\d{10,}"), r"\1/{post}"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True)
class Step:
    """A command of a page, the line it stands on, and what the page says it answers."""

    line: int
    command: str
    shown: tuple[str, ...]


def steps(page: Path) -> list[Step]:
    """Return every command of a page's console blocks, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1)) + 1
        lines = block[1].splitlines()
        starts = [n for n, line in enumerate(lines) if line.startswith("$ ")]
        assert starts[:1] == [0], f"{page.name}:{first}: a console block begins with a command"
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            shown = "\n".join(lines[start + 1 : end]).rstrip("\n").split("\n")
            found.append(Step(first + start, lines[start][2:], tuple(shown if shown != [""] else ())))
    return found


def loose(line: str) -> str:
    """Return a line without what differs from run to run."""
    for pattern, word in _LOOSE:
        line = pattern.sub(word, line)
    return line.strip()


def pairs(shown: tuple[str, ...], said: list[str]) -> list[tuple[str, str]] | None:
    """Return which shown line is which said line; None when they do not agree."""
    if not shown:
        return [] if not said else None
    if shown[0].strip() == "...":
        for skipped in range(len(said) + 1):
            rest = pairs(shown[1:], said[skipped:])
            if rest is not None:
                return rest
        return None
    if not said or not _agree(shown[0], said[0]):
        return None
    rest = pairs(shown[1:], said[1:])
    return None if rest is None else [(shown[0], said[0]), *rest]


def _agree(shown: str, said: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in loose(shown).split("..."))
    return re.fullmatch(pattern, loose(said)) is not None


@dataclass
class Reader:
    """Somebody who types a page's commands in a folder with a campus's files."""

    home: Path
    code: int = 0
    ids: dict[str, str] = field(default_factory=dict)

    @classmethod
    def settled(cls, home: Path) -> Reader:
        """Put the files of the repository into an empty folder."""
        shutil.copy(ROOT / "channels.yaml", home)
        for folder in ("templates", "demo"):
            shutil.copytree(ROOT / folder, home / folder, ignore=shutil.ignore_patterns("out", "__pycache__"))
        return cls(home)

    def follow(self, page: Path) -> None:
        """Type every command of a page; fail at the first answer the page does not show."""
        for step in steps(page):
            said = self.type(step.command)
            found = pairs(step.shown, said)
            where = f"{page.name}:{step.line}: $ {step.command}"
            assert found is not None, "\n".join(
                [where, "--- the page shows", *step.shown, "--- it said", *said]
            )
            for shown, line in found:
                self._learn(shown, line)

    def _learn(self, shown: str, said: str) -> None:
        for ours, theirs in zip(_ID.findall(shown), _ID.findall(said), strict=False):
            self.ids[ours] = theirs

    def type(self, command: str) -> list[str]:
        """Run one command as a person at a terminal without colours would; return its lines."""
        command = _ID.sub(lambda found: self.ids.get(found[0], found[0]), command)
        main, its = pty.openpty()
        with subprocess.Popen(
            ["/bin/bash", "-c", f"(exit {self.code}); {command}"],
            cwd=self.home,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=its,
            stderr=its,
        ) as process:
            os.close(its)
            try:
                said = _heard(main, process)
            finally:
                process.kill()
                os.close(main)
        self.code = process.returncode
        assert "Traceback" not in said
        return said.replace("\r\n", "\n").rstrip("\n").split("\n") if said.strip() else []

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        beside = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
        return {**kept, "PATH": beside, "HOME": str(self.home), "NO_COLOR": "1", "COLUMNS": "100"}

    def leave(self) -> None:
        """End what the commands left running."""
        for state in (self.home / "state", self.home / "state/sandbox"):
            until = time.monotonic() + _WITHIN_S
            while (pid := RunnerLock(state).held_by()) and time.monotonic() < until:
                os.kill(pid, signal.SIGTERM)
                time.sleep(0.05)
        self.type("alert --sandbox sandbox stop")


def _heard(main: int, process: subprocess.Popen[bytes]) -> str:
    """Return what a process says on a terminal, until it ends."""
    heard, until = b"", time.monotonic() + _WITHIN_S
    while time.monotonic() < until:
        if select.select([main], [], [], 0.05)[0]:
            try:
                heard += os.read(main, 65_536)
            except OSError:
                break  # the last one who held the terminal has left
        elif process.poll() is not None:
            break
    else:
        raise AssertionError(f"no end within {_WITHIN_S:g} s:\n{heard.decode(errors='replace')}")
    process.wait(5)
    return heard.decode(errors="replace")
