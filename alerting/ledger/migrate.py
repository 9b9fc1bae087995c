"""The shape of the tables, one numbered file a step, forward only.

A run of steps and the version row commit together: killed half way, a ledger is old or new, never
between.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from sqlite3 import complete_statement
from typing import Final, NamedTuple

_MIGRATIONS: Final = Path(__file__).with_name("migrations")


class Step(NamedTuple):
    """One migration: its number, the name of its file, its statements."""

    number: int
    name: str
    statements: tuple[str, ...]


def steps(after: int = 0, folder: Path = _MIGRATIONS) -> Sequence[Step]:
    """Return the steps that follow a version, in order.

    Raises:
        ValueError: numbers are missing or taken twice, or a file does not end with a whole statement.
    """
    files = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    numbers = [int(file.name[:4]) for file in files]
    if numbers != list(range(1, len(files) + 1)):
        raise ValueError(f"{folder}: migrations are numbered 0001, 0002 and so on, not {numbers}")
    return [
        Step(number, file.stem, _split(file.read_text("utf-8"), file.name))
        for number, file in zip(numbers, files, strict=True)
        if number > after
    ]


def latest(folder: Path = _MIGRATIONS) -> int:
    """Return the version this program writes and reads."""
    return len(list(folder.glob("[0-9][0-9][0-9][0-9]_*.sql")))


def _split(text: str, where: str) -> tuple[str, ...]:
    found, part = [], ""
    for line in text.splitlines(keepends=True):
        if not part and (not line.strip() or line.startswith("--")):
            continue
        part += line
        # Triggers hold semicolons of their own; SQLite knows where a statement really ends.
        if complete_statement(part):
            found.append(part.strip())
            part = ""
    if part.strip():
        raise ValueError(f"{where}: the last statement has no end")
    return tuple(found)
