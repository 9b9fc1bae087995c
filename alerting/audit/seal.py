"""A seal: one short digest over everything that is on record about an alert at an instant.

It is kept as an act in the audit chain, so a signed copy of the chain's head vouches for it too. Facts
only grow: a later attempt, answer or receipt leaves what was sealed as it is. ``shape`` remembers how
many of each were there, as runs of [attempts, answers, receipts, deliveries].
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from alerting.ledger.codec import canonical
from alerting.named import NamedTuple

if TYPE_CHECKING:
    from alerting.audit.people import StandIns
    from alerting.ledger.scrutiny import Counts, History

#: The form of the digests; a later form leaves older seals verifiable.
VERSION: Final = 1


class Seal(NamedTuple):
    """What was sealed.

    ``people`` is empty where the key for stand-ins was not at hand; ``standing`` where messages were
    still moving: states change then without anything being wrong.
    """

    deliveries: int
    last: int  #: the highest delivery id
    shape: tuple[tuple[int, int, int, int], ...]
    facts: str
    people: str
    standing: str
    reasons: str  #: the providers' words kept beside the counts of reasons; empty as ``people`` is
    counts: str  #: digest of the counters; while it is the same, sealing anew would say little

    def body(self) -> dict[str, Any]:
        """Return it as the act in the audit chain holds it."""
        return {"v": VERSION, **self._asdict(), "shape": [list(run) for run in self.shape]}

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Seal:
        """Read the act's body.

        Raises:
            KeyError, TypeError, ValueError: it is no seal.
        """
        return cls(
            deliveries=int(body["deliveries"]),
            last=int(body["last"]),
            shape=tuple((int(a), int(t), int(r), int(n)) for a, t, r, n in body["shape"]),
            facts=str(body["facts"]),
            people=str(body["people"]),
            standing=str(body["standing"]),
            reasons=str(body["reasons"]),
            counts=str(body["counts"]),
        )


class Sealing:
    """Folds an alert's deliveries, in order, into a seal.

    With ``like``, an earlier seal, only what that one covered is folded: comparing the two says
    whether it is still there. ``grown`` tells whether more has come since.
    """

    def __init__(self, stand_ins: StandIns | None, *, like: Seal | None = None) -> None:
        self._stand_ins, self._like = stand_ins, like
        self._facts, self._people, self._standing = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        self._wanted = _runs(like.shape) if like else None
        self._shape: list[list[int]] = []
        self._count = self._last = 0
        self.grown = False

    def add(self, history: History) -> None:
        """Take the next delivery."""
        row = history.row
        if self._like and row.id > self._like.last:
            self.grown = True
            return
        size = own = (row.attempt, row.told, len(history.receipts))
        if self._wanted is not None:
            size = next(self._wanted, (0, 0, 0))
            self.grown |= size != own
        self._count, self._last = self._count + 1, row.id
        self._note_shape(size)
        self._digest(history, *size)

    def _digest(self, history: History, attempts: int, answers: int, receipts: int) -> None:
        row, tried = history.row, history.attempts[:attempts]
        heard, told = history.outcomes[:answers], history.receipts[:receipts]
        fact = (row.id, row.alert, row.channel, tried, [x[:-1] for x in heard], [x[:-1] for x in told])
        self._facts.update(repr(fact).encode())
        if self._stand_ins:
            details = [x.detail for x in heard] + [x.detail for x in told]
            words = [self._stand_ins.words(detail) for detail in details]
            self._people.update(repr((row.id, self._stand_ins.person(row), words)).encode())
        self._standing.update(repr(row[6:]).encode())

    def _note_shape(self, size: tuple[int, int, int]) -> None:
        if self._shape and tuple(self._shape[-1][:3]) == size:
            self._shape[-1][3] += 1
        else:
            self._shape.append([*size, 1])

    def close(self, counts: Counts) -> Seal:
        """Return the seal of everything added, with what is counted beside it."""
        self._standing.update(_counted(counts))
        still = all(batch.done for batch in counts.batches)
        return Seal(
            deliveries=self._count,
            last=self._last,
            shape=tuple((a, t, r, n) for a, t, r, n in self._shape),
            facts=self._facts.hexdigest(),
            people=self._people.hexdigest() if self._stand_ins else "",
            standing=self._standing.hexdigest() if still else "",
            reasons=self._reasons(counts),
            counts=digest_of(counts),
        )

    def _reasons(self, counts: Counts) -> str:
        if self._stand_ins is None:
            return ""
        told = [(*row[:3], self._stand_ins.words(row[3]), row[4]) for row in counts.troubles]
        return hashlib.sha256(repr(told).encode()).hexdigest()


def digest_of(counts: Counts) -> str:
    """Return the SHA-256 of what is counted beside the deliveries, in hex."""
    return hashlib.sha256(_counted(counts)).hexdigest()


def _counted(counts: Counts) -> bytes:
    reasons = [(channel, state, reason, n) for channel, state, reason, _, n in counts.troubles if n]
    return canonical([counts.batches, reasons, counts.accepted, counts.arrived]).encode()


def differences(was: Seal, now: Seal, *, grown: bool) -> list[str]:
    """Return in words what is not as it was sealed. ``now`` was folded with ``like=was``."""
    wrong = []
    if now.deliveries != was.deliveries:
        wrong.append(f"{was.deliveries:,} deliveries were sealed, {now.deliveries:,} of them are there")
    elif now.facts != was.facts:
        wrong.append("its deliveries, attempts or answers are not those that were sealed")
    if was.people and now.people and now.people != was.people:
        wrong.append("its addresses, or the providers' words, are not those that were sealed")
    if was.standing and not grown and now.standing != was.standing:
        wrong.append("states, counters, reasons or the curve differ from the seal, and nothing came since")
    if was.standing and was.reasons and now.reasons and not grown and now.reasons != was.reasons:
        wrong.append("the words beside the counts of reasons are not those that were sealed")
    return wrong


def _runs(shape: Iterable[tuple[int, int, int, int]]) -> Iterator[tuple[int, int, int]]:
    for attempts, answers, receipts, deliveries in shape:
        for _ in range(deliveries):
            yield attempts, answers, receipts
