"""``alert audit verify``: is the record what it was? Read-only, offline, on the ledger or a copy.

Five questions: is the file whole, and guarded as it should be; is the chain of acts unbroken, and the
one the checkpoints vouch for; is each alert what was opened; do states follow from what was heard; is
everything still there that was sealed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from alerting.audit.people import StandIns
from alerting.audit.refold import Refold
from alerting.audit.seal import Seal, Sealing, differences
from alerting.errors import LedgerDamaged
from alerting.ledger.audit import Chain, record_digest
from alerting.ledger.filecopy import LedgerCopy
from alerting.ledger.reading import STRIDE
from alerting.ledger.scrutiny import AlertRow, Scrutiny

if TYPE_CHECKING:
    from pathlib import Path

    from alerting.audit.checkpoint import Note
    from alerting.audit.signer import Verifier
    from alerting.ledger.rows import AuditRow

#: Tables whose rows are folded or sealed alert by alert; all others are sealed whole, by name.
BY_ALERT: Final = frozenset(
    {"audit", "delivery", "batch", "attempt", "outcome", "trouble", "progress", "receipt", "arrival"}
)
#: What only waits or is bookkeeping of this machine: never sealed.
PASSING: Final = frozenset({"drill_watch", "early", "orphan", "roll", "roll_part"})
#: The same, in a ledger on PostgreSQL only.
PASSING_THERE: Final = frozenset({"speaker"})
#: What only grows, without an act: sealed by how much of it there was.
GROWING: Final = frozenset({"opt", "reply"})
SEALED_ALERT: Final = "audit.sealed"
SEALED_TABLES: Final = "audit.checkpoint"
_MOST: Final = 200
#: What reading a row raises when somebody wrote another kind of value into it.
_IMPOSSIBLE: Final = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What was found. ``broken`` is in words, the first broken place first; ``notes`` is what to know."""

    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    acts: int = 0
    head: str = ""
    alerts: int = 0
    deliveries: int = 0
    checkpoints: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing is broken."""
        return not self.broken

    def wrong(self, words: str) -> None:
        """Note something broken; after many, counting would help nobody."""
        if len(self.broken) < _MOST:
            self.broken.append(words)


def verify_file(
    path: Path, *, notes: Sequence[Note] = (), verifier: Verifier | None = None, key: bytes | None = None
) -> Verdict:
    """Look at everything in a ledger file; one that is damaged is a verdict too, not an error.

    Raises:
        LedgerUnavailable: there is no file, or it may not be read.
    """
    return verify_opened(lambda: LedgerCopy.open(path), notes=notes, verifier=verifier, key=key)


def verify_opened(
    opened: Callable[[], Scrutiny],
    *,
    notes: Sequence[Note] = (),
    verifier: Verifier | None = None,
    key: bytes | None = None,
) -> Verdict:
    """Look at everything in a ledger; one that is damaged is a verdict too, not an error.

    Raises:
        LedgerUnavailable: it cannot be opened.
    """
    try:
        with opened() as copy:
            return verify(copy, notes=notes, verifier=verifier, key=key)
    except LedgerDamaged as error:
        return Verdict(broken=[str(error)])


def verify(
    copy: Scrutiny,
    *,
    notes: Sequence[Note] = (),
    verifier: Verifier | None = None,
    key: bytes | None = None,
) -> Verdict:
    """Look at everything. ``key`` makes the stand-ins; without it addresses are not compared."""
    verdict = Verdict()
    try:
        for words in _file(copy):
            verdict.wrong(words)
        if _ahead(copy):
            told, known = copy.version(), copy.latest()
            verdict.notes.append(
                f"it was brought to version {told}; what came after {known} was not looked at"
            )
        heads = _chain(copy, verdict)
        _checkpoints(verdict, heads, notes, verifier)
        for alert in copy.alerts():
            _alert(copy, alert, verdict, key)
        _tables(copy, verdict, key)
    except LedgerDamaged as error:
        verdict.wrong(f"the file cannot be read to its end: {error}")
    except _IMPOSSIBLE as error:
        verdict.wrong(f"the log holds a value that cannot be there ({type(error).__name__})")
    if key is None:
        verdict.notes.append("addresses were not compared: audit.key is not at hand")
    return verdict


def _ahead(copy: Scrutiny) -> bool:
    """Return whether a newer version has changed the tables; a shared ledger may let this one go on."""
    return copy.version() > copy.latest()


def _file(copy: Scrutiny) -> Iterator[str]:
    """Whether the file is whole, with every table and trigger it should have."""
    for words in copy.integrity():
        yield f"the file is damaged: {words}"
    newer, known = _ahead(copy), copy.latest()
    if copy.version() < 1 or (newer and isinstance(copy, LedgerCopy)):
        hint = ": if a newer program brought it there, verify it with that one" if newer else ""
        yield f"it says it is of version {copy.version()}; this program knows 1 to {known}{hint}"
    expected, there = copy.expected(), copy.objects()
    for (kind, name), sql in expected.items():
        if (kind, name) not in there:
            yield f"the {kind} {name} is missing"
        elif there[kind, name] != sql:
            yield f"the {kind} {name} is not as this program made it"
    # What a newer version has added, this one cannot know.
    for kind, name in set() if newer else there.keys() - expected.keys():
        yield f"there is a {kind} {name} this program never made"
    for table, count in copy.strays().items():
        yield f"{count:,} rows of {table} belong to nothing"


def _chain(copy: Scrutiny, verdict: Verdict) -> dict[int, str]:
    chain, heads = Chain(), {0: ""}
    for row in copy.audit():
        if found := chain.step(row):
            verdict.wrong(found.words)
            break
        heads[row.seq] = row.hash
    verdict.acts, verdict.head = chain.seq, chain.head
    return heads


def _checkpoints(
    verdict: Verdict, heads: dict[int, str], notes: Sequence[Note], verifier: Verifier | None
) -> None:
    for note in notes:
        size = note.checkpoint.size
        if verifier is None or not note.genuine(verifier):
            verdict.wrong(f"the checkpoint of {size} acts is not signed by the key given")
        elif size not in heads:
            verdict.wrong(
                f"a checkpoint vouches for {size} acts, but only {verdict.acts} are there and whole:"
                " the end was cut off"
            )
        elif heads[size] != note.checkpoint.head:
            verdict.wrong(f"the first {size} acts are not those the checkpoint vouches for: written anew")
        verdict.checkpoints += 1
    if not notes:
        verdict.notes.append(
            "no checkpoint was given: a log written anew from the start, or cut, looks whole"
        )


def _alert(copy: Scrutiny, alert: AlertRow, verdict: Verdict, key: bytes | None) -> None:
    try:
        for words in (*_opened(copy, alert), *_folded(copy, alert, verdict, key)):
            verdict.wrong(f"{alert.id}: {words}")
    except _IMPOSSIBLE as error:
        verdict.wrong(f"{alert.id}: a row holds a value that cannot be there ({type(error).__name__})")
    verdict.alerts += 1


def _opened(copy: Scrutiny, alert: AlertRow) -> Iterator[str]:
    """Whether the alert and its texts are those that were opened, and ended as the acts say."""
    opened = copy.acts(alert.id, "alert.opened")
    if len(opened) != 1:
        yield "the log does not say once that it was opened"
        return
    body = json.loads(opened[0].body)
    if "record" in body and body["record"] != record_digest(alert.fixed, copy.lanes(alert.ref)):
        yield "the alert or its texts are not those that were opened"
    planned = [json.loads(row.body) for row in copy.acts(alert.id, "alert.planned")]
    if planned:
        told = (alert.recipients, json.loads(alert.notes))
        if told != (planned[-1]["recipients"], planned[-1]["notes"]):
            yield "recipients or notes are not those the log tells"
        yield from _listed(copy, alert, planned[-1].get("lists", {}))
    elif "record" in body and (alert.recipients is not None or json.loads(alert.notes)):
        yield "it has recipients, but the log does not tell of its planning"
    yield from _ended(copy, alert)


def _listed(copy: Scrutiny, alert: AlertRow, accepted: Mapping[str, str]) -> Iterator[str]:
    """Whether the lists whose rows are still to be written are those that were accepted."""
    for roll in copy.rolls(alert.ref):
        if not accepted.get(roll.channel_name, "") == roll.digest == copy.list_digest(alert.ref):
            yield f"the list of people for {roll.channel_name} is not the one that was accepted"


def _ended(copy: Scrutiny, alert: AlertRow) -> Iterator[str]:
    cancelled = copy.acts(alert.id, "alert.cancelled")
    first = (cancelled[0].at, json.loads(cancelled[0].body).get("reason", "")) if cancelled else (0, "")
    if (alert.cancelled_at, alert.cancel_reason) != first:
        yield "its cancellation is not the one the log tells"
    settled = [row.at for row in copy.acts(alert.id, "alert.settled")]
    if alert.settled_at and settled and alert.settled_at != settled[-1]:
        yield "it settled at another time than the log tells"
    if not alert.settled_at and settled and not _reopened(copy, alert, settled[-1]):
        yield "the log tells that it settled; the alert does not"


def _reopened(copy: Scrutiny, alert: AlertRow, since: int) -> bool:
    return any(
        row.at >= since
        for action in ("alert.handed_over", "alert.planned")
        for row in copy.acts(alert.id, action)
    )


def _folded(copy: Scrutiny, alert: AlertRow, verdict: Verdict, key: bytes | None) -> Iterator[str]:
    """Whether states follow from facts, and whether what was sealed is there."""
    stand_ins = StandIns(key=key, alert_id=alert.id) if key else None
    seal = last_seal(copy, alert.id)
    sealing = Sealing(stand_ins, like=seal)
    fold = Refold(_ends(copy, alert.id))
    counts = copy.counts(alert.ref)
    for history in copy.deliveries(alert.ref):
        sealing.add(history)
        if words := fold.add(history.row.id // STRIDE, history):
            yield f"delivery {history.row.id}: {words}"
        verdict.deliveries += 1
    yield from fold.close(counts)
    if seal:
        yield from differences(seal, sealing.close(counts), grown=sealing.grown)


def _ends(copy: Scrutiny, alert_id: str) -> dict[str, frozenset[int]]:
    """The instants of acts that ended what was waiting."""
    return {
        "expired": frozenset(row.at for row in copy.acts(alert_id, "alert.expired")),
        "cancelled": frozenset(row.at for row in copy.acts(alert_id, "alert.cancelled")),
    }


def last_seal(copy: Scrutiny, alert_id: str) -> Seal | None:
    """Return an alert's newest seal, or None."""
    acts = copy.acts(alert_id, SEALED_ALERT)
    return Seal.of(json.loads(acts[-1].body)) if acts else None


