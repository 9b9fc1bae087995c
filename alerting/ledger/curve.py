"""How acceptances, or arrivals, came in over time, and when a share of them was reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from alerting.named import NamedTuple

#: The shares that are reported, in per cent, besides the first acceptance.
_SHARES: Final = (50, 95)


class Second(NamedTuple):
    """Acceptances within one second since the alert was opened; the first and last in milliseconds."""

    second: int
    accepted: int
    first_ms: int
    last_ms: int


def times(curve: Sequence[Second], *, of: int) -> Mapping[str, float]:
    """Return seconds to the first acceptance and to each share of ``of`` deliveries, once reached.

    Within a second the acceptances are taken as evenly spread between its first and its last.
    """
    if not curve:
        return {}
    reached = {"first": curve[0].first_ms / 1000}
    for share in _SHARES:
        rank = max(1, -(-of * share // 100))
        if (moment := _moment(curve, rank)) is not None:
            reached[str(share)] = moment / 1000
    return reached


def _moment(curve: Sequence[Second], rank: int) -> float | None:
    before = 0
    for second in curve:
        if before + second.accepted >= rank:
            if second.accepted == 1:
                return second.first_ms
            along = (rank - before - 1) / (second.accepted - 1)
            return second.first_ms + (second.last_ms - second.first_ms) * along
        before += second.accepted
    return None
