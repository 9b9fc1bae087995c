"""A power of some ledgers: to accept a long list of people whole, and to write its rows afterwards.

What is public need not wait for the rows of everybody: what must be durable before anything leaves is the
list, not its rows. It is committed with the alert, exactly as it was checked, and cannot change any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from alerting.ledger.rows import NewList


@runtime_checkable
class Rolling(Protocol):
    """A ledger that keeps lists until their rows are written; asked by type, used inside ``transaction()``.

    Whatever is counted or asked of an alert comes out as if the rows were there; only leases wait for them.
    """

    def roll(self, alert_id: str, lists: Mapping[str, NewList], *, priority: int) -> int:
        """Keep lists of one file, by channel, with their batches; return how many deliveries they make.

        As ``add_list`` for each, but no row is written. A list says how many rows it has (``total``), no
        address twice.

        Raises:
            AudienceProblem: the file is gone; or it is not what was counted.
            UnknownAlert: there is no such alert, or it lacks one of the lanes.
        """
        ...

    def rolled(self) -> Mapping[str, bool]:
        """Return the channels that have rows to be written, and whether they have other work meanwhile."""
        ...

    def unroll(self) -> str | None:
        """Write some rows of the most urgent list; return its channel, None when all are written.

        Raises:
            LedgerDamaged: the list is not what was accepted.
        """
        ...
