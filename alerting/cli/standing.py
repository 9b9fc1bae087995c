"""How an alert stands, in words and in JSON. "Accepted" and "delivered" are never added up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from alerting.broadcast.report import ChannelReport, Report, Trouble, report
from alerting.cli.screen import Line
from alerting.cli.spread import spread
from alerting.cli.words import columns, plural, span
from alerting.errors import Exit, Problem, UnknownAlert
from alerting.model.delivery import State

if TYPE_CHECKING:
    from alerting.app import App

#: Stands where a channel never tells what arrived: that is not the same as nothing having arrived.
_UNTOLD = "no receipts"
_MOODS = {
    Exit.OK: "bold green",
    Exit.PARTIAL: "bold red",
    Exit.NOTHING_SENT: "bold red",
    Exit.UNCERTAIN: "bold yellow",
}
_WORRY = dict.fromkeys((State.PENDING, State.UNCERTAIN, State.UNRESOLVED), "yellow")
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
    return report(ledger, record, at=app.clock.now(), curves=True)


def clock(app: App, current: Report) -> dict[str, Any]:
    """Return the decision clock of an alert for scripts, step by step."""
    from alerting.publishing.decision import as_json as told
    from alerting.publishing.decision import steps
    from alerting.publishing.facts import facts

    ledger = app.reader()
    known = facts(ledger, current.record) if ledger else {}
    return told(list(steps(current, known)))


def progress(current: Report) -> str:
    """Return one line: how far each channel is."""
    return " | ".join(_short(channel) for channel in current.channels)


def _short(channel: ChannelReport) -> str:
    text = f"{channel.channel} {channel.accepted:,}/{channel.total:,}"
    for count, word in ((channel.failed, "failed"), (channel.uncertain, "uncertain")):
        if count:
            text += f" {count:,} {word}"
    return text


def lines(current: Report, *, blocks: bool = True) -> list[Line]:
    """Return the table, the spread over time, links, and the troubles with what to do.

    ``blocks`` is whether the reader's encoding can show block characters.
    """
    alert = current.record.alert
    kind = "LIVE" if alert.live else str(alert.status).upper()
    told = [Line(f"{alert.id}  {kind}  {alert.title}  {_state(current)}", _MOODS.get(current.exit, "bold"))]
    rows = [row for channel in current.channels for row in _rows(channel)]
    told += map(Line, columns([_HEAD, *rows], right=tuple(range(1, 9))))
    told += map(Line, spread(current.channels, blocks=blocks))
    told += [Line(f"{found.channel}: {found.permalink}") for found in current.channels if found.permalink]
    told += [Line(f"{found.channel}: {found.note}", "yellow") for found in current.channels if found.note]
    return told + [Line(_trouble(found), _WORRY.get(found.state, "red")) for found in current.troubles]


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


def _rows(channel: ChannelReport) -> Iterator[tuple[str, ...]]:
    """Yield a channel's line, and where receipts came in, a second one with the times they prove."""
    yield (
        channel.channel,
        f"{channel.accepted:,}/{channel.total:,}",
        f"{channel.delivered:,}" if channel.receipts else _UNTOLD,
        f"{channel.failed:,}",
        f"{channel.uncertain:,}",
        f"{channel.waiting:,}",
        span(channel.first_s),
        span(channel.half_s),
        span(channel.most_s),
    )
    if channel.delivered:
        times = (channel.arrived_first_s, channel.arrived_half_s, channel.arrived_most_s)
        yield ("  delivered", "", "", "", "", "", *map(span, times))


def _trouble(trouble: Trouble) -> str:
    verb = "wait" if trouble.state in (State.PENDING, State.SENDING, State.UNCERTAIN) else str(trouble.state)
    detail = f" ({trouble.detail})" if trouble.detail else ""
    advice = f" -> {trouble.advice}" if trouble.advice else ""
    count = plural(trouble.deliveries, "message")
    return f"{trouble.channel}: {count} {verb}: {trouble.words}{detail}{advice}"


def as_json(current: Report, **more: Any) -> dict[str, Any]:
    """Return the report for scripts, with what else the caller knows."""
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
        "channels": [channel.as_json() for channel in current.channels],
        "troubles": [
            {
                "channel": trouble.channel,
                "state": str(trouble.state),
                "count": trouble.deliveries,
                "reason": trouble.words,
                "detail": trouble.detail,
                "advice": trouble.advice,
            }
            for trouble in current.troubles
        ],
        **more,
    }
