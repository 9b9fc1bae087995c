"""The jobs of batches that wait: written and mended here, taken and finished by Procrastinate's worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from json import dumps
from typing import Any, Final

from alerting.ledger.database import Database
from alerting.ledger.postgres.connection import Connection
from alerting.ledger.postgres.queue import refuse_other

_MENDING: Final = "mending the queue"


class PostgresJobs:
    """Jobs beside a ledger; ``waits`` takes a batch that shall have one at the end of the transaction."""

    def __init__(self, connection: Connection, waits: Callable[[int], None]) -> None:
        self._connection, self._waits = connection, waits
        self._db: Database = connection

    def defer(self, batches: Sequence[int]) -> None:
        """Write a job for each of these that waits.

        By the function Procrastinate itself defers with; importing it would hold up the first message.
        """
        self._db.all("defer_jobs", (self._db.ids(batches),))

    def drop(self, alert: int) -> None:
        """Take back the jobs of an alert that nobody has taken yet."""
        self._db.all("drop_jobs", (alert,))

    def refuse_unfit(self) -> None:
        """Refuse a server that cannot be written, and tables or a library of a version we do not know.

        Raises:
            LedgerUnavailable: it is a standby, or they are of another version.
            MissingExtra: the library is not installed.
        """
        if standby := self._connection.standby:
            raise standby
        refuse_other(self._connection)

    def ask(self, statement: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Run a statement of the queue's own library; return rows by column."""
        return self._connection.asked(statement, given)

    def most_urgent(self, queues: Sequence[str]) -> Mapping[str, int]:
        """Return by queue the priority of the job that is next; queues without one are left out."""
        found = self._db.all("most_urgent", (dumps(list(queues)),))
        return {name: priority for name, priority in found if priority is not None}

    def left_behind(self, *, at: int, most: int) -> Sequence[tuple[str, int]]:
        """Return (channel, batch) of leases that ended before ``at`` (microseconds), urgent first."""
        return [(channel, batch) for channel, batch in self._db.all("left_behind", (at, at, most))]

    def again(self, batch: int) -> None:
        """Queue a batch anew, if it still waits at the end of this transaction."""
        self._waits(batch)

    def mend(self, *, silent_s: float, all_of_it: bool) -> int:
        """Drop jobs of workers not heard of for so long, and queue their batches; return how many."""
        ((first,),) = self._db.all("try_word", (_MENDING,))
        if not first:
            return 0
        waiting = {batch for batch, _ in self._db.all("drop_stalled_jobs", (silent_s,))}
        if all_of_it:
            waiting |= {batch for (batch,) in self._db.all("without_job")}
        for batch in sorted(waiting):
            self._waits(batch)
        return len(waiting)
