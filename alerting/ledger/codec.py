"""Alerts and contents as canonical JSON, and back.

A field that a later version adds, with a default, is simply missing in older records. An older program that
works beside that version leaves the field alone: a shared ledger is written by both during an upgrade.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from alerting.ledger.instants import instant, micros
from alerting.model.alert import (
    Alert,
    AlertClass,
    Category,
    Certainty,
    MsgType,
    ResponseType,
    Severity,
    Status,
    Urgency,
)
from alerting.model.message import Content, Unit

#: How the fields that JSON cannot hold by itself come back.
_ALERT: Final[Mapping[str, Callable[[Any], object]]] = {
    "status": Status,
    "msg_type": MsgType,
    "alert_class": AlertClass,
    "category": Category,
    "severity": Severity,
    "urgency": Urgency,
    "certainty": Certainty,
    "created_at": instant,
    "expires_at": instant,
    "references": tuple,
    "receipts": tuple,
    "response_type": lambda word: ResponseType(word) if word else None,
}
_CONTENT: Final[Mapping[str, Callable[[Any], object]]] = {"unit": Unit, "notes": tuple}
_OF_ALERT: Final = frozenset(Alert._fields)
_OF_CONTENT: Final = frozenset(Content._fields)


def canonical(value: object) -> str:
    """Return JSON that is the same for equal values: sorted, without blanks, instants as microseconds."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return micros(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be written to the ledger")


def alert_text(alert: Alert) -> str:
    """Return an alert as JSON."""
    return canonical(alert._asdict())


def alert_from(text: str) -> Alert:
    """Return the alert that ``alert_text`` wrote."""
    return Alert(**_revived(text, _ALERT, _OF_ALERT))


def content_text(content: Content) -> str:
    """Return a content as JSON."""
    return canonical(content._asdict())


def content_from(text: str) -> Content:
    """Return the content that ``content_text`` wrote."""
    return Content(**_revived(text, _CONTENT, _OF_CONTENT))


def _revived(text: str, how: Mapping[str, Callable[[Any], object]], known: frozenset[str]) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(text)
    return {name: how[name](value) if name in how else value for name, value in body.items() if name in known}
