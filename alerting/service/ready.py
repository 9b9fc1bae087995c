"""What may follow an alert, rendered as soon as it opens: nobody begins an all clear from nothing.

A text that waits is what would go out now. What is sent is rendered again, with its own time and number;
that it can be is known from the first minute on, and so is what only an officer can add.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from alerting.clock import micros
from alerting.errors import AlertingError
from alerting.ledger.base import Ledger, LedgerReader
from alerting.ledger.rows import Actor, AlertRecord
from alerting.model.alert import Alert
from alerting.service.incident import OPENED, UPDATED, VERBS, Follow, Story, follow_up, story

# `alert status` tells what waits, and plans nothing: what planning needs is read when something is rendered.
if TYPE_CHECKING:
    from alerting.broadcast.plan import Plan
    from alerting.rendering.template import Template
    from alerting.service.house import House

PREPARED: Final = "incident.prepared"
#: How many of the newest alerts are looked at for one whose follow-ups do not wait yet.
_NEWEST: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """One follow-up: its texts by channel, or why there are none yet.

    ``needs`` are values that only an officer can give, each with what it is asked for, and ``choices`` what
    there is to choose from. ``trouble`` is why it cannot be rendered at all.
    """

    verb: str
    template: str
    texts: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trouble: str = ""


def ready(house: House, told: Story, *, people: Mapping[str, int], at: datetime) -> tuple[Ready, ...]:
    """Render every follow-up of an incident as far as that is possible now; never refused.

    ``people`` are addresses by channel, as a follow-up would have them.
    """
    return tuple(_ready(house, told, follow, people=people, at=at) for follow in VERBS)


def before_opening(house: House, plan: Plan, alert: Alert) -> tuple[Ready, ...]:
    """Return what would wait if a plan were opened as this alert."""
    record = AlertRecord(alert=alert, lanes=(), digest=plan.digest, accepted_at=alert.created_at)
    told = Story(id=alert.incident, alerts=(record,), owner=alert.author)
    people = {lane.channel: lane.deliveries for lane in plan.lanes if not lane.fallback_only}
    return ready(house, told, people=people, at=plan.as_of)


def _ready(house: House, told: Story, follow: Follow, *, people: Mapping[str, int], at: datetime) -> Ready:
    from alerting.service.planning import Past, make_plan

    verb, name = VERBS[follow], follow.value
    try:
        request = follow_up(house, told, follow)
        found = house.templates.find(name)
        if needs := _needs(found, request.values):
            asked = {name: found.variables[name].choices for name in needs if found.variables[name].choices}
            return Ready(verb=verb, template=found.name, needs=needs, choices=asked)
        past = Past(
            number=len(told.alerts) + 1,
            people=people,
            supersedes=tuple(record.alert.id for record in told.alerts),
            audience=told.first.audience,
        )
        plan = make_plan(house, request, as_of=at, past=past)
    except AlertingError as error:
        return Ready(verb=verb, template=name, trouble="; ".join(map(str, error.problems)))
    texts = {lane.channel: lane.content.text for lane in plan.lanes}
    return Ready(verb=verb, template=name, texts=texts)


def _needs(template: Template, values: Mapping[str, str]) -> dict[str, str]:
    return {
        name: variable.prompt
        for name, variable in template.variables.items()
        if variable.required and not (variable.default or values.get(name))
    }


def people_of(ledger: LedgerReader, alert_id: str) -> dict[str, int]:
    """Return how many addresses an alert has on each channel it uses."""
    return {tally.channel: tally.total for tally in ledger.tally(alert_id) if tally.total}


def unprepared(ledger: LedgerReader) -> Sequence[Story]:
    """Return open incidents among the newest whose follow-ups do not wait yet, newest first.

    What waits is rendered again after each message: a correction moves the place, and the number goes on.
    """
    found = []
    for incident in dict.fromkeys(record.alert.incident for record in ledger.alerts(limit=_NEWEST)):
        acts = [act.action for act in ledger.audit(incident)]
        spoken = [place for place, action in enumerate(acts) if action in (OPENED, UPDATED)]
        # What was opened by itself, such as a word to the people on call, is no incident.
        if not spoken or PREPARED in acts[spoken[-1] :]:
            continue
        told = story(ledger, incident)
        if told.closed_at is None:
            found.append(told)
    return found


def note_ready(ledger: Ledger, told: Story, waiting: Sequence[Ready], *, actor: Actor, at: datetime) -> None:
    """Put on record what waits, with its texts."""
    body = {
        "alert": told.first.id,
        "ready": {
            one.verb: {
                "template": one.template,
                "texts": one.texts,
                "needs": one.needs,
                "choices": one.choices,
                "trouble": one.trouble,
            }
            for one in waiting
        },
    }
    ledger.record_act(PREPARED, told.id, body, actor=actor, at=micros(at))


def waiting_for(ledger: LedgerReader, incident: str) -> tuple[Ready, ...]:
    """Return what is on record as waiting for an incident; empty while nothing is."""
    last = next((act for act in reversed([*ledger.audit(incident)]) if act.action == PREPARED), None)
    told = json.loads(last.body)["ready"] if last else {}
    return tuple(_told(verb, one) for verb, one in told.items())


def _told(verb: str, one: Mapping[str, Any]) -> Ready:
    """Read what this version knows of it: another one, older or newer, may have written it."""
    return Ready(
        verb=verb,
        template=one["template"],
        texts=one["texts"],
        needs=one["needs"],
        choices={name: tuple(offered) for name, offered in one.get("choices", {}).items()},
        trouble=one["trouble"],
    )
