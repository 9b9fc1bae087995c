"""A notice: a few words about this system to the people on call, sent by the same lanes as alerts.

It is kept as an alert with an id of its own (``N-…``), so it is tried, recorded and looked up like any other;
it is in no list of alerts. What is wrong with the system itself has the lowest priority there is, and never
leaves before an alert. What a person did alone, or asks for, does: another can still stop it, or must decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from alerting.channels.base import Capabilities
from alerting.clock import micros
from alerting.digest import text_digest
from alerting.errors import PlanRefused
from alerting.keys import new_notice_id
from alerting.ledger.base import Ledger, LedgerReader
from alerting.ledger.rows import Actor, Lane, NewDelivery, Opening
from alerting.model.alert import (
    Alert,
    AlertClass,
    Category,
    Certainty,
    MsgType,
    Severity,
    Status,
    Urgency,
)
from alerting.model.message import Content, Message
from alerting.oncall.person import Person
from alerting.rendering.fit import fit

#: Below every alert (50 and more) and every drill (10).
PRIORITY: Final = 2
#: Above every alert and correction (80): a few messages to a few people, which are worth nothing once the
#: thousands they are about have left.
AT_ONCE: Final = 90
#: A notice that could not leave by then says nothing new any more.
LIFETIME: Final = timedelta(minutes=15)
AUDIENCE: Final = "on-call"
OPENED, ACKED, OVER = "notice.opened", "notice.acked", "notice.over"
#: Whom the log names for what this room does.
ACTOR: Final = Actor(name="on-call", origin="by itself")
_SHORTEST: Final = 20
_CUT: Final = 12


class Kind(StrEnum):
    """What a notice is about."""

    OVERDUE = "overdue"  #: people were promised to hear again, and did not
    CHANNEL = "channel"  #: a channel takes nothing
    EXPIRY = "expiry"  #: a token, a version or a certificate ends soon, or credit and calls run low
    DRILL = "drill"  #: a drill failed, or did not happen
    READY = "ready"  #: an alert could not be sent right now, or could again
    BREAK_GLASS = "break-glass"  #: somebody sent alone what a second person should have seen
    APPROVAL = "approval-asked"  #: somebody asks for a second person
    SENT = (
        "alert-sent"  #: somebody sent alone what needs no second person: others hear of it, and may stop it
    )
    REVIEW = "review"  #: nobody has looked at what was sent without its second person
    RECALL = "recall"  #: what a recall takes back cannot be asked for
    OTHER = "other"  #: anything else another part of this program wants to be told

    @property
    def priority(self) -> int:
        """How urgent it is beside alerts."""
        people = (Kind.SENT, Kind.BREAK_GLASS, Kind.APPROVAL)
        return AT_ONCE if self in people else PRIORITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """Something the people on call should know.

    ``topic`` and ``mark`` name it for ever: it is told once. ``about`` is the id of an alert or a request;
    ``what`` a sentence without a full stop; ``commands`` what to type. ``still`` is asked again in the
    transaction that opens the notice, and before the next people are told. ``escalates`` says whether
    anybody has to answer.
    """

    kind: Kind
    topic: str
    mark: str
    title: str
    what: str
    about: str = ""
    commands: tuple[str, ...] = ()
    to_approvers: bool = False
    escalates: bool = True
    owner: str = ""  #: who is told first, besides those on duty: as the roster calls them
    but: str = ""  #: who is not told, because it is about what they did
    still: Callable[[LedgerReader], bool] = lambda _: True

    def run_key(self, step: int) -> str:
        """Return the key that lets each step of it happen once."""
        return f"notice|{self.topic}|{self.mark}|{step}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One channel notices go by, as configured."""

    channel: str
    kind: str
    capabilities: Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every notice needs: the words it begins with, the channels, and when the next are told."""

    source: str
    ways: tuple[Way, ...]
    escalate_after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A notice that was opened: its id, and to how many people on how many channels."""

    id: str
    people: int
    messages: int


