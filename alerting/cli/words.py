"""Text on its way to a terminal: harmless, aligned, in words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

#: What may not reach a terminal: controls, formats (bidirectional overrides), surrogates.
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_MINUTE, _HOUR = 60, 3600
_SOON_S: Final = 10


def clean(text: str) -> str:
    """Return text without anything that could steer a terminal; line ends stay."""
    return "".join(
        c if c == "\n" or unicodedata.category(c) not in _UNSAFE else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def columns(rows: Iterable[Sequence[str]], *, right: Sequence[int] = (), gap: str = "  ") -> list[str]:
    """Return rows as aligned lines; ``right`` names the columns set flush right."""
    table = [[clean(cell) for cell in row] for row in rows]
    if not table:
        return []
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = []
    for row in table:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(gap.join(cells).rstrip())
    return lines


def span(length: timedelta | float | None) -> str:
    """Return a span in words: ``1.8 s``, ``42 s``, ``4 min 10 s``, ``2 h 5 min``; a dash for none."""
    if length is None:
        return "-"
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if seconds < _SOON_S:
        return f"{seconds:.1f} s"
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def plural(count: int, noun: str, many: str = "") -> str:
    """Return a count with its noun: ``1 person``, ``18,204 people``."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"
