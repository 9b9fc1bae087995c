"""Ready values for tests: every builder gives something valid, and takes what the test is about.

``an_alert(severity=Severity.MINOR)`` reads as "an alert, of minor severity, the rest does not matter".
Nothing here asks a clock or a random source: two calls give equal values.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alerting.channels.base import Capabilities, Envelope
from alerting.digest import delivery_key
from alerting.ledger.rows import Actor, Lane, NewDelivery, Opening, Row, Settled
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
from alerting.model.audience import Address, AddressKind, Recipient
from alerting.model.delivery import State
from alerting.model.message import Content, Message, Shape, Unit

#: When everything in a test happens unless it says otherwise: the instant of ``FrozenClock``.
A_MOMENT: Final = datetime(2026, 9, 1, 2, 14, 3, tzinfo=UTC)
#: The same instant as ledgers write it: microseconds since 1970, UTC.
A_MOMENT_US: Final = 1_788_228_843_000_000

_ALERT: Final = Alert(
    id="L-7K2QXD",
    incident="I-7K2QXD",
    template="active-threat",
    title="Active threat, Library",
    variables={"place": "Library"},
    status=Status.ACTUAL,
    msg_type=MsgType.ALERT,
    alert_class=AlertClass.IMMEDIATE,
    category=Category.SECURITY,
    severity=Severity.EXTREME,
    urgency=Urgency.IMMEDIATE,
    certainty=Certainty.OBSERVED,
    number=1,
    created_at=A_MOMENT,
    expires_at=A_MOMENT + timedelta(minutes=15),
    author="lee",
    audience="everyone",
    run_key="run-L-7K2QXD",
)
_CONTENT: Final = Content(
    text="ACTIVE THREAT at Library. Run, hide, fight.",
    size=1,
    limit=3,
    unit=Unit.SEGMENTS,
    notes=("1 segment, GSM-7, 43 of 160",),
)


def an_alert(**overrides: Any) -> Alert:
    """Return a live alert of one officer about the library; any field may be given.

    An id without a run key brings its own, so that two alerts of a test do not collide; an id that
    starts with ``D-`` is an exercise.
    """
    if "id" in overrides:
        overrides.setdefault("run_key", f"run-{overrides['id']}")
        overrides.setdefault("status", Status.ACTUAL if overrides["id"][:2] == "L-" else Status.EXERCISE)
    return _ALERT._replace(**overrides)


def a_drill(**overrides: Any) -> Alert:
    """Return an exercise, ``D-7K2QXD`` unless said otherwise."""
    return an_alert(**{"id": "D-7K2QXD", **overrides})


def a_content(text: str = _CONTENT.text, **overrides: Any) -> Content:
    """Return a text fitted to a channel; its size is not measured but given."""
    return _CONTENT._replace(text=text, **overrides)


def a_message(text: str = _CONTENT.text, **blocks: str) -> Message:
    """Return a rendered template with a ``message`` block and any others."""
    return Message(blocks={"message": text, **blocks})


def a_shape(**overrides: Any) -> Shape:
    """Return what fits a text message: three segments."""
    return Shape(unit=Unit.SEGMENTS, limit=3, slots=("sms", "message"))._replace(**overrides)


def a_lane(channel: str = "sms-main", **overrides: Any) -> Lane:
    """Return one channel's part of an alert, without a fallback."""
    return Lane(channel=channel, kind="sms.twilio", content=a_content())._replace(**overrides)


def an_actor(name: str = "lee", origin: str = "terminal") -> Actor:
    """Return an officer at a terminal."""
    return Actor(name=name, origin=origin)


def an_opening(*lanes: Lane | str, alert: Alert | None = None, **overrides: Any) -> Opening:
    """Return an alert about to be opened, on these lanes (or names of channels); one lane by default."""
    made = tuple(a_lane(lane) if isinstance(lane, str) else lane for lane in lanes or ("sms-main",))
    opening = Opening(alert=alert or an_alert(), lanes=made, actor=an_actor(), digest="0" * 64)
    return opening._replace(**overrides)


