"""How an alert stands, in words and in JSON. "Accepted" and "delivered" are never added up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alerting.broadcast.report import ChannelReport, Report, Trouble, report
from alerting.cli.words import columns, plural, span
from alerting.errors import Exit, Problem, UnknownAlert
from alerting.model.delivery import State

if TYPE_CHECKING:
    from alerting.app import App

_HEAD = ("channel", "accepted", "delivered", "failed", "uncertain", "waiting", "first", "50 %", "95 %")


def read(app: App, alert_id: str) -> Report:
    """Return how an alert stands.

    Raises:
        UnknownAlert: there is none of that id.
    """
    ledger = app.reader()
    record = ledger.alert(alert_id) if ledger else None
    if ledger is None or record is None:
        raise UnknownAlert(
            Problem(where="", what=f"there is no alert {alert_id}", fix="`alert status` lists them")
        )
    return report(ledger, record, at=app.clock.now())


def progress(current: Report) -> str:
    """Return one line: how far each channel is."""
    return " | ".join(_short(channel) for channel in current.channels)


def _short(channel: ChannelReport) -> str:
    text = f"{channel.channel} {channel.accepted:,}/{channel.total:,}"
    for count, word in ((channel.failed, "failed"), (channel.uncertain, "uncertain")):
        if count:
            text += f" {count:,} {word}"
    return text


def lines(current: Report) -> list[str]:
    """Return the table, the troubles with what to do, and links."""
    alert = current.record.alert
    told = [
        f"{alert.id}  {'LIVE' if alert.live else str(alert.status).upper()}  {alert.title}  {_state(current)}"
    ]
    told += columns([_HEAD, *(_row(channel) for channel in current.channels)], right=tuple(range(1, 9)))
    told += [f"{channel.channel}: {channel.permalink}" for channel in current.channels if channel.permalink]
    told += [_trouble(trouble) for trouble in current.troubles]
    return told


def _state(current: Report) -> str:
    record = current.record
    took = f" in {span(record.settled_at - record.accepted_at)}" if record.settled_at else ""
    if record.cancelled_at and any(channel.cancelled for channel in current.channels):
        word = "replaced by a newer message" if record.cancel_reason == "superseded" else "cancelled"
        return word if current.settled else f"{word}; some were leaving"
    match current.exit:
        case Exit.OK:
            return f"done: all accepted{took}"
        case Exit.RUNNING:
            return "being sent"
        case Exit.UNCERTAIN:
            return f"done{took}; some may or may not have arrived"
        case Exit.NOTHING_SENT:
            return "NOTHING WENT OUT"
        case _:
            return f"done{took}, with failures"


def _row(channel: ChannelReport) -> tuple[str, ...]:
    delivered = f"{channel.delivered:,}" if channel.delivered else "-"
    return (
        channel.channel,
        f"{channel.accepted:,}/{channel.total:,}",
        delivered,
        f"{channel.failed:,}",
        f"{channel.uncertain:,}",
        f"{channel.waiting:,}",
        span(channel.first_s),
        span(channel.half_s),
        span(channel.most_s),
    )


def _trouble(trouble: Trouble) -> str:
    verb = "wait" if trouble.state in (State.PENDING, State.SENDING, State.UNCERTAIN) else str(trouble.state)
    detail = f" ({trouble.detail})" if trouble.detail else ""
    advice = f" -> {trouble.advice}" if trouble.advice else ""
    return f"{trouble.channel}: {plural(trouble.count, 'message')} {verb}: {trouble.words}{detail}{advice}"


def as_json(current: Report) -> dict[str, Any]:
    """Return the report for scripts."""
    record = current.record
    return {
        "alert": record.alert.id,
        "incident": record.alert.incident,
        "live": record.alert.live,
        "status": str(record.alert.status),
        "template": record.alert.template,
        "title": record.alert.title,
        "settled": current.settled,
        "exit": int(current.exit),
        "accepted_at": record.accepted_at.isoformat(),
        "settled_at": record.settled_at.isoformat() if record.settled_at else None,
        "cancelled_at": record.cancelled_at.isoformat() if record.cancelled_at else None,
        "expires_at": record.alert.expires_at.isoformat(),
        "channels": [_channel_json(channel) for channel in current.channels],
        "troubles": [
            {
                "channel": trouble.channel,
                "state": str(trouble.state),
                "count": trouble.count,
                "reason": trouble.words,
                "detail": trouble.detail,
                "advice": trouble.advice,
            }
            for trouble in current.troubles
        ],
    }


def _channel_json(channel: ChannelReport) -> dict[str, Any]:
    return {
        "channel": channel.channel,
        "kind": channel.kind,
        "total": channel.total,
        "accepted": channel.accepted,
        "delivered": channel.delivered,
        "failed": channel.failed,
        "uncertain": channel.uncertain,
        "waiting": channel.waiting,
        "cancelled": channel.cancelled,
        "first_s": channel.first_s,
        "half_s": channel.half_s,
        "most_s": channel.most_s,
        "permalink": channel.permalink or None,
    }
