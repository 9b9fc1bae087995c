"""The delivery curve as inline SVG: numbers in, shapes out. Lines differ by dash and label, not by colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from alerting.publishing.sheet import Curve

#: The drawing's own units; the page scales it.
WIDTH: Final = 760
HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 150, 14, 40
_MOST_POINTS: Final = 160
#: Dash patterns in the order of lines, and marks beside their labels.
_DASHES: Final = ("", "9 4", "2 3", "12 3 2 3", "5 2", "1 5")
_COLOURS: Final = ("#1b4965", "#8a3b12", "#4a5d23", "#5b2a86", "#7a1f3d", "#333333")
_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_TICKS: Final = 6
_SHARE: Final = 0.99
_GAP: Final = 14.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One channel's line, its label and where that stands."""

    channel: str
    points: str
    dash: str
    colour: str
    label_y: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What the page draws."""

    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    words: str  #: the same, for those who do not see it
    beyond: bool  #: whether some of it came later than the drawing shows
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def chart(curves: Sequence[Curve], *, verb: str, order: Sequence[str]) -> Chart | None:
    """Return the drawing of these curves in per cent of each channel's messages; None when there is nothing.

    ``order`` names every channel: a channel looks the same in every drawing of a page.
    """
    drawn = [curve for curve in curves if len(curve.points) > 1 and curve.total]
    if not drawn:
        return None
    end = max(_nearly_all(curve) for curve in drawn)
    step = next((step for step in _STEPS_S if end / step <= _TICKS), _STEPS_S[-1])
    end = max(step, -(-end // step) * step)
    ends = [_y(_at(curve, end) / curve.total) for curve in drawn]
    labels = _apart(ends)
    lines = [
        _line(curve, order.index(curve.channel), end, labels[place]) for place, curve in enumerate(drawn)
    ]
    return Chart(
        lines=tuple(lines),
        x_ticks=tuple((_x(s, end), _clock(s)) for s in _range(end, step)),
        y_ticks=tuple((_y(share / 100), f"{share} %") for share in (0, 25, 50, 75, 100)),
        words="; ".join(_told(curve, verb) for curve in drawn),
        beyond=any(curve.points[-1][0] > end for curve in drawn),
    )


def _nearly_all(curve: Curve) -> float:
    wanted = curve.points[-1][1] * _SHARE
    return next(at for at, count in curve.points if count >= wanted)


def _line(curve: Curve, place: int, end: float, label_y: float) -> Line:
    shown = [(at, count) for at, count in curve.points if at <= end]
    every = max(1, len(shown) // _MOST_POINTS)
    kept = [*shown[::every], shown[-1], (end, shown[-1][1])]
    points = " ".join(f"{_x(at, end):.1f},{_y(count / curve.total):.1f}" for at, count in kept)
    share = 100 * curve.points[-1][1] / curve.total
    return Line(
        channel=curve.channel,
        points=points,
        dash=_DASHES[place % len(_DASHES)],
        colour=_COLOURS[place % len(_COLOURS)],
        label_y=label_y,
        label=f"{curve.channel} {_percent(share)}",
    )


def _at(curve: Curve, second: float) -> int:
    return max((count for at, count in curve.points if at <= second), default=0)


def _apart(wanted: Sequence[float]) -> list[float]:
    """Return label places near the wanted ones, far enough from each other to be read."""
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    placed = list(wanted)
    lowest = -_GAP
    for place in order:
        placed[place] = max(wanted[place], lowest + _GAP)
        lowest = placed[place]
    return placed


def _x(second: float, end: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * second / end


def _y(share: float) -> float:
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - share)


def _range(end: float, step: int) -> list[float]:
    return [float(step * place) for place in range(int(end // step) + 1)]


def _clock(second: float) -> str:
    whole = int(second)
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    if whole < 3600:  # noqa: PLR2004
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600} h {whole % 3600 // 60:02d}"


def _told(curve: Curve, verb: str) -> str:
    half = next((at for at, count in curve.points if count * 2 >= curve.total), None)
    middle = f", half of them within {_clock(half)}" if half else ""
    last, count = curve.points[-1]
    return f"{curve.channel}: {count:,} of {curve.total:,} {verb} within {_clock(last)}{middle}"


def _percent(share: float) -> str:
    return f"{share:.0f} %" if share in (0, 100) else f"{min(max(share, 0.1), 99.9):.1f} %"
