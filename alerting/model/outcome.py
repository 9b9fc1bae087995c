"""What one call to a provider told us. Outcomes are values, never exceptions."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum, StrEnum
from typing import assert_never

from alerting.model.delivery import Event
from alerting.named import NamedTuple, Variant


class Scope(StrEnum):
    """How far a reason reaches."""

    ADDRESS = "address"  #: this recipient only
    MESSAGE = "message"  #: this text, for everybody on the channel
    CHANNEL = "channel"  #: the account: nothing will get through until a person acts


class Reason(Enum):
    """Why a provider did not take a message: a code that is stored, its scope, and words for people."""

    INVALID_ADDRESS = ("invalid_address", Scope.ADDRESS, "not a valid address", "correct it in the list")
    NOT_MOBILE = ("not_mobile", Scope.ADDRESS, "a landline, it takes no texts", "ask for a mobile number")
    OPTED_OUT = ("opted_out", Scope.ADDRESS, "the person replied STOP", "reach them another way")
    UNREACHABLE = ("unreachable", Scope.ADDRESS, "handset or mailbox not reachable", "reach them another way")
    BLOCKED = ("blocked", Scope.ADDRESS, "blocked by carrier or mailbox provider", "ask the provider why")
    UNROUTABLE = ("unroutable", Scope.ADDRESS, "no route to this country or carrier", "enable the region")
    FILTERED = ("filtered", Scope.ADDRESS, "filtered as spam by the carrier", "check sender registration")

    DUPLICATE = ("duplicate", Scope.MESSAGE, "the provider has this text already", "look at the account")
    TOO_LONG = ("too_long", Scope.MESSAGE, "too long for the provider", "shorten the template")
    CONTENT_REFUSED = ("content_refused", Scope.MESSAGE, "text refused by the provider", "change the wording")
    WRONG_MODE = ("wrong_mode", Scope.MESSAGE, "the channel is not for this kind of alert", "see its mode")
    BAD_REQUEST = ("bad_request", Scope.MESSAGE, "request refused as malformed", "see the provider's code")

    AUTH = ("auth", Scope.CHANNEL, "credentials refused", "renew the token or password")
    FORBIDDEN = ("forbidden", Scope.CHANNEL, "the account may not do this", "check the app's permissions")
    NO_CREDIT = ("no_credit", Scope.CHANNEL, "no credit left", "top up the account")
    SUSPENDED = ("suspended", Scope.CHANNEL, "account suspended or locked", "call the provider")
    SENDER_UNREGISTERED = ("sender_unregistered", Scope.CHANNEL, "sender not registered", "register it")
    SENDER_INVALID = ("sender_invalid", Scope.CHANNEL, "sender not owned or not capable", "check the sender")

    RATE_LIMITED = ("rate_limited", Scope.CHANNEL, "too many requests", "wait; it is retried by itself")
    QUEUE_FULL = (
        "queue_full",
        Scope.CHANNEL,
        "the provider's queue is full",
        "wait; it is retried by itself",
    )
    UNAVAILABLE = ("unavailable", Scope.CHANNEL, "provider not available", "wait; it is retried by itself")
    UNCONNECTED = ("unconnected", Scope.CHANNEL, "could not connect", "check network, DNS and certificates")
    TIMEOUT = ("timeout", Scope.CHANNEL, "no answer in time", "it is looked up at the provider")
    INTERRUPTED = ("interrupted", Scope.CHANNEL, "this program stopped while sending", "it is looked up")
    UNREADABLE = ("unreadable", Scope.CHANNEL, "an answer nobody can read", "it is looked up at the provider")
    EXPIRED = ("expired", Scope.MESSAGE, "the alert's life ended first", "nothing: late is worse than never")
    CANCELLED = ("cancelled", Scope.MESSAGE, "stopped by an operator", "nothing")
    SUPERSEDED = ("superseded", Scope.MESSAGE, "a newer message replaced it", "nothing")
    UNRECOGNISED = ("unrecognised", Scope.ADDRESS, "a code this program does not know", "see the raw code")

    def __init__(self, code: str, scope: Scope, words: str, advice: str) -> None:
        self.code = code
        self.scope = scope
        self.words = words
        self.advice = advice

    @classmethod
    def of(cls, code: str) -> Reason:
        """Return the reason with this stored code; unknown codes are UNRECOGNISED."""
        return next((r for r in cls if r.code == code), cls.UNRECOGNISED)


class Accepted(NamedTuple):
    """The provider took it and named it. Not the same as delivered.

    A tuple, since nearly every delivery makes one: a frozen dataclass takes twice as long.
    ``note`` is what did not work beside it, in words and without secrets: it stands; look at it.
    """

    provider_id: str
    permalink: str = ""
    note: str = ""


class Rejected(Variant):
    """The provider refused it for good. ``detail`` is its own code and words, without secrets."""

    reason: Reason
    detail: str = ""


class Deferred(Variant):
    """Surely not done; try again, not before ``after`` where the provider named a time."""

    reason: Reason
    after: timedelta | None = None
    detail: str = ""


class Unknown(Variant):
    """Bytes may have left and no readable answer came: done or not, nobody knows yet."""

    reason: Reason
    detail: str = ""


Outcome = Accepted | Rejected | Deferred | Unknown


def event_of(outcome: Outcome) -> Event:
    """Return what an outcome does to the delivery that was being sent.

    A rejection whose scope is the channel defers: one dead token must not reject 20,000 people.
    A text the provider calls a duplicate of our own is settled by look-up, so it is lost until found.
    """
    match outcome:
        case Accepted():
            return Event.ACCEPT
        case Deferred():
            return Event.DEFER
        case Unknown():
            return Event.LOSE
        case Rejected(reason=Reason.DUPLICATE):
            return Event.LOSE
        case Rejected(reason=reason):
            return Event.DEFER if reason.scope is Scope.CHANNEL else Event.REJECT
        case _:
            assert_never(outcome)
