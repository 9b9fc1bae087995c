"""What is history: alerts that one host sent alone, and that were merged into this record later."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerReader


def hosts(ledger: LedgerReader | None) -> dict[str, str]:
    """Return by alert the host whose own record it was merged from."""
    from alerting.ledger.merged import MERGES, merged_from

    return merged_from(ledger.audit(MERGES)) if ledger else {}


def told(ledger: LedgerReader | None, alert_id: str) -> list[str]:
    """Return in words that an alert is history, if it is."""
    host = hosts(ledger).get(alert_id)
    return (
        [f"History: {host} sent it alone, with a record of its own, which was merged later."] if host else []
    )
