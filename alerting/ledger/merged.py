"""What a merge leaves behind: which alerts of this record are history, and of which host."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from alerting.ledger.rows import AuditRow

#: The act that says what was merged, and what it is kept under.
MERGED: Final = "ledger.merged"
MERGES: Final = "merges"


def merged_from(acts: Iterable[AuditRow]) -> dict[str, str]:
    """Return from the acts under ``MERGES`` which alerts are history, and of which host, by alert."""
    told = [json.loads(act.body) for act in acts if act.action == MERGED]
    return {alert_id: str(body["host"]) for body in told for alert_id in body["alerts"]}
