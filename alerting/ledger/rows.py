"""What the ledger takes and gives: plain values, one a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from alerting.model.alert import Alert
from alerting.model.delivery import State
from alerting.model.message import Content
from alerting.named import NamedTuple

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class Actor(NamedTuple):
    """Who does something, and from where: an officer at a terminal, a schedule, a worker."""

    name: str
    origin: str = ""


class Lane(NamedTuple):
    """One channel's part of an alert: the content as it will be sent, frozen.

    ``fallback`` names the channel that takes what this one cannot reach; empty for none.
    """

    channel: str
    kind: str
    content: Content
    fallback: str = ""


class Opening(NamedTuple):
    """An alert about to be opened: all that must be durable before the first message leaves."""

    alert: Alert
    lanes: tuple[Lane, ...]
    actor: Actor
    digest: str  #: of everything the officer saw in the preview


class NewDelivery(NamedTuple):
    """A row to plan: address as ``kind:value``, the person, and where they can be reached otherwise."""

    address: str
    recipient: str = ""
    fallback: str = ""


class NewList(NamedTuple):
    """Rows to plan as a file holds them, so that a million of them need not be made here.

    ``question`` is what to ask the SQLite file at ``path``, which nobody changes any more: it answers with
    ``place`` (from 0), ``address``, ``recipient``, ``fallback``, in the order of the places. Rows whose
    address is in ``without`` are left out. ``size`` is how many make a batch, 500 at most. ``total`` is how
    many rows there are, those included; 0 where nobody has counted. ``digest`` is the SHA-256 that the file
    had when it was checked, in hex.
    """

    path: Path
    question: str
    digest: str
    without: frozenset[str] = frozenset()
    size: int = 500
    total: int = 0


class Row(NamedTuple):
    """A delivery as a lane works on it. Instants are microseconds since 1970, UTC; 0 for none."""

    id: int
    address: str
    state: State
    attempt: int
    due_at: int
    sent_at: int
    maybe_twice: bool
    fallback: str


class Batch(NamedTuple):
    """A leased run of deliveries of one alert on one channel. ``epoch`` fences late writers."""

    id: int
    alert_id: str
    channel: str
    epoch: int
    rows: tuple[Row, ...]
    priority: int = 0


class Settled(NamedTuple):
    """What became of one attempt, or of a row without one. Written once, fenced by epoch and attempt.

    ``state`` is the new state. ``due_at`` (microseconds) is set for PENDING. ``outcome`` is the word
    kept in the attempt's own row: accepted, deferred, rejected, unknown, found, absent, expired …
    """

    id: int
    attempt: int
    state: State
    outcome: str
    at: int
    due_at: int = 0
    provider_id: str = ""
    permalink: str = ""
    reason: str = ""
    detail: str = ""
    maybe_twice: bool = False


class Cancelled(NamedTuple):
    """What a cancellation did: rows stopped, rows in flight at that moment, rows already gone."""

    stopped: int
    in_flight: int
    gone: int


class AlertRecord(NamedTuple):
    """An opened alert as stored, with its lanes and what happened to it as a whole."""

    alert: Alert
    lanes: tuple[Lane, ...]
    digest: str
    accepted_at: datetime
    settled_at: datetime | None = None
    cancelled_at: datetime | None = None
    cancel_reason: str = ""  #: ``cancelled`` by somebody, or ``superseded`` by a newer message


class Tally(NamedTuple):
    """How many deliveries of one channel stand where, and when the first and last were accepted.

    ``times`` are seconds from acceptance of the alert to the given share of acceptances:
    ``{"first": 1.8, "50": 6.1, "95": 31.0}``; missing while not reached. ``arrived`` are the same of
    deliveries, as receipts tell.
    """

    channel: str
    counts: Mapping[State, int]
    times: Mapping[str, float] = _NONE
    arrived: Mapping[str, float] = _NONE

    @property
    def total(self) -> int:
        """All deliveries of the channel."""
        return sum(self.counts.values())


class Failure(NamedTuple):
    """How many deliveries of a channel ended, or wait, for one reason."""

    channel: str
    state: State
    reason: str
    detail: str
    deliveries: int


class AttemptRow(NamedTuple):
    """One attempt as recorded. Instants in microseconds; ``ended_at`` 0 while no outcome is known."""

    delivery: int
    channel: str
    address: str
    attempt: int
    epoch: int
    began_at: int
    ended_at: int
    outcome: str
    reason: str
    detail: str
    provider_id: str


class AuditRow(NamedTuple):
    """One act: who, what, when, to what; chained to the one before it by hash."""

    seq: int
    at: int
    monotonic: float
    actor: str
    origin: str
    action: str
    subject: str
    body: str
    prev: str
    hash: str


class ReceiptRow(NamedTuple):
    """One receipt as kept. ``at`` is the provider's time where it told one, ``heard_at`` ours."""

    delivery: int
    channel: str
    status: str
    at: int
    heard_at: int
    provider_id: str
    reason: str
    detail: str


class Opt(NamedTuple):
    """One word of a person to a channel: ``opted_out`` or ``opted_in``."""

    channel: str
    address: str
    status: str
    at: int
    heard_at: int
    detail: str


class ReplyRow(NamedTuple):
    """What a person wrote back: untrusted text, kept as it came."""

    channel: str
    address: str
    text: str
    at: int
    provider_id: str


class Applied(NamedTuple):
    """What receipts did: rows (or people's wishes) changed, repeats, receipts of no known message."""

    changed: int
    repeated: int
    orphaned: int


class OccurrenceRow(NamedTuple):
    """One planned time of a drill: ``outcome`` is run (with its alert) or missed.

    ``planned_local`` is ISO local time without a zone. ``due_at`` and ``at`` are microseconds.
    ``facts`` is what the record must say of it, as it was then: what was expected, who had known,
    when each step of the decision was taken.
    """

    drill: str
    planned_local: str
    due_at: int
    at: int
    outcome: str = "run"
    detail: str = ""
    alert: str = ""
    facts: Mapping[str, Any] = _NONE


class NoteRow(NamedTuple):
    """What somebody observed of a drill. ``owner`` and ``due`` are for an action: who does it by when."""

    at: int
    kind: str
    text: str
    by: str
    owner: str = ""
    due: str = ""


class Share(NamedTuple):
    """Where a lane stands among those that speak on a channel; ``wait_s`` until it may begin."""

    place: int
    speakers: int
    wait_s: float = 0.0