def _tables(copy: Scrutiny, verdict: Verdict, key: bytes | None) -> None:
    """Whether the other tables are as they were sealed; they change only together with an act."""
    sealed: AuditRow | None = None
    last = 0
    for row in copy.audit():
        if row.action == SEALED_TABLES:
            sealed = row
        elif row.action != SEALED_ALERT:
            last = row.seq
    if sealed is None:
        verdict.notes.append("never sealed: `alert audit checkpoint` does that")
        return
    body: dict[str, Any] = json.loads(sealed.body)
    for table, (count, digest) in body["growing"].items():
        if key is not None and growing_digest(copy, table, key, count=count) != [count, digest]:
            verdict.wrong(f"the first {count:,} rows of {table} are not those that were sealed")
    if last > body["after"]:
        return
    told, now = body["tables"], table_digests(copy)
    for table in sorted(told.keys() & now.keys() if _ahead(copy) else told.keys() | now.keys()):
        if told.get(table) != now.get(table):
            verdict.wrong(f"the table {table} is not as it was sealed, and no act was recorded since")


def table_digests(copy: Scrutiny) -> dict[str, str]:
    """Return the SHA-256 of every table that changes only together with an act, by name."""
    return {
        table: hashlib.sha256(repr(list(copy.rows(table))).encode()).hexdigest()
        for table in copy.tables()
        if table not in BY_ALERT | PASSING | PASSING_THERE | GROWING
    }


def growing_digest(copy: Scrutiny, table: str, key: bytes, *, count: int | None = None) -> list[Any]:
    """Return [rows, SHA-256] of the first ``count`` rows (all without) of ``opt`` or ``reply``."""
    rows = (copy.opts() if table == "opt" else copy.replies())[:count]
    hide = StandIns(key=key, alert_id=table)
    digest = hashlib.sha256()
    for number, mark, channel, address, *rest in rows:
        text = rest[0] if table == "reply" else ""
        plain = rest[1:] if table == "reply" else rest
        digest.update(repr((number, mark, channel, hide.reply(address, text), plain)).encode())
    return [len(rows), digest.hexdigest()]
