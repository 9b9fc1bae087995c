"""The report as one HTML file that needs nothing else: print it, mail it, keep it for years."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alerting.model.alert import Status
from alerting.publishing.chart import chart
from alerting.publishing.decision import Step
from alerting.publishing.facts import TIMES, WORDS
from alerting.publishing.sheet import Sheet

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from alerting.broadcast.report import ChannelReport

_TEMPLATES: Final = Path(__file__).with_name("templates")
_MINUTE, _HOUR, _SOON = 60, 3600, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Campus:
    """Whose report it is, on whose clock. ``public_key`` is the line checkpoints are checked with."""

    name: str
    zone: ZoneInfo
    written_at: datetime
    written_by: str
    public_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A question the Clery Act asks, and what is on record; empty means not recorded."""

    question: str
    answer: str
    source: str
    how: str  #: the command that records it


def page(sheet: Sheet, campus: Campus) -> str:
    """Return the whole page. Everything that came from people or providers is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    env = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    env.filters.update(count=_count, span=_span, day=_day(campus), clock=_clock(campus))
    order = [lane.channel for lane in sheet.record.lanes]
    return env.get_template("report.html").render(
        sheet=sheet,
        alert=sheet.record.alert,
        record=sheet.record,
        report=sheet.report,
        campus=campus,
        headline=_headline(sheet),
        verdict=_verdict(sheet),
        steps=list(_steps(sheet)),
        answers=list(answers(sheet, campus)),
        channels=[(channel, _times(channel)) for channel in sheet.report.channels],
        accepted=chart(sheet.accepted, verb="accepted", order=order),
        delivered=chart(sheet.delivered, verb="delivered", order=order),
        zone=campus.written_at.astimezone(campus.zone).strftime("%Z"),
    )


def _headline(sheet: Sheet) -> str:
    alert = sheet.record.alert
    if alert.live:
        return "Live alert"
    if alert.status is Status.SYSTEM:
        return "Notice to the people on call: not an alert"
    return (
        "Exercise: not a real emergency" if alert.status is Status.EXERCISE else "Test: not a real emergency"
    )


def _verdict(sheet: Sheet) -> str:
    """Return the state in one sentence."""
    channels = sheet.report.channels
    total, accepted = sum(c.total for c in channels), sum(c.accepted for c in channels)
    delivered = sum(c.delivered for c in channels)
    uncertain, failed = sum(c.uncertain for c in channels), sum(c.failed for c in channels)
    told = [f"Providers accepted {accepted:,} of {total:,} messages"]
    if delivered:
        told.append(f"receipts prove {delivered:,} of them delivered")
    if failed:
        told.append(f"{failed:,} were refused, expired, or accepted and then not delivered")
    if uncertain:
        told.append(f"for {uncertain:,} nobody can tell")
    state = "." if sheet.report.settled else "; sending goes on."
    return "; ".join(told) + state


def _steps(sheet: Sheet) -> Iterator[tuple[Step, str]]:
    """Yield the decision clock, each step with the span since the first known one."""
    first = next((step.at for step in sheet.steps if step.at), None)
    for step in sheet.steps:
        since = _span((step.at - first).total_seconds()) if step.at and first and step.at != first else ""
        yield step, since


def answers(sheet: Sheet, campus: Campus) -> Iterator[Answer]:
    """Yield what the Clery Act asks of an emergency notification.

    Source: 34 CFR 668.46(g).
    """
    alert, known = sheet.record.alert, sheet.facts
    note = f"alert note {alert.id}"
    told = {name: fact.value for name, fact in known.items()}
    told.setdefault("initiator", alert.author)
    questions = {
        "how": "How was the emergency confirmed?",
        "by": "Who confirmed it?",
        "segment": "How was it decided whom to tell?",
        "content": "How was the content decided, and by whom?",
        "initiator": "Who started the notification?",
        "withheld": "Was sending withheld or delayed, and why?",
    }
    for name, question in questions.items():
        source = f"noted by {known[name].noted_by}" if name in known else "from the record"
        yield Answer(
            question=question,
            answer=told.get(name, ""),
            source=source if name in told else "",
            how=f'{note} --{name} "{WORDS[name]}"',
        )
    for step in sheet.steps:
        if step.name in TIMES:
            shown = _clock(campus)(step.at) if step.at else ""
            yield Answer(
                question=f"When: {step.words.lower()}?",
                answer=shown,
                source=step.source,
                how=f"{note} --{step.name} 02:03",
            )


def _times(channel: ChannelReport) -> tuple[str, ...]:
    """Return the times of acceptance, then those of delivery: first, half, nearly all."""
    accepted = (channel.first_s, channel.half_s, channel.most_s)
    arrived = (channel.arrived_first_s, channel.arrived_half_s, channel.arrived_most_s)
    return tuple(map(_span, (*accepted, *arrived)))


def _count(number: int) -> str:
    return f"{number:,}"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 0:
        return f"-{_span(-seconds)}"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if seconds < _SOON else f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min {int(seconds % _MINUTE)} s"
    return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE)} min"


def _day(campus: Campus) -> Any:
    return lambda at: at.astimezone(campus.zone).strftime("%A, %-d %B %Y")


def _clock(campus: Campus) -> Any:
    return lambda at: at.astimezone(campus.zone).strftime("%Y-%m-%d %H:%M:%S")
