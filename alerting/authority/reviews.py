"""Which templates somebody has read and found good: an act in the log, bound to the file's content.

Editing a reviewed template changes its digest, and with it the mark is gone; nobody has to take it off.
The starter set counts as reviewed by its maker while it is byte for byte as it came.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alerting.clock import instant
from alerting.named import NamedTuple

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerReader

#: The act, on ``template:NAME``; its body is ``{"sha256": …}``.
REVIEWED: Final = "template.reviewed"
_STARTER: Final = "starter.sha256"


class Mark(NamedTuple):
    """Who reviewed a template as it is now, and when; the maker's own have no time."""

    by: str
    at: datetime | None


def subject_of(name: str) -> str:
    """Return what the act is about."""
    return f"template:{name}"


def body_of(digest: str) -> dict[str, Any]:
    """Return the act's body for a template's digest."""
    return {"sha256": digest}


def mark_of(ledger: LedgerReader | None, name: str, digest: str) -> Mark | None:
    """Return the newest review of a template with this content, or None."""
    found = Mark(by="its maker", at=None) if digest in starter() else None
    for row in ledger.audit(subject_of(name)) if ledger else ():
        if row.action == REVIEWED and json.loads(row.body).get("sha256") == digest:
            found = Mark(by=row.actor, at=instant(row.at))
    return found


def starter() -> frozenset[str]:
    """Return the digests of the templates this version comes with."""
    text = Path(__file__).with_name(_STARTER).read_text(encoding="ascii")
    return frozenset(line.split()[0] for line in text.splitlines() if line)
