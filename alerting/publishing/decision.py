"""The decision clock: from the report of a danger to the message on a handset, step by step.

What the machine does it stamps or measures; what only people know they say when they send, or note
afterwards (see ``facts``). A step nobody knows of is unknown, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from alerting.publishing.facts import Fact

if TYPE_CHECKING:
    from alerting.broadcast.report import ChannelReport, Report
    from alerting.ledger.rows import AlertRecord

#: What people tell.
TOLD: Final[Mapping[str, str]] = {"reported": "Reported", "confirmed": "Confirmed"}
#: What the command stamps on its way to the word that sends.
STAMPED: Final[Mapping[str, str]] = {"started": "Command given", "previewed": "Texts shown"}
MEASURED: Final = "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stamp of the decision clock; ``at`` is None while it is not known. ``source`` says who knows."""

    name: str
    words: str
    at: datetime | None
    source: str


def steps(standing: Report, known: Mapping[str, Fact]) -> Iterator[Step]:
    """Yield every step in the order they come; ``known`` are the alert's facts."""
    record = standing.record
    yield from (_told(name, words, known) for name, words in TOLD.items())
    yield from (_stamped(name, words, record) for name, words in STAMPED.items())
    yield _told("decided", "Decided to warn: the word typed", known)
    yield Step(
        name="accepted", words="Accepted: durable, sending begins", at=record.accepted_at, source=MEASURED
    )
    for name, words, seconds in _reached(standing.channels):
        at = None if seconds is None else record.accepted_at + timedelta(seconds=seconds)
        yield Step(name=name, words=words, at=at, source=MEASURED if at else "")


def as_json(clock: Sequence[Step]) -> dict[str, Any]:
    """Return the steps for scripts: by name, each with its instant (ISO 8601) and who knows it."""
    return {
        step.name: {"at": step.at.isoformat() if step.at else None, "source": step.source or None}
        for step in clock
    }


def _told(name: str, words: str, known: Mapping[str, Fact]) -> Step:
    fact = known.get(name)
    source = (f"noted by {fact.noted_by}" if fact.noted_by else MEASURED) if fact else ""
    return Step(name=name, words=words, at=fact.at if fact else None, source=source)


def _stamped(name: str, words: str, record: AlertRecord) -> Step:
    text = record.alert.clock.get(name)
    at = datetime.fromisoformat(text) if text else None
    return Step(name=name, words=words, at=at, source=MEASURED if at else "")


def _reached(channels: Sequence[ChannelReport]) -> Iterator[tuple[str, str, float | None]]:
    """Yield what was reached, with the seconds since acceptance: the first of any, the last share of all."""
    posts = [c.first_s for c in channels if c.total == 1]
    people = [c for c in channels if c.total > 1]
    telling = [c for c in people if c.receipts]
    handsets = [c.arrived_first_s for c in channels]
    yield "first_post", "First public post", _first(posts)
    yield "first_handset", "First handset or mailbox (receipt)", _first(handsets)
    yield "half", "50 % accepted on every personal channel", _last([c.half_s for c in people])
    yield "most", "95 % accepted on every personal channel", _last([c.most_s for c in people])
    where = "on every channel with receipts"
    yield "half_delivered", f"50 % delivered {where}", _last([c.arrived_half_s for c in telling])
    yield "most_delivered", f"95 % delivered {where}", _last([c.arrived_most_s for c in telling])


def _first(times: Sequence[float | None]) -> float | None:
    return min((at for at in times if at is not None), default=None)


def _last(times: Sequence[float | None]) -> float | None:
    known = [at for at in times if at is not None]
    return max(known) if known and len(known) == len(times) else None
