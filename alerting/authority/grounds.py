"""Why an alert needs a second person: looked at when it is planned, and again when it is opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from alerting.authority.people import Ground, Operators, Rules
from alerting.authority.reviews import mark_of
from alerting.broadcast.plan import Plan
from alerting.model.alert import AlertClass

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerReader


def weighed(plan: Plan, ledger: LedgerReader | None, operators: Operators | None) -> Plan:
    """Return a real alert's plan with what stands against one person sending it alone.

    ``second`` are the grounds in words, empty for an immediate alert. A drill's plan comes back as it is.
    """
    if not plan.subject.live:
        return plan
    rules = operators.rules if operators else Rules()
    name = plan.subject.template
    reviewed = mark_of(ledger, name, plan.subject.written) is not None
    second = tuple(words for ground, words in _grounds(plan, rules, reviewed) if ground in rules.grounds)
    if not (second or rules.immediate_alone):
        second = ("operators.yaml lets nobody send alone",)
    told = [] if reviewed else [f"{name} is NOT REVIEWED as it is now: alert templates review {name}"]
    told += [f"a second person must approve this: {words}" for words in second if operators]
    return plan._replace(second=second, reviewed=reviewed, warnings=(*told, *plan.warnings))


def _grounds(plan: Plan, rules: Rules, reviewed: bool) -> Iterator[tuple[Ground, str]]:  # noqa: FBT001 - a fact
    subject = plan.subject
    if subject.alert_class is AlertClass.STANDARD:
        yield Ground.CLASS, f"{subject.template} is of the class standard"
    if not reviewed:
        yield Ground.UNREVIEWED, f"nobody has reviewed {subject.template} as it is now"
    for variable in subject.free_text:
        yield Ground.FREE_TEXT, f"{variable} is free text"
    if plan.crowd.recipients > rules.large_list:
        people = f"{plan.crowd.recipients:,} people"
        yield Ground.LARGE_LIST, f"{people} are more than {rules.large_list:,} (large_list)"
