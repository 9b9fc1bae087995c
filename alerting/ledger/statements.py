"""SQL as named text: the statements live in ``.sql`` files and are called by name.

A file is a run of blocks, each opened by a line ``-- name: claim_row --``. Parameters are ``?``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

_SQL: Final = Path(__file__).with_name("sql")
_OPENS: Final = "-- name: "
#: What every store understands; what only one understands is in a file of that store's name.
_SHARED: Final = ("planning", "lanes", "ending", "reading", "receipts", "drills")


def parse(text: str, where: str) -> dict[str, str]:
    """Return the statements of one file by name, without comments.

    Raises:
        ValueError: two statements share a name, one is empty, or a line stands before the first name.
    """
    found: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in text.splitlines():
        if line.startswith(_OPENS):
            name = line.removeprefix(_OPENS).removesuffix("--").strip()
            if name in found:
                raise ValueError(f"{where}: two statements are called {name}")
            lines = found.setdefault(name, [])
        elif line.strip() and not line.lstrip().startswith("--"):
            if lines is None:
                raise ValueError(f"{where}: {line!r} stands before the first name")
            lines.append(line)
    if empty := [name for name, body in found.items() if not body]:
        raise ValueError(f"{where}: nothing under {', '.join(empty)}")
    return {name: "\n".join(body) for name, body in found.items()}


@cache
def load(store: str) -> Mapping[str, str]:
    """Return every statement for a store (``sqlite``, ``postgres``), by name; the files are read once.

    A store's own text takes the place of the shared one of that name.
    """
    shared = _merged(_SQL / f"{stem}.sql" for stem in _SHARED)
    return MappingProxyType({**shared, **_merged([_SQL / f"{store}.sql"])})


def _merged(files: Iterable[Path]) -> dict[str, str]:
    whole: dict[str, str] = {}
    for file in files:
        for name, text in parse(file.read_text("utf-8"), file.name).items():
            if name in whole:
                raise ValueError(f"{file.name}: {name} is already taken by another file")
            whole[name] = text
    return whole
