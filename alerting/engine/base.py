"""The engine port. The ledger is the truth; an engine only decides who works when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable


class Engine(Protocol):
    """Runs the batches a ledger holds."""

    async def run(self, *, stop: asyncio.Event, forever: bool = False) -> None:
        """Send until nothing is left (or for ever), or until told to stop.

        Raises:
            LedgerUnavailable: nothing more can be made durable, so nothing more is sent.
        """
        ...

    def look(self, channel: str = "") -> None:
        """Tell the lanes (or one) that there is work; only makes it faster, never needed."""
        ...


class Jobs(Protocol):
    """The jobs beside a ledger: one for each batch that waits, in the commit that made it wait.

    Every verb is said inside the ledger's ``transaction()``.
    """

    def refuse_unfit(self) -> None:
        """Refuse a server that cannot be written, and tables or a library of a version we do not know.

        Raises:
            LedgerUnavailable: it is a standby, or they are of another version.
            MissingExtra: the library is not installed.
        """
        ...

    def ask(self, statement: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Run a statement of the queue's own library; return rows by column."""
        ...

    def most_urgent(self, queues: Sequence[str]) -> Mapping[str, int]:
        """Return by queue the priority of the job that is next; queues without one are left out."""
        ...

    def left_behind(self, *, at: int, most: int) -> Sequence[tuple[str, int]]:
        """Return (channel, batch) of leases that ended before ``at`` (microseconds), urgent first."""
        ...

    def again(self, batch: int) -> None:
        """Queue a batch anew, if it still waits at the end of this transaction."""
        ...

    def mend(self, *, silent_s: float, all_of_it: bool) -> int:
        """Drop jobs of workers not heard of for so long, and queue their batches; return how many.

        ``all_of_it`` also looks for batches that wait without a job. When somebody else is at it: 0.
        """
        ...


@runtime_checkable
class Queued(Protocol):
    """A ledger with a queue beside it; asked by type."""

    @property
    def jobs(self) -> Jobs:
        """The jobs of its batches."""
        ...
