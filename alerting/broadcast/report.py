"""A fold over the ledger for people: how far, how fast, what failed and what to do.

"Accepted" is what a provider took; "delivered" is what a receipt proved. They are never added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from alerting.errors import Exit
from alerting.model.delivery import FAILED, SETTLED, TAKEN, State
from alerting.named import NamedTuple

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerReader
    from alerting.ledger.rows import AlertRecord, Tally
    from alerting.model.delivery import Delivery


class ChannelReport(NamedTuple):
    """One channel of an alert in numbers. Times are seconds since acceptance, None while unknown.

    ``receipts`` says whether "delivered" means anything here; ``arrived_…`` are the times receipts prove.
    """

    channel: str
    kind: str
    total: int
    accepted: int  #: taken by the provider, whatever came later
    delivered: int
    failed: int
    uncertain: int
    waiting: int
    cancelled: int
    first_s: float | None
    half_s: float | None
    most_s: float | None
    permalink: str = ""
    note: str = ""  #: of a public post that stands: what did not work beside it
    receipts: bool = False
    arrived_first_s: float | None = None
    arrived_half_s: float | None = None
    arrived_most_s: float | None = None
    curve: tuple[tuple[int, int], ...] = ()  #: (second since acceptance, accepted in it), where asked for
    arrivals: tuple[tuple[int, int], ...] = ()  #: the same of deliveries

    @property
    def settled(self) -> bool:
        """Whether nothing of it moves any more but by receipts."""
        return self.waiting == 0

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts; ``delivered`` is None where the channel never tells what arrived."""
        return {
            "channel": self.channel,
            "kind": self.kind,
            "total": self.total,
            "accepted": self.accepted,
            "delivered": self.delivered if self.receipts else None,
            "receipts": self.receipts,
            "failed": self.failed,
            "uncertain": self.uncertain,
            "waiting": self.waiting,
            "cancelled": self.cancelled,
            "first_s": self.first_s,
            "half_s": self.half_s,
            "most_s": self.most_s,
            "arrived_first_s": self.arrived_first_s,
            "arrived_half_s": self.arrived_half_s,
            "arrived_most_s": self.arrived_most_s,
            "permalink": self.permalink or None,
            "note": self.note or None,
        }


class Trouble(NamedTuple):
    """What failed or waits, why in words, and what to do."""

    channel: str
    state: State
    deliveries: int
    words: str
    advice: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An alert as it stands at an instant."""

    record: AlertRecord
    channels: tuple[ChannelReport, ...]
    troubles: tuple[Trouble, ...]
    at: datetime

    @property
    def settled(self) -> bool:
        """Whether every channel is settled."""
        return all(channel.settled for channel in self.channels)

    @property
    def exit(self) -> Exit:
        """The answer of the ``alert`` command for this alert as it stands.

        An alert with no message at all told nobody. A follow-up may have none: nobody was reached before.
        """
        total = sum(channel.total for channel in self.channels)
        accepted = sum(channel.accepted for channel in self.channels)
        if not self.settled:
            return Exit.RUNNING
        if any(channel.uncertain for channel in self.channels):
            return Exit.UNCERTAIN
        if total == accepted and (total or self.record.alert.references):
            return Exit.OK
        return Exit.PARTIAL if accepted else Exit.NOTHING_SENT


def report(ledger: LedgerReader, record: AlertRecord, *, at: datetime, curves: bool = False) -> Report:
    """Read how an alert stands, from counters and never from rows; ``curves`` also how it got there."""
    kinds = {lane.channel: lane.kind for lane in record.lanes}
    tallies = {tally.channel: tally for tally in ledger.tally(record.alert.id)}
    posts = _posts(ledger, record, tallies)
    promised = frozenset(record.alert.receipts)
    channels = [
        _channel(tallies[name], kind, posts.get(name), promised=name in promised)
        for name, kind in kinds.items()
        if name in tallies and tallies[name].total
    ]
    if curves:
        channels = _drawn(ledger, record, channels)
    return Report(record=record, channels=tuple(channels), troubles=_troubles(ledger, record), at=at)


def _drawn(
    ledger: LedgerReader, record: AlertRecord, channels: Sequence[ChannelReport]
) -> list[ChannelReport]:
    accepted, arrived = ledger.progress(record.alert.id), ledger.arrivals(record.alert.id)
    return [
        channel._replace(
            curve=tuple(accepted.get(channel.channel, ())),
            arrivals=tuple(arrived.get(channel.channel, ())),
        )
        for channel in channels
    ]


def _channel(tally: Tally, kind: str, post: Delivery | None, *, promised: bool) -> ChannelReport:
    counts = tally.counts
    delivered = counts.get(State.DELIVERED, 0)
    return ChannelReport(
        channel=tally.channel,
        kind=kind,
        total=tally.total,
        accepted=sum(counts.get(state, 0) for state in TAKEN),
        delivered=delivered,
        failed=sum(counts.get(state, 0) for state in FAILED),
        uncertain=counts.get(State.UNCERTAIN, 0) + counts.get(State.UNRESOLVED, 0),
        waiting=sum(n for state, n in counts.items() if state not in SETTLED),
        cancelled=counts.get(State.CANCELLED, 0),
        first_s=tally.times.get("first"),
        half_s=tally.times.get("50"),
        most_s=tally.times.get("95"),
        permalink=post.permalink if post else "",
        note=post.detail if post and post.state in TAKEN else "",
        receipts=promised or delivered > 0,
        arrived_first_s=tally.arrived.get("first"),
        arrived_half_s=tally.arrived.get("50"),
        arrived_most_s=tally.arrived.get("95"),
    )


def _posts(ledger: LedgerReader, record: AlertRecord, tallies: dict[str, Tally]) -> dict[str, Delivery]:
    """Return public posts: channels of one delivery."""
    return {
        name: delivery
        for name, tally in tallies.items()
        if tally.total == 1
        for delivery in ledger.deliveries(record.alert.id, channel=name)
    }


def _troubles(ledger: LedgerReader, record: AlertRecord) -> tuple[Trouble, ...]:
    failures = ledger.failures(record.alert.id)
    if not failures:
        return ()
    from alerting.model.outcome import Reason

    return tuple(
        Trouble(
            channel=failure.channel,
            state=failure.state,
            deliveries=failure.deliveries,
            words=Reason.of(failure.reason).words,
            advice=Reason.of(failure.reason).advice,
            detail=failure.detail,
        )
        for failure in failures
    )
