"""The reading side of a store: every question the port can be asked.

Long answers are fetched in pages by key, so that no read stays open while somebody thinks about a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from alerting.ledger.codec import alert_from, content_from
from alerting.ledger.curve import Second, times
from alerting.ledger.database import Database
from alerting.ledger.instants import instant, maybe_instant
from alerting.ledger.rows import AlertRecord, AttemptRow, AuditRow, Failure, Lane, NewDelivery, Tally
from alerting.model.delivery import SETTLED, TAKEN, UNREACHED, Delivery, State

#: A batch owns the delivery ids from ``batch * STRIDE`` on.
STRIDE: Final = 1024
#: The states in the order of the batch's counters.
COUNTED: Final = (
    State.PENDING,
    State.SENDING,
    State.UNCERTAIN,
    State.ACCEPTED,
    State.DELIVERED,
    State.UNDELIVERED,
    State.UNRESOLVED,
    State.REJECTED,
    State.EXPIRED,
    State.CANCELLED,
)
#: Stored words to states; a look-up is a tenth of what calling the enum costs.
STATES: Final = {state.value: state for state in State}
#: What has reached nobody so far: a recall looks again at what was just leaving.
_NOT_YET: Final = UNREACHED | {State.SENDING}
_PAGE: Final = 500


def span(batch: int) -> tuple[int, int]:
    """Return the first and the last delivery id a batch may own."""
    return batch * STRIDE, batch * STRIDE + STRIDE - 1


class Reading:
    """Questions; changes nothing."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def alert(self, alert_id: str) -> AlertRecord | None:
        """Return one alert, or None."""
        row = self._db.one("alert", (alert_id,))
        return self._record(row) if row else None

    def alerts(self, *, limit: int = 20) -> Sequence[AlertRecord]:
        """Return the newest alerts, newest first."""
        return [self._record(row) for row in self._db.all("alerts", (limit,))]

    def notices(self, *, limit: int = 20) -> Sequence[AlertRecord]:
        """Return the newest notices to the people on call, newest first."""
        return [self._record(row) for row in self._db.all("notices", (limit,))]

    def _record(self, row: tuple[Any, ...]) -> AlertRecord:
        ref, body, digest, accepted_at, settled_at, cancelled_at, cancel_reason = row
        lanes = (
            Lane(channel=channel, kind=kind, content=content_from(content), fallback=fallback)
            for channel, kind, content, fallback in self._db.all("lanes", (ref,))
        )
        return AlertRecord(
            alert=alert_from(body),
            lanes=tuple(lanes),
            digest=digest,
            accepted_at=instant(accepted_at),
            settled_at=maybe_instant(settled_at),
            cancelled_at=maybe_instant(cancelled_at),
            cancel_reason=cancel_reason,
        )

    def alert_of_run(self, run_key: str) -> str | None:
        """Return the alert a run key opened, or None."""
        row = self._db.one("alert_of_run", (run_key,))
        return row[0] if row else None

    def unsettled(self) -> Sequence[tuple[str, str]]:
        """Return (alert id, channel) wherever deliveries are not settled, urgent first."""
        return [(alert_id, channel) for alert_id, channel in self._db.all("unsettled")]

    def first_to(self, word: str) -> bool:
        """Say whether nobody else is doing this until we close: a file has one owner, who is alone."""
        del word
        return True

    def leased(self, *, at: int) -> bool:
        """Say whether anybody holds a batch at an instant (microseconds)."""
        return self._db.one("live_lease", (at,)) is not None

    def tally(self, alert_id: str) -> Sequence[Tally]:
        """Return counts per channel, in lane order, every state named.

        A share is measured against what was accepted or still may be: refused addresses do not keep
        it from being reached. What was accepted and never proved to arrive does, for deliveries.
        """
        curves = _curves(self._db.all("progress", (alert_id,)))
        arrivals = _curves(self._db.all("arrivals", (alert_id,)))
        return [
            _tally(channel, counts, curves.get(channel, ()), arrivals.get(channel, ()))
            for channel, *counts in self._db.all("tally", (alert_id,))
        ]

    def failures(self, alert_id: str) -> Sequence[Failure]:
        """Return counts per channel, state and reason; ``detail`` is the last one heard for it."""
        return [
            Failure(channel, STATES[state], reason, detail, count)
            for channel, state, reason, detail, count in self._db.all("failures", (alert_id,))
        ]

    def progress(self, alert_id: str) -> Mapping[str, Sequence[tuple[int, int]]]:
        """Return per channel the (second since acceptance, deliveries accepted in it) curve."""
        return {
            channel: [(second.second, second.accepted) for second in curve]
            for channel, curve in _curves(self._db.all("progress", (alert_id,))).items()
        }

    def deliveries(
        self, alert_id: str, *, channel: str = "", states: Sequence[State] = (), address: str = ""
    ) -> Iterator[Delivery]:
        """Stream deliveries in order of channel and plan. ``address`` matches ``kind:value`` exactly."""
        found = self._to(alert_id, address) if address else self._in_plan(alert_id, channel, states)
        for name, row in found:
            if (channel and name != channel) or (states and row[2] not in states):
                continue
            yield _delivery(alert_id, name, row)

    def _to(self, alert_id: str, address: str) -> Iterator[tuple[str, Sequence[Any]]]:
        for name, *row in self._db.all("rows_to", (address, alert_id)):
            yield name, row

    def _in_plan(
        self, alert_id: str, channel: str, states: Sequence[State]
    ) -> Iterator[tuple[str, Sequence[Any]]]:
        wanted = [place for place, state in enumerate(COUNTED) if state in states]
        for batch, name, *counts in self._db.all("batches_of", (alert_id,)):
            if (channel and name != channel) or (states and not any(counts[place] for place in wanted)):
                continue
            for row in self._db.all("rows_between", span(batch)):
                yield name, row

    def attempts(self, alert_id: str) -> Iterator[AttemptRow]:
        """Stream every attempt in order of channel, plan and number, with the last outcome heard of it."""
        for batch, channel, *_ in self._db.all("batches_of", (alert_id,)):
            for delivery, *rest in self._db.all("attempts_between", span(batch)):
                yield AttemptRow(delivery, channel, *rest)

    def audit(self, subject: str = "", *, after: int = 0) -> Iterator[AuditRow]:
        """Stream audit rows in order, of one subject or all, after the row of a number."""
        last = after
        while True:
            page = (
                self._db.all("audit_of", (subject, last, _PAGE))
                if subject
                else self._db.all("audit_after", (last, _PAGE))
            )
            for row in page:
                yield AuditRow(*row)
            if len(page) < _PAGE:
                return
            last = page[-1][0]

    def threads(self, batch: int) -> Mapping[str, tuple[str, ...]]:
        """Return by address the provider ids of the incident's earlier messages to it, oldest first."""
        found: dict[str, tuple[str, ...]] = {}
        for address, provider_id in self._db.all("threads", span(batch)):
            found[address] = (*found.get(address, ()), provider_id)
        return found

    def known_to(self, channel: str, address: str, *, besides: int, since: int) -> Sequence[str]:
        """Return provider ids of what lately went to an address in other rows than this one."""
        rows = self._db.all("lately_to", (channel, address, since))
        return [provider_id for row, _, provider_id, _ in rows if provider_id and row != besides]

    def alerts_of(self, incident: str) -> Sequence[AlertRecord]:
        """Return the alerts of an incident, oldest first."""
        return [self._record(row) for row in self._db.all("alerts_of", (incident,))]

    def recipients(self, alert_id: str, channel: str, *, reached_only: bool = False) -> Iterator[NewDelivery]:
        """Stream whom an alert was for on a channel, in order, as rows to plan again."""
        for batch, name, *_ in self._db.all("batches_of", (alert_id,)):
            if name != channel:
                continue
            for address, recipient, fallback, state, twice, reason in self._db.all(
                "recipients_between", span(batch)
            ):
                if twice or not (reached_only and _spared(state, reason)):
                    yield NewDelivery(address, recipient, fallback)

    def incident_number(self, incident: str) -> int:
        """Return how many alerts an incident has so far."""
        row = self._db.one("incident_number", (incident,))
        return row[0] if row else 0

    def open_incidents(self) -> Sequence[str]:
        """Return the live incidents that nobody closed, by their newest alert first."""
        return [incident for (incident,) in self._db.all("open_incidents")]

    def left_undone(self, begun: str, ended: str) -> Sequence[str]:
        """Return the alerts with an act of the one kind and none of the other, oldest first."""
        return [alert_id for (alert_id,) in self._db.all("left_undone", (begun, ended))]

    def last_audience_size(self, audience: str) -> int | None:
        """Return how many recipients the last alert to this audience had, or None."""
        row = self._db.one("audience_size", (audience,))
        return row[0] if row else None


