"""What is on record of a recall: that an alert takes others back, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from alerting.authority.wanted import ON_CALL, WANTED, want_notice
from alerting.clock import instant
from alerting.ledger.base import Ledger, LedgerReader
from alerting.ledger.rows import Actor, AlertRecord
from alerting.model.alert import Alert

#: Acts: that an alert recalls others, and what came of it.
RECALLED: Final = "alert.recalled"
TAKEN_BACK: Final = "alert.taken_back"
#: What the people on call are asked to be told of one that does not come to its end.
TROUBLE: Final = "recall"
_BY_ITSELF: Final = Actor(name="alert", origin="by itself")


def note_recall(ledger: Ledger, alert: Alert, *, delete_posts: bool, actor: Actor, at: int) -> None:
    """Put on record, in the opening transaction, what an alert takes back."""
    body = {"recalls": list(alert.references), "delete_posts": delete_posts}
    ledger.record_act(RECALLED, alert.id, body, actor=actor, at=at)


def recalls_something(ledger: LedgerReader, alert_id: str) -> bool:
    """Whether an alert takes others back."""
    return any(act.action == RECALLED for act in ledger.audit(alert_id))


def unfinished(ledger: LedgerReader) -> list[tuple[AlertRecord, bool]]:
    """Return the recalls that are not finished, however old, and whether each deletes posts."""
    found = []
    for alert_id in ledger.left_undone(RECALLED, TAKEN_BACK):
        record = ledger.alert(alert_id)
        body = next(act.body for act in ledger.audit(alert_id) if act.action == RECALLED)
        if record is not None:
            found.append((record, bool(json.loads(body)["delete_posts"])))
    return found


def outcome_of_recall(ledger: LedgerReader, alert_id: str) -> Mapping[str, int] | None:
    """Return the counts of a finished recall, or None."""
    acts = (act for act in ledger.audit(alert_id) if act.action == TAKEN_BACK)
    found = next(acts, None)
    return json.loads(found.body) if found else None


def note_taken_back(ledger: Ledger, alert_id: str, told: Mapping[str, int], *, at: int) -> bool:
    """Put on record what came of a recall; say whether it was news.

    Of two hosts that took back, because one was taken for gone, the first to end tells.
    """
    ledger.alone(f"taken back {alert_id}")
    if outcome_of_recall(ledger, alert_id) is not None:
        return False
    ledger.record_act(TAKEN_BACK, alert_id, told, actor=_BY_ITSELF, at=at)
    return True


def note_trouble(ledger: Ledger, alert_id: str, words: str, *, at: int) -> None:
    """Ask, once, that the people on call are told that what a recall takes back cannot be asked for."""
    if trouble_of_recall(ledger, alert_id):
        return
    text = f"RECALL STUCK: for {alert_id} providers could not be asked to take back what they hold ({words})"
    want_notice(ledger, alert_id, TROUBLE, text, actor=_BY_ITSELF, at=instant(at), to=ON_CALL)


def trouble_of_recall(ledger: LedgerReader, alert_id: str) -> str:
    """Return in words what keeps a recall from its end, where that was told; nothing once it is finished."""
    told = ""
    for act in ledger.audit(alert_id):
        if act.action == TAKEN_BACK:
            return ""
        if act.action == WANTED and json.loads(act.body)["kind"] == TROUBLE:
            told = str(json.loads(act.body)["text"])
    return told
