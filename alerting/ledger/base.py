"""The ledger port.

A ledger is one connection used by one thread. Every change happens inside ``transaction()``; several
changes share one, so that a group commit pays for one sync. Nothing is promised before it commits.

Instants cross this port as microseconds since 1970 UTC in rows (there are millions of those), and
as aware datetimes in records (there are few).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:  # who only looks needs few of these
    from alerting.ledger.rows import (
        Actor,
        AlertRecord,
        Applied,
        AttemptRow,
        AuditRow,
        Batch,
        Cancelled,
        Failure,
        NewDelivery,
        NewList,
        NoteRow,
        OccurrenceRow,
        Opening,
        Opt,
        ReceiptRow,
        ReplyRow,
        Settled,
        Tally,
    )
    from alerting.model.delivery import Delivery, State
    from alerting.model.receipt import Receipt

T = TypeVar("T")


class LedgerReader(Protocol):
    """What can be asked. A reader never blocks the writer and never writes."""

    def close(self) -> None:
        """Give the connection back; may be called twice."""
        ...

    def alert(self, alert_id: str) -> AlertRecord | None:
        """Return one alert, or None."""
        ...

    def alerts(self, *, limit: int = 20) -> Sequence[AlertRecord]:
        """Return the newest alerts, newest first; notices to the people on call are none."""
        ...

    def notices(self, *, limit: int = 20) -> Sequence[AlertRecord]:
        """Return the newest notices to the people on call, newest first."""
        ...

    def alert_of_run(self, run_key: str) -> str | None:
        """Return the alert a run key opened, or None."""
        ...

    def unsettled(self) -> Sequence[tuple[str, str]]:
        """Return (alert id, channel) wherever deliveries are not settled, urgent first."""
        ...

    def leased(self, *, at: int) -> bool:
        """Say whether anybody holds a batch at an instant (microseconds)."""
        ...

    def tally(self, alert_id: str) -> Sequence[Tally]:
        """Return counts per channel, in lane order. Reads counters, not rows: fast at any size."""
        ...

    def failures(self, alert_id: str) -> Sequence[Failure]:
        """Return counts per channel, state and reason of what failed, waits or is uncertain."""
        ...

    def progress(self, alert_id: str) -> Mapping[str, Sequence[tuple[int, int]]]:
        """Return per channel the (second since acceptance, deliveries accepted in it) curve."""
        ...

    def deliveries(
        self, alert_id: str, *, channel: str = "", states: Sequence[State] = (), address: str = ""
    ) -> Iterator[Delivery]:
        """Stream deliveries in order of channel and plan. ``address`` matches ``kind:value`` exactly."""
        ...

    def attempts(self, alert_id: str) -> Iterator[AttemptRow]:
        """Stream every attempt in order."""
        ...

    def audit(self, subject: str = "", *, after: int = 0) -> Iterator[AuditRow]:
        """Stream audit rows in order, of one subject or all, after the row of a number."""
        ...

    def threads(self, batch: int) -> Mapping[str, tuple[str, ...]]:
        """Return by address the provider ids of the incident's earlier messages to it, oldest first.

        Of the addresses in one batch; those that were told nothing before are left out.
        """
        ...

    def known_to(self, channel: str, address: str, *, besides: int, since: int) -> Sequence[str]:
        """Return provider ids of what went to an address in other rows than ``besides``.

        ``since`` is microseconds since 1970: of alerts accepted after it.
        """
        ...

    def alerts_of(self, incident: str) -> Sequence[AlertRecord]:
        """Return the alerts of an incident, oldest first."""
        ...

    def recipients(self, alert_id: str, channel: str, *, reached_only: bool = False) -> Iterator[NewDelivery]:
        """Stream whom an alert was for on a channel, in order, as rows to plan again.

        ``reached_only`` leaves out those whom nothing can have reached: refused, expired, cancelled.
        """
        ...

    def incident_number(self, incident: str) -> int:
        """Return how many alerts an incident has so far."""
        ...

    def open_incidents(self) -> Sequence[str]:
        """Return the live incidents that nobody closed, however old, by their newest alert first."""
        ...

    def left_undone(self, begun: str, ended: str) -> Sequence[str]:
        """Return the alerts with an act of the one kind and none of the other, however old, oldest first."""
        ...

    def last_audience_size(self, audience: str) -> int | None:
        """Return how many recipients the last alert to this audience had, or None."""
        ...

    def arrivals(self, alert_id: str) -> Mapping[str, Sequence[tuple[int, int]]]:
        """Return per channel the (second since acceptance, deliveries that arrived in it) curve."""
        ...

    def receipts(self, alert_id: str) -> Iterator[ReceiptRow]:
        """Stream every receipt of an alert by channel and delivery."""
        ...

    def orphans(self) -> int:
        """Return how many receipts still look for their delivery."""
        ...

    def opted_out(self, channel: str) -> frozenset[str]:
        """Return the addresses (``kind:value``) whose last word to a channel was to stop."""
        ...

    def opts(self) -> Iterator[Opt]:
        """Stream the whole history of who stopped and started, oldest first."""
        ...

    def replies(self) -> Iterator[ReplyRow]:
        """Stream what people wrote back, oldest first: untrusted text."""
        ...


class Ledger(LedgerReader, Protocol):
    """What can be changed, always inside ``transaction()``."""

    def transaction(self) -> AbstractContextManager[None]:
        """Commit on leaving, roll back on an error.

        Raises:
            LedgerUnavailable: disk full, locked for too long, damaged: nothing was changed.
        """
        ...

    def alone(self, word: str) -> None:
        """From here to the end of the transaction nobody else is in this place with the same word.

        What is read afterwards holds until then: somebody who comes a moment later waits, and sees it.
        """
        ...

    def open_alert(self, opening: Opening, *, at: int) -> None:
        """Write the alert, its lanes and the audit row. The run key must be new (see alert_of_run)."""
        ...

    def add_batch(self, alert_id: str, channel: str, rows: Sequence[NewDelivery], *, priority: int) -> int:
        """Write up to 500 deliveries as one batch, but for addresses it has there; return how many."""
        ...

    def add_list(self, alert_id: str, channel: str, rows: NewList, *, priority: int) -> int:
        """Write the deliveries a file lists, in its order, by ``add_batch``; return how many were new.

        Raises:
            AudienceProblem: the file is gone.
        """
        ...

    def planned(self, alert_id: str, *, recipients: int, notes: Mapping[str, int]) -> None:
        """Close planning: what was read, and what was left out and why."""
        ...

    def lease(
        self, channel: str, *, owner: str, at: int, until: int, skip: Iterable[int] = (), only: int = 0
    ) -> Batch | None:
        """Take the most urgent batch of a channel that is due and free (or ``only`` this one), or None.

        Raises its epoch. What another owner left in SENDING becomes UNCERTAIN. It carries all unsettled rows.
        """
        ...

    def next_due(self, channel: str) -> int | None:
        """Return when the next free batch of a channel is due, or None when there is none."""
        ...

    def claim(self, batch: Batch, ids: Sequence[int], *, at: int) -> Sequence[int]:
        """Commit an attempt for each of these rows, and return those that may now be sent.

        Left out are rows not PENDING any more, of a cancelled alert, and of a batch whose epoch has moved on.
        """
        ...

    def settle(self, batch: Batch, results: Sequence[Settled]) -> int:
        """Record what became of rows, fenced by epoch and attempt; return how many it changed.

        Results that come too late are kept as attempts and change no state.
        """
        ...

    def apply(self, receipts: Sequence[Receipt], *, at: int) -> Applied:
        """Keep receipts, each once; move their rows by the table of transitions, in any order the same way.

        What fits no row waits a day for it.
        """
        ...

    def adopt(self, *, at: int) -> Applied:
        """Look again for the rows of receipts that fitted none; drop those that waited for a day."""
        ...

    def keep_replies(self, replies: Sequence[ReplyRow]) -> int:
        """Keep what people wrote back, each once; return how many were new."""
        ...

    def hand_over(self, batch: Batch, ids: Sequence[int], *, to: str, priority: int, at: int) -> int:
        """Plan the fallback addresses of these rows on another channel; return how many were new."""
        ...

    def release(self, batch: Batch, *, not_before: int) -> None:
        """Give a batch back: done when every row is settled, else free again at ``not_before``."""
        ...

    def renew(self, batches: Sequence[Batch], *, until: int) -> Sequence[int]:
        """Extend leases; return the ids of batches that are still ours."""
        ...

    def expire(self, alert_id: str, *, at: int) -> int:
        """Expire every PENDING row of an alert whose life has ended; return how many."""
        ...

    def cancel(self, alert_id: str, *, actor: Actor, at: int, reason: str = "cancelled") -> Cancelled:
        """Stop what has not left. From this commit no claim of the alert succeeds."""
        ...

    def withdraw(self, alert_id: str, channel: str, address: str, *, reason: str, at: int) -> int:
        """Stop what waits for one address and was never tried; return how many that were."""
        ...

    def settle_alert(self, alert_id: str, *, at: int) -> bool:
        """Stamp an alert whose deliveries are all settled; return whether it is."""
        ...

    def record_act(
        self, action: str, subject: str, body: Mapping[str, object], *, actor: Actor, at: int
    ) -> None:
        """Append to the audit log what an actor did."""
        ...


@runtime_checkable
class DrillReader(LedgerReader, Protocol):
    """What can be asked of drills; a power of its own, asked by type."""

    def occurrences_of(
        self, drill: str, *, before: int | None = None, limit: int = 100
    ) -> Sequence[OccurrenceRow]:
        """Return what is on record of a drill, due before an instant (microseconds), newest first."""
        ...

    def occurrence_of_alert(self, alert_id: str) -> OccurrenceRow | None:
        """Return the planned time an alert belongs to, or None."""
        ...

    def drill_names(self) -> Sequence[str]:
        """Return the drills that have anything on record, in order of name."""
        ...

    def notes(self, alert_id: str) -> Sequence[NoteRow]:
        """Return what people observed, in the order they said it."""
        ...


@runtime_checkable
class DrillLedger(Ledger, DrillReader, Protocol):
    """A ledger that also keeps the planned times of drills, each taken once."""

    def take_occurrence(self, row: OccurrenceRow) -> bool:
        """Claim a planned time for an alert, in the transaction that opens it; say whether it was free."""
        ...

    def miss_occurrence(self, row: OccurrenceRow, *, actor: Actor) -> bool:
        """Record that a planned time passed without the drill; say whether that was news."""
        ...

    def watch_drill(self, drill: str, mark: str, *, at: int) -> int:
        """Return since when (microseconds) a schedule is watched: from now if it is new or changed."""
        ...

    def add_note(self, alert_id: str, note: NoteRow, *, actor: Actor) -> None:
        """Append what somebody observed to an alert's record."""
        ...


class LedgerWriter(Protocol):
    """The one that owns the writing connection; what is asked together commits together."""

    async def do(self, change: Callable[[Ledger], T]) -> T:
        """Run a change inside a transaction shared with others, and answer once it is durable.

        Raises:
            LedgerUnavailable: it could not be made durable; nothing of it was kept.
        """
        ...
