"""What the people on call should know of now: overdue incidents, dead channels, failed drills, requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from alerting.authority.aftermath import still_owed, times_told
from alerting.authority.wanted import APPROVERS
from alerting.clock import micros
from alerting.drills.score import CANARIES, FAILURES, score
from alerting.errors import UnknownAlert
from alerting.keys import is_live, is_notice
from alerting.ledger.base import DrillReader, LedgerReader
from alerting.model.delivery import FAILED, TAKEN
from alerting.oncall.book import Book, Wanted
from alerting.oncall.notice import LIFETIME, Concern, Kind, one_line
from alerting.oncall.signals import Signals, Trouble
from alerting.service.incident import story

#: What happened longer ago than this is no news: it is not told after a long stop either.
NEWS: Final = timedelta(hours=6)
#: How long receipts of a drill are waited for before it counts as failed by what they can still mend.
_RECEIPTS: Final = timedelta(minutes=2)
_MENDED: Final = frozenset({CANARIES, FAILURES})
#: How long an alert that came to rest is looked at again.
_KEPT: Final = timedelta(minutes=5)
#: A channel that breaks again so soon after it was mended is the same trouble.
_AGAIN: Final = timedelta(minutes=15)
_TITLE: Final = 60
#: What whoever hears of something can do about it.
_COMMANDS: Final = {
    Kind.APPROVAL: "approve",
    Kind.SENT: "cancel",
    Kind.BREAK_GLASS: "cancel",
    Kind.RECALL: "status",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """What a look needs: the log as folded, a reader, the hour, the campus's clock."""

    book: Book
    ledger: LedgerReader
    now: datetime
    zone: ZoneInfo

    def hour(self, at: datetime) -> str:
        """Return an instant on the campus's clock."""
        return f"{at.astimezone(self.zone):%H:%M}"


def overdue(look: Looking) -> Iterator[Concern]:
    """Yield the open incidents whose people were promised to hear again before now."""
    for incident, due in list(look.book.promised.items()):
        if look.now <= due:
            continue
        told = story(look.ledger, incident)
        place = told.first.variables.get("place", "")
        what = f"UPDATE OVERDUE: {told.first.title}{', ' if place else ''}{place}, promised {look.hour(due)}"
        yield Concern(
            kind=Kind.OVERDUE,
            topic=f"overdue:{incident}",
            mark=str(micros(due)),
            title=f"update overdue: {incident}, {told.first.title}",
            what=f"{what}. Nothing is sent by itself",
            about=incident,
            commands=(f"alert update {incident}", f"alert all-clear {incident}"),
            owner=told.owner,
            still=lambda ledger, incident=incident, due=due: still_overdue(ledger, incident, due),  # type: ignore[misc]
        )


def still_overdue(ledger: LedgerReader, incident: str, due: datetime) -> bool:
    """Say whether people of an incident still wait for what was promised for an instant."""
    try:
        told = story(ledger, incident)
    except UnknownAlert:
        return False
    return told.closed_at is None and told.due_at == due


def channels(look: Looking, signals: Signals) -> Iterator[Concern]:
    """Yield the channels whose lane has given up, or cannot get through for long."""
    for channel, trouble in signals.lasting():
        topic = f"channel:{channel}"
        mended = look.book.over_at.get(topic)
        if mended is None or look.now - mended >= _AGAIN:
            yield _dead(look, channel, trouble, topic)


def _dead(look: Looking, channel: str, trouble: Trouble, topic: str) -> Concern:
    advice = f"; {trouble.advice}" if trouble.advice else ""
    return Concern(
        kind=Kind.CHANNEL,
        topic=topic,
        mark=str(look.book.episodes.get(topic, 0)),
        title=f"channel down: {channel}",
        what=f"CHANNEL DOWN: {channel}: {trouble.words}{advice}",
        commands=(f"alert channels check {channel}",),
    )


def rejected(look: Looking, signals: Signals) -> Iterator[Concern]:
    """Yield the channels that took nothing at all of a real alert that has come to rest.

    Where the channel itself is known to be down, that has been told.
    """
    for alert_id, at in look.book.settled:
        if not is_live(alert_id) or look.now - at > NEWS:
            continue
        for tally in look.ledger.tally(alert_id):
            if tally.channel in signals.troubles or look.book.standing(f"channel:{tally.channel}"):
                continue
            failed = sum(tally.counts.get(state, 0) for state in FAILED)
            taken = sum(tally.counts.get(state, 0) for state in TAKEN)
            if failed and failed == tally.total and not taken:
                yield Concern(
                    kind=Kind.CHANNEL,
                    topic=f"refused:{tally.channel}",
                    mark=alert_id,
                    title=f"all refused: {tally.channel}, {alert_id}",
                    what=f"ALL REFUSED: {tally.channel} took none of {failed:,} of {alert_id}",
                    about=alert_id,
                    commands=(f"alert status {alert_id}",),
                )


