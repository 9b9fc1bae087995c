"""Everything a report says about one alert, gathered from counters and acts: fast at any size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from alerting.authority.aftermath import Owed, owed
from alerting.broadcast.report import Report, report
from alerting.clock import instant
from alerting.publishing.decision import Step, steps
from alerting.publishing.facts import WORDS, Fact, facts

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerReader
    from alerting.ledger.rows import AlertRecord, AuditRow

#: Acts in words. What is not here is told by its own name.
_ACTS: Final[Mapping[str, str]] = {
    "alert.opened": "Alert accepted: texts and channels on record",
    "alert.planned": "Every message planned",
    "alert.cancelled": "Stopped what had not left",
    "alert.expired": "Its life ended; what still waited was given up",
    "alert.handed_over": "Messages passed on to the fallback channel",
    "alert.recalled": "A wrong alert recalled",
    "alert.taken_back": "Providers asked to take the wrong alert back",
    "alert.settled": "Every message has come to rest",
    "alert.noted": "Facts noted",
    "alert.resumed": "Sending resumed after an interruption",
    "alert.approved": "Approved by a second person",
    "alert.broke_glass": "BREAK-GLASS: sent without its second person",
    "alert.reviewed": "Reviewed afterwards by another person",
    "alert.joined": "A second officer joined: the same alert for the same place",
    "audit.sealed": "Record sealed",
    "incident.opened": "Incident opened",
    "incident.updated": "Incident updated",
    "incident.prepared": "Update, correction and all clear rendered and waiting",
    "incident.closed": "Incident closed",
    "people.exported": "Addresses exported",
    "people.looked_at": "Addresses looked at",
    "notice.wanted": "Others were to be told at once",
    "people.forgotten": "Addresses deleted after their time",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of the timeline: an act, or several equal ones in a row."""

    at: datetime
    words: str
    actor: str
    origin: str
    count: int
    detail: str
    first: int  #: the act's number in the log


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """How a channel's count grew: (seconds since acceptance, how many so far)."""

    channel: str
    total: int
    points: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What the page and the JSON are made of."""

    report: Report
    facts: Mapping[str, Fact]
    steps: tuple[Step, ...]
    timeline: tuple[Moment, ...]
    accepted: tuple[Curve, ...]
    delivered: tuple[Curve, ...]
    related: tuple[tuple[str, str, datetime], ...]  #: the incident's alerts: id, title, accepted at
    recipients: int | None
    refused: int
    head: tuple[int, str]
    sealed: bool
    alone: str = ""  #: why it was sent without its second person, where it was
    review: Owed | None = None  #: what somebody must look at for that reason, or has

    @property
    def record(self) -> AlertRecord:
        """The alert itself."""
        return self.report.record


def gather(ledger: LedgerReader, record: AlertRecord, *, at: datetime) -> Sheet:
    """Read everything a report says. Touches no delivery but those of public posts."""
    alert_id = record.alert.id
    standing = report(ledger, record, at=at)
    acts = list(ledger.audit(alert_id))
    known = facts(ledger, record)
    totals = {channel.channel: channel.total for channel in standing.channels}
    arrivals = ledger.arrivals(alert_id)
    planned: dict[str, Any] = next(
        (json.loads(act.body) for act in reversed(acts) if act.action == "alert.planned"), {}
    )
    return Sheet(
        report=standing,
        facts=known,
        steps=tuple(steps(standing, known)),
        timeline=tuple(_timeline([*acts, *_incident(ledger, record)])),
        accepted=tuple(_curves(ledger.progress(alert_id), totals)),
        delivered=tuple(_curves(arrivals, totals)),
        related=tuple(_related(ledger, record)),
        recipients=planned.get("recipients"),
        refused=int(planned.get("notes", {}).get("refused", 0)),
        head=(acts[-1].seq, acts[-1].hash) if acts else (0, ""),
        sealed=any(act.action == "audit.sealed" for act in acts),
        alone=next((_alone(act) for act in acts if act.action == "alert.broke_glass"), ""),
        review=owed(ledger).get(alert_id),
    )


def _incident(ledger: LedgerReader, record: AlertRecord) -> Sequence[AuditRow]:
    incident = record.alert.incident
    return () if incident == record.alert.id else list(ledger.audit(incident))


def _related(ledger: LedgerReader, record: AlertRecord) -> Iterator[tuple[str, str, datetime]]:
    for other in ledger.alerts_of(record.alert.incident):
        yield other.alert.id, other.alert.title, other.accepted_at


def _alone(act: AuditRow) -> str:
    return str(json.loads(act.body).get("reason") or "no reason on record")


def _timeline(acts: Sequence[AuditRow]) -> Iterator[Moment]:
    run: list[AuditRow] = []
    for act in sorted(acts, key=lambda row: row.seq):
        if run and (act.action, act.actor) != (run[-1].action, run[-1].actor):
            yield _moment(run)
            run = []
        run.append(act)
    if run:
        yield _moment(run)


def _moment(run: Sequence[AuditRow]) -> Moment:
    first = run[0]
    return Moment(
        at=instant(first.at),
        words=_ACTS.get(first.action, first.action),
        actor=first.actor,
        origin=first.origin,
        count=len(run),
        detail=_detail(first, json.loads(first.body)),
        first=first.seq,
    )


def _detail(act: AuditRow, body: Mapping[str, Any]) -> str:
    match act.action:
        case "alert.cancelled":
            return (
                f"{body['stopped']:,} stopped, {body['in_flight']:,} were leaving, {body['gone']:,} had left"
            )
        case "alert.taken_back":
            return (
                f"{body['taken_back']:,} of {body['asked']:,} queued messages taken back,"
                f" {body['deleted']:,} posts deleted"
            )
        case "alert.planned":
            return ", ".join(f"{name} {count:,}" for name, count in body["deliveries"].items() if count)
        case "alert.noted":
            return ", ".join(WORDS.get(name, name) for name in body)
        case "alert.expired":
            return f"{body['expired']:,} messages"
        case _:
            return _who(act, body)


def _who(act: AuditRow, body: Mapping[str, Any]) -> str:
    """Return what the acts of a second person, or of going without one, say."""
    match act.action:
        case "alert.broke_glass":
            return f"{body['reason']} (needed: {'; '.join(body['why'])}); to be reviewed within a day"
        case "alert.reviewed":
            return str(body["finding"])
        case "alert.approved":
            return f"asked for by {body['asked_by']}, request {body['approval']}"
        case "notice.wanted":
            return str(body.get("text", ""))
        case action:
            return str(body.get("reason", "")) if action == "incident.closed" else ""


def _curves(curves: Mapping[str, Sequence[tuple[int, int]]], totals: Mapping[str, int]) -> Iterator[Curve]:
    for channel, seconds in curves.items():
        points, so_far = [(0.0, 0)], 0
        for second, count in seconds:
            so_far += count
            points.append((second + 1.0, so_far))
        yield Curve(channel=channel, total=totals.get(channel, so_far), points=tuple(points))
