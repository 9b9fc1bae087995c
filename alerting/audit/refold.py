"""The stored state of every delivery, worked out again from its attempts and what was heard of them.

States, counters, reasons and the curve are caches of a fold. Here they are folded anew and compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from alerting.ledger.moves import is_trouble
from alerting.ledger.reading import COUNTED
from alerting.ledger.receiving import EVENTS, RECEIVED
from alerting.model.delivery import TAKEN, Event, State
from alerting.model.receipt import ReceiptStatus

if TYPE_CHECKING:
    from alerting.ledger.scrutiny import Counts, History, OutcomeRow

_WAITING: Final = frozenset({State.PENDING, State.EXPIRED, State.CANCELLED})
#: What each word heard of an attempt may lead to. A word that is not here says its own state.
LEADS_TO: Final[Mapping[str, frozenset[State]]] = {
    "accepted": frozenset({State.ACCEPTED}),
    "found": frozenset({State.ACCEPTED}),
    "duplicate": frozenset({State.ACCEPTED, State.REJECTED}),
    "rejected": frozenset({State.REJECTED, State.UNCERTAIN}) | _WAITING,
    "deferred": frozenset({State.REJECTED}) | _WAITING,
    "unknown": frozenset({State.UNCERTAIN}),
    "interrupted": frozenset({State.UNCERTAIN}),
    "absent": frozenset({State.REJECTED}) | _WAITING,
    "resend": _WAITING,
    "unsent": _WAITING,
    "unresolved": frozenset({State.UNRESOLVED}),
    "channel_down": frozenset({State.REJECTED}),
    RECEIVED: frozenset({State.ACCEPTED, State.DELIVERED, State.UNDELIVERED}),
    "expired": frozenset({State.EXPIRED}),
    "cancelled": frozenset({State.CANCELLED}),
    "superseded": frozenset({State.CANCELLED}),
}
#: States only a receipt leads to.
_RECEIVED: Final = frozenset({State.DELIVERED, State.UNDELIVERED})
_ENDED: Final = frozenset({State.EXPIRED, State.CANCELLED})
_STATES: Final = frozenset(str(state) for state in State)


class Refold:
    """Folds one alert. ``ends`` are the instants of acts that ended what was waiting, by the state."""

    def __init__(self, ends: Mapping[str, frozenset[int]]) -> None:
        self._ends = ends
        self._counts: Counter[tuple[int, str]] = Counter()
        self._troubles: Counter[tuple[int, str, str]] = Counter()
        self._taken: Counter[int] = Counter()
        self._arrived: Counter[int] = Counter()

    def add(self, batch: int, history: History) -> str:
        """Take a delivery; return what is wrong with it in words, empty when nothing."""
        row = history.row
        self._counts[batch, row.state] += 1
        if is_trouble(row.state, row.reason):
            self._troubles[row.channel, row.state, row.reason] += 1
        if row.state in TAKEN:
            self._taken[row.channel] += 1
        if row.state == State.DELIVERED:
            self._arrived[row.channel] += 1
        return self._wrong(history)

    def _wrong(self, history: History) -> str:
        row, heard = history.row, history.outcomes
        if row.state not in _STATES:
            return f"{row.state!r} is no state"
        if words := _wrong_numbers(history) or _wrong_receipts(history):
            return words
        if row.state in _RECEIVED:
            return ""
        return self._wrong_state(history, heard[row.decided - 1] if row.decided else None)

    def _wrong_state(self, history: History, decided: OutcomeRow | None) -> str:
        row = history.row
        if row.state == State.SENDING:
            begun = history.attempts and row.changed_at == history.attempts[-1][3]
            return "" if begun else "no attempt is open"
        if row.state in _ENDED and row.changed_at in self._ends.get(row.state, frozenset()):
            return ""
        if decided is None:
            idle = (row.state == State.PENDING and not row.attempt) or row.state == State.CANCELLED
            return "" if idle else f"nothing on record makes it {row.state}"
        return _wrong_answer(history, decided)

    def close(self, counts: Counts) -> list[str]:
        """Return what is wrong with the counters, the reasons and the curves, in words."""
        wrong = [
            f"the counters of batch {batch.id} do not match its deliveries"
            for batch in counts.batches
            if batch.counts != tuple(self._counts[batch.id, state.value] for state in COUNTED)
        ]
        told = {(channel, state, reason): n for channel, state, reason, _, n in counts.troubles if n}
        if told != {key: n for key, n in self._troubles.items() if n}:
            wrong.append("the counts of reasons do not match the deliveries")
        if not _adds_up(counts.accepted, self._taken):
            wrong.append("the curve of acceptances does not add up to what was accepted")
        if not _adds_up(counts.arrived, self._arrived):
            wrong.append("the curve of arrivals does not add up to what was delivered")
        return wrong


def _wrong_answer(history: History, decided: OutcomeRow) -> str:
    row = history.row
    if row.state not in LEADS_TO.get(decided.outcome, frozenset({State(row.state)})):
        return f"it is {row.state}, but the last word heard was {decided.outcome!r}"
    if row.changed_at != decided.at:
        return "it changed at another time than the answer it follows from"
    if row.reason != decided.reason and row.state != State.CANCELLED:
        return "it gives another reason than the answer it follows from"
    return ""


def _wrong_numbers(history: History) -> str:
    row, heard = history.row, history.outcomes
    if [attempt[1] for attempt in history.attempts] != list(range(1, row.attempt + 1)):
        return f"it says {row.attempt} attempts, on record are {len(history.attempts)}"
    if [outcome.n for outcome in heard] != list(range(1, row.told + 1)):
        return f"it says {row.told} answers, on record are {len(heard)}"
    if not 0 <= row.decided <= row.told or any(answer.attempt > row.attempt for answer in heard):
        return "an answer on record belongs to no attempt"
    return ""


def _adds_up(curve: Iterable[Sequence[Any]], expected: Counter[int]) -> bool:
    found: Counter[int] = Counter()
    for channel, second, count, first, last in curve:
        if not (count > 0 and second * 1000 <= first <= last < second * 1000 + 1000):
            return False
        found[channel] += count
    return found == expected


def _wrong_receipts(history: History) -> str:
    """Say what is wrong between a state and the receipts, empty when nothing."""
    row, receipts = history.row, history.receipts
    events = {receipt: EVENTS.get(ReceiptStatus(receipt.status)) for receipt in receipts}
    arrived = Event.ARRIVE in events.values()
    failed = [receipt for receipt, event in events.items() if event is Event.FAIL]
    if arrived and row.state != State.DELIVERED:
        return f"a receipt says it arrived, the row says {row.state}"
    if row.state == State.DELIVERED and not arrived:
        return "it is delivered, but no receipt says so"
    if row.state == State.UNDELIVERED and row.reason not in {receipt.reason for receipt in failed}:
        return "it is undelivered, but no receipt gives that reason"
    if row.state == State.DELIVERED and row.reason:
        return "it is delivered, and gives a reason why not"
    if row.state in _RECEIVED and row.changed_at < min(receipt.heard_at for receipt in receipts):
        return "it changed before the receipt it follows from was heard"
    return ""
