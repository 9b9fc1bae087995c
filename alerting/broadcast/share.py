"""A provider's rate and window, divided among the lanes of all hosts that speak to it.

Each lane counts its own last second exactly, so the sum of the parts is never above the whole. A part
shrinks at once when somebody joins, because who claims looks who else is there in the same transaction;
the one who joins waits until the others' last fast second is over. It grows when somebody has left, or was
not heard of for a lease.
"""

from __future__ import annotations

from alerting.ledger.rows import Share


def divided(rate: float, most: int, share: Share) -> tuple[float, int]:
    """Return the rate and the calls one lane may have; none for who comes too late for a slow channel.

    A rate of three a second is for three lanes at most: the fourth would add a message to their second.
    """
    speakers = max(1, min(int(rate), most, share.speakers))
    if share.place >= speakers:
        return 0.0, 0
    if speakers == 1:
        return rate, most
    return float(_part(int(rate), speakers, share.place)), _part(most, speakers, share.place)


def _part(whole: int, parts: int, place: int) -> int:
    base, more = divmod(whole, parts)
    return base + (place < more)
