"""Attempts nobody answered: ask the provider, adopt what it has, resend only what it has not.

The provider is asked once its own lists can be trusted (the channel's quarantine). It has it: the
delivery is accepted. Its list is complete and it is not there: it goes out again. It cannot tell: a
live message goes out once more, marked as possibly doubled, and not a third time, unless its sender
died with it; a drill's stays uncertain and is reported.
"""

from __future__ import annotations

from typing import Final, assert_never

from alerting.broadcast.retry import Life
from alerting.channels.base import Absent, CannotTell, Found, Verdict
from alerting.ledger.rows import Row, Settled
from alerting.model.delivery import State
from alerting.model.outcome import Reason

#: How often a provider that cannot answer is asked before the rule for "cannot tell" applies.
ASKS: Final = 3
#: Seconds between asking.
ASK_AGAIN_S: Final = (2.0, 5.0)


def settle_verdict(
    row: Row, verdict: Verdict, *, life: Life, now: int, duplicate: bool, inherited: bool = False
) -> Settled:
    """Return what to record after the last look-up of an uncertain row.

    ``duplicate`` says that the provider itself refused the attempt as a repeat of a text it has.
    ``inherited`` that the sender died with it: that is no provider's silence, and uses up no resend.
    """
    match verdict:
        case Found(provider_id=provider_id, permalink=permalink, note=note):
            return _settled(row, State.ACCEPTED, "found", now)._replace(
                provider_id=provider_id, permalink=permalink, detail=note
            )
        case Absent() | CannotTell() if duplicate:
            return _of_duplicate(row, now)
        case Absent(certain=True):
            return _settled(row, State.PENDING, "absent", now)._replace(due_at=now)
        case Absent() | CannotTell():
            spent = row.maybe_twice and not inherited
            if not life.live or spent or now >= life.expires_at:
                return _settled(row, State.UNRESOLVED, "unresolved", now)
            again = _settled(row, State.PENDING, "resend", now)
            return again._replace(due_at=now, maybe_twice=True)
        case _:
            assert_never(verdict)


def _of_duplicate(row: Row, now: int) -> Settled:
    """Our own repeat is in; a first attempt that is a repeat of something else is refused."""
    if row.attempt > 1:
        return _settled(row, State.ACCEPTED, "duplicate", now)
    return _settled(row, State.REJECTED, "duplicate", now)._replace(reason=Reason.DUPLICATE.code)


def _settled(row: Row, state: State, outcome: str, now: int) -> Settled:
    return Settled(
        id=row.id, attempt=row.attempt, state=state, outcome=outcome, at=now, maybe_twice=row.maybe_twice
    )
