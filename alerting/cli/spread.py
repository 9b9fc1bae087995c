"""How messages spread over time, as a few lines of text: one row a channel, all on one axis.

Each cell stands for a moment; its height, or its digit where blocks cannot be shown, is the share of
the channel's messages reached by then. Height and label carry the meaning, never a colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from alerting.cli.words import clean, span

if TYPE_CHECKING:
    from alerting.broadcast.report import ChannelReport

_CELLS: Final = 40
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_DIGITS: Final = " 123456789#"
#: The axis ends where this share of what came has come: a straggler must not flatten the rest.
_MOST: Final = 0.99
_LABEL: Final = "  delivered"


def spread(channels: Sequence[ChannelReport], *, blocks: bool = True) -> list[str]:
    """Return the drawing; nothing while there is no channel to many people that has got anywhere.

    ``blocks`` is false where the reader's encoding has digits only.
    """
    rows = [row for channel in channels if channel.total > 1 for row in _rows(channel)]
    if not rows:
        return []
    end = max(_nearly_all(curve) for _, curve, _ in rows)
    width = max(len(label) for label, _, _ in rows)
    ramp = _BLOCKS if blocks else _DIGITS
    told = span(float(end))
    lines = [f"{'over time'.ljust(width)}  0 s{told.rjust(_CELLS - 3)}"]
    lines += [
        f"{label.ljust(width)}  {_drawn(curve, total, end, ramp)}".rstrip() for label, curve, total in rows
    ]
    return lines


def _rows(channel: ChannelReport) -> Iterator[tuple[str, Sequence[tuple[int, int]], int]]:
    if channel.curve:
        yield clean(channel.channel), channel.curve, channel.total
    if channel.arrivals:
        yield _LABEL, channel.arrivals, channel.total


def _nearly_all(curve: Sequence[tuple[int, int]]) -> int:
    """Return the end of the second by which nearly all that came had come."""
    wanted, so_far = sum(count for _, count in curve) * _MOST, 0
    for second, count in curve:
        so_far += count
        if so_far >= wanted:
            return second + 1
    return 1


def _drawn(curve: Sequence[tuple[int, int]], total: int, end: int, ramp: str) -> str:
    cells, places, so_far = [], iter(curve), 0
    second, count = next(places)
    for cell in range(1, _CELLS + 1):
        until = end * cell / _CELLS
        while count and second + 1 <= until:
            so_far += count
            second, count = next(places, (0, 0))
        # Within a second the messages are taken as evenly spread.
        part = count * max(0.0, until - second) if count else 0.0
        cells.append(_cell((so_far + part) / total, ramp))
    return "".join(cells)


def _cell(share: float, ramp: str) -> str:
    """Return the mark of a share: blank for nothing, full only for all."""
    steps = len(ramp) - 1
    if share >= 1:
        return ramp[steps]
    return ramp[min(steps - 1, max(1, int(share * steps)))] if share > 0 else ramp[0]
