"""Connections that only read the shared ledger."""

from __future__ import annotations

from datetime import timedelta

from alerting.clock import Clock
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.migrate import NoLedgerYet
from alerting.ledger.postgres.place import Place
from alerting.ledger.upgraded import OlderLedger


def reader_at(place: Place, *, clock: Clock, patience: timedelta) -> PostgresLedger | None:
    """Return a reading connection, or None when nothing was ever recorded there.

    A ledger of an older version is brought up to date first, if this user may.

    Raises:
        LedgerUnavailable: it cannot be reached or read.
    """
    try:
        return PostgresLedger.open(place, write=False, clock=clock, patience=patience)
    except NoLedgerYet:
        return None
    except OlderLedger:
        PostgresLedger.open(place, clock=clock, patience=patience).close()
        return PostgresLedger.open(place, write=False, clock=clock, patience=patience)
