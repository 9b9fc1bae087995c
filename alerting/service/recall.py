"""What is on record of a recall: that an alert takes others back, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from alerting.ledger.base import Ledger, LedgerReader
from alerting.ledger.rows import Actor, AlertRecord
from alerting.model.alert import Alert

#: Acts: that an alert recalls others, and what came of it.
RECALLED: Final = "alert.recalled"
TAKEN_BACK: Final = "alert.taken_back"
_NEWEST: Final = 10


def note_recall(ledger: Ledger, alert: Alert, *, delete_posts: bool, actor: Actor, at: int) -> None:
    """Put on record, in the opening transaction, what an alert takes back."""
    body = {"recalls": list(alert.references), "delete_posts": delete_posts}
    ledger.record_act(RECALLED, alert.id, body, actor=actor, at=at)


def recalls_something(ledger: LedgerReader, alert_id: str) -> bool:
    """Whether an alert takes others back."""
    return any(act.action == RECALLED for act in ledger.audit(alert_id))


def unfinished(ledger: LedgerReader) -> list[tuple[AlertRecord, bool]]:
    """Return recalls among the newest alerts that are not finished, and whether each deletes posts."""
    found = []
    for record in ledger.alerts(limit=_NEWEST):
        if not record.alert.references:
            continue
        acts = {act.action: act.body for act in ledger.audit(record.alert.id)}
        if RECALLED in acts and TAKEN_BACK not in acts:
            found.append((record, bool(json.loads(acts[RECALLED])["delete_posts"])))
    return found


def outcome_of_recall(ledger: LedgerReader, alert_id: str) -> Mapping[str, int] | None:
    """Return the counts of a finished recall, or None."""
    acts = (act for act in ledger.audit(alert_id) if act.action == TAKEN_BACK)
    found = next(acts, None)
    return json.loads(found.body) if found else None
