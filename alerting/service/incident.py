"""The life of an incident: from its first alert, over updates and corrections, to its end.

What an incident is stands in the audit log, as acts on its id; this room folds them. There is never an
automatic all clear, and no incident closes without one, or without a written reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from alerting.clock import instant, micros
from alerting.errors import PlanRefused, Problem, UnknownAlert, UsageProblem
from alerting.keys import is_notice
from alerting.ledger.base import Ledger, LedgerReader
from alerting.ledger.rows import Actor, AlertRecord
from alerting.model.alert import Alert, MsgType
from alerting.model.delivery import UNREACHED
from alerting.named import NamedTuple

# `alert status` tells incidents, and plans nothing: what planning needs is read when something follows.
if TYPE_CHECKING:
    from alerting.broadcast.plan import Plan
    from alerting.rendering.template import Template
    from alerting.service.house import House
    from alerting.service.planning import Past, Request

#: The same words for the same place within this time are one decision of two people.
JOIN_WITHIN: Final = timedelta(minutes=2)
_RECENT: Final = 20
#: Acts on an incident.
OPENED: Final = "incident.opened"
UPDATED, _CLOSED = "incident.updated", "incident.closed"


class Follow(StrEnum):
    """What may follow, and the template it uses unless another is named."""

    UPDATE = "update"
    ALL_CLEAR = "all-clear"
    CORRECT = "false-alarm"
    RECALL = "sent-in-error"


#: The command that sends each.
VERBS: Final[Mapping[Follow, str]] = {
    Follow.ALL_CLEAR: "all-clear",
    Follow.CORRECT: "correct",
    Follow.RECALL: "recall",
    Follow.UPDATE: "update",
}


class Story(NamedTuple):
    """An incident so far. ``due_at`` is when people were promised to hear again."""

    id: str
    alerts: tuple[AlertRecord, ...]
    owner: str
    due_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = ""
    reason: str = ""

    @property
    def first(self) -> Alert:
        """The alert it began with."""
        return self.alerts[0].alert

    @property
    def known(self) -> dict[str, str]:
        """What the first alert said, in the newest words for it: a correction moves the place."""
        words = dict(self.first.variables)
        for record in self.alerts[1:]:
            words |= {name: said for name, said in record.alert.variables.items() if said and name in words}
        return words

    def overdue(self, now: datetime) -> bool:
        """Whether people were promised to hear again before now, and did not."""
        return self.closed_at is None and self.due_at is not None and now > self.due_at


def story(ledger: LedgerReader, incident: str) -> Story:
    """Return an incident by its id, or by the id of any of its alerts.

    Raises:
        UnknownAlert: there is none.
    """
    record = ledger.alert(incident)
    name = record.alert.incident if record else incident
    alerts = tuple(ledger.alerts_of(name))
    if alerts and is_notice(name):
        what = "this is a notice to the people on call, not an alert"
        raise UnknownAlert(Problem(where=name, what=what, fix=f"`alert ack {name}` answers it"))
    if not alerts:
        what = f"there is no incident {incident}"
        raise UnknownAlert(Problem(where="", what=what, fix="`alert status` lists them"))
    told = Story(id=name, alerts=alerts, owner=alerts[0].alert.author)
    for act in ledger.audit(name):
        told = _after(told, act.action, json.loads(act.body), act.actor, instant(act.at))
    return told


def _after(told: Story, action: str, body: Mapping[str, object], actor: str, at: datetime) -> Story:
    due = body.get("due_at")
    due_at = instant(due) if isinstance(due, int) and due else None
    match action:
        case "incident.opened" | "incident.updated":
            return told._replace(due_at=due_at, owner=str(body.get("owner") or told.owner))
        case "incident.closed":
            reason = str(body.get("reason", ""))
            return told._replace(due_at=None, closed_at=at, closed_by=actor, reason=reason)
        case _:
            return told


def follow_up(
    house: House,
    told: Story,
    follow: Follow,
    *,
    template: str = "",
    values: Mapping[str, str] = MappingProxyType({}),
    joined: bool = False,
    evidence: str = "",
    next_minutes: int = 15,
    delete_posts: bool = False,
) -> Request:
    """Return what to plan for a follow-up: the earlier words are filled in where the template asks for them.

    Raises:
        PlanRefused: the incident is closed, or the template would begin a new one.
        TemplateProblem: there is no such template.
    """
    from alerting.service.planning import Request

    refuse_closed(house, told)
    found = house.templates.find(template or follow.value)
    if found.msg_type is MsgType.ALERT:
        raise PlanRefused(
            Problem(
                where=found.path,
                what="this template begins an incident; it cannot follow one",
                fix="use `alert send`, or a template with msg_type: update or cancel",
            )
        )
    if found.drill and told.first.live:
        raise PlanRefused(
            Problem(
                where=found.path, what="a drill's template cannot follow a real alert", fix="name another"
            )
        )
    return Request(
        template=found.name,
        values={**_carried(house, told, found, values), **values},
        audience=told.first.audience,
        incident=told.id,
        evidence=evidence,
        next_minutes=next_minutes,
        follows=True,
        practice=not told.first.live,
        reached_only=follow is Follow.RECALL,
        delete_posts=delete_posts,
        joined=joined,
    )


def refuse_closed(house: House, told: Story) -> None:
    """Let nothing follow what is over.

    Raises:
        PlanRefused: the incident is closed.
    """
    if told.closed_at is None:
        return
    when = house.clock_words(told.closed_at)
    how = f" ({told.reason})" if told.reason else ""
    raise PlanRefused(
        Problem(
            where=told.id,
            what=f"this incident was closed at {when} by {told.closed_by}{how}; nothing was sent",
            fix="a new danger is a new alert: `alert send`",
        )
    )


def refuse_outrun(ledger: LedgerReader, house: House, incident: str, seen: Sequence[str]) -> None:
    """Let a follow-up go only onto the incident its author saw; asked in the transaction that opens it.

    Raises:
        PlanRefused: somebody closed the incident, or told people something newer, in between.
    """
    told = story(ledger, incident)
    refuse_closed(house, told)
    newer = [record.alert for record in told.alerts if record.alert.id not in seen]
    if newer:
        what = (
            f"{newer[-1].author} sent {newer[-1].title!r} ({newer[-1].id}) while you looked; nothing was sent"
        )
        raise PlanRefused(
            Problem(where=told.id, what=what, fix="repeat the command and look at the new preview")
        )


def _carried(house: House, told: Story, template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """Return values the incident knows already; one that is too long here is left to the officer.

    So is what the officer calls something else: that it is not in Baker Hall does not say where it is.
    """
    known = {**told.known, "earlier": house.clock_words(told.first.created_at)}
    taken = {value.casefold() for name, value in given.items() if name not in known}
    return {
        name: known[name]
        for name, variable in template.variables.items()
        if name in known
        and len(known[name]) <= (variable.max_length or len(known[name]))
        and known[name].casefold() not in taken
    }


def past_of(ledger: LedgerReader, told: Story, *, reached_only: bool = False) -> Past:
    """Return what a follow-up's plan must know: its number, whom it is for, what it replaces.

    Of people that several alerts reached, the largest of their numbers is told: they are the same people.
    """
    from alerting.service.planning import Past

    counts: dict[str, int] = {}
    for record in told.alerts:
        for tally in ledger.tally(record.alert.id):
            left_out = sum(tally.counts[state] for state in UNREACHED) if reached_only else 0
            if tally.total:
                counts[tally.channel] = max(counts.get(tally.channel, 0), tally.total - left_out)
    return Past(
        number=len(told.alerts) + 1,
        people=counts,
        supersedes=tuple(record.alert.id for record in told.alerts),
        audience=told.first.audience,
        evidence=told.alerts[-1].alert.evidence,
    )


def past_for(house: House, ledger: LedgerReader | None, request: Request) -> Past:
    """Return what a plan must know of what was said before: in its incident, or to its audience.

    Raises:
        PlanRefused: what it would follow is closed.
        UnknownAlert: there is no such incident.
    """
    from alerting.service.planning import Past

    if ledger is None:
        if request.incident:
            raise UnknownAlert(f"there is no incident {request.incident}: nothing was sent from here yet")
        return Past()
    if not request.incident:
        name = request.audience or house.default_audience
        return Past(audience_size=ledger.last_audience_size(name) if name else None)
    told = story(ledger, request.incident)
    if not request.follows:
        return Past(number=len(told.alerts) + 1)
    refuse_closed(house, told)
    return past_of(ledger, told, reached_only=request.reached_only)


def alike(ledger: LedgerReader, alert: Alert, plan: Plan) -> AlertRecord | None:
    """Return the alert somebody opened moments ago with the same words for the same place.

    One that tells fewer people, or on fewer channels, than this would is another: joining it would leave
    out whom this officer saw in the preview.
    """
    place = plan.subject.confirm_word
    for record in ledger.alerts(limit=_RECENT):
        other = record.alert
        same = (other.template, other.status) == (alert.template, alert.status)
        # Of two that come at once the first to be opened may be the second by the clock.
        recent = abs(other.created_at - alert.created_at) <= JOIN_WITHIN and not record.cancelled_at
        same = same and other.msg_type is MsgType.ALERT and place.casefold() in _words(other)
        if same and recent and _reaches(ledger, other, plan):
            return record
    return None


def _reaches(ledger: LedgerReader, other: Alert, plan: Plan) -> bool:
    """Whether an alert goes to everybody a plan is for: to the same list, on at least its channels."""
    if plan.crowd.recipients and plan.crowd.audience != other.audience:
        return False
    planned: dict[str, int] = {}
    for act in ledger.audit(other.id):
        if act.action == "alert.planned":
            planned = json.loads(act.body)["deliveries"]
    return all(planned.get(lane.channel) for lane in plan.lanes if lane.deliveries)


def _words(alert: Alert) -> set[str]:
    return {alert.template.casefold(), *(value.casefold() for value in alert.variables.values())}


def note_opening(ledger: Ledger, alert: Alert, *, due_at: datetime, actor: Actor, at: datetime) -> None:
    """Record, in the opening transaction, what an alert does to its incident."""
    if alert.msg_type is MsgType.CANCEL:
        body: dict[str, object] = {"alert": alert.id, "reason": alert.title}
        ledger.record_act(_CLOSED, alert.incident, body, actor=actor, at=micros(at))
        return
    action = UPDATED if alert.references else OPENED
    body = {"alert": alert.id, "due_at": micros(due_at)}
    if not alert.references:
        body["owner"] = actor.name
    ledger.record_act(action, alert.incident, body, actor=actor, at=micros(at))


def close(ledger: Ledger, told: Story, *, reason: str, actor: Actor, at: datetime) -> None:
    """Close an incident without an all clear, for a written reason.

    Raises:
        UsageProblem: no reason, or too short to be one.
        PlanRefused: it is closed already.
    """
    words = " ".join(reason.split())
    if len(words) < 10:  # noqa: PLR2004 - a word is not a reason
        raise UsageProblem(
            Problem(
                where="--reason",
                what="an incident ends with an all clear, or with a reason of at least 10 characters",
                fix=f"`alert all-clear {told.id}`, or write why none is needed",
            )
        )
    if told.closed_at is not None:
        how = f" ({told.reason})" if told.reason else ""
        what = f"{told.closed_by} closed this incident already{how}; nothing was changed"
        raise PlanRefused(Problem(where=told.id, what=what, fix="`alert status` lists what is open"))
    ledger.record_act(_CLOSED, told.id, {"reason": words}, actor=actor, at=micros(at))


def open_stories(ledger: LedgerReader) -> Sequence[Story]:
    """Return every live incident that is open, however long ago it was opened, newest first."""
    return [story(ledger, incident) for incident in ledger.open_incidents()]
