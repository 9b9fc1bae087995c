"""Drills the public sees, or very many people: run by hand they need a second person too.

What the schedule starts does not: drills.yaml is a standing order, and nobody is there to ask at noon.
Nothing is so urgent about a drill that the glass could be broken for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from alerting.authority.approvals import APPROVALS, Asked, find, refuse_decided, refuse_own
from alerting.authority.people import Ground, Operators, Rules
from alerting.broadcast.plan import Plan
from alerting.clock import micros
from alerting.errors import NotAllowed, Problem
from alerting.ledger.base import Ledger
from alerting.ledger.rows import Actor


def grounds_of(plan: Plan, operators: Operators | None, *, rehearsal: bool) -> tuple[str, ...]:
    """Return why a drill run by hand needs a second person, in words; empty where it needs none."""
    if rehearsal or operators is None:
        return ()
    rules = operators.rules
    return tuple(words for ground, words in _grounds(plan, rules) if ground in rules.grounds)


def _grounds(plan: Plan, rules: Rules) -> Iterator[tuple[Ground, str]]:
    for lane in plan.lanes:
        if lane.capabilities.feeds and lane.deliveries:
            yield Ground.PUBLIC_DRILL, f"the public sees this drill on {lane.channel}"
    if plan.crowd.recipients > rules.large_list:
        people = f"{plan.crowd.recipients:,} people"
        yield Ground.LARGE_LIST, f"{people} are more than {rules.large_list:,} (large_list)"


def admit_drill(
    ledger: Ledger,
    name: str,
    plan: Plan,
    *,
    why: tuple[str, ...],
    approval: str,
    by: tuple[str, ...],
    at: datetime,
) -> Asked | None:
    """Return the request a drill rests on, None where it needs none; inside the opening transaction.

    ``why`` are its grounds, ``by`` the people who start it now.

    Raises:
        NotAllowed: it needs a second person, or what it brings is not good for it.
    """
    if not approval:
        if why:
            what = f"a second person must approve this ({'; '.join(why)}); nothing was sent"
            raise NotAllowed(Problem(where=name, what=what, fix=f"ask with `alert drill run {name}`"))
        return None
    asked = find(ledger, approval)
    refuse_decided(asked, at)
    refuse_own(asked, by)
    if not by or (asked.request.get("drill"), asked.digest) != (name, plan.digest):
        what = "what is to be sent is not what was asked for; nothing was sent"
        raise NotAllowed(Problem(where=asked.id, what=what, fix=f"ask again: `alert drill run {name}`"))
    return asked


def note_approval(ledger: Ledger, asked: Asked, alert_id: str, *, actor: Actor, at: datetime) -> None:
    """Write down that a drill's request was approved, in the transaction that opens it."""
    given = {"approval": asked.id, "alert": alert_id}
    ledger.record_act("approval.given", APPROVALS, given, actor=actor, at=micros(at))
    body = {"approval": asked.id, "asked_by": asked.by, "why": list(asked.why)}
    ledger.record_act("alert.approved", alert_id, body, actor=actor, at=micros(at))
