"""What is known of notices and of what may need one: a fold over the log, read on from where it ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from alerting.authority import aftermath
from alerting.authority.wanted import ON_CALL, WANTED
from alerting.clock import instant
from alerting.keys import is_live
from alerting.ledger.base import LedgerReader
from alerting.ledger.rows import AuditRow
from alerting.oncall.notice import ACKED, OPENED, OVER, Concern, Kind
from alerting.service.recall import TAKEN_BACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice as it stands, with the further ones that followed because nobody answered.

    ``step`` counts how often further people were told; ``again_at`` is when the next are, None for never.
    """

    first: str
    topic: str
    mark: str
    kind: str
    about: str
    title: str
    what: str
    commands: tuple[str, ...]
    approvers: bool
    escalates: bool
    opened_at: datetime
    step: int = 0
    again_at: datetime | None = None
    told: tuple[str, ...] = ()  #: keys of the people told so far
    acked_by: str = ""
    over: bool = False

    @property
    def waits(self) -> bool:
        """Whether somebody still has to answer."""
        return self.escalates and not self.acked_by and not self.over

    def concern(self) -> Concern:
        """Return it as what it was opened for."""
        return Concern(
            kind=Kind(self.kind),
            topic=self.topic,
            mark=self.mark,
            title=self.title,
            what=self.what,
            about=self.about,
            commands=self.commands,
            to_approvers=self.approvers,
            escalates=self.escalates,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A notice another part of the program asked for: about what, of which kind, in which words."""

    seq: int
    at: datetime
    subject: str
    kind: str
    text: str
    to: str
    by: str


@dataclass(slots=True)
class Book:
    """Everything the log says that matters here. ``seq`` is the number of the last row read."""

    seq: int = 0
    notices: dict[str, Notice] = field(default_factory=dict)
    promised: dict[str, datetime] = field(default_factory=dict)  #: open live incident -> when the next is due
    wanted: list[Wanted] = field(default_factory=list)
    missed: list[tuple[str, str, datetime]] = field(default_factory=list)  #: drill, its planned time, when
    settled: list[tuple[str, datetime]] = field(default_factory=list)  #: alerts that came to rest, and when
    reviews: dict[str, tuple[datetime, str]] = field(default_factory=dict)  #: owed for it: due, who sent it
    over_at: dict[str, datetime] = field(default_factory=dict)
    episodes: dict[str, int] = field(default_factory=dict)

    def read_on(self, ledger: LedgerReader) -> None:
        """Read what was written since the last time."""
        for row in ledger.audit(after=self.seq):
            self.seq = row.seq
            self._take(row, json.loads(row.body))

    def _take(self, row: AuditRow, body: Mapping[str, Any]) -> None:
        at = instant(row.at)
        match row.action:
            case "incident.opened" | "incident.updated" if is_live(row.subject):
                if due := body.get("due_at"):
                    self.promised[row.subject] = instant(int(due))
            case "incident.closed":
                self.promised.pop(row.subject, None)
            case "drill.missed":
                self.missed.append((row.subject, str(body.get("planned", "")), at))
            case "alert.settled":
                self.settled.append((row.subject, at))
            case aftermath.OWED:
                self.reviews[str(body["alert"])] = (instant(int(body["due_at"])), row.actor)
            case aftermath.DONE:
                self.reviews.pop(str(body["alert"]), None)
            case _ if row.action == WANTED:
                self.wanted.append(_wanted(row, body, at))
            case _ if row.action in (OPENED, ACKED, OVER, TAKEN_BACK):
                self._told(row, body, at)

    def _told(self, row: AuditRow, body: Mapping[str, Any], at: datetime) -> None:
        if row.action == OPENED:
            self._opened(row.subject, body, at)
        elif row.action == ACKED and row.subject in self.notices:
            self.notices[row.subject] = replace(self.notices[row.subject], acked_by=row.actor)
        elif row.action == OVER:
            self._end(lambda notice: notice.topic == row.subject)
            self.over_at[row.subject] = at
            self.episodes[row.subject] = self.episodes.get(row.subject, 0) + 1
        elif row.action == TAKEN_BACK:
            self._end(lambda notice: (notice.kind, notice.about) == (Kind.RECALL, row.subject))

    def _end(self, which: Callable[[Notice], bool]) -> None:
        ended = {name: replace(notice, over=True) for name, notice in self.notices.items() if which(notice)}
        self.notices.update(ended)

    def _opened(self, topic: str, body: Mapping[str, Any], at: datetime) -> None:
        first, again = str(body["first"]), int(body["again_at"])
        known = self.notices.get(first)
        to = tuple(str(key) for key in body["to"])
        again_at = instant(again) if again else None
        if known is not None:
            told = (*known.told, *to)
            self.notices[first] = replace(known, step=int(body["step"]), again_at=again_at, told=told)
            return
        self.notices[first] = Notice(
            first=first,
            topic=topic,
            mark=str(body["mark"]),
            kind=str(body["kind"]),
            about=str(body["about"]),
            title=str(body["title"]),
            what=str(body["what"]),
            commands=tuple(str(word) for word in body["commands"]),
            approvers=bool(body["approvers"]),
            escalates=bool(body["escalates"]),
            opened_at=at,
            again_at=again_at,
            told=to,
        )

    def standing(self, topic: str) -> Notice | None:
        """Return the newest notice of a topic that is not over, or None."""
        found = [notice for notice in self.notices.values() if notice.topic == topic and not notice.over]
        return found[-1] if found else None

    def waiting(self) -> list[Notice]:
        """Return the notices somebody still has to answer, oldest first."""
        return [notice for notice in self.notices.values() if notice.waits]


def _wanted(row: AuditRow, body: Mapping[str, Any], at: datetime) -> Wanted:
    return Wanted(
        seq=row.seq,
        at=at,
        subject=row.subject,
        kind=str(body.get("kind", "other")),
        text=str(body.get("text", "")),
        to=str(body.get("to", ON_CALL)),
        by=row.actor,
    )
