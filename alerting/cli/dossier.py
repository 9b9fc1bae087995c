"""Everything on record about one alert, a piece at a time, with addresses masked unless asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from alerting.clock import instant
from alerting.model.audience import Address
from alerting.model.outcome import Reason

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerReader
    from alerting.ledger.rows import AlertRecord, AttemptRow, AuditRow, Lane, ReceiptRow
    from alerting.model.delivery import Delivery

#: What looks like a mailbox or a phone in a provider's words.
_PERSONAL: Final = re.compile(r"[^\s<>\"',;:()]+@[^\s<>\"',;()]+|\+[0-9]{7,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """One alert's record, streamed: memory stays flat however many people were told.

    ``in_full`` writes addresses as they are; otherwise they are masked, in the provider's words too.
    """

    ledger: LedgerReader
    record: AlertRecord
    in_full: bool = False

    def everything(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (kind, fields): the alert, its lanes, deliveries, attempts, receipts, and acts of people."""
        alert_id = self.record.alert.id
        yield "alert", _alert(self.record)
        for lane in self.record.lanes:
            yield "lane", _lane(alert_id, lane)
        for delivery in self.deliveries():
            yield "delivery", delivery
        for attempt in self.ledger.attempts(alert_id):
            yield "attempt", self._attempt(attempt)
        for receipt in self.ledger.receipts(alert_id):
            yield "receipt", self._receipt(receipt)
        for act in self.ledger.audit(alert_id):
            yield "audit", _act(act)

    def deliveries(self) -> Iterator[dict[str, Any]]:
        """Yield every delivery, the same fields in the same order."""
        for delivery in self.ledger.deliveries(self.record.alert.id):
            yield self.delivery(delivery)

    def delivery(self, delivery: Delivery) -> dict[str, Any]:
        """Return one delivery, always the same fields in the same order."""
        return {
            "alert": delivery.alert_id,
            "delivery": delivery.id,
            "channel": delivery.channel,
            "address": self._shown(delivery.address),
            "state": str(delivery.state),
            "attempts": delivery.attempt,
            "provider_id": delivery.provider_id,
            "permalink": delivery.permalink,
            "reason": delivery.reason,
            "reason_words": Reason.of(delivery.reason).words if delivery.reason else "",
            "detail": self._without(delivery.address, delivery.detail),
            "maybe_twice": delivery.maybe_twice,
            "changed_at": _iso(delivery.changed_at),
            "due_at": _iso(delivery.due_at),
        }

    def _attempt(self, row: AttemptRow) -> dict[str, Any]:
        return {
            "alert": self.record.alert.id,
            "delivery": row.delivery,
            "channel": row.channel,
            "address": self._shown(row.address),
            "attempt": row.attempt,
            "epoch": row.epoch,
            "began_at": _iso(instant(row.began_at)),
            "ended_at": _iso(instant(row.ended_at)) if row.ended_at else None,
            "outcome": row.outcome,
            "reason": row.reason,
            "detail": self._without(row.address, row.detail),
            "provider_id": row.provider_id,
        }

    def _receipt(self, row: ReceiptRow) -> dict[str, Any]:
        return {
            "alert": self.record.alert.id,
            "delivery": row.delivery,
            "channel": row.channel,
            "status": row.status,
            "at": _iso(instant(row.at)),
            "heard_at": _iso(instant(row.heard_at)),
            "provider_id": row.provider_id,
            "reason": row.reason,
            "detail": row.detail if self.in_full else _PERSONAL.sub("***", row.detail),
        }

    def _shown(self, address: str) -> str:
        return address if self.in_full else Address.parse(address).masked

    def _without(self, address: str, words: str) -> str:
        """Return a provider's words; it likes to repeat the address in them."""
        if self.in_full or not words:
            return words
        return _PERSONAL.sub("***", words.replace(Address.parse(address).value, "***"))


def _alert(record: AlertRecord) -> dict[str, Any]:
    alert = record.alert
    return {
        "alert": alert.id,
        "incident": alert.incident,
        "number": alert.number,
        "live": alert.live,
        "status": str(alert.status),
        "msg_type": str(alert.msg_type),
        "references": list(alert.references),
        "template": alert.template,
        "title": alert.title,
        "variables": dict(alert.variables),
        "class": str(alert.alert_class),
        "category": str(alert.category),
        "severity": str(alert.severity),
        "urgency": str(alert.urgency),
        "certainty": str(alert.certainty),
        "author": alert.author,
        "audience": alert.audience,
        "run_key": alert.run_key,
        "clock": dict(alert.clock),
        "digest": record.digest,
        "created_at": _iso(alert.created_at),
        "expires_at": _iso(alert.expires_at),
        "accepted_at": _iso(record.accepted_at),
        "settled_at": _iso(record.settled_at),
        "cancelled_at": _iso(record.cancelled_at),
    }


def _lane(alert_id: str, lane: Lane) -> dict[str, Any]:
    content = lane.content
    return {
        "alert": alert_id,
        "channel": lane.channel,
        "channel_kind": lane.kind,
        "fallback": lane.fallback or None,
        "subject": content.subject or None,
        "text": content.text,
        "html": content.html or None,
        "size": content.size,
        "limit": content.limit,
        "unit": str(content.unit),
        "notes": list(content.notes),
    }


def _act(row: AuditRow) -> dict[str, Any]:
    return {
        "alert": row.subject,
        "seq": row.seq,
        "at": _iso(instant(row.at)),
        "monotonic_s": row.monotonic,
        "actor": row.actor,
        "origin": row.origin,
        "action": row.action,
        "body": row.body,
        "prev": row.prev,
        "hash": row.hash,
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
