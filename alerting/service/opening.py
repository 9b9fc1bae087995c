"""From a confirmed plan to a durable one: alert, texts, audit row and everybody it is for, in one commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from alerting.audience.roster import Roster
from alerting.broadcast.plan import LanePlan, Plan, rows_a_batch
from alerting.clock import micros
from alerting.keys import new_alert_id
from alerting.ledger.base import Ledger
from alerting.ledger.rolling import Rolling
from alerting.ledger.rows import Actor, Lane, NewDelivery, NewList, Opening
from alerting.model.alert import Alert, MsgType
from alerting.model.outcome import Reason
from alerting.named import NamedTuple
from alerting.service.house import House
from alerting.service.incident import alike, note_opening, refuse_outrun
from alerting.service.recall import note_recall
from alerting.service.stopped import tell_elsewhere, willing

#: What goes first in a lane: corrections, then alerts, then drills; public posts before people.
_PRIORITY: Final = {MsgType.CANCEL: 80, MsgType.UPDATE: 60, MsgType.ALERT: 50}
_DRILL: Final = 10
_FEEDS_FIRST: Final = 5
#: From so many people on their rows are written after the feeds have left; fewer take no time.
_MANY: Final = 1_000


class Opened(NamedTuple):
    """An accepted alert, or the one an equal command had opened before."""

    alert_id: str
    planned: int
    again: bool = False
    joined: str = ""  #: who opened the same alert moments ago; this officer joined it
    recipients: int = 0  #: people on the list as it was read for this alert


def open_alert(
    ledger: Ledger, house: House, plan: Plan, *, actor: Actor, run_key: str, at: datetime
) -> Opened:
    """Write everything, inside the caller's transaction. Nothing may be sent before it commits.

    Raises:
        AudienceProblem: the list vanished in between; nothing is kept.
        PlanRefused: the incident it follows was closed, or told more of, in between.
    """
    alert = alert_of(house, plan, actor=actor, run_key=run_key, at=at)
    ledger.alone(f"opening {alert.template}")
    if earlier := ledger.alert_of_run(run_key):
        return Opened(alert_id=earlier, planned=0, again=True)
    if plan.supersedes:
        ledger.alone(f"following {plan.incident}")
        refuse_outrun(ledger, house, plan.incident, plan.supersedes)
    if not plan.supersedes and (twin := alike(ledger, alert, plan)):
        ledger.record_act("alert.joined", twin.alert.id, {"run_key": run_key}, actor=actor, at=micros(at))
        return Opened(alert_id=twin.alert.id, planned=0, again=True, joined=twin.alert.author)
    lanes = tuple(
        Lane(channel=lane.channel, kind=lane.kind, content=lane.content, fallback=lane.fallback)
        for lane in plan.lanes
    )
    ledger.open_alert(Opening(alert=alert, lanes=lanes, actor=actor, digest=plan.digest), at=micros(at))
    note_opening(ledger, alert, due_at=at + plan.subject.due_after, actor=actor, at=at)
    if plan.reached_only:
        note_recall(ledger, alert, delete_posts=plan.delete_posts, actor=actor, at=micros(at))
    for earlier in plan.supersedes:
        ledger.cancel(earlier, actor=actor, at=micros(at), reason=Reason.SUPERSEDED.code)
    planned, stopped = 0, 0
    roster = _roster(house, plan)
    rolling, rolls = _rolling(ledger, plan), dict[str, NewList]()
    for lane in plan.lanes:
        if not lane.fallback_only:
            filled, held = _fill(ledger, plan, lane, alert, roster, rolls=rolls if rolling else None)
            planned, stopped = planned + filled, stopped + held
    if rolling and rolls:
        # Last, since only now it is known who is planned already: those another channel may not tell.
        planned += rolling.roll(alert.id, rolls, priority=alert.priority)
    notes = {"refused": plan.crowd.refused, "opted_out": stopped}
    counted = roster.counts() if roster and not plan.supersedes else plan.crowd
    recipients = counted.recipients
    ledger.planned(alert.id, recipients=recipients, notes=notes)
    return Opened(alert_id=alert.id, planned=planned, recipients=recipients)


def alert_of(house: House, plan: Plan, *, actor: Actor, run_key: str, at: datetime) -> Alert:
    """Return the alert a plan becomes, under a new id."""
    subject = plan.subject
    alert_id = new_alert_id(live=subject.live)
    return Alert(
        id=alert_id,
        incident=plan.incident or alert_id,
        template=subject.template,
        title=subject.title,
        variables=subject.variables,
        status=subject.status,
        msg_type=subject.msg_type,
        alert_class=subject.alert_class,
        category=subject.category,
        severity=subject.severity,
        urgency=subject.urgency,
        certainty=subject.certainty,
        evidence=subject.evidence,
        clock=dict(plan.clock),
        response_type=subject.response_type,
        receipts=tuple(lane.channel for lane in plan.lanes if lane.capabilities.receipts),
        number=plan.number,
        created_at=at,
        expires_at=at + subject.lifetime,
        author=actor.name,
        audience=plan.crowd.audience,
        run_key=run_key,
        references=plan.supersedes,
        priority=_PRIORITY[subject.msg_type] if subject.live else _DRILL,
        language=subject.language,
        issuer=house.issuer(),
    )


def _fill(
    ledger: Ledger,
    plan: Plan,
    lane: LanePlan,
    alert: Alert,
    roster: Roster | None,
    *,
    rolls: dict[str, NewList] | None,
) -> tuple[int, int]:
    """Plan a lane; return how many messages that were, and how many people had asked it to stop.

    With ``rolls`` a list of many people is put there instead.
    """
    if lane.capabilities.feeds:
        wrong = {row.address for row in _told_before(ledger, plan, lane.channel)}
        asked = [str(feed) for feed in lane.capabilities.feeds]
        feeds = [NewDelivery(address=feed) for feed in asked if feed in wrong or not plan.reached_only]
        return ledger.add_batch(alert.id, lane.channel, feeds, priority=alert.priority + _FEEDS_FIRST), 0
    held: list[NewDelivery] = []
    stopped = ledger.opted_out(lane.channel)
    rows = willing(_told_before(ledger, plan, lane.channel), stopped, held)
    size = rows_a_batch(lane.capabilities)
    planned = 0
    while batch := list(islice(rows, size)):
        planned += ledger.add_batch(alert.id, lane.channel, batch, priority=alert.priority)
    if roster is not None:
        question = _question(plan, lane, roster)
        held += map(NewDelivery._make, roster.among(question, stopped))
        count = roster.counts().addresses.get(lane.capabilities.address_kind, 0)
        listed = NewList(roster.path, question, roster.digest, without=stopped, size=size, total=count)
        if rolls is not None and count >= _MANY:
            rolls[lane.channel] = listed
        else:
            planned += ledger.add_list(alert.id, lane.channel, listed, priority=alert.priority)
    return planned + tell_elsewhere(ledger, alert.id, lane, held, priority=alert.priority), len(held)


def _rolling(ledger: Ledger, plan: Plan) -> Rolling | None:
    """Return what keeps long lists until the feeds have left; None where nothing goes before people.

    A follow-up knows its people by the rows of the alert it follows.
    """
    feeds = any(lane.capabilities.feeds for lane in plan.lanes)
    return ledger if feeds and not plan.supersedes and isinstance(ledger, Rolling) else None


def _told_before(ledger: Ledger, plan: Plan, channel: str) -> Iterator[NewDelivery]:
    """Yield whom the incident's earlier alerts were for (a recall: whom they reached), the first one's first.

    Later ones are read only where they went to others too; who comes twice is planned once.
    """
    sizes = [_size(ledger, alert_id, channel) for alert_id in plan.supersedes]
    for alert_id, size in zip(plan.supersedes, sizes, strict=True):
        if alert_id == plan.supersedes[0] or plan.reached_only or size != sizes[0]:
            yield from ledger.recipients(alert_id, channel, reached_only=plan.reached_only)


def _size(ledger: Ledger, alert_id: str, channel: str) -> int:
    return next((tally.total for tally in ledger.tally(alert_id) if tally.channel == channel), 0)


def _roster(house: House, plan: Plan) -> Roster | None:
    """Return the list to read: none for a follow-up, unless it also goes to who joined since."""
    if not plan.crowd.recipients or (plan.supersedes and not plan.joined):
        return None
    return house.roster(plan.crowd.audience)


def _question(plan: Plan, lane: LanePlan, roster: Roster) -> str:
    other = _kind_of(plan.lanes, lane.fallback)
    kind = lane.capabilities.address_kind
    return roster.listed(kind, fallback=other.capabilities.address_kind if other else None)


def _kind_of(lanes: Sequence[LanePlan], name: str) -> LanePlan | None:
    return next((lane for lane in lanes if lane.channel == name), None) if name else None
