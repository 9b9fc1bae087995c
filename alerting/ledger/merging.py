"""Taking another record's alerts into a ledger, as history: what one host sent alone while all others waited.

Rows get new numbers, since the ledger has given its own to others meanwhile. Acts get new places in the one
chain and keep who did them and when; each says which act of which record it was. What is there already is
left as it is, so a record may be merged again after more has come: of an alert that was merged before, what
was done since. Its rows stay as they came.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

from alerting.errors import LedgerUnavailable, NotAllowed, Problem
from alerting.ledger.audit import as_opened, record_digest
from alerting.ledger.forgetting import FORGOTTEN
from alerting.ledger.merged import MERGED, MERGES
from alerting.ledger.reading import STRIDE, span
from alerting.ledger.rows import Actor, AuditRow

#: Acts that are about the other record itself: its seals are over its own numbers.
_OWN: Final = ("audit.",)
#: Acts that tell of rows, and are worth nothing without them.
_OF_ROWS: Final = frozenset({"alert.planned", "alert.settled", "alert.expired", FORGOTTEN})
_FIXED: Final = "id, run_key, incident, audience, body, digest, expires_at, accepted_at"
_REST: Final = "recipients, notes, settled_at, cancelled_at, cancel_reason"
#: Rows that belong to an alert by its number, and to a channel by the channel's.
_COUNTED: Final = {
    "trouble": "state, reason, detail, n",
    "progress": "second, accepted, first_ms, last_ms",
    "arrival": "second, delivered, first_ms, last_ms",
}
_BATCH: Final = (
    "priority, state, not_before, epoch, owner, lease_until, n_pending, n_sending, n_uncertain, n_accepted,"
    " n_delivered, n_undelivered, n_unresolved, n_rejected, n_expired, n_cancelled"
)
_DELIVERY: Final = (
    "address, recipient, fallback, state, attempt, due_at, changed_at, told, decided, maybe_twice, reason"
)
#: Rows that belong to a delivery.
_HEARD: Final = {
    "attempt": "attempt, epoch, began_at",
    "outcome": "n, attempt, at, outcome, provider_id, permalink, reason, detail",
    "receipt": "mark, status, at, heard_at, provider_id, reason, detail",
}
#: Rows that belong to no alert, or to one by its id; with what tells them apart.
_LOOSE: Final = {
    "opt": ("mark", "mark, channel, address, status, at, heard_at, detail"),
    "reply": ("mark", "mark, channel, address, text, at, provider_id"),
    "occurrence": (
        "drill, planned_local",
        "drill, planned_local, due_at, at, outcome, detail, alert, facts",
    ),
    "drill_note": ("alert, at, kind, text", "alert, at, kind, text, by, owner, due"),
}


class Filled(Protocol):
    """The ledger that is merged into, open for writing."""

    def take_in(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Add rows as they are; return how many."""
        ...

    def look_at(self, columns: str, table: str) -> list[tuple[Any, ...]]:
        """Return some columns of every row of a table."""
        ...

    def numbers(self, table: str, column: str, count: int) -> list[int]:
        """Return numbers for so many new rows that nobody else gets."""
        ...

    def channel_ref(self, name: str) -> int:
        """Return a channel's number, new when it has none."""
        ...

    def audit(self, subject: str = "", *, after: int = 0) -> Iterator[AuditRow]:
        """Stream the acts."""
        ...

    def record_act(
        self, action: str, subject: str, body: Mapping[str, object], *, actor: Actor, at: int
    ) -> None:
        """Append an act."""
        ...

    def mark_cancelled(self, alert_id: str, *, reason: str, at: int) -> None:
        """Stamp an alert of which nothing waits as cancelled, unless it is."""
        ...

    def alone(self, word: str) -> None:
        """Keep others who say the same word waiting until the end of the transaction."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Commit on leaving, roll back on an error."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What came of it: the alerts that are new here, those that were here already, acts, rows by table."""

    alerts: tuple[str, ...]
    known: tuple[str, ...]
    acts: int
    rows: Mapping[str, int]


