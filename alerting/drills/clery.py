"""The record of a drill for the auditors: what was tested, when, announced or not, and what followed.

It holds what 34 CFR 668.46(g)(6) asks of a test (description, date and time, announced or unannounced,
and that procedures were publicised with it) and what a review needs besides: objectives,
participants, findings, and actions with an owner and a date.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from alerting.drills import paper
from alerting.drills.score import HUMAN_S, Canary, ChannelCard, Scorecard, earlier, usual
from alerting.ledger.rows import NoteRow

_MINUTE: Final = 60


class Kind(StrEnum):
    """What a note is about."""

    PARTICIPANT = "participant"  #: who took part
    OBJECTIVE = "objective"  #: what it was to show
    FINDING = "finding"  #: what was observed
    ACTION = "action"  #: what is to be done, by whom, by when


_HEADINGS: Final = {
    Kind.OBJECTIVE: "Objectives",
    Kind.PARTICIPANT: "Participants",
    Kind.FINDING: "Findings",
    Kind.ACTION: "Corrective actions",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """Everything a record is written from."""

    card: Scorecard
    notes: tuple[NoteRow, ...]
    campus: str
    zone: ZoneInfo

    def of(self, kind: Kind) -> list[str]:
        """Return the notes of a kind in words; objectives include those of the drill itself."""
        told = list(self.card.row.facts.get("objectives", ())) if kind is Kind.OBJECTIVE else []
        return told + [_note(note) for note in self.notes if note.kind == kind]


def _note(note: NoteRow) -> str:
    tail = [f"owner {note.owner}" if note.owner else "", f"due {note.due}" if note.due else ""]
    more = "; ".join(word for word in tail if word)
    return f"{note.text} ({more})" if more else f"{note.text} (noted by {note.by})"


def fields(dossier: Dossier) -> list[tuple[str, str]]:
    """Return the record's fields in order: name and value, in words."""
    card, facts = dossier.card, dossier.card.row.facts
    record = card.report.record
    return [
        ("Institution", dossier.campus),
        ("Exercise", str(facts.get("title", card.row.drill))),
        ("Description", str(facts.get("description") or record.alert.title)),
        ("Record", record.alert.id),
        ("Date", _local(record.accepted_at, dossier.zone, "%Y-%m-%d")),
        ("Started", _local(record.accepted_at, dossier.zone, "%H:%M:%S %Z")),
        ("Ended", _ended(card, dossier.zone)),
        ("Announced", "announced" if facts.get("announced", True) else "unannounced"),
        ("Procedures publicised", str(facts.get("publicised") or "not stated")),
        ("Scheduled", f"planned for {card.row.planned_local.replace('T', ' ')}{_by_hand(card)}"),
        ("Kind", "rehearsal: nothing left the system" if facts.get("rehearsal") else "messages were sent"),
        ("Owner", str(facts.get("owner") or "not stated")),
        ("Started by", record.alert.author),
        (
            "Audience",
            f"{record.alert.audience or 'public feeds only'}, {facts.get('recipients', 0):,} people",
        ),
        ("Channels", ", ".join(lane.channel for lane in record.lanes)),
        ("Estimated", _estimated(card)),
        ("Took", _took(card)),
        ("Human time", card.human.words),
        ("Result", {True: "passed", False: "failed", None: "still running"}[card.passed]),
    ]


def _estimated(card: Scorecard) -> str:
    known = [one.estimate_s for one in card.channels if one.estimate_s is not None]
    return f"about {_span(max(known))} at the providers' rates" if known else "not stated"


def _took(card: Scorecard) -> str:
    settled = card.report.record.settled_at
    if settled is None:
        return "still running"
    took = (settled - card.report.record.accepted_at).total_seconds()
    told = f"{_span(took)} from safe on disk to the last message"
    return f"{told}, with stand-ins for the providers" if card.row.facts.get("rehearsal") else told


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < _MINUTE else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def _by_hand(card: Scorecard) -> str:
    return f" ({card.row.detail})" if card.row.detail else ""


def _ended(card: Scorecard, zone: ZoneInfo) -> str:
    record = card.report.record
    end = record.cancelled_at or record.settled_at
    return _local(end, zone, "%H:%M:%S %Z") if end else "still running"


def _local(at: datetime, zone: ZoneInfo, form: str) -> str:
    return at.astimezone(zone).strftime(form)


def sheet(dossier: Dossier) -> Iterator[str]:
    """Yield the record as lines of CSV: section, name, value, expected, result."""
    yield from paper.sheet(_rows(dossier))


