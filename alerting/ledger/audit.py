"""The audit log: who did what, each row chained to the one before it by hash.

Personal data stays out of the chain, so that it can be deleted without breaking it.
A chain alone does not stop somebody who owns the file from writing all of it anew: copies of its
head, kept elsewhere, do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from alerting.ledger.codec import canonical
from alerting.ledger.rows import Actor, AuditRow
from alerting.named import NamedTuple

#: Opens every hash, so that a later way of hashing cannot be mistaken for this one.
_VERSION: Final = b"alert-audit-v1"
#: What stands before the first row.
GENESIS: Final = "0" * 64


def row_after(
    head: tuple[int, str] | None,
    action: str,
    subject: str,
    body: Mapping[str, object],
    *,
    actor: Actor,
    at: int,
    monotonic: float,
) -> AuditRow:
    """Return the row that follows ``head`` (its number and hash; None at the beginning)."""
    seq, prev = head or (0, GENESIS)
    row = AuditRow(
        seq=seq + 1,
        at=at,
        monotonic=monotonic,
        actor=actor.name,
        origin=actor.origin,
        action=action,
        subject=subject,
        body=canonical(body),
        prev=prev,
        hash="",
    )
    return row._replace(hash=_hash(row))


def _hash(row: AuditRow) -> str:
    told = row._asdict()
    del told["hash"], told["prev"]
    digest = hashlib.sha256(_VERSION)
    digest.update(bytes.fromhex(row.prev))
    digest.update(canonical(told).encode())
    return digest.hexdigest()


def first_break(rows: Iterable[AuditRow]) -> int | None:
    """Return the number of the first row that is missing, moved or changed; None when all is whole.

    Takes every row from the first. A cut at the end leaves no break: compare the last hash with a copy.
    """
    found = Chain().broken(rows)
    return found.seq if found else None


class Break(NamedTuple):
    """Where the chain is broken first: the number of the row, and what is wrong with it in words."""

    seq: int
    words: str


class Chain:
    """Walks a chain from its first row. ``seq`` and ``head`` are those of the last whole row."""

    def __init__(self) -> None:
        self.seq = 0
        self.head = GENESIS

    def broken(self, rows: Iterable[AuditRow]) -> Break | None:
        """Walk on through these rows; return the first that does not belong, or None."""
        return next((found for row in rows if (found := self.step(row))), None)

    def step(self, row: AuditRow) -> Break | None:
        """Take the next row, or say what is wrong with it."""
        expected = self.seq + 1
        if row.seq != expected:
            return Break(expected, f"act {expected} is missing; the next one there is act {row.seq}")
        if row.prev != self.head:
            return Break(expected, f"act {expected} does not follow from the one before it")
        if not _whole(row):
            return Break(expected, f"act {expected} was changed after it was written")
        self.seq, self.head = row.seq, row.hash
        return None


def _whole(row: AuditRow) -> bool:
    try:
        return row.hash == _hash(row)
    except (TypeError, ValueError):  # a column that holds another kind of value
        return False


def as_opened(row: Sequence[object]) -> tuple[object, ...]:
    """Return an alert's row as its digest knows it: with what stood behind the body in an unused column."""
    return (*row[:5], "{}", *row[5:])


def record_digest(alert: Sequence[object], lanes: Iterable[Sequence[object]]) -> str:
    """Return the SHA-256 of an alert's row and its lanes' rows as they were opened, in hex.

    ``alert`` is the row without what may change later; a lane is (channel, seat, kind, content, fallback).
    """
    whole = canonical([list(alert), [list(lane) for lane in lanes]])
    return hashlib.sha256(whole.encode()).hexdigest()
