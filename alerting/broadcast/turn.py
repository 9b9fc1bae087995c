"""One exchange between a lane and the ledger: what became of rows, which go next, what to take up.

All of a turn commits together, and turns of several lanes share a commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alerting.broadcast.work import Hold, Item
from alerting.ledger.base import Ledger
from alerting.ledger.rows import AlertRecord, Batch, Settled, Share
from alerting.ledger.sharing import Sharing
from alerting.named import NamedTuple

#: Microseconds before an attempt from which on other messages are told apart from it by their ids.
_LATELY: Final = 24 * 3600 * 1_000_000
_SECOND: Final = 1_000_000
#: The share of a lease in which messages are sent; the rest is for clocks, and for what is on its way.
_SURE: Final = 0.75


class Turn:
    """What a lane asks of the ledger. Instants are microseconds, ``asked`` is in monotonic seconds."""

    over: bool = False  #: whether its open calls are more than its part
    speaks: bool = False  #: whether to ask for this lane's share of its channel
    word: bool = False  #: whether to say that it is there
    joins: bool = False  #: whether to join those who speak, if there is something to take up
    look: bool = False  #: whether to take up another batch
    only: int = 0  #: the one to take up; 0 for the most urgent
    skip: tuple[int, ...] = ()
    threads: bool = False  #: whether the channel refers to an incident's earlier messages

    def __init__(
        self,
        channel: str,
        owner: str,
        *,
        now: int,
        lease_until: int,
        asked: float = 0.0,
        open_calls: int = 0,
        leaves: bool = False,
    ) -> None:
        self.channel, self.owner = channel, owner
        self.now, self.lease_until, self.asked = now, lease_until, asked
        self.open_calls = open_calls  #: calls this lane has open
        self.leaves = leaves  #: whether to leave those who speak
        self.results: dict[Hold, list[Settled]] = {}
        self.handed: dict[Hold, list[int]] = {}
        self.claims: dict[Hold, list[Item]] = {}
        self.finished: list[Hold] = []
        self.kept: list[Hold] = []
        self.expired: set[str] = set()
        self.lookups: list[Item] = []  #: rows the provider is about to be asked for

    @property
    def lease_s(self) -> float:
        """How long a lease lasts, in seconds."""
        return (self.lease_until - self.now) / _SECOND

    @property
    def ours_until(self) -> float:
        """Until when what was leased or renewed here may be sent, in monotonic seconds.

        From when it was asked for, however late the answer came: others may take it over a lease later.
        """
        return self.asked + self.lease_s * _SURE

    @property
    def idle(self) -> bool:
        """Whether there is nothing to ask."""
        return not (
            self.results
            or self.handed
            or self.claims
            or self.finished
            or self.kept
            or self.expired
            or self.lookups
            or self.word
            or self.leaves
            or self.look
        )


class Leased(NamedTuple):
    """A batch taken up, with the alert it belongs to."""

    batch: Batch
    record: AlertRecord
    threads: Mapping[str, tuple[str, ...]]


class Answer:
    """What the ledger answered: rows that may now be sent, batches no longer ours, a new batch."""

    ours: frozenset[int] | None = None
    leased: Leased | None = None
    next_due: int | None = None

    def __init__(self, *, share: Share | None = None) -> None:
        self.share = share
        self.claimed: dict[Hold, frozenset[int]] = {}


def commit(ledger: Ledger, turn: Turn) -> Answer:
    """Carry out a turn; results first, so that a row deferred in this turn may be claimed in it."""
    answer = Answer()
    silent = _silent(ledger, turn, answer)
    for hold, results in turn.results.items():
        hold.short |= ledger.settle(hold.batch, results) < len(results)
    for hold, ids in turn.handed.items():
        ledger.hand_over(hold.batch, ids, to=hold.facts.fallback, priority=hold.batch.priority, at=turn.now)
    for alert_id in turn.expired:
        ledger.expire(alert_id, at=turn.now)
    for hold, items in turn.claims.items():
        ids = [] if silent else [item.row.id for item in items]
        answer.claimed[hold] = frozenset(ledger.claim(hold.batch, ids, at=turn.now))
    for hold in turn.finished:
        ledger.release(hold.batch, not_before=turn.now)
        ledger.settle_alert(hold.batch.alert_id, at=turn.now)
    if turn.kept:
        answer.ours = frozenset(ledger.renew([hold.batch for hold in turn.kept], until=turn.lease_until))
    for item in turn.lookups:
        since = item.row.sent_at - _LATELY
        known = ledger.known_to(turn.channel, item.row.address, besides=item.row.id, since=since)
        item.others = tuple(known)
    if turn.look:
        _take_up(ledger, turn, answer)
    return answer


def _silent(ledger: Ledger, turn: Turn, answer: Answer) -> bool:
    """Ask for the share before anything is claimed; say whether nothing may be.

    Who was not heard of for too long has no share: the others have taken its part.
    """
    if not (turn.speaks or turn.leaves) or not isinstance(ledger, Sharing):
        return False
    if turn.leaves:
        ledger.fall_silent(turn.channel, owner=turn.owner)
        return True
    answer.share = ledger.speak(
        turn.channel, owner=turn.owner, until_s=turn.lease_s, renew=turn.word, over=turn.over
    )
    return answer.share is None


def _take_up(ledger: Ledger, turn: Turn, answer: Answer) -> None:
    batch = ledger.lease(
        turn.channel, owner=turn.owner, at=turn.now, until=turn.lease_until, skip=turn.skip, only=turn.only
    )
    if batch is None:
        answer.next_due = ledger.next_due(turn.channel)
        return
    record = ledger.alert(batch.alert_id)
    if record is None:  # a batch without its alert cannot be: both were written in one transaction
        raise AssertionError(f"batch {batch.id} belongs to no alert")
    follows = turn.threads and record.alert.number > 1
    threads = ledger.threads(batch.id) if follows else {}
    answer.leased = Leased(batch=batch, record=record, threads=threads)
    if turn.joins and isinstance(ledger, Sharing):
        answer.share = ledger.speak(turn.channel, owner=turn.owner, until_s=turn.lease_s, renew=True)