def _rows(dossier: Dossier) -> Iterator[tuple[str, ...]]:
    yield ("section", "name", "value", "expected", "result")
    for name, value in fields(dossier):
        yield ("record", name, value, "", "")
    for line in dossier.card.lines:
        yield ("expectation", line.what, line.got, line.expected, _verdict(line.passed))
    for card in dossier.card.channels:
        now = card.now
        told = f"{now.accepted}/{now.total} accepted, {now.delivered} delivered, {now.failed} failed"
        told += f", {now.uncertain} uncertain, 95 % after {_s(now.most_s)}"
        yield ("channel", now.channel, told, f"about {_s(card.estimate_s)} at its rate", "")
    for step, seconds in dossier.card.steps:
        yield ("step", step, f"{seconds:.1f}", "", "")
    for kind in _HEADINGS:
        for text in dossier.of(kind):
            yield (str(kind), "", text, "", "")


def _verdict(passed: bool | None) -> str:  # noqa: FBT001
    return {True: "passed", False: "failed", None: ""}[passed]


def page(dossier: Dossier, chart: str = "") -> str:
    """Return the record as one HTML page that needs nothing else; every text in it is escaped.

    ``chart`` is a drawing of the runs up to this one, as ``drawing`` makes it.
    """
    card = dossier.card
    title = f"Drill record {card.row.alert}: {card.row.facts.get('title', card.row.drill)}"
    body = [
        paper.table("Record", None, fields(dossier)),
        paper.table(
            "Expectations",
            ("Expectation", "Expected", "Reached", "Result", f"Last {len(card.before)} runs, seconds"),
            [(x.what, x.expected, x.got, _verdict(x.passed), *_usual(card, x.what)) for x in card.lines],
        ),
        paper.table("Channels", CHANNEL_HEAD, [channel_row(one) for one in card.channels]),
        paper.table(
            "Where the time went", ("Step", "Seconds"), [(name, f"{s:.1f}") for name, s in card.steps]
        ),
        paper.table("Canaries", ("Address", "Reached"), [(c.address, _reached(c)) for c in card.canaries]),
        *(paper.listing(heading, dossier.of(kind)) for kind, heading in _HEADINGS.items()),
        chart,
    ]
    return paper.document(title, body)


#: What is told of each channel, in order.
CHANNEL_HEAD: Final = (
    "Channel",
    "Accepted",
    "Delivered",
    "Failed",
    "Uncertain",
    "First",
    "95 %",
    "At its rate",
    "Last runs' 95 %",
)


def channel_row(card: ChannelCard) -> tuple[str, ...]:
    """Return one channel of a run in words; see ``CHANNEL_HEAD``."""
    now = card.now
    return (
        now.channel,
        f"{now.accepted}/{now.total}",
        str(now.delivered or "-"),
        str(now.failed),
        str(now.uncertain),
        _s(now.first_s),
        _s(now.most_s),
        _s(card.estimate_s),
        usual(card.before),
    )


def _s(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def _usual(card: Scorecard, what: str) -> tuple[str]:
    return (usual([earlier(figures, what) for figures in card.before]),)


def _reached(canary: Canary) -> str:
    after = "" if canary.seconds is None else f" after {canary.seconds:.1f} s"
    return f"{canary.how}{after}"


def as_json(dossier: Dossier) -> dict[str, Any]:
    """Return the record for scripts."""
    card = dossier.card
    slowest = card.slowest
    return {
        "drill": card.row.drill,
        "alert": card.report.record.alert.id,
        "passed": card.passed,
        "record": dict(fields(dossier)),
        "lines": [
            {"what": x.what, "expected": x.expected, "got": x.got, "passed": x.passed} for x in card.lines
        ],
        "canaries": [{"address": c.address, "seconds": c.seconds, "how": c.how} for c in card.canaries],
        "channels": [
            {
                "channel": one.now.channel,
                "total": one.now.total,
                "accepted": one.now.accepted,
                "delivered": one.now.delivered,
                "failed": one.now.failed,
                "uncertain": one.now.uncertain,
                "first_s": one.now.first_s,
                "accepted_95_s": one.now.most_s,
                "estimate_s": one.estimate_s,
                "before_95_s": list(one.before),
            }
            for one in card.channels
        ],
        "human_s": card.human.seconds,
        "human_target_s": HUMAN_S if card.human.immediate else None,
        "before": [asdict(figures) for figures in card.before],
        "steps": [{"step": name, "seconds": round(seconds, 3)} for name, seconds in card.steps],
        "slowest": slowest[0] if slowest else None,
        "notes": [note._asdict() for note in dossier.notes],
    }
