"""One record, one pair of audit keys: every host that seals must have the same."""

from __future__ import annotations

from pathlib import Path

from alerting.clock import Clock
from alerting.errors import LedgerUnavailable, Problem
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.place import Place


def admit_keys(place: Place, fingerprint: str, *, clock: Clock, state: Path) -> None:
    """Remember whose keys seal this record, or refuse others.

    ``fingerprint`` is a digest that says nothing of the keys.

    Raises:
        LedgerUnavailable: the record is sealed with other keys, or cannot be reached.
    """
    ledger = PostgresLedger.open(place, clock=clock)
    try:
        with ledger.transaction():
            known = ledger.remember("audit_keys", fingerprint)
    finally:
        ledger.close()
    if known != fingerprint:
        raise LedgerUnavailable(
            Problem(
                where=str(state / "audit.key"),
                what="the audit keys of this host are not those this ledger is sealed with",
                fix="copy audit.key and audit-signing.key from the host that sealed first",
            )
        )
