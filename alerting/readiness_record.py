"""What the record says of readiness: who owns it, the last drill, the canaries, receipts, open notices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from alerting.authority.aftermath import still_owed
from alerting.clock import instant
from alerting.drills.score import Scorecard, score
from alerting.ledger.base import DrillReader, LedgerReader
from alerting.ledger.rows import OccurrenceRow
from alerting.model.delivery import TAKEN, State
from alerting.oncall.answer import Level, Look
from alerting.oncall.book import Book

if TYPE_CHECKING:
    from alerting.app import App

#: A campus drills at least this often; a proof that is older is no proof.
_STALE: Final = timedelta(days=35)
_RUNS: Final = 6
_RECENT: Final = 10
_TOLD: Final = frozenset({State.DELIVERED, State.UNDELIVERED})


def of_ledger(app: App, now: datetime, *, receipts: frozenset[str]) -> Iterator[Look]:
    """Look at the record; ``receipts`` are the channels whose provider tells what arrived."""
    ledger = app.own_reader()
    yield _server(app)
    if ledger is None:
        yield Look(what="record", detail="none yet; the first alert makes it")
        yield from _drills(None, now)
        return
    try:
        yield from _waiting(app, ledger)
        yield from _drills(ledger, now)
        if app.config.callbacks is not None:
            yield from _receipts(ledger, receipts)
        yield from _notices(ledger)
        yield from _reviews(ledger, now)
    finally:
        ledger.close()


def _server(app: App) -> Look:
    pid = app.lock().held_by() if app.state.is_dir() else None
    if pid:
        return Look(what="server", detail=f"process {pid} owns the record")
    detail = "alert serve is not running: nobody probes, and nobody is told"
    return Look(what="server", level=Level.WARN, detail=detail, fix="start it: deploy/ has the unit")


def _waiting(app: App, ledger: LedgerReader) -> Iterator[Look]:
    waiting = list(dict.fromkeys(alert_id for alert_id, _ in ledger.unsettled()))
    if waiting and not app.lock().held_by():
        detail = f"{waiting[0]} waits, and nobody is sending"
        yield Look(what="record", level=Level.NO, detail=detail, fix="alert resume")


def _drills(ledger: LedgerReader | None, now: datetime) -> Iterator[Look]:
    """Look at the last drill, and at the last one that reached its canaries."""
    rows = _runs(ledger) if isinstance(ledger, DrillReader) else []
    if not rows:
        fix = "plan one: docs/drills.md"
        yield Look(what="drill", level=Level.WARN, detail="none has run here yet", fix=fix)
        return
    assert isinstance(ledger, DrillReader)
    yield _last(ledger, rows[0], now)
    yield _canaries(ledger, rows, now)


def _runs(ledger: DrillReader) -> list[OccurrenceRow]:
    rows = [row for name in ledger.drill_names() for row in ledger.occurrences_of(name, limit=_RUNS)]
    return sorted(rows, key=lambda row: row.due_at, reverse=True)


def _card(ledger: DrillReader, row: OccurrenceRow, now: datetime) -> Scorecard | None:
    record = ledger.alert(row.alert) if row.alert else None
    return score(ledger, row, record, at=now) if record else None


def _last(ledger: DrillReader, row: OccurrenceRow, now: datetime) -> Look:
    age = now - instant(row.due_at)
    detail = f"{row.drill}, {age.days} days ago"
    card = _card(ledger, row, now)
    if row.outcome == "missed" or card is None:
        detail, fix = f"{detail}, was missed", f"alert drill run {row.drill}"
        return Look(what="drill", level=Level.WARN, detail=detail, fix=fix)
    if card.passed is False:
        fix = f"alert drill report {row.alert}"
        return Look(what="drill", level=Level.WARN, detail=f"{detail}, {row.alert} failed", fix=fix)
    if age > _STALE:
        return Look(what="drill", level=Level.WARN, detail=f"the last one was {detail}", fix="run one")
    return Look(what="drill", detail=f"{detail}, {row.alert} passed")


def _canaries(ledger: DrillReader, rows: list[OccurrenceRow], now: datetime) -> Look:
    for row in rows[:_RUNS]:
        card = _card(ledger, row, now) if row.facts.get("canaries") else None
        if card and card.canaries and all(one.seconds is not None for one in card.canaries):
            age = now - instant(row.due_at)
            level = Level.WARN if age > _STALE else Level.YES
            detail = f"{len(card.canaries)} reached {age.days} days ago, by {row.alert}"
            return Look(
                what="canaries", level=level, detail=detail, fix="run a drill" if age > _STALE else ""
            )
    detail = "none of our own phones and mailboxes was reached by a drill lately"
    return Look(what="canaries", level=Level.WARN, detail=detail, fix="name canaries in drills.yaml")


def _receipts(ledger: LedgerReader, channels: frozenset[str]) -> Iterator[Look]:
    """Look whether anything came back for the last messages of each channel that has receipts."""
    left = set(channels)
    for record in ledger.alerts(limit=_RECENT):
        for tally in ledger.tally(record.alert.id):
            taken = sum(tally.counts.get(state, 0) for state in TAKEN)
            if tally.channel not in left or not taken:
                continue
            left.discard(tally.channel)
            told = sum(tally.counts.get(state, 0) for state in _TOLD)
            yield _came(tally.channel, record.alert.id, taken, told)


def _came(channel: str, alert_id: str, taken: int, told: int) -> Look:
    if told:
        return Look(what="callbacks", detail=f"{told:,} of {taken:,} came back for {alert_id} on {channel}")
    detail = f"none came back for {taken:,} of {alert_id} on {channel}"
    fix = "does the proxy pass callbacks.public_url on to alert serve?"
    return Look(what="callbacks", level=Level.WARN, detail=detail, fix=fix)


def _notices(ledger: LedgerReader) -> Iterator[Look]:
    book = Book()
    book.read_on(ledger)
    for notice in book.waiting():
        detail = f"{notice.first} waits for an answer: {notice.title}"
        yield Look(what="notice", level=Level.WARN, detail=detail, fix=f"alert ack {notice.first}")


def _reviews(ledger: LedgerReader, now: datetime) -> Iterator[Look]:
    """Look at what went without its second person, and nobody has reviewed yet."""
    for one in still_owed(ledger):
        left = one.due_at - now
        hours = abs(left) // timedelta(hours=1)
        due = f"is due in {hours} h" if left > timedelta() else f"is OVERDUE for {hours} h"
        detail = f"{one.by} sent {one.alert} alone; its review {due}"
        yield Look(what="review", level=Level.WARN, detail=detail, fix=f"alert review {one.alert}")