def drills(look: Looking) -> Iterator[Concern]:
    """Yield drills that failed, and planned times that passed without theirs."""
    for drill, planned, at in look.book.missed:
        if look.now - at <= NEWS:
            yield _drill(drill, planned, f"DRILL MISSED: {drill}, planned for {planned[:16]}")
    for alert_id, at in look.book.settled:
        waited = look.now - at
        if is_live(alert_id) or is_notice(alert_id) or waited > NEWS:
            continue
        if found := _failed(look, alert_id, final=waited >= _RECEIPTS):
            yield found


def _failed(look: Looking, alert_id: str, *, final: bool) -> Concern | None:
    assert isinstance(look.ledger, DrillReader)
    row, record = look.ledger.occurrence_of_alert(alert_id), look.ledger.alert(alert_id)
    if row is None or record is None:
        return None
    card = score(look.ledger, row, record, at=look.now)
    failed = [line for line in card.lines if line.passed is False]
    if not failed or not (final or any(line.what not in _MENDED for line in failed)):
        return None
    words = "; ".join(f"{line.what}: {line.got}, expected {line.expected}" for line in failed)
    return _drill(row.drill, row.planned_local, f"DRILL FAILED: {row.drill} {alert_id}: {words}")


def _drill(drill: str, planned: str, what: str) -> Concern:
    return Concern(
        kind=Kind.DRILL,
        topic=f"drill:{drill}",
        mark=planned,
        title=one_line(what)[:_TITLE],
        what=what,
        about=drill,
        commands=(f"alert drill history {drill}",),
        escalates=False,
    )


def unreviewed(look: Looking) -> Iterator[Concern]:
    """Yield what went without its second person, and nobody has looked at in time."""
    for alert_id, (due, by) in list(look.book.reviews.items()):
        times = times_told(due, look.now, look.zone)
        if not times:
            continue
        since = "within a day" if times == 1 else f"for {times} days"
        yield Concern(
            kind=Kind.REVIEW,
            topic=f"review:{alert_id}",
            mark=f"{micros(due)}{f' {times}' if times > 1 else ''}",
            title=f"review overdue: {alert_id}",
            what=f"REVIEW OVERDUE: {by} sent {alert_id} alone, and nobody has looked at it {since}",
            about=alert_id,
            commands=(f"alert review {alert_id}",),
            # Nobody is in danger, so nobody need answer. Who is on duty may not be who can review it.
            escalates=False,
            to_approvers=times > 1,
            but=by if times > 1 else "",
            still=lambda ledger, alert_id=alert_id: _still_unreviewed(ledger, alert_id),  # type: ignore[misc]
        )


def _still_unreviewed(ledger: LedgerReader, alert_id: str) -> bool:
    return any(one.alert == alert_id for one in still_owed(ledger))


def wanted(look: Looking) -> Iterator[Concern]:
    """Yield what other parts of the program asked to be told."""
    for one in look.book.wanted:
        # A request is open for minutes; what was done alone is news for longer.
        if look.now - one.at <= (LIFETIME if one.kind in (Kind.APPROVAL, Kind.SENT) else NEWS):
            yield _asked(one)


def _asked(one: Wanted) -> Concern:
    kind = Kind(one.kind) if one.kind in list(Kind) else Kind.OTHER
    text = one_line(one.text) or f"{kind}: {one.subject}"
    verb = _COMMANDS.get(kind, "")
    return Concern(
        kind=kind,
        topic=f"wanted:{one.subject}",
        mark=str(one.seq),
        title=text[:_TITLE],
        what=text,
        about=one.subject,
        # Never a part of the text, whose end is cut where a channel has little room.
        commands=(f"alert {verb} {one.subject}",) if verb else (),
        to_approvers=one.to == APPROVERS,
        escalates=kind not in (Kind.APPROVAL, Kind.SENT),
        but=one.by,
    )


def forget(book: Book, now: datetime) -> None:
    """Let go of what has been looked at and is told, or too old to be."""
    book.wanted.clear()
    book.missed.clear()
    book.settled = [entry for entry in book.settled if now - entry[1] < _KEPT]
