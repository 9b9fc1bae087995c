"""What went without its second person is looked at by one afterwards: by when, by whom, what was found.

Breaking the glass writes down that a review is owed, in the transaction of the alert. The review is an act
too, with what its author found; both stand on one subject, so that what is open is found at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final

from alerting.clock import instant, micros
from alerting.errors import NotAllowed, Problem, UnknownAlert, UsageProblem
from alerting.keys import normal_id
from alerting.ledger.rows import Actor
from alerting.named import NamedTuple

if TYPE_CHECKING:
    from alerting.ledger.base import Ledger, LedgerReader

#: By when somebody must have looked at an alert that went without its second person.
WITHIN: Final = timedelta(hours=24)
#: When people are told that a review is overdue: not at night, and again every day.
DAY: Final = (time(9), time(21))
AGAIN: Final = timedelta(days=1)
#: What every act of this room is about.
REVIEWS: Final = "reviews"
OWED, DONE = "review.owed", "review.done"
#: The same act as the alert's own record has it.
REVIEWED: Final = "alert.reviewed"
#: Fewer characters are no finding.
_SHORTEST: Final = 10
_LONGEST: Final = 1000


class Owed(NamedTuple):
    """An alert that one person sent alone although a second one was needed, and the review of it.

    ``by`` broke the glass, for a ``reason``; the review is due by ``due_at``. ``done_by`` is empty until
    somebody has looked; ``finding`` is what they found.
    """

    alert: str
    by: str
    reason: str
    due_at: datetime
    done_by: str = ""
    done_at: datetime | None = None
    finding: str = ""

    def overdue(self, now: datetime) -> bool:
        """Whether nobody has looked, and somebody should have by now."""
        return not self.done_by and now > self.due_at


def times_told(due_at: datetime, now: datetime, zone: tzinfo) -> int:
    """Return how often people should have heard by now that a review is overdue, which was due at an instant.

    From then on, or from the morning after where that is in the night on campus (``zone``); then daily.
    """
    first, today = (at.astimezone(zone).replace(tzinfo=None) for at in (due_at, now))
    begins, ends = DAY
    if not begins <= first.time() < ends:
        first = datetime.combine(first + timedelta(days=first.time() >= ends), begins)
    return max(0, -((first - today) // AGAIN))


def owe(ledger: Ledger, alert_id: str, *, reason: str, due_at: datetime, actor: Actor, at: datetime) -> None:
    """Write down that a review is owed, in the transaction that opens the alert."""
    body = {"alert": alert_id, "reason": reason, "due_at": micros(due_at)}
    ledger.record_act(OWED, REVIEWS, body, actor=actor, at=micros(at))


def owed(ledger: LedgerReader | None) -> dict[str, Owed]:
    """Return every alert a review was ever owed for, oldest first."""
    found: dict[str, Owed] = {}
    for row in ledger.audit(REVIEWS) if ledger else ():
        body = json.loads(row.body)
        name = str(body["alert"])
        if row.action == OWED:
            due_at = instant(int(body["due_at"]))
            found[name] = Owed(alert=name, by=row.actor, reason=str(body["reason"]), due_at=due_at)
        elif name in found:
            finding = str(body["finding"])
            found[name] = found[name]._replace(done_by=row.actor, done_at=instant(row.at), finding=finding)
    return found


def still_owed(ledger: LedgerReader | None) -> list[Owed]:
    """Return what nobody has looked at yet, oldest first."""
    return [one for one in owed(ledger).values() if not one.done_by]


def find(ledger: LedgerReader | None, alert_id: str) -> Owed:
    """Return the review that is owed for an alert.

    Raises:
        UnknownAlert: none is.
        NotAllowed: somebody has looked already.
    """
    found = owed(ledger).get(alert_id)
    if found is None:
        what = f"no review is owed for {alert_id}: it did not go without its second person"
        raise UnknownAlert(Problem(where="", what=what, fix="`alert review` lists what is open"))
    if found.done_by:
        what = f"{found.done_by} has reviewed it already: {found.finding}"
        raise NotAllowed(Problem(where=alert_id, what=what, fix="`alert report` shows it"))
    return found


def finding_of(text: str) -> str:
    """Return a finding in one line.

    Raises:
        UsageProblem: it is too short to be one, too long, or holds control characters.
    """
    words = " ".join(text.split())
    if not _SHORTEST <= len(words) <= _LONGEST or not words.isprintable():
        what = f"a finding of {_SHORTEST} to {_LONGEST:,} plain characters is needed; nothing was recorded"
        fix = "write whether sending alone was right, and what is to change"
        raise UsageProblem(Problem(where="--finding", what=what, fix=fix))
    return words


def refuse_own_review(one: Owed, people: tuple[str, ...]) -> None:
    """Refuse somebody who would review what they did themselves.

    Raises:
        NotAllowed: they broke the glass.
    """
    if one.by in people:
        what = f"{one.by} sent it alone and cannot review it too; nothing was recorded"
        raise NotAllowed(Problem(where=one.alert, what=what, fix="another approver must look at it"))


def answer(ledger: Ledger, told: Mapping[str, Any], *, at: datetime) -> dict[str, Any]:
    """Close a review as a command asks for it, already let through.

    Raises:
        AlertingError: it is refused.
        KeyError, TypeError, ValueError: it is not understood.
    """
    one = find(ledger, normal_id(str(told["alert"])))
    refuse_own_review(one, tuple(told["by"]))
    actor = Actor(name=str(told["actor"]), origin=str(told["origin"]))
    finding = finding_of(str(told["finding"]))
    body = {"alert": one.alert, "finding": finding}
    ledger.record_act(DONE, REVIEWS, body, actor=actor, at=micros(at))
    ledger.record_act(REVIEWED, one.alert, {"finding": finding}, actor=actor, at=micros(at))
    return {"alert": one.alert, "late": one.overdue(at)}
