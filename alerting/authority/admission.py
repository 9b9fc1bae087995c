"""The last look before an alert is opened, in the transaction that opens it, whoever brings the order.

A request for approval is carried out once, in the name of who asked, and the approval stands in the same
transaction as the alert: neither can be there without the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from alerting.authority import aftermath
from alerting.authority.approvals import (
    APPROVALS,
    REASON,
    Asked,
    find,
    refuse_decided,
    refuse_own,
)
from alerting.authority.people import WITHIN, Operators, Rules
from alerting.authority.wanted import want_notice
from alerting.broadcast.plan import Plan
from alerting.clock import micros
from alerting.errors import NotAllowed, NotConfirmed, Problem, UsageProblem
from alerting.ledger.base import Ledger, LedgerReader
from alerting.ledger.rows import Actor
from alerting.model.alert import MsgType
from alerting.service.house import House
from alerting.service.opening import Opened, open_alert
from alerting.service.order import Order

_RECENT: Final = 50


def open_admitted(
    ledger: Ledger, house: House, plan: Plan, order: Order, *, operators: Operators | None, at: datetime
) -> Opened:
    """Open an alert if this order may, inside the caller's transaction.

    Raises:
        NotAllowed: it needs a second person, or the approval it brings is not good for it.
        NotConfirmed: many alerts went out just now, and the order does not say that it knows.
        AlertingError: see ``open_alert``.
    """
    if ledger.alert_of_run(order.run_key):
        return open_alert(ledger, house, plan, actor=order.actor, run_key=order.run_key, at=at)
    rules = operators.rules if operators else Rules()
    refuse_flood(ledger, plan, rules, one_more=order.one_more, at=at)
    if order.approval:
        return _approved(ledger, house, plan, order, at=at)
    alone = bool(operators and plan.second and not order.break_glass)
    if alone:
        raise NotAllowed(_needs_second(plan))
    reason = reason_of(order.break_glass) if order.break_glass else ""
    opened = open_alert(ledger, house, plan, actor=order.actor, run_key=order.run_key, at=at)
    if not opened.again:
        _after(ledger, plan, order, opened, reason=reason, told=operators is not None, at=at)
    return opened


def _needs_second(plan: Plan) -> Problem:
    return Problem(
        where=plan.subject.template,
        what=f"a second person must approve this ({'; '.join(plan.second)}); nothing was sent",
        fix='ask with `alert send`, or go alone with --break-glass "REASON"',
    )


def reason_of(given: str) -> str:
    """Return the reason for breaking the glass, in one line.

    Raises:
        UsageProblem: it is too short to be one.
    """
    words = " ".join(given.split())
    if len(words) < REASON:
        what = f"a reason of at least {REASON} characters is needed; nothing was sent"
        raise UsageProblem(
            Problem(where="--break-glass", what=what, fix="write why nobody can be waited for")
        )
    return words


def _approved(ledger: Ledger, house: House, plan: Plan, order: Order, *, at: datetime) -> Opened:
    asked = find(ledger, order.approval)
    refuse_decided(asked, at)
    refuse_own(asked, order.by)
    if not order.by or not _same(asked, order):
        what = "what is to be sent is not what was asked for; nothing was sent"
        raise NotAllowed(Problem(where=asked.id, what=what, fix="ask again: `alert send`"))
    author = Actor(name=asked.by, origin=asked.origin)
    opened = open_alert(ledger, house, plan, actor=author, run_key=asked.run_key, at=at)
    given = {"approval": asked.id, "alert": opened.alert_id}
    ledger.record_act("approval.given", APPROVALS, given, actor=order.actor, at=micros(at))
    body = {"approval": asked.id, "asked_by": asked.by, "why": list(asked.why)}
    ledger.record_act("alert.approved", opened.alert_id, body, actor=order.actor, at=micros(at))
    return opened


def _same(asked: Asked, order: Order) -> bool:
    told = order.to_json()
    mine = (told["request"], told["as_of"], order.digest)
    return _plain(mine[0]) == _plain(asked.request) and mine[1:] == (asked.as_of.isoformat(), asked.digest)


def _plain(request: Mapping[str, object]) -> dict[str, object]:
    return {name: list(part) if isinstance(part, tuple) else part for name, part in request.items()}


def _after(
    ledger: Ledger, plan: Plan, order: Order, opened: Opened, *, reason: str, told: bool, at: datetime
) -> None:
    """Write down what a person did alone, and that the others are to hear of it at once."""
    who, what = order.actor.name, f"{plan.subject.title}, {plan.subject.confirm_word}"
    if reason and plan.second:
        due_at = at + aftermath.WITHIN
        body = {"reason": reason, "why": list(plan.second), "review_by": micros(due_at)}
        ledger.record_act("alert.broke_glass", opened.alert_id, body, actor=order.actor, at=micros(at))
        aftermath.owe(ledger, opened.alert_id, reason=reason, due_at=due_at, actor=order.actor, at=at)
        text = f"{who} broke the glass ({reason}) and sent {opened.alert_id}: {what}"
        want_notice(ledger, opened.alert_id, "break-glass", text, actor=order.actor, at=at)
    elif told and plan.subject.live:
        text = f"{who} sent {opened.alert_id}: {what}. You can stop what has not left"
        want_notice(ledger, opened.alert_id, "alert-sent", text, actor=order.actor, at=at)


def just_sent(ledger: LedgerReader | None, at: datetime) -> int:
    """Return how many real alerts were begun within the last ten minutes; what follows one is no other."""
    recent = (record for record in (ledger.alerts(limit=_RECENT) if ledger else ()) if record.alert.live)
    begun = (record for record in recent if record.alert.msg_type is MsgType.ALERT)
    return sum(record.accepted_at > at - WITHIN for record in begun)


def begins(plan: Plan) -> bool:
    """Whether a plan begins a real alert. A follow-up is waited for, and never held up."""
    return plan.subject.live and plan.subject.msg_type is MsgType.ALERT


def refuse_flood(ledger: Ledger, plan: Plan, rules: Rules, *, one_more: bool, at: datetime) -> None:
    """Ask once more when many real alerts went out just now; what updates, ends or withdraws one never waits.

    Raises:
        NotConfirmed: there are many, and nobody said that one more is meant.
    """
    if one_more or not begins(plan) or (count := just_sent(ledger, at)) < rules.broadcasts:
        return
    what = f"{count} real alerts went out within 10 minutes; nothing was sent"
    fix = "look at `alert status`; where one more is meant: --one-more"
    raise NotConfirmed(Problem(where=plan.subject.template, what=what, fix=fix))
