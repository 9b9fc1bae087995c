"""An alert as a CAP 1.2 message: for aggregators, county authorities, and anything else that reads CAP.

Only what the standard allows leaves here: elements in its order, its own words, times with a numeric
offset. ``identifier``, ``sender`` and ``sent`` are those of the opening and never change, whatever becomes
of the settings; a follow-up is a new message that references the earlier ones.

Source: OASIS Common Alerting Protocol 1.2, sections 3.2 and 3.3.2 (time without "Z").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from alerting.errors import PlanRefused, Problem
from alerting.model.alert import Category, Certainty, MsgType, ResponseType, Severity, Status, Urgency

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from alerting.ledger.rows import AlertRecord

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
CONTENT_TYPE: Final = "application/cap+xml"

_STATUS: Final[Mapping[Status, str]] = {
    Status.ACTUAL: "Actual",
    Status.EXERCISE: "Exercise",
    Status.TEST: "Test",
}
#: Closed: a kind of message that is not here is refused, never sent as a new alert.
_MSG_TYPE: Final[Mapping[MsgType, str]] = {
    MsgType.ALERT: "Alert",
    MsgType.UPDATE: "Update",
    MsgType.CANCEL: "Cancel",
}
_CATEGORY: Final[Mapping[Category, str]] = {
    **{category: category.value.capitalize() for category in Category},
    Category.CBRNE: "CBRNE",
}
#: What people are asked to do, by our templates' words.
_RESPONSE: Final[Mapping[ResponseType, str]] = {
    **{response: response.value.capitalize() for response in ResponseType},
    ResponseType.ALL_CLEAR: "AllClear",
}
#: Not in an identifier or a sender (section 3.2.1).
_FORBIDDEN: Final = re.compile(r"[\s,<&]+")
#: Not in an XML 1.0 document at all (section 2.2).
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: The texts a reader of CAP is best served by, best first.
_BEST: Final = ("email", "post", "sms")
_HEADLINE: Final = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who speaks, and where: ``sender`` without blanks, ``web`` empty or a link, ``zone`` for times."""

    sender: str
    name: str
    area: str
    zone: ZoneInfo
    web: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One language of an alert."""

    headline: str
    description: str
    language: str = "en-US"


def cap(
    record: AlertRecord, earlier: Sequence[AlertRecord], issuer: Issuer, wordings: Sequence[Wording]
) -> bytes:
    """Return the alert as CAP 1.2, UTF-8 with its declaration.

    ``earlier`` are the messages it updates or cancels, oldest first; ``wordings`` one a language, the
    main one first.

    Raises:
        PlanRefused: an unknown kind of message, a follow-up without references, or two wordings of one
            language.
    """
    alert = record.alert
    now, issuer = issuer, issuer_then(record, issuer)
    _refuse(record, earlier, wordings)
    root = ET.Element("alert", xmlns=NAMESPACE)
    add(root, "identifier", identifier(record))
    add(root, "sender", _plain(issuer.sender))
    add(root, "sent", stamp(record.accepted_at, issuer.zone))
    add(root, "status", _STATUS[alert.status])
    add(root, "msgType", _MSG_TYPE[alert.msg_type])
    add(root, "source", alert.author)
    add(root, "scope", "Public")
    if alert.status is Status.EXERCISE:
        add(root, "note", "This is an exercise. There is no emergency; no action is needed.")
    elif alert.status is Status.TEST:
        add(root, "note", "This is a technical test. There is no emergency; no action is needed.")
    if earlier:
        add(root, "references", " ".join(_triple(one, now) for one in earlier))
    add(root, "incidents", _plain(alert.incident))
    for wording in wordings:
        _info(root, record, issuer, wording)
    ET.indent(root, space=" ")
    text: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text + b"\n"


def _refuse(record: AlertRecord, earlier: Sequence[AlertRecord], wordings: Sequence[Wording]) -> None:
    alert = record.alert
    if alert.msg_type not in _MSG_TYPE or alert.status not in _STATUS:
        what = f"{alert.msg_type!r}/{alert.status!r} is no kind of CAP message"
        raise PlanRefused(
            Problem(where=alert.id, what=what, fix="it is not written at all, rather than wrongly")
        )
    if alert.msg_type is not MsgType.ALERT and not earlier:
        what = f"an {alert.msg_type} that names no earlier message cannot be written as CAP"
        raise PlanRefused(Problem(where=alert.id, what=what, fix="write the alert it follows instead"))
    languages = [wording.language for wording in wordings]
    if len(set(languages)) < len(languages):
        raise PlanRefused(
            Problem(where=alert.id, what="two wordings of one language", fix="give one a language")
        )


def _info(root: ET.Element, record: AlertRecord, issuer: Issuer, wording: Wording) -> None:
    alert = record.alert
    info = ET.SubElement(root, "info")
    over = alert.response_type is ResponseType.ALL_CLEAR or (
        alert.msg_type is MsgType.CANCEL and alert.urgency is Urgency.PAST
    )
    add(info, "language", wording.language)
    add(info, "category", _CATEGORY[alert.category])
    add(info, "event", alert.title)
    response = ResponseType.ALL_CLEAR if over else alert.response_type
    if response is not None:
        add(info, "responseType", _RESPONSE[response])
    add(info, "urgency", "Past" if over else _word(alert.urgency))
    add(info, "severity", _word(alert.severity))
    add(info, "certainty", _word(alert.certainty))
    add(info, "effective", stamp(record.accepted_at, issuer.zone))
    add(info, "expires", stamp(alert.expires_at, issuer.zone))
    add(info, "senderName", issuer.name)
    add(info, "headline", wording.headline[:_HEADLINE])
    add(info, "description", wording.description)
    if issuer.web:
        add(info, "web", issuer.web)
    area = ET.SubElement(info, "area")
    place = alert.variables.get("place", "")
    add(area, "areaDesc", f"{place}, {issuer.area}" if place else issuer.area)


def issuer_then(record: AlertRecord, issuer: Issuer) -> Issuer:
    """Return who spoke when it was opened; ``issuer``, who speaks now, for records of older versions."""
    from zoneinfo import ZoneInfo

    kept = record.alert.issuer
    if not kept:
        return issuer
    name, zone = kept["name"], ZoneInfo(kept["zone"])
    return replace(issuer, sender=kept["sender"], name=name, area=name, zone=zone, web=kept["web"])


def identifier(record: AlertRecord) -> str:
    """Return the message's own name: the alert's id, which no other alert of this campus has."""
    return _plain(record.alert.id)


def stamp(at: datetime, zone: ZoneInfo) -> str:
    """Return an instant as CAP writes it: whole seconds, a numeric offset, never "Z"; UTC is ``-00:00``."""
    local = at.astimezone(zone).replace(microsecond=0)
    text = local.isoformat()
    return f"{text[:-6]}-00:00" if zone.key in ("UTC", "Etc/UTC") else text


def wording_of(record: AlertRecord) -> Wording:
    """Return the text of the channel that says most: the mail, else the post, else the text message."""
    lanes = sorted(record.lanes, key=lambda lane: _rank(lane.kind))
    longest = lanes[0].content if lanes else None
    return Wording(
        headline=(longest.subject if longest and longest.subject else record.alert.title),
        description=longest.text if longest else record.alert.title,
        language=record.alert.language or "en-US",
    )


def _rank(kind: str) -> int:
    head = kind.partition(".")[0]
    return _BEST.index(head) if head in _BEST else 1


def _triple(record: AlertRecord, issuer: Issuer) -> str:
    issuer = issuer_then(record, issuer)
    return f"{_plain(issuer.sender)},{identifier(record)},{stamp(record.accepted_at, issuer.zone)}"


def _word(value: Severity | Urgency | Certainty) -> str:
    return value.value.capitalize()


def _plain(text: str) -> str:
    return _FORBIDDEN.sub("-", _NO_XML.sub("", text)).strip("-") or "unknown"


def add(parent: ET.Element, name: str, text: str) -> None:
    """Add an element with a text; what no XML document may hold is replaced."""
    ET.SubElement(parent, name).text = _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def earlier_of(record: AlertRecord, incident: Iterable[AlertRecord]) -> list[AlertRecord]:
    """Return the messages an alert references: those it names, else all before it in its incident."""
    before = [one for one in incident if one.alert.number < record.alert.number]
    named = [one for one in before if one.alert.id in record.alert.references]
    if record.alert.msg_type is MsgType.ALERT:
        return []
    return named or before
