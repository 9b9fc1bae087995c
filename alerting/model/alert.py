"""One decision to speak, in the words of CAP 1.2.

Source: OASIS Common Alerting Protocol 1.2, section 3.2 (alert and info elements).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from alerting.keys import is_live, is_notice
from alerting.named import NamedTuple


class Status(StrEnum):
    """CAP ``status``: is this real?"""

    ACTUAL = "actual"  #: real; act on it
    EXERCISE = "exercise"  #: a drill
    TEST = "test"  #: a technical test
    SYSTEM = "system"  #: about this program itself, for the people on call; never for a campus


class MsgType(StrEnum):
    """CAP ``msgType``: what this message does to earlier ones."""

    ALERT = "alert"  #: the first message of an incident
    UPDATE = "update"  #: replaces the messages it references
    CANCEL = "cancel"  #: withdraws the messages it references


class Category(StrEnum):
    """CAP ``category``: whose subject the hazard is."""

    GEO = "geo"  #: earthquakes, landslides
    MET = "met"  #: weather
    SAFETY = "safety"  #: general emergency and public safety
    SECURITY = "security"  #: police, campus security
    RESCUE = "rescue"  #: rescue and recovery
    FIRE = "fire"  #: fire
    HEALTH = "health"  #: medical and public health
    ENV = "env"  #: pollution, environment
    TRANSPORT = "transport"  #: roads, transit
    INFRA = "infra"  #: utilities, networks
    CBRNE = "cbrne"  #: chemical, biological, radiological, nuclear, explosive
    OTHER = "other"  #: none of these


class Severity(StrEnum):
    """CAP ``severity``."""

    EXTREME = "extreme"  #: extraordinary threat to life or property
    SEVERE = "severe"  #: significant threat
    MODERATE = "moderate"  #: possible threat
    MINOR = "minor"  #: minimal threat
    UNKNOWN = "unknown"  #: not known


class Urgency(StrEnum):
    """CAP ``urgency``: when to act."""

    IMMEDIATE = "immediate"  #: now
    EXPECTED = "expected"  #: within the next hour
    FUTURE = "future"  #: later
    PAST = "past"  #: no longer needed
    UNKNOWN = "unknown"  #: not known


class Certainty(StrEnum):
    """CAP ``certainty``: how sure we are."""

    OBSERVED = "observed"  #: happened or happening
    LIKELY = "likely"  #: more than half
    POSSIBLE = "possible"  #: less than half
    UNLIKELY = "unlikely"  #: close to none
    UNKNOWN = "unknown"  #: not known


class ResponseType(StrEnum):
    """CAP ``responseType``: what people are asked to do."""

    SHELTER = "shelter"  #: take shelter in place
    EVACUATE = "evacuate"  #: leave
    PREPARE = "prepare"  #: get ready
    EXECUTE = "execute"  #: do what was agreed beforehand
    AVOID = "avoid"  #: stay away
    MONITOR = "monitor"  #: follow the news
    ASSESS = "assess"  #: judge from this information
    ALL_CLEAR = "all_clear"  #: the danger is over
    NONE = "none"  #: nothing


class Evidence(StrEnum):
    """How well founded what we say is, in words people hear. The certainty of CAP follows from it."""

    UNCONFIRMED = "unconfirmed"  #: a report nobody has checked yet
    CONFIRMED = "confirmed"  #: seen by somebody we trust
    PARTLY_WITHDRAWN = "partly-withdrawn"  #: part of what we said is not true
    UNFOUNDED = "unfounded"  #: checked, and not true

    @property
    def certainty(self) -> Certainty:
        """CAP ``certainty`` for this level."""
        return {
            Evidence.UNCONFIRMED: Certainty.POSSIBLE,
            Evidence.CONFIRMED: Certainty.OBSERVED,
            Evidence.PARTLY_WITHDRAWN: Certainty.POSSIBLE,
            Evidence.UNFOUNDED: Certainty.UNLIKELY,
        }[self]

    @property
    def words(self) -> str:
        """What a message says: ``UNCONFIRMED``, ``PARTLY WITHDRAWN``."""
        return self.value.replace("-", " ").upper()


class AlertClass(StrEnum):
    """How many people must agree before it goes."""

    IMMEDIATE = "immediate"  #: one person, no waiting
    STANDARD = "standard"  #: a second person approves where the campus says so


class Alert(NamedTuple):
    """One decision to speak; frozen once opened. Its id says whether it is live.

    ``created_at`` and ``expires_at`` are aware UTC. ``number`` is its place in the incident, from 1.
    ``references`` are ids of earlier alerts this one updates or cancels.
    """

    id: str
    incident: str
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
    number: int
    created_at: datetime
    expires_at: datetime
    author: str
    audience: str
    run_key: str  #: a repeated command with the same key opens nothing new
    references: tuple[str, ...] = ()
    priority: int = 50
    evidence: str = ""  #: an ``Evidence`` where somebody gave one
    clock: Mapping[str, str] = MappingProxyType({})  #: decision clock: name to ISO instant
    response_type: ResponseType | None = None  #: None where nobody said (records of older versions)
    receipts: tuple[str, ...] = ()  #: channels whose provider promised to tell what arrives
    language: str = ""  #: BCP 47, of its text; empty where nobody said (records of older versions)
    #: Who spoke, as other programs are told it: sender, name, zone, web. Settings may change, this may not.
    issuer: Mapping[str, str] = MappingProxyType({})

    @property
    def live(self) -> bool:
        """Whether real people act on it; decided by the id, so it cannot be edited away."""
        return is_live(self.id)

    @property
    def in_earnest(self) -> bool:
        """Whether it goes by the channels for real messages: a live alert, or a notice."""
        return self.live or is_notice(self.id)
