"""The report as plain values, for scripts: the same facts under the same names as on the page."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from alerting.publishing.decision import as_json
from alerting.publishing.page import Campus, answers

if TYPE_CHECKING:
    from alerting.authority.aftermath import Owed
    from alerting.broadcast.report import Trouble
    from alerting.ledger.rows import Lane
    from alerting.publishing.sheet import Curve, Moment, Sheet


def listing(sheet: Sheet, campus: Campus) -> dict[str, Any]:
    """Return the report. Instants are ISO 8601 with an offset, spans seconds, unknown values null."""
    return {
        "campus": campus.name,
        "written_at": _iso(campus.written_at),
        **_alert(sheet),
        "clock": as_json(sheet.steps),
        "channels": [channel.as_json() for channel in sheet.report.channels],
        "curves": {"accepted": _curves(sheet.accepted), "delivered": _curves(sheet.delivered)},
        "troubles": [_trouble(trouble) for trouble in sheet.report.troubles],
        "texts": [_text(lane) for lane in sheet.record.lanes],
        "clery": [
            {"question": row.question, "answer": row.answer or None, "source": row.source or None}
            for row in answers(sheet, campus)
        ],
        "timeline": [_moment(moment) for moment in sheet.timeline],
        "proof": {
            "digest": sheet.record.digest,
            "act": sheet.head[0],
            "hash": sheet.head[1],
            "sealed": sheet.sealed,
            "public_key": campus.public_key or None,
        },
    }


def _alert(sheet: Sheet) -> dict[str, Any]:
    record, alert = sheet.record, sheet.record.alert
    return {
        "alert": alert.id,
        "incident": alert.incident,
        "number": alert.number,
        "live": alert.live,
        "status": str(alert.status),
        "msg_type": str(alert.msg_type),
        "title": alert.title,
        "template": alert.template,
        "variables": dict(alert.variables),
        "author": alert.author,
        "break_glass": sheet.alone or None,
        "review": _review(sheet.review) if sheet.review else None,
        "audience": alert.audience,
        "recipients": sheet.recipients,
        "refused": sheet.refused,
        "accepted_at": _iso(record.accepted_at),
        "settled_at": _iso(record.settled_at),
        "cancelled_at": _iso(record.cancelled_at),
        "expires_at": _iso(alert.expires_at),
    }


def _review(review: Owed) -> dict[str, Any]:
    return {
        "due_at": _iso(review.due_at),
        "done_at": _iso(review.done_at),
        "done_by": review.done_by or None,
        "finding": review.finding or None,
    }


def _trouble(trouble: Trouble) -> dict[str, Any]:
    return {
        "channel": trouble.channel,
        "state": str(trouble.state),
        "count": trouble.deliveries,
        "why": trouble.words,
        "what_to_do": trouble.advice,
    }


def _text(lane: Lane) -> dict[str, Any]:
    content = lane.content
    return {
        "channel": lane.channel,
        "subject": content.subject or None,
        "text": content.text,
        "size": content.size,
        "limit": content.limit,
        "unit": str(content.unit),
    }


def _moment(moment: Moment) -> dict[str, Any]:
    return {
        "act": moment.first,
        "at": _iso(moment.at),
        "what": moment.words,
        "count": moment.count,
        "actor": moment.actor,
        "origin": moment.origin,
        "detail": moment.detail or None,
    }


def _curves(curves: tuple[Curve, ...]) -> dict[str, list[list[float]]]:
    return {curve.channel: [[at, count] for at, count in curve.points] for curve in curves}


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
