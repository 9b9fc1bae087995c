"""Incidents in words: what was said so far, what was promised, what may follow, and that one is over."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
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


def as_json(app: App) -> list[dict[str, Any]]:
    """Return every open live incident for scripts, newest first."""
    from alerting.service.incident import open_stories

    ledger, now = app.reader(), app.clock.now()
    return [_as_json(one, now) for one in open_stories(ledger)] if ledger else []


def _as_json(told: Story, now: datetime) -> dict[str, Any]:
    return {
        "incident": told.id,
        "title": told.first.title,
        "place": told.known.get("place", ""),
        "owner": told.owner,
        "due_at": told.due_at.isoformat() if told.due_at else None,
        "overdue": told.overdue(now),
    }


def _standing(told: Story, zone: ZoneInfo, now: datetime) -> str:
    place = told.known.get("place", "")
    where = f"incident {told.id}{f' at {place}' if place else ''}"
    if told.closed_at is not None:
        how = f" ({told.reason})" if told.reason else ""
        return f"{where}: closed at {_hour(told.closed_at, zone, now)} by {told.closed_by}{how}"
    due = _hour(told.due_at, zone, now) if told.due_at else "no time"
    word = "OVERDUE, promised by" if told.overdue(now) else "next message promised by"
    return f"{where} ({told.owner}): {word} {due} -> alert update|all-clear|correct|recall {told.id}"


def _hour(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Return the hour of an instant, with its day when that is not today: an incident may stand for long."""
    there, today = at.astimezone(zone), now.astimezone(zone).date()
    return f"{there:%H:%M}" if there.date() == today else f"{there:%Y-%m-%d %H:%M}"


def _so_far(told: Story, zone: ZoneInfo) -> str:
    said = ((record.alert, record.accepted_at.astimezone(zone)) for record in told.alerts)
    return (
        f"so far: {', '.join(f'#{alert.number} {alert.id} {alert.title} {at:%H:%M}' for alert, at in said)}"
    )
