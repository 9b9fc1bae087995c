"""What a recall asks the ledger: what providers hold of a wrong alert, and how much they have given back."""

from __future__ import annotations

from alerting.ledger.base import LedgerReader
from alerting.ledger.rows import AlertRecord
from alerting.model.alert import Alert
from alerting.model.delivery import TAKEN, Delivery, State
from alerting.model.outcome import Reason


def still_leaving(ledger: LedgerReader, alert_id: str) -> bool:
    """Say whether something of an alert may be on its way."""
    return any(tally.counts[State.SENDING] for tally in ledger.tally(alert_id))


def what_is_held(
    ledger: LedgerReader, record: AlertRecord, channel: str, asked: set[int]
) -> tuple[list[Delivery], bool]:
    """Return what the provider has and was not asked about, newest first, and whether more is leaving."""
    rows = ledger.deliveries(record.alert.id, channel=channel, states=(State.ACCEPTED,))
    known = [row for row in rows if row.provider_id and row.id not in asked]
    counts = next(tally.counts for tally in ledger.tally(record.alert.id) if tally.channel == channel)
    return known[::-1], bool(counts[State.SENDING] + counts[State.UNCERTAIN])


def what_stands(ledger: LedgerReader, alert_id: str, channel: str) -> list[Delivery]:
    """Return the posts of an alert that a provider has."""
    return [
        row for row in ledger.deliveries(alert_id, channel=channel, states=tuple(TAKEN)) if row.provider_id
    ]


def gone_so_far(ledger: LedgerReader, recall: Alert) -> tuple[int, int]:
    """Return how many messages were taken back, and corrections not needed then.

    By all who were at it: what broke off, here or on another host, had taken back its part.
    """

    def count(alert_id: str, state: State, reason: Reason) -> int:
        return sum(row.reason == reason.code for row in ledger.deliveries(alert_id, states=(state,)))

    back = sum(count(name, State.UNDELIVERED, Reason.CANCELLED) for name in recall.references)
    return back, count(recall.id, State.CANCELLED, Reason.SUPERSEDED)
