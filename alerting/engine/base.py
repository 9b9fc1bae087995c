"""The engine port. The ledger is the truth; an engine only decides who works when."""

from __future__ import annotations

import asyncio
from typing import Protocol

from alerting.ledger.base import Ledger


class Engine(Protocol):
    """Runs the batches a ledger holds."""

    def enqueue(self, ledger: Ledger, alert_id: str) -> None:
        """Make an alert's batches known to whoever runs them, in the transaction that wrote them."""
        ...

    async def run(self, *, stop: asyncio.Event, forever: bool = False) -> None:
        """Send until nothing is left (or for ever), or until told to stop.

        Raises:
            LedgerUnavailable: nothing more can be made durable, so nothing more is sent.
        """
        ...

    def look(self, channel: str = "") -> None:
        """Tell the lanes (or one) that there is work; only makes it faster, never needed."""
        ...
