"""A plan as an officer reads it before anything leaves: every text exactly as it will be sent."""

from __future__ import annotations

import textwrap
from typing import Any, Final

from alerting.broadcast.plan import LanePlan, Plan
from alerting.cli.words import columns, plural, span
from alerting.model.alert import Status

_WIDTH: Final = 88
_INDENT: Final = "    "
_LONGEST: Final = 24  # lines of a long text shown; the rest is counted


def banner(plan: Plan) -> str:
    """Return the first line: what kind of thing this is, and what it is about."""
    word = {Status.ACTUAL: "LIVE", Status.EXERCISE: "DRILL"}.get(plan.subject.status, "TEST")
    place = plan.subject.confirm_word if plan.subject.confirm_word != plan.subject.template else ""
    number = f"  (#{plan.number} of incident {plan.incident})" if plan.incident else ""
    return f"{word}  {plan.subject.title}{', ' + place if place else ''}{number}"


def lines(plan: Plan) -> list[str]:
    """Return the whole preview, without colour."""
    told = [banner(plan), ""]
    for lane in plan.lanes:
        told += _lane(lane)
    told += _counts(plan)
    told += [f"! {warning}" for warning in plan.warnings]
    told += [f"    {example}" for example in plan.crowd.examples[:3] if plan.crowd.refused]
    return told


def _lane(lane: LanePlan) -> list[str]:
    content = lane.content
    notes = "; ".join(content.notes)
    head = f"{lane.channel} ({lane.kind})" + (f"  {notes}" if notes else "")
    if lane.fallback_only:
        head += "  only for people other channels cannot reach"
    body = []
    if content.subject:
        body.append(f"{_INDENT}Subject: {content.subject}")
    for paragraph in content.text.splitlines() or [""]:
        body += textwrap.wrap(paragraph, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT) or [""]
    if len(body) > _LONGEST:
        body = [*body[:_LONGEST], f"{_INDENT}… {plural(len(body) - _LONGEST, 'more line')}"]
    return [head, *body, ""]


def _counts(plan: Plan) -> list[str]:
    rows = [("channel", "messages", "at most", "about")]
    for lane in plan.lanes:
        count = "as needed" if lane.fallback_only else f"{lane.deliveries:,}"
        rate = f"{lane.capabilities.rate_per_s:g}/s"
        rows.append((lane.channel, count, rate, "-" if lane.fallback_only else span(lane.takes)))
    told = columns(rows, right=(1, 2, 3))
    crowd = plan.crowd
    if crowd.recipients:
        people = plural(crowd.recipients, "person", "people")
        told.append(f"audience {crowd.audience}: {people}{_change(plan)}")
    return [*told, ""]


def _change(plan: Plan) -> str:
    before, now = plan.crowd.before, plan.crowd.recipients
    if not before or before == now:
        return ""
    return f" ({(now - before) / before:+.1%} against last time)"


def as_json(plan: Plan) -> dict[str, Any]:
    """Return the plan for scripts."""
    subject = plan.subject
    return {
        "digest": plan.digest,
        "live": subject.live,
        "status": str(subject.status),
        "template": subject.template,
        "title": subject.title,
        "confirm": subject.confirm_word,
        "as_of": plan.as_of.isoformat(),
        "incident": plan.incident or None,
        "number": plan.number,
        "reviewed": plan.reviewed,
        "second_person": list(plan.second),
        "lifetime_s": int(subject.lifetime.total_seconds()),
        "audience": {
            "name": plan.crowd.audience or None,
            "recipients": plan.crowd.recipients,
            "refused": plan.crowd.refused,
            "before": plan.crowd.before,
        },
        "channels": [_lane_json(lane) for lane in plan.lanes],
        "warnings": list(plan.warnings),
    }


def _lane_json(lane: LanePlan) -> dict[str, Any]:
    content = lane.content
    return {
        "channel": lane.channel,
        "kind": lane.kind,
        "subject": content.subject or None,
        "text": content.text,
        "html": content.html or None,
        "size": content.size,
        "limit": content.limit,
        "unit": str(content.unit),
        "notes": list(content.notes),
        "deliveries": lane.deliveries,
        "rate_per_s": lane.capabilities.rate_per_s,
        "takes_s": round(lane.takes.total_seconds(), 3),
        "fallback": lane.fallback or None,
        "fallback_only": lane.fallback_only,
    }
