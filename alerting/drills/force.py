"""What is going on right now: real alerts in force, and drills people may still be practising."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from alerting.broadcast.plan import Plan
from alerting.ledger.base import LedgerReader
from alerting.ledger.rows import AlertRecord
from alerting.model.alert import MsgType, Status

#: How many of the newest alerts are looked at: an incident has rarely more messages, but the system's own
#: notices lie between them. A real alert is looked for further back: missing it would start a drill.
_RECENT: Final = 20
_FAR: Final = 200
#: What people practise; a notice of the system is neither that nor a real alert.
PRACTICE: Final = (Status.EXERCISE, Status.TEST)


def in_force(ledger: LedgerReader, at: datetime) -> AlertRecord | None:
    """Return a real alert whose life has not ended and that nothing has withdrawn, or None."""
    return next((record for record in _standing(ledger, at, _FAR) if record.alert.live), None)


def running_drill(ledger: LedgerReader, at: datetime) -> AlertRecord | None:
    """Return a drill people may still be practising, or None."""
    standing = _standing(ledger, at, _RECENT)
    return next((record for record in standing if record.alert.status in PRACTICE), None)


def beside_drill(plan: Plan, ledger: LedgerReader | None, *, at: datetime) -> Plan:
    """Return a real alert's plan that says first when a drill is running: people may not believe it."""
    drill = running_drill(ledger, at) if ledger else None
    if drill is None:
        return plan
    since = max(0, int((at - drill.accepted_at).total_seconds() // 60))
    told = (
        f"A DRILL IS RUNNING: {drill.alert.id}, {drill.alert.title}, since {since} min. This alert is REAL;"
        " people may take it for part of the drill. Stop it with: alert cancel " + drill.alert.id
    )
    return plan._replace(warnings=(told, *plan.warnings))


def beside_another(ledger: LedgerReader | None, *, at: datetime) -> list[str]:
    """Return in words that another drill is running: people would be told of two at once."""
    other = running_drill(ledger, at) if ledger else None
    if other is None:
        return []
    about = f"{other.alert.id}, {other.alert.title}"
    return [f"another drill is running: {about}. Wait for its end, or stop it: alert cancel {other.alert.id}"]


def _standing(ledger: LedgerReader, at: datetime, limit: int) -> Iterator[AlertRecord]:
    """Yield the last word of each recent incident, where it still stands."""
    seen: set[str] = set()
    for record in ledger.alerts(limit=limit):
        alert = record.alert
        if alert.incident in seen:
            continue
        seen.add(alert.incident)
        if not record.cancelled_at and alert.expires_at > at and alert.msg_type is not MsgType.CANCEL:
            yield record