def open_notice(
    ledger: Ledger,
    desk: Desk,
    concern: Concern,
    people: Sequence[Person],
    *,
    at: datetime,
    first: str = "",
    step: int = 0,
    last: bool = False,
) -> Told | None:
    """Open a notice to these people inside the caller's transaction; None when that was done before.

    ``first`` is the notice this one follows, because nobody answered it; ``last`` says that nobody is
    left to be told after these.
    """
    run_key = concern.run_key(step)
    if ledger.alert_of_run(run_key) or not concern.still(ledger) or (first and acked(ledger, first)):
        return None
    notice_id = new_notice_id()
    answer = first or notice_id
    contents = {way.channel: _content(desk, way, concern, answer) for way in desk.ways}
    lanes = tuple(
        Lane(channel=way.channel, kind=way.kind, content=contents[way.channel]) for way in desk.ways
    )
    alert = _alert(concern, notice_id, answer, run_key=run_key, at=at)
    digest = text_digest(*(part for c in contents.values() for part in (c.subject, c.text)))
    ledger.open_alert(Opening(alert=alert, lanes=lanes, actor=ACTOR, digest=digest), at=micros(at))
    messages = sum(_fill(ledger, way, notice_id, people, priority=concern.kind.priority) for way in desk.ways)
    ledger.planned(notice_id, recipients=len(people), notes={})
    if not messages:
        ledger.settle_alert(notice_id, at=micros(at))
    again = 0 if last or not concern.escalates else micros(at + desk.escalate_after)
    body = {
        "notice": notice_id,
        "first": answer,
        "step": step,
        "kind": str(concern.kind),
        "mark": concern.mark,
        "about": concern.about,
        "title": concern.title,
        "what": concern.what,
        "commands": list(concern.commands),
        "approvers": concern.to_approvers,
        "escalates": concern.escalates,
        "to": [person.key for person in people],
        "messages": messages,
        "again_at": again,
    }
    ledger.record_act(OPENED, concern.topic, body, actor=ACTOR, at=micros(at))
    return Told(id=notice_id, people=len(people), messages=messages)


def acked(ledger: LedgerReader, first: str) -> bool:
    """Say whether somebody has answered a notice."""
    return any(act.action == ACKED for act in ledger.audit(first))


def _fill(ledger: Ledger, way: Way, notice_id: str, people: Sequence[Person], *, priority: int) -> int:
    stopped = ledger.opted_out(way.channel)
    kind = way.capabilities.address_kind
    rows = [
        NewDelivery(address=str(address), recipient=person.key)
        for person in people
        if (address := person.address(kind)) and str(address) not in stopped
    ]
    return ledger.add_batch(notice_id, way.channel, rows, priority=priority) if rows else 0


def _alert(concern: Concern, notice_id: str, first: str, *, run_key: str, at: datetime) -> Alert:
    return Alert(
        id=notice_id,
        incident=first,
        template=f"notice-{concern.kind}",
        title=concern.title,
        variables={},
        status=Status.SYSTEM,
        msg_type=MsgType.ALERT,
        alert_class=AlertClass.IMMEDIATE,
        category=Category.INFRA,
        severity=Severity.UNKNOWN,
        urgency=Urgency.IMMEDIATE,
        certainty=Certainty.OBSERVED,
        number=1,
        created_at=at,
        expires_at=at + LIFETIME,
        author=ACTOR.name,
        audience=AUDIENCE,
        run_key=run_key,
        priority=concern.kind.priority,
    )


def _content(desk: Desk, way: Way, concern: Concern, first: str) -> Content:
    """Fit the words to a channel; where there is little room, what it is about is cut, never a command."""
    what, shape = one_line(concern.what), way.capabilities.shape
    while len(what) > _SHORTEST:
        try:
            return fit(
                Message(blocks=_blocks(desk, concern, what, first)), shape, title=_subject(desk, concern)
            )
        except PlanRefused:
            what = what[:-_CUT].rstrip(" .,") + "..."
    bare = f"{desk.source} on-call {first}: look at alert ready"
    return fit(Message(blocks={"message": bare}), shape, title=_subject(desk, concern))


def _blocks(desk: Desk, concern: Concern, what: str, first: str) -> Mapping[str, str]:
    head = f"{desk.source} on-call {first}"
    answer = f"alert ack {first}" if concern.escalates else ""
    short = f"{head}: {what}. {' | '.join((*concern.commands, answer)).strip(' |')}".strip()
    lines = [f"{head}", "", f"{one_line(concern.what)}.", ""]
    lines += [f"    {command}" for command in concern.commands]
    if answer:
        lines += ["", f"Say that you look after it, or the next people are told: {answer}"]
    lines += ["", "This is about the alerting system itself. It is not an alert."]
    return {"message": short, "email": "\n".join(lines)}


def _subject(desk: Desk, concern: Concern) -> str:
    return one_line(f"[on-call] {desk.source}: {concern.title}")[:120]


def one_line(text: str) -> str:
    """Return words on one line, without anything that could steer a reader's screen."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
