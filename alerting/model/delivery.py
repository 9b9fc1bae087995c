"""One message to one address on one channel: one row, one state, one key for life.

::

    PENDING ─claim─▶ SENDING ─Accepted─▶ ACCEPTED ─receipt─▶ DELIVERED | UNDELIVERED
       ▲ ▲              ├─Deferred──────▶ PENDING (due later)
       │ │              ├─Rejected──────▶ REJECTED        (the address or the text)
       │ └──────────────┼─Rejected──────▶ PENDING         (the channel: its breaker opens)
       │                └─Unknown, lost─▶ UNCERTAIN ─found at the provider─▶ ACCEPTED
       └──────found nothing, live──────────────┴─nobody can tell, exercise─▶ UNRESOLVED
    PENDING ─deadline─▶ EXPIRED      PENDING ─operator, newer message─▶ CANCELLED
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from alerting.named import NamedTuple


class State(StrEnum):
    """Where a delivery stands. Stored; never renamed, only added."""

    PENDING = "pending"  #: waiting for its turn, or for its next try
    SENDING = "sending"  #: an attempt is committed, the provider may be reading it
    UNCERTAIN = "uncertain"  #: an answer never came; being looked up
    ACCEPTED = "accepted"  #: the provider took it
    DELIVERED = "delivered"  #: a receipt says it arrived
    UNDELIVERED = "undelivered"  #: a receipt says it never will
    REJECTED = "rejected"  #: refused for good
    EXPIRED = "expired"  #: its life ended before any acceptance
    CANCELLED = "cancelled"  #: stopped before it left
    UNRESOLVED = "unresolved"  #: nobody can ever tell whether it went out; only a receipt may


class Event(StrEnum):
    """What can happen to a delivery."""

    CLAIM = "claim"  #: an attempt is committed
    ACCEPT = "accept"  #: the provider took it
    DEFER = "defer"  #: surely not done, later
    REJECT = "reject"  #: refused for this address or text
    LOSE = "lose"  #: no answer, or the sender died
    FIND = "find"  #: looked up, and there
    MISS = "miss"  #: looked up, and surely not there; or resent because nobody can tell (live)
    ARRIVE = "arrive"  #: receipt: delivered or read
    FAIL = "fail"  #: receipt: never will be
    GIVE_UP = "give_up"  #: looked up in vain, and not to be resent (exercise, or its life is over)
    EXPIRE = "expire"  #: its life ended
    CANCEL = "cancel"  #: an operator or a newer message stopped it


_S, _E = State, Event

#: Every change there is. A pair that is not here changes nothing (a late or repeated event).
TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (_S.PENDING, _E.CLAIM): _S.SENDING,
    (_S.PENDING, _E.EXPIRE): _S.EXPIRED,
    (_S.PENDING, _E.CANCEL): _S.CANCELLED,
    (_S.PENDING, _E.REJECT): _S.REJECTED,
    (_S.SENDING, _E.ACCEPT): _S.ACCEPTED,
    (_S.SENDING, _E.DEFER): _S.PENDING,
    (_S.SENDING, _E.REJECT): _S.REJECTED,
    (_S.SENDING, _E.LOSE): _S.UNCERTAIN,
    (_S.UNCERTAIN, _E.FIND): _S.ACCEPTED,
    (_S.UNCERTAIN, _E.ACCEPT): _S.ACCEPTED,
    (_S.UNCERTAIN, _E.MISS): _S.PENDING,
    (_S.UNCERTAIN, _E.GIVE_UP): _S.UNRESOLVED,
    # Only for a first attempt the provider itself refused as a repeat of somebody else's text.
    (_S.UNCERTAIN, _E.REJECT): _S.REJECTED,
    # A receipt proves what an answer did not: it may overtake our own commit.
    (_S.PENDING, _E.ARRIVE): _S.DELIVERED,
    (_S.SENDING, _E.ARRIVE): _S.DELIVERED,
    (_S.UNCERTAIN, _E.ARRIVE): _S.DELIVERED,
    (_S.ACCEPTED, _E.ARRIVE): _S.DELIVERED,
    (_S.UNCERTAIN, _E.FAIL): _S.UNDELIVERED,
    # "Sent" proves that the lost answer was a yes, before we gave up asking and after it.
    (_S.UNRESOLVED, _E.FIND): _S.ACCEPTED,
    (_S.UNRESOLVED, _E.ARRIVE): _S.DELIVERED,
    (_S.UNRESOLVED, _E.FAIL): _S.UNDELIVERED,
    (_S.ACCEPTED, _E.FAIL): _S.UNDELIVERED,
    # Carriers do correct themselves; what arrived is never taken back.
    (_S.UNDELIVERED, _E.ARRIVE): _S.DELIVERED,
    # We had given up; a person who has it knows better than we do.
    (_S.REJECTED, _E.ARRIVE): _S.DELIVERED,
    (_S.EXPIRED, _E.ARRIVE): _S.DELIVERED,
    (_S.CANCELLED, _E.ARRIVE): _S.DELIVERED,
}

#: Nothing of ours moves these any more; only a receipt may.
SETTLED: Final = frozenset(State) - {State.PENDING, State.SENDING, State.UNCERTAIN}
#: The provider has, or had, it.
TAKEN: Final = frozenset({State.ACCEPTED, State.DELIVERED, State.UNDELIVERED})
#: Nothing of these can have reached anybody, unless the row says that it may have gone twice.
UNREACHED: Final = frozenset({State.PENDING, State.REJECTED, State.EXPIRED, State.CANCELLED})
#: It will not arrive.
FAILED: Final = frozenset({State.REJECTED, State.UNDELIVERED, State.EXPIRED})


def after(state: State, event: Event) -> State:
    """Return the state after an event; an event that does not apply leaves it as it is."""
    return TRANSITIONS.get((state, event), state)


class Delivery(NamedTuple):
    """One row of the ledger as people read it."""

    id: int
    alert_id: str
    channel: str
    address: str
    state: State
    attempt: int = 0
    due_at: datetime | None = None
    provider_id: str = ""
    permalink: str = ""
    reason: str = ""
    detail: str = ""
    maybe_twice: bool = False  #: resent although nobody could tell whether the first went out
    changed_at: datetime | None = None
