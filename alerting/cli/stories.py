"""Incidents in words: what was said so far, what was promised, what may follow, and that one is over."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from alerting.keys import is_notice

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.service.incident import Story


def told(app: App, only: str = "") -> list[str]:
    """Return a line for each open incident: who owns it, what was promised, and what may follow.

    Of one incident more: what it said so far, and whether it is over.
    """
    from alerting.cli.ready import recorded
    from alerting.service.incident import open_stories, story

    ledger = app.reader()
    if ledger is None or is_notice(only):
        return []
    zone, now = ZoneInfo(app.config.campus.time_zone), app.clock.now()
    lines = []
    for one in [story(ledger, only)] if only else open_stories(ledger):
        if not one.first.live:
            continue
        lines += [_so_far(one, zone)] if only and len(one.alerts) > 1 else []
        lines.append(_standing(one, zone, now))
        lines += recorded(app, one.id) if only and one.closed_at is None else []
    return lines


def _standing(told: Story, zone: ZoneInfo, now: datetime) -> str:
    place = told.known.get("place", "")
    where = f"incident {told.id}{f' at {place}' if place else ''}"
    if told.closed_at is not None:
        how = f" ({told.reason})" if told.reason else ""
        return f"{where}: closed at {told.closed_at.astimezone(zone):%H:%M} by {told.closed_by}{how}"
    due = f"{told.due_at.astimezone(zone):%H:%M}" if told.due_at else "no time"
    word = "OVERDUE, promised by" if told.overdue(now) else "next message promised by"
    return f"{where} ({told.owner}): {word} {due} -> alert update|all-clear|correct|recall {told.id}"


def _so_far(told: Story, zone: ZoneInfo) -> str:
    said = ((record.alert, record.accepted_at.astimezone(zone)) for record in told.alerts)
    return (
        f"so far: {', '.join(f'#{alert.number} {alert.id} {alert.title} {at:%H:%M}' for alert, at in said)}"
    )
