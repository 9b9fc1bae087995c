"""Sealing what changed, signing the head, and putting the checkpoint where it is to be kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alerting.audit.acts import LEDGER, Act
from alerting.audit.checkpoint import Checkpoint, append
from alerting.audit.people import StandIns
from alerting.audit.seal import Sealing, digest_of
from alerting.audit.signer import Signer, Verifier, stand_in_key
from alerting.audit.verify import (
    GROWING,
    SEALED_ALERT,
    SEALED_TABLES,
    growing_digest,
    last_seal,
    table_digests,
)
from alerting.ledger.scrutiny import AlertRow, Scrutiny

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerReader

#: Writes acts down and returns the number and the hash of the last one.
Record = Callable[[Sequence[Act]], tuple[int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A checkpoint that was made. ``fresh`` says that its key was made for it."""

    checkpoint: Checkpoint
    note: str
    verifier: Verifier
    fresh: bool
    sealed: tuple[str, ...]
    places: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Keeps the audit of one state directory. ``places`` are files checkpoints are added to."""

    state: Path
    opened: Callable[[], Scrutiny]  #: opens the record for reading
    origin: str
    places: tuple[Path, ...] = ()
    admit: Callable[[str], None] = lambda _: None  #: refuses keys that are not this record's

    def checkpoint(self, record: Record, *, everything: bool = False) -> Kept:
        """Seal each alert that changed since its last seal (or every one), then sign the head.

        Raises:
            LedgerUnavailable: the ledger, a key or a place cannot be used.
        """
        signer, fresh = Signer.of(self.state, self.origin)
        key = stand_in_key(self.state)
        assert key is not None
        self.admit(hashlib.sha256(signer.verifier.key + hashlib.sha256(key).digest()).hexdigest())
        with self.opened() as copy:
            acts = [*_seals(copy, key, everything=everything), _tables(copy, key)]
        seq, digest = record(acts)
        checkpoint = Checkpoint(origin=self.origin, size=seq, head=digest)
        note = checkpoint.signed(signer)
        for place in self.places:
            append(place, note)
        return Kept(
            checkpoint=checkpoint,
            note=note,
            verifier=signer.verifier,
            fresh=fresh,
            sealed=tuple(act.subject for act in acts[:-1]),
            places=self.places,
        )

    def due(self, ledger: LedgerReader, *, limit: int = 20) -> list[str]:
        """Return the newest alerts that have come to rest and were not sealed since."""
        return [
            record.alert.id
            for record in ledger.alerts(limit=limit)
            if record.settled_at and not _sealed_since(ledger, record.alert.id)
        ]


def _sealed_since(ledger: LedgerReader, alert_id: str) -> bool:
    sealed = False
    for row in ledger.audit(alert_id):
        if row.action == SEALED_ALERT:
            sealed = True
        elif row.action == "alert.settled":
            sealed = False
    return sealed


def _seals(copy: Scrutiny, key: bytes, *, everything: bool) -> Iterator[Act]:
    for alert in copy.alerts():
        last = last_seal(copy, alert.id)
        if everything or last is None or last.counts != digest_of(copy.counts(alert.ref)):
            yield Act(SEALED_ALERT, alert.id, _seal(copy, alert, key))


def _seal(copy: Scrutiny, alert: AlertRow, key: bytes) -> dict[str, Any]:
    sealing = Sealing(StandIns(key=key, alert_id=alert.id))
    counts = copy.counts(alert.ref)
    for history in copy.deliveries(alert.ref):
        sealing.add(history)
    return sealing.close(counts).body()


def _tables(copy: Scrutiny, key: bytes) -> Act:
    last = 0
    for row in copy.audit():
        last = row.seq
    growing = {table: growing_digest(copy, table, key) for table in sorted(GROWING)}
    body = {"tables": table_digests(copy), "growing": growing, "after": last}
    return Act(SEALED_TABLES, LEDGER, json.loads(json.dumps(body)))
