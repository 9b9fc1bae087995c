"""What would be sent, to how many, how fast: the pure result an officer sees before anything leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from alerting.channels.base import Capabilities
from alerting.digest import text_digest
from alerting.model.alert import (
    AlertClass,
    Category,
    Certainty,
    MsgType,
    ResponseType,
    Severity,
    Status,
    Urgency,
)
from alerting.model.message import Content, Unit
from alerting.named import NamedTuple

#: A list that is smaller than last time by more than this share is said before confirmation.
SHRUNK: Final = 0.20
_ROWS_A_BATCH: Final = 500


class Subject(NamedTuple):
    """What the alert is about, taken from its template and the officer's words."""

    template: str
    title: str
    variables: Mapping[str, str]
    status: Status
    msg_type: MsgType
    alert_class: AlertClass
    category: Category
    severity: Severity
    urgency: Urgency
    certainty: Certainty
    lifetime: timedelta
    confirm_word: str
    evidence: str = ""
    written: str = ""  #: the SHA-256 of its template's text
    free_text: tuple[str, ...] = ()  #: variables that take more than a note
    response_type: ResponseType | None = None
    language: str = ""  #: BCP 47, of the text
    due_after: timedelta = timedelta(minutes=15)  #: when people are promised to hear again

    @property
    def live(self) -> bool:
        """Whether real people act on it."""
        return self.status is Status.ACTUAL


class LanePlan(NamedTuple):
    """One channel of a plan: the content as it will be sent, and to how many.

    ``fallback_only`` lanes start empty and take what another channel cannot reach.
    """

    channel: str
    kind: str
    content: Content
    capabilities: Capabilities
    deliveries: int
    fallback: str = ""
    fallback_only: bool = False

    @property
    def units(self) -> int:
        """What the provider counts and bills: segments for SMS, messages otherwise."""
        return self.deliveries * (self.content.size if self.content.unit is Unit.SEGMENTS else 1)

    @property
    def takes(self) -> timedelta:
        """How long handing over takes at the provider's rate."""
        return timedelta(seconds=self.units / self.capabilities.rate_per_s)

    @property
    def cost(self) -> float:
        """What it costs in the account's currency; 0 when unknown."""
        return self.units * self.capabilities.cost_per_unit


class Crowd(NamedTuple):
    """An audience as counted: people, addresses by kind, rows refused with the first few reasons."""

    audience: str
    recipients: int = 0
    addresses: Mapping[str, int] = MappingProxyType({})
    refused: int = 0
    examples: tuple[str, ...] = ()
    before: int | None = None  #: recipients of the last alert to this audience

    @property
    def shrunk(self) -> bool:
        """Whether the list lost more than a fifth since the last alert to it."""
        return self.before is not None and self.recipients < self.before * (1 - SHRUNK)


class Plan(NamedTuple):
    """Everything an officer confirms. ``digest`` covers every text and channel of it."""

    subject: Subject
    lanes: tuple[LanePlan, ...]
    crowd: Crowd
    as_of: datetime
    incident: str = ""
    number: int = 1
    supersedes: tuple[str, ...] = ()  #: earlier alerts of the incident whose unsent copies are dropped
    reached_only: bool = False
    delete_posts: bool = False
    joined: bool = False
    warnings: tuple[str, ...] = ()
    clock: Mapping[str, str] = MappingProxyType({})  #: of the decision: name to ISO instant
    second: tuple[str, ...] = ()  #: why one person alone may not send it; empty for an immediate alert
    reviewed: bool = True  #: whether somebody has reviewed its template as it is now

    @property
    def digest(self) -> str:
        """SHA-256 over what will be sent where; the hash of the preview is the hash of the send."""
        parts = [self.subject.status, self.subject.template]
        for lane in self.lanes:
            parts += [lane.channel, lane.content.subject, lane.content.text, lane.content.html]
        return text_digest(*parts)

    @property
    def deliveries(self) -> int:
        """Messages over all channels."""
        return sum(lane.deliveries for lane in self.lanes)


def warnings_of(crowd: Crowd, lanes: Sequence[LanePlan]) -> tuple[str, ...]:
    """Return what an officer should know before confirming, in sentences."""
    told: list[str] = []
    if crowd.shrunk:
        told.append(
            f"the audience {crowd.audience} has {crowd.recipients:,} people; last time it had"
            f" {crowd.before:,}. Is the list complete?"
        )
    if crowd.refused:
        told.append(f"{crowd.refused:,} rows of {crowd.audience} cannot be used; the rest goes")
    told += [
        f"nobody in {crowd.audience} has an address for {lane.channel}"
        for lane in lanes
        if not lane.deliveries and not lane.fallback_only
    ]
    return tuple(told)


def rows_a_batch(capabilities: Capabilities) -> int:
    """Return how many rows one batch holds: at most 500, and 15 seconds of the channel's rate."""
    return max(1, min(_ROWS_A_BATCH, int(capabilities.rate_per_s * 15)))
