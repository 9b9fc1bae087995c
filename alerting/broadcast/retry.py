"""What happens to a delivery after one outcome: decided here, purely, and nowhere else.

Waits between tries: 0, 0.5, 1, 2, 4, 8, 15, 15 … seconds, each drawn evenly from zero to that
(full jitter), never less than the provider asked for, until the alert's life ends.
"""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING, Final, assert_never

from alerting.broadcast.breaker import LONG_WAIT
from alerting.ledger.rows import Row, Settled
from alerting.model.delivery import State
from alerting.model.delivery import after as state_after
from alerting.model.outcome import Accepted, Deferred, Outcome, Reason, Rejected, Unknown, event_of
from alerting.named import NamedTuple

if TYPE_CHECKING:
    from tenacity.wait import wait_base

_SECOND: Final = 1_000_000
_WAITS_S: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
#: A provider that asks for more time than an alert has left is asked once more before the end.
_LAST_CALL: Final = 0.9
#: Characters of a provider's words that are kept.
DETAIL: Final = 300


class Policy(NamedTuple):
    """How long a delivery is tried. ``attempts`` bounds calls; the alert's life bounds time."""

    attempts: int = 60


class Life(NamedTuple):
    """The alert a delivery belongs to, as far as retrying cares. Microseconds."""

    expires_at: int
    live: bool


def settle(
    row: Row, outcome: Outcome, *, life: Life, policy: Policy, now: int, rng: random.Random
) -> Settled:
    """Return what to record for a row whose attempt ended in this outcome.

    ``now`` is microseconds since 1970. A channel-wide refusal leaves the row waiting; whether the
    lane is down is the breaker's business.
    """
    state = state_after(State.SENDING, event_of(outcome))
    word, reason, detail = _told(outcome)
    base = Settled(
        id=row.id,
        attempt=row.attempt,
        state=state,
        outcome=word,
        at=now,
        reason=reason,
        detail=detail,
        maybe_twice=row.maybe_twice,
    )
    match outcome:
        case Accepted(provider_id=provider_id, permalink=permalink):
            return base._replace(provider_id=provider_id, permalink=permalink)
        case Deferred() | Rejected() if state is State.PENDING:
            wait = outcome.after.total_seconds() if isinstance(outcome, Deferred) and outcome.after else 0.0
            return _later(base, row, wait_s=wait, life=life, policy=policy, rng=rng)
        case _:
            return base


def next_wait(attempt: int, *, rng: random.Random) -> float:
    """Return the seconds to wait after this attempt (from 1), drawn with full jitter."""
    from tenacity import RetryCallState  # only retries pay for it

    turn = RetryCallState(None, None, (), {})  # type: ignore[arg-type]
    turn.attempt_number = attempt
    return rng.uniform(0.0, _steps()(turn))


@cache
def _steps() -> wait_base:
    from tenacity.wait import wait_chain, wait_fixed  # only retries pay for it

    return wait_chain(*(wait_fixed(seconds) for seconds in _WAITS_S))


def _later(
    base: Settled, row: Row, *, wait_s: float, life: Life, policy: Policy, rng: random.Random
) -> Settled:
    if row.attempt >= policy.attempts:
        return base._replace(state=State.REJECTED)
    wait = max(next_wait(row.attempt, rng=rng), wait_s)
    left = (life.expires_at - base.at) / _SECOND
    if wait >= left:
        wait = max(0.0, left * _LAST_CALL)
    return base._replace(due_at=base.at + int(wait * _SECOND))


def _told(outcome: Outcome) -> tuple[str, str, str]:
    match outcome:
        case Accepted(note=note):
            return "accepted", "", note[:DETAIL]
        case Rejected(reason=reason, detail=detail):
            return "rejected", reason.code, detail[:DETAIL]
        case Deferred(reason=reason, after=after, detail=detail):
            asks = f"; asks for {after.total_seconds() / 60:.0f} min" if after and after >= LONG_WAIT else ""
            return "deferred", reason.code, f"{detail}{asks}"[:DETAIL]
        case Unknown(reason=reason, detail=detail):
            return "unknown", reason.code, detail[:DETAIL]
        case _:
            assert_never(outcome)


def throttles(outcome: Outcome) -> bool:
    """Say whether an outcome means: too fast."""
    return isinstance(outcome, Deferred) and outcome.reason in (Reason.RATE_LIMITED, Reason.QUEUE_FULL)
