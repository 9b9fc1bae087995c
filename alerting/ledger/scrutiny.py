"""A ledger as an auditor reads it: raw rows, read-only, nothing believed.

One statement a question, in the order of the keys, so that a copy on a stick is read once from front
to back. The file is opened for reading only; a copy without its log is not written to in any way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Final, Self

from alerting.ledger.reading import span
from alerting.ledger.roll import Roll
from alerting.ledger.rows import AuditRow
from alerting.named import NamedTuple

#: Columns of an alert's row that never change once it is opened; they come first in ``alerts_raw``.
_FIXED: Final = 9


class AlertRow(NamedTuple):
    """An alert: the columns fixed at opening, and those later acts change."""

    fixed: tuple[Any, ...]
    ref: int
    recipients: int | None
    notes: str
    settled_at: int
    cancelled_at: int
    cancel_reason: str

    @property
    def id(self) -> str:
        """The alert's own id."""
        return str(self.fixed[0])

    @property
    def accepted_at(self) -> int:
        """When it was accepted, in microseconds."""
        return int(self.fixed[8])


class BatchRow(NamedTuple):
    """A batch; ``counts`` in the order of ``alerting.ledger.reading.COUNTED``."""

    id: int
    channel: int
    lease: tuple[Any, ...]  #: priority, state, not before, epoch, owner, lease until
    counts: tuple[int, ...]

    @property
    def done(self) -> bool:
        """Whether nobody will take it up any more."""
        return bool(self.lease[1] == "done")


class DeliveryRow(NamedTuple):
    """A delivery as stored."""

    id: int
    alert: int
    channel: int
    address: str
    recipient: str
    fallback: str
    state: str
    attempt: int
    due_at: int
    changed_at: int
    told: int
    decided: int
    maybe_twice: int
    reason: str


class OutcomeRow(NamedTuple):
    """Something heard about a delivery."""

    delivery: int
    n: int
    attempt: int
    at: int
    outcome: str
    provider_id: str
    permalink: str
    reason: str
    detail: str


class HeardRow(NamedTuple):
    """A receipt as kept."""

    delivery: int
    mark: bytes
    status: str
    at: int
    heard_at: int
    provider_id: str
    reason: str
    detail: str


class History(NamedTuple):
    """A delivery with its attempts (delivery, attempt, epoch, began at), answers and receipts, in order."""

    row: DeliveryRow
    attempts: tuple[tuple[Any, ...], ...]
    outcomes: tuple[OutcomeRow, ...]
    receipts: tuple[HeardRow, ...]


class Counts(NamedTuple):
    """What is counted beside an alert's deliveries, as stored."""

    batches: list[BatchRow]
    troubles: list[tuple[Any, ...]]  #: channel, state, reason, detail, n
    accepted: list[tuple[Any, ...]]  #: channel, second, accepted, first ms, last ms
    arrived: list[tuple[Any, ...]]  #: channel, second, delivered, first ms, last ms