def _curves(rows: Iterable[Sequence[Any]]) -> dict[str, list[Second]]:
    curves: dict[str, list[Second]] = {}
    for channel, *second in rows:
        curves.setdefault(channel, []).append(Second(*second))
    return curves


def _tally(
    channel: str, numbers: Sequence[int], curve: Sequence[Second], arrivals: Sequence[Second]
) -> Tally:
    counts = dict(zip(COUNTED, numbers, strict=True))
    possible = sum(n for state, n in counts.items() if state in TAKEN or state not in SETTLED)
    return Tally(
        channel=channel, counts=counts, times=times(curve, of=possible), arrived=times(arrivals, of=possible)
    )


def _spared(state: str, reason: str) -> bool:
    """Whether a row reached nobody: it never left, is only leaving now, or was taken back while queued."""
    if state != State.UNDELIVERED:
        return STATES[state] in _NOT_YET
    from alerting.model.outcome import Reason  # who only looks needs none

    return reason == Reason.CANCELLED.code


def _delivery(alert_id: str, channel: str, row: Sequence[Any]) -> Delivery:
    number, address, state, attempt, due_at, provider_id, permalink, reason, detail, twice, changed_at = row
    return Delivery(
        id=number,
        alert_id=alert_id,
        channel=channel,
        address=address,
        state=STATES[state],
        attempt=attempt,
        due_at=maybe_instant(due_at),
        provider_id=provider_id,
        permalink=permalink,
        reason=reason,
        detail=detail,
        maybe_twice=bool(twice),
        changed_at=maybe_instant(changed_at),
    )
