"""The shape of the tables, one numbered file a step, forward only.

A run of steps and the version row commit together: killed half way, a ledger is old or new, never
between.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from alerting.named import NamedTuple

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
    # Every command asks, and a pattern would take as long as all the rest of its look.
    return sum(name.endswith(".sql") for name in os.listdir(folder))  # noqa: PTH208


def _split(text: str, where: str) -> tuple[str, ...]:
    found, part = [], ""
    for line in text.splitlines(keepends=True):
        if not part and (not line.strip() or line.startswith("--")):
            continue
        part += line
        # Triggers hold semicolons of their own; SQLite knows where a statement really ends.
        if sqlite3.complete_statement(part):
            found.append(part.strip())
            part = ""
    if part.strip():
        raise ValueError(f"{where}: the last statement has no end")
    return tuple(found)


def expected_objects(version: int) -> dict[tuple[str, str], str]:
    """Return every table, index and trigger a ledger of this version has, by (type, name)."""
    with sqlite3.connect(":memory:") as raw:
        for step in steps():
            if step.number <= version:
                for statement in step.statements:
                    raw.execute(statement)
        found = raw.execute(
            "SELECT type, name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
        )
        return {(kind, name): squeezed(sql) for kind, name, sql in found}


def squeezed(sql: str) -> str:
    """Return a statement with one blank between its words."""
    return " ".join(sql.split())