class Scrutiny(ABC):
    """A ledger opened for scrutiny: what every store answers alike."""

    where: str  #: what people call it
    _receipts: bool
    _rolls = False

    @abstractmethod
    def __enter__(self) -> Self:
        """Hold one snapshot: what is written meanwhile is not seen."""

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Give it back; may be called twice."""

    @abstractmethod
    def _all(self, name: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a named statement."""

    @abstractmethod
    def _table(self, table: str) -> list[tuple[Any, ...]]:
        """Return a table whole, sorted by its columns."""

    @abstractmethod
    def integrity(self) -> Sequence[str]:
        """Return what the database itself finds wrong; empty when nothing."""

    @abstractmethod
    def objects(self) -> dict[tuple[str, str], str]:
        """Return every table, index and trigger by (type, name), with its text."""

    @abstractmethod
    def expected(self) -> dict[tuple[str, str], str]:
        """Return what ``objects`` says of a ledger of this version as this program made it."""

    @abstractmethod
    def latest(self) -> int:
        """Return the newest version this program knows."""

    def version(self) -> int:
        """Return the number of the last migration it was brought to; 0 when it does not say."""
        rows = self._table("meta")
        return next((int(value) for name, value in rows if name == "schema" and str(value).isdigit()), 0)

    def alerts(self) -> Iterator[AlertRow]:
        """Yield every alert in the order of opening."""
        for row in self._all("alerts_raw"):
            yield AlertRow(tuple(row[:_FIXED]), *row[_FIXED:])

    def lanes(self, ref: int) -> list[tuple[Any, ...]]:
        """Return an alert's lanes as (channel, seat, kind, content, fallback)."""
        return self._all("lanes_raw", (ref,))

    def batches(self, ref: int) -> list[BatchRow]:
        """Return an alert's batches."""
        return [BatchRow(row[0], row[1], row[2:8], row[8:]) for row in self._all("batches_raw", (ref,))]

    def rolls(self, ref: int) -> list[Roll]:  # noqa: ARG002 - for ledgers that keep lists
        """Return what of an alert's lists has no rows yet."""
        return []

    def list_digest(self, ref: int) -> str:  # noqa: ARG002 - for ledgers that keep lists
        """Return the SHA-256 of the list an alert's rows are still written from, in hex."""
        return ""

    def deliveries(self, ref: int) -> Iterator[History]:
        """Yield every delivery of an alert, in order, with everything that happened to it."""
        for batch in self.batches(ref):
            yield from self.histories(batch.id)

    def histories(self, batch: int) -> Iterator[History]:
        """Yield the deliveries of a batch with everything that happened to them."""
        tried: dict[int, list[tuple[Any, ...]]] = {}
        heard: dict[int, list[OutcomeRow]] = {}
        for attempt in self._all("attempts_raw", span(batch)):
            tried.setdefault(attempt[0], []).append(attempt)
        for outcome in self._all("outcomes_raw", span(batch)):
            heard.setdefault(outcome[0], []).append(OutcomeRow(*outcome))
        told: dict[int, list[HeardRow]] = {}
        for receipt in self._all("receipts_raw", span(batch)) if self._receipts else ():
            told.setdefault(receipt[0], []).append(HeardRow(*receipt))
        for row in self._all("deliveries_raw", span(batch)):
            number = row[0]
            yield History(
                DeliveryRow(*row),
                tuple(tried.get(number, ())),
                tuple(heard.get(number, ())),
                tuple(told.get(number, ())),
            )

    def counts(self, ref: int) -> Counts:
        """Return what is counted beside an alert's deliveries."""
        return Counts(
            self.batches(ref),
            self._all("troubles_raw", (ref,)),
            self._all("curve_raw", (ref,)),
            self._all("arrivals_raw", (ref,)) if self._receipts else [],
        )

    def strays(self) -> dict[str, int]:
        """Return by table how many rows belong to nothing."""
        found = self._all("strays") + (self._all("receipt_strays") if self._receipts else [])
        found += self._all("roll_strays") if self._rolls else []
        return {table: count for table, count in found if count}

    def opts(self) -> list[tuple[Any, ...]]:
        """Return who asked to stop or start: seq, mark, channel, address, status, at, heard at, detail."""
        return self._all("opts_raw") if self._receipts else []

    def replies(self) -> list[tuple[Any, ...]]:
        """Return what people wrote: seq, mark, channel, address, text, at, provider id."""
        return self._all("replies_raw") if self._receipts else []

    def audit(self) -> Iterator[AuditRow]:
        """Yield every act."""
        last = 0
        while page := self._all("audit_raw", (last,)):
            yield from (AuditRow(*row) for row in page)
            last = page[-1][0]

    def acts(self, subject: str, action: str) -> list[AuditRow]:
        """Return the acts of one kind on one subject, oldest first."""
        return [AuditRow(*row) for row in self._all("acts_of", (subject, action))]

    def tables(self) -> list[str]:
        """Return the names of all tables."""
        return [name for kind, name in self.objects() if kind == "table"]

    def rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """Yield a table whole, sorted by its columns, so that its order on disk does not matter.

        Raises:
            ValueError: there is no table of that name.
        """
        if table not in self.tables():
            raise ValueError(f"there is no table {table}")
        yield from self._table(table)
