"""Whether Twilio has a message whose create was never answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from alerting.channels.base import Absent, CannotTell, Found, Verdict
from alerting.named import NamedTuple

#: How many of the newest messages to a number are looked through.
NEWEST: Final = 20
#: Twilio's clock may be behind ours, and its dates are whole seconds.
_SLACK: Final = timedelta(seconds=5)
#: These never left Twilio, so sending again doubles nothing. An ``undelivered`` one did leave.
_NEVER_LEFT: Final = frozenset({"failed", "canceled"})
#: What Twilio puts before the texts of trial accounts.
_TRIAL: Final = "Sent from your Twilio trial account - "


class Listed(NamedTuple):
    """One entry of Twilio's message list."""

    sid: str
    body: str
    status: str
    created_at: datetime | None


class Sought(NamedTuple):
    """What is looked for: the text, when its attempt began, and when the list counts as complete.

    ``rewritten`` says that a Messaging Service may have replaced characters of the text; ``others`` are
    messages known to be another delivery's.
    """

    text: str
    since: datetime
    complete_at: datetime
    rewritten: bool
    others: frozenset[str] = frozenset()


def verdict(newest: Sequence[Listed], sought: Sought, now: datetime) -> Verdict:
    """Judge the newest messages to the recipient, newest first.

    A message is the one sought when its text is the same and it was made no earlier than the attempt.
    """
    recent = [entry for entry in newest if _since(entry, sought.since - _SLACK)]
    if any(entry.created_at is None for entry in recent):
        return CannotTell("Twilio's list has entries without a readable date")
    alive = [e for e in recent if e.status not in _NEVER_LEFT and e.sid not in sought.others]
    for entry in alive:
        if entry.body.removeprefix(_TRIAL).strip() == sought.text.strip():
            return Found(entry.sid)
    cut_off = len(newest) >= NEWEST and len(recent) == len(newest)
    doubtful = cut_off or (sought.rewritten and bool(alive))
    return Absent(certain=now >= sought.complete_at and not doubtful)


def _since(entry: Listed, earliest: datetime) -> bool:
    return entry.created_at is None or entry.created_at >= earliest
