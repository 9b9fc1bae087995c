"""What a drill proved: each expectation against what happened, and where the time went.

"Reached" says which it was: delivered where a receipt came, accepted where the provider sends none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, pairwise
from statistics import median
from typing import Any, Final

from alerting.broadcast.report import ChannelReport, Report, report
from alerting.clock import instant
from alerting.ledger.base import DrillReader
from alerting.ledger.rows import AlertRecord, OccurrenceRow
from alerting.model.audience import Address, AddressKind
from alerting.model.delivery import Delivery, State

#: How many earlier runs a run is compared with.
BEFORE: Final = 5
#: A person should need less than this from the shown preview to the typed word, for a template of the
#: class ``immediate``: what, where, type the place.
HUMAN_S: Final = 10.0
_PAGE: Final = 50
#: A stamp of the decision clock, and the step that ends there.
_WORDS: Final = {"started": "", "previewed": "prepared and shown", "decided": "read and confirmed"}
#: What the lines of a scorecard are called.
FIRST: Final = "first post"
MOST: Final = "95 % accepted"
CANARIES: Final = "canaries reached"
FAILURES: Final = "failed or uncertain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One expectation: ``passed`` is None while nobody can tell, or where nothing is expected."""

    what: str
    expected: str
    got: str
    passed: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A run in numbers; None where it was not reached. Seconds since acceptance; failures in percent."""

    first_s: float | None
    most_s: float | None
    canaries_s: float | None
    failures_percent: float
    channels: Mapping[str, float | None]  #: each channel's 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """An address of ours: when and how it was reached, None when it was not."""

    address: str  #: masked
    seconds: float | None
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelCard:
    """One channel of a run, beside what its provider's rate promised and how the last runs went.

    ``estimate_s`` is how long handing over takes at the configured rate; None where that was not kept.
    """

    now: ChannelReport
    estimate_s: float | None
    before: tuple[float | None, ...]  #: its 95 % in the last runs, newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Human:
    """What a person needed from the shown preview to the typed word.

    ``seconds`` is None where nobody typed one. ``immediate`` says whether the target counts.
    """

    seconds: float | None
    immediate: bool

    @property
    def words(self) -> str:
        """It and its target, in words."""
        if self.seconds is None:
            return "nobody was asked"
        target = f"target: under {HUMAN_S:g} s" if self.immediate else "no target: not an immediate template"
        return f"{self.seconds:.1f} s ({target})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """A run of a drill, judged."""

    row: OccurrenceRow
    report: Report
    figures: Figures
    lines: tuple[Line, ...]
    canaries: tuple[Canary, ...]
    steps: tuple[tuple[str, float], ...]  #: where the time went, in order; seconds
    before: tuple[Figures, ...]  #: the last runs before it, newest first
    channels: tuple[ChannelCard, ...]  #: each channel
    human: Human

    @property
    def passed(self) -> bool | None:
        """Whether every expectation is met; None while it runs."""
        if any(line.passed is False for line in self.lines):
            return False
        return True if self.report.settled else None

    @property
    def slowest(self) -> tuple[str, float] | None:
        """The step that took longest."""
        return max(self.steps, key=lambda step: step[1], default=None)


def score(ledger: DrillReader, row: OccurrenceRow, record: AlertRecord, *, at: datetime) -> Scorecard:
    """Judge one run by what was expected of it when it ran."""
    current = report(ledger, record, at=at)
    canaries = tuple(_canaries(ledger, row, record))
    figures = _figures(ledger, current, canaries)
    before = tuple(figures_before(ledger, row, at=at))
    return Scorecard(
        row=row,
        report=current,
        figures=figures,
        lines=tuple(_lines(row.facts.get("expect", {}), figures, canaries, settled=current.settled)),
        canaries=canaries,
        steps=tuple(_steps(row, current, figures)),
        before=before,
        channels=tuple(_channel_card(row, channel, before) for channel in current.channels),
        human=_human(row, record),
    )


def _channel_card(row: OccurrenceRow, channel: ChannelReport, before: Sequence[Figures]) -> ChannelCard:
    name = channel.channel
    return ChannelCard(
        now=channel,
        estimate_s=row.facts.get("estimates", {}).get(name),
        before=tuple(figures.channels[name] for figures in before if name in figures.channels),
    )


def _human(row: OccurrenceRow, record: AlertRecord) -> Human:
    seconds, stamps = None, _stamps(record)
    if row.facts.get("asked") and {"previewed", "decided"} <= stamps.keys():
        seconds = max(0.0, (stamps["decided"] - stamps["previewed"]).total_seconds())
    return Human(seconds=seconds, immediate=row.facts.get("class") == "immediate")


def _stamps(record: AlertRecord) -> dict[str, datetime]:
    """Return the decision clock of an alert, as the command stamped it."""
    clock = record.alert.clock
    return {name: datetime.fromisoformat(clock[name]) for name in _WORDS if name in clock}


def figures_before(ledger: DrillReader, row: OccurrenceRow, *, at: datetime) -> Iterator[Figures]:
    """Yield the figures of the last runs of the same drill before this one, newest first."""
    yield from islice(
        (
            figures
            for earlier in _runs_before(ledger, row.drill, row.due_at)
            if (figures := figures_of(ledger, earlier, at=at))
        ),
        BEFORE,
    )


def _runs_before(ledger: DrillReader, drill: str, due_at: int) -> Iterator[OccurrenceRow]:
    while page := ledger.occurrences_of(drill, before=due_at, limit=_PAGE):
        yield from (row for row in page if row.outcome == "run")
        due_at = page[-1].due_at


def figures_of(ledger: DrillReader, row: OccurrenceRow, *, at: datetime) -> Figures | None:
    """Return a run in numbers, or None when its alert is gone."""
    record = ledger.alert(row.alert)
    if record is None:
        return None
    current = report(ledger, record, at=at)
    return _figures(ledger, current, tuple(_canaries(ledger, row, record)))


def _figures(ledger: DrillReader, current: Report, canaries: Sequence[Canary]) -> Figures:
    channels = current.channels
    feeds = [channel for channel in channels if _is_feed(ledger, current, channel)]
    first = [channel.first_s for channel in feeds or channels if channel.first_s is not None]
    most = [channel.most_s for channel in channels]
    total = sum(channel.total - channel.cancelled for channel in channels)
    bad = sum(channel.failed + channel.uncertain for channel in channels)
    reached = [canary.seconds for canary in canaries]
    return Figures(
        first_s=min(first, default=None),
        most_s=_latest(most),
        canaries_s=_latest(reached),
        failures_percent=100 * bad / total if total else 0.0,
        channels={channel.channel: channel.most_s for channel in channels},
    )


def _latest(times: Sequence[float | None]) -> float | None:
    """Return the last of several times, or None when one of them never came."""
    return (
        max((t for t in times if t is not None), default=None) if all(t is not None for t in times) else None
    )


def _is_feed(ledger: DrillReader, current: Report, channel: ChannelReport) -> bool:
    one = next(ledger.deliveries(current.record.alert.id, channel=channel.channel), None)
    return one is not None and Address.parse(one.address).kind is AddressKind.FEED


def _canaries(ledger: DrillReader, row: OccurrenceRow, record: AlertRecord) -> Iterator[Canary]:
    for text in row.facts.get("canaries", ()):
        address = Address.parse(text)
        found = list(ledger.deliveries(record.alert.id, address=text))
        times = [reached for delivery in found if (reached := _reached(delivery, record))]
        seconds, how = min(times, default=(None, "not in the audience" if not found else "not reached"))
        yield Canary(address=address.masked, seconds=seconds, how=how)


def _reached(delivery: Delivery, record: AlertRecord) -> tuple[float, str] | None:
    if delivery.changed_at is None or delivery.state not in (State.ACCEPTED, State.DELIVERED):
        return None
    word = "delivered" if delivery.state is State.DELIVERED else "accepted; no receipt"
    return (delivery.changed_at - record.accepted_at).total_seconds(), f"{word} ({delivery.channel})"


def _lines(
    expect: Mapping[str, Any], figures: Figures, canaries: Sequence[Canary], *, settled: bool
) -> Iterator[Line]:
    yield _within(FIRST, expect.get("first_post_s"), figures.first_s, settled=settled)
    yield _within(MOST, expect.get("accepted_95_s"), figures.most_s, settled=settled)
    if canaries:
        yield _within(CANARIES, expect.get("canaries_s"), figures.canaries_s, settled=settled)
    most = expect.get("failures_percent")
    told = f"{figures.failures_percent:.1f} %"
    if most is None:
        yield Line(what=FAILURES, expected="-", got=told, passed=None)
        return
    fine = figures.failures_percent <= most
    passed = fine if settled or not fine else None
    yield Line(what=FAILURES, expected=f"at most {most:g} %", got=told, passed=passed)


def _within(what: str, most: float | None, got: float | None, *, settled: bool) -> Line:
    told = "not reached" if got is None else f"{got:.1f} s"
    if most is None:
        return Line(what=what, expected="-", got=told, passed=None)
    passed = got <= most if got is not None else (False if settled else None)
    return Line(what=what, expected=f"within {most:g} s", got=told, passed=passed)


def _steps(row: OccurrenceRow, current: Report, figures: Figures) -> Iterator[tuple[str, float]]:
    """Yield where the time went: the decision clock, then the machine's part."""
    record = current.record
    stamps = _stamps(record)
    marks: list[tuple[str, datetime]] = []
    if "started" not in stamps:
        marks.append(("", instant(row.due_at)))
    marks += [(_WORDS[name], at) for name, at in stamps.items()]
    marks.append(("safe on disk", record.accepted_at))
    for (_, begun), (name, ended) in pairwise(marks):
        yield name, max(0.0, (ended - begun).total_seconds())
    last = 0.0
    for name, seconds in (("first accepted", figures.first_s), (MOST, figures.most_s)):
        if seconds is not None:
            yield name, max(0.0, seconds - last)
            last = max(last, seconds)
    if record.settled_at:
        yield "the rest", max(0.0, (record.settled_at - record.accepted_at).total_seconds() - last)


def earlier(figures: Figures, what: str) -> float | None:
    """Return what an earlier run reached of an expectation, by the name its line has."""
    return {
        FIRST: figures.first_s,
        MOST: figures.most_s,
        CANARIES: figures.canaries_s,
        FAILURES: figures.failures_percent,
    }[what]


def usual(values: Sequence[float | None]) -> str:
    """Return earlier figures in words: the middle, and from least to most; a dash for none."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    return f"{median(known):.1f} ({min(known):.1f} to {max(known):.1f})"