@dataclass(slots=True, kw_only=True)
class Merger:
    """Merges a record into a ledger. ``source`` is its file, which nobody may be writing; ``host`` whose."""

    source: sqlite3.Connection
    ledger: Filled
    host: str
    _rows: dict[str, int] = field(default_factory=dict)

    def merge(self, *, actor: Actor, at: int) -> Merged:
        """Take in what is new, in one transaction.

        Raises:
            LedgerUnavailable: it is empty, or another alert has the id of one of its alerts.
            NotAllowed: an alert in it has not come to rest.
        """
        with self.ledger.transaction():
            return self._merge(actor, at)

    def _merge(self, actor: Actor, at: int) -> Merged:
        self.ledger.alone("merging")  # what is looked at here another host may be adding
        record, head, last = self._chain()
        self._refuse_moving()
        here = {str(alert_id) for (alert_id,) in self.ledger.look_at("id", "alert")}
        alerts = [
            (ref, str(alert_id)) for ref, alert_id in self._rows_of("alert", "ref, id", "1 ORDER BY ref")
        ]
        new = {ref: alert_id for ref, alert_id in alerts if alert_id not in here}
        known = tuple(alert_id for _, alert_id in alerts if alert_id in here)
        self._refuse_namesakes(known)
        digests = dict(self._alert(ref) for ref in new)
        for table, (keys, columns) in _LOOSE.items():
            self._loose(table, keys, columns)
        acts = self._acts(record, digests)
        if new or acts or self._rows:
            body = {
                "host": self.host,
                "record": record,
                "head": head,
                "acts": last,
                "alerts": [*new.values()],
            }
            self.ledger.record_act(MERGED, MERGES, {**body, "rows": self._rows}, actor=actor, at=at)
        return Merged(alerts=tuple(new.values()), known=known, acts=acts, rows=self._rows)

    # -- what is asked first ----------------------------------------------------------------------

    def _chain(self) -> tuple[str, str, int]:
        """Return the other record's name (the hash of its first act), its head, and how many acts it has."""
        found = self._rows_of("audit", "seq, hash", "1 ORDER BY seq")
        if not found:
            raise LedgerUnavailable(Problem(where=self.host, what="that record is empty"))
        return str(found[0][1]), str(found[-1][1]), int(found[-1][0])

    def _refuse_moving(self) -> None:
        moving = self._rows_of("alert", "id", "settled_at = 0 ORDER BY ref")
        if moving:
            ((alert_id,), *_) = moving
            raise NotAllowed(
                Problem(
                    where=str(alert_id),
                    what="has not come to rest in that record",
                    fix=f"`alert --local resume`, or `alert --local cancel {alert_id}`; then merge",
                )
            )

    def _refuse_namesakes(self, known: Sequence[str]) -> None:
        for alert_id in known:
            here = [act.at for act in self.ledger.audit(alert_id) if act.action == "alert.opened"]
            opened = "subject = ? AND action = 'alert.opened'"
            if here != [at for (at,) in self._rows_of("audit", "at", opened, (alert_id,))]:
                what = "is another alert here than in that record"
                raise LedgerUnavailable(Problem(where=alert_id, what=what, fix="see where both came from"))

    def _merged_before(self, record: str) -> tuple[int, dict[str, set[int]]]:
        """Return how many acts a record had when it was merged last, and by alert which are known here."""
        told = [json.loads(act.body) for act in self.ledger.audit(MERGES) if act.action == MERGED]
        bodies = [body for body in told if body["record"] == record]
        alerts = [str(alert_id) for body in bodies for alert_id in body["alerts"]]
        acts = max((int(body["acts"]) for body in bodies), default=self._begun_alike())
        return acts, {alert_id: self._known(alert_id, record) for alert_id in alerts}

    def _begun_alike(self) -> int:
        """Return how many acts both begin with: this ledger may be a copy of that one, gone on since."""
        pairs = zip(self.ledger.audit(), self._rows_of("audit", "hash", "1 ORDER BY seq"), strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0].hash == pair[1][0], pairs))

    def _known(self, subject: str, record: str) -> set[int]:
        merged = (json.loads(act.body).get("merged", {}) for act in self.ledger.audit(subject))
        return {int(told["act"]) for told in merged if told.get("record") == record}

    # -- rows -------------------------------------------------------------------------------------

    def _alert(self, ref: int) -> tuple[str, str]:
        """Take in an alert with all that belongs to it; return its id and the digest of its record here."""
        ((*fixed,),) = self._rows_of("alert", _FIXED, "ref = ?", (ref,))
        ((*rest,),) = self._rows_of("alert", _REST, "ref = ?", (ref,))
        fixed[1] = self._free_key(str(fixed[1]), str(fixed[0]))
        (own,) = self.ledger.numbers("alert", "ref", 1)
        self._add("alert", f"ref, {_FIXED}, {_REST}", [(own, *fixed, *rest)])
        lanes = self._all(
            "SELECT channel.name, seat, kind, content, fallback FROM lane"
            " JOIN channel ON channel.ref = lane.channel WHERE alert = ? ORDER BY seat",
            (ref,),
        )
        channels = {name: self.ledger.channel_ref(str(name)) for name, *_ in lanes}
        self._add(
            "lane",
            "alert, channel, seat, kind, content, fallback",
            [(own, channels[name], *lane) for name, *lane in lanes],
        )
        names = dict(self._rows_of("channel", "ref, name"))
        refs = {theirs: channels[name] for theirs, name in names.items() if name in channels}
        self._batches(ref, own, refs)
        for table, columns in _COUNTED.items():
            rows = self._rows_of(table, f"channel, {columns}", "alert = ?", (ref,))
            self._add(table, f"alert, channel, {columns}", [(own, refs[c], *row) for c, *row in rows])
        return str(fixed[0]), record_digest(as_opened(fixed), lanes)

    def _batches(self, ref: int, own: int, refs: Mapping[int, int]) -> None:
        batches = self._rows_of("batch", f"id, channel, {_BATCH}", "alert = ? ORDER BY id", (ref,))
        for number, (old, channel, *batch) in zip(
            self.ledger.numbers("batch", "id", len(batches)), batches, strict=True
        ):
            self._add("batch", f"id, alert, channel, {_BATCH}", [(number, own, refs[channel], *batch)])
            moved = (number - old) * STRIDE
            rows = self._rows_of("delivery", f"id, {_DELIVERY}", "id BETWEEN ? AND ? ORDER BY id", span(old))
            self._add(
                "delivery",
                f"id, alert, channel, {_DELIVERY}",
                [(n + moved, own, refs[channel], *row) for n, *row in rows],
            )
            for table, columns in _HEARD.items():
                heard = self._rows_of(table, f"delivery, {columns}", "delivery BETWEEN ? AND ?", span(old))
                self._add(table, f"delivery, {columns}", [(n + moved, *row) for n, *row in heard])

    def _loose(self, table: str, keys: str, columns: str) -> None:
        width = len(keys.split(","))
        here = {tuple(map(_plain, row)) for row in self.ledger.look_at(keys, table)}
        rows = self._rows_of(table, f"{keys}, {columns}")
        self._add(
            table, columns, [row[width:] for row in rows if tuple(map(_plain, row[:width])) not in here]
        )

    def _free_key(self, key: str, alert_id: str) -> str:
        """Return a run key that nobody has used here: an alert may have been sent by the same one on both."""
        used = {str(row[0]) for row in self.ledger.look_at("run_key", "alert")}
        return f"{key} merged {alert_id}" if key in used else key

    # -- acts -------------------------------------------------------------------------------------

    def _acts(self, record: str, digests: Mapping[str, str]) -> int:
        """Record what was done there and is new here, in order; return how many acts that were."""
        before, merged = self._merged_before(record)
        known = {str(alert_id) for (alert_id,) in self._rows_of("alert", "id")} - digests.keys()

        def is_new(seq: int, action: str, subject: str) -> bool:
            if subject in known:
                return subject in merged and seq not in merged[subject] and action not in _OF_ROWS
            return subject in digests or seq > before

        rows = self._rows_of("audit", "seq, at, actor, origin, action, subject, body", "1 ORDER BY seq")
        count = 0
        for seq, at, actor, origin, action, subject, text in rows:
            if action.startswith(_OWN) or not is_new(seq, action, subject):
                continue
            body = {**json.loads(text), "merged": {"record": record, "act": seq}}
            if action == "alert.opened":
                body["record"] = digests[subject]
            if action == "alert.cancelled":
                self.ledger.mark_cancelled(subject, reason=str(body.get("reason", "")), at=at)
            self.ledger.record_act(action, subject, body, actor=Actor(name=actor, origin=origin), at=at)
            count += 1
        return count

    def _add(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            count = self.ledger.take_in(table, [name.strip() for name in columns.split(",")], rows)
            self._rows[table] = self._rows.get(table, 0) + count

    def _rows_of(
        self, table: str, columns: str, which: str = "1", params: Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        return self._all(f"SELECT {columns} FROM {table} WHERE {which}", params)  # noqa: S608 - names of ours

    def _all(self, text: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.source.execute(text, params).fetchall()


def open_source(path: Path) -> sqlite3.Connection:
    """Open another record's file for reading."""
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)


def _plain(value: object) -> object:
    return bytes(value) if isinstance(value, memoryview) else value