def an_address(number: int = 0, kind: AddressKind = AddressKind.PHONE) -> Address:
    """Return the address of person ``number``, different for each."""
    match kind:
        case AddressKind.PHONE:
            return Address(kind, f"+1555{number:07d}")
        case AddressKind.EMAIL:
            return Address(kind, f"person{number}@example.edu")
        case AddressKind.FEED:
            return Address(kind, f"x/campus{number or ''}")


def a_recipient(number: int = 0, **overrides: Any) -> Recipient:
    """Return person ``number`` with a phone and a mailbox."""
    addresses = (an_address(number), an_address(number, AddressKind.EMAIL))
    return Recipient(addresses=addresses, id=f"p{number}", line=number + 2)._replace(**overrides)


def a_delivery(number: int = 0, **overrides: Any) -> NewDelivery:
    """Return the text message of person ``number``, who also has a mailbox, as a row to plan."""
    row = NewDelivery(
        address=str(an_address(number)),
        recipient=f"p{number}",
        fallback=str(an_address(number, AddressKind.EMAIL)),
    )
    return row._replace(**overrides)


def some_deliveries(count: int, start: int = 0) -> list[NewDelivery]:
    """Return the rows of ``count`` different people, from person ``start``."""
    return [a_delivery(number) for number in range(start, start + count)]


def accepted(row: Row | int, attempt: int = 1, **overrides: Any) -> Settled:
    """Return "the provider took it" for a leased row, or for a row id and an attempt.

    A row that was leased while it waited has been claimed since: the result is about its next attempt.
    """
    number, tried = (row, attempt) if isinstance(row, int) else (row.id, row.attempt + _claimed_since(row))
    result = Settled(
        id=number,
        attempt=tried,
        state=State.ACCEPTED,
        outcome="accepted",
        at=A_MOMENT_US,
        provider_id=f"SM{number}.{tried}",
    )
    return result._replace(**overrides)


def _claimed_since(row: Row) -> int:
    return 1 if row.state is State.PENDING else 0


def deferred(row: Row | int, attempt: int = 1, *, due_at: int = A_MOMENT_US, **overrides: Any) -> Settled:
    """Return "surely not done, later" for a row."""
    result = accepted(row, attempt, state=State.PENDING, outcome="deferred", due_at=due_at)
    return result._replace(**{"provider_id": "", "reason": "rate_limited", **overrides})


def rejected(row: Row | int, attempt: int = 1, **overrides: Any) -> Settled:
    """Return "refused for this address" for a row."""
    result = accepted(row, attempt, state=State.REJECTED, outcome="rejected", provider_id="")
    return result._replace(**{"reason": "invalid_address", "detail": "21211", **overrides})


def unanswered(row: Row | int, attempt: int = 1, **overrides: Any) -> Settled:
    """Return "bytes left and no answer came" for a row."""
    result = accepted(row, attempt, state=State.UNCERTAIN, outcome="unknown", provider_id="")
    return result._replace(**{"reason": "timeout", **overrides})


def some_capabilities(**overrides: Any) -> Capabilities:
    """Return what a text message account can do: 100 a second, 50 in flight, 5 s a call."""
    made = Capabilities(
        address_kind=AddressKind.PHONE,
        shape=a_shape(),
        rate_per_s=100.0,
        in_flight=50,
        deadline=timedelta(seconds=5),
    )
    return made._replace(**overrides)


def an_envelope(number: int = 0, **overrides: Any) -> Envelope:
    """Return the first attempt of the default alert to person ``number``, ready to leave."""
    address = overrides.get("address", an_address(number))
    made = Envelope(
        key=delivery_key(_ALERT.id, "sms-main", str(address)),
        address=address,
        content=a_content(),
        attempt=1,
        expires_at=_ALERT.expires_at,
    )
    return made._replace(**overrides)
