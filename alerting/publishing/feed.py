"""The feed: an Atom file of the newest alerts, each with its CAP message beside it.

A reader never sees half a file: each is written beside its place and moved in. Nothing is written
when nothing changed, so a reader's cache stays good. Readers know the feed and its entries by ``tag:``
names: an entry's follows from what its alert was opened with, the feed's is kept once it is written.

Source: RFC 4287 (Atom); RFC 4151 (``tag:``); OASIS CAP 1.2 for what each entry links to.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from alerting.errors import AlertingError, Problem, UsageProblem
from alerting.publishing.cap import (
    CONTENT_TYPE,
    Issuer,
    add,
    cap,
    earlier_of,
    identifier,
    issuer_then,
    stamp,
    wording_of,
)

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.ledger.base import LedgerReader
    from alerting.ledger.rows import AlertRecord

_ATOM: Final = "http://www.w3.org/2005/Atom"
#: How many of the newest alerts the feed shows.
SHOWN: Final = 20
#: What a tag's authority, a host or a mailbox, is not made of (RFC 4151, section 2.1).
_NO_AUTHORITY: Final = re.compile(r"[^a-z0-9.@_-]+")


def issuer_of(app: App) -> Issuer:
    """Return who speaks, from channels.yaml."""
    campus, publish = app.config.campus, app.config.publish
    return Issuer(
        sender=publish.sender,
        name=campus.name,
        area=campus.name,
        zone=ZoneInfo(campus.time_zone),
        web=campus.link,
    )


def message(app: App, ledger: LedgerReader, record: AlertRecord) -> bytes:
    """Return one alert as CAP.

    Raises:
        PlanRefused: it cannot be said in CAP.
    """
    incident = ledger.alerts_of(record.alert.incident)
    return cap(record, earlier_of(record, incident), issuer_of(app), [wording_of(record)])


def publish(app: App, ledger: LedgerReader) -> Path | None:
    """Write the feed where channels.yaml says, with a CAP file an alert beside it; None when nowhere.

    A rehearsal's feed stays in its own directory; a drill is never in the feed of real alerts.

    Raises:
        UsageProblem: a file cannot be written.
    """
    place = app.state / "feed.atom" if app.sandbox else app.config.publish.feed
    if place is None:
        return None
    records = [record for record in ledger.alerts(limit=SHOWN) if record.alert.live]
    written = [record for record in records if _beside(app, ledger, record, place)]
    issuer = issuer_of(app)
    name = _kept_name(place) or tag(issuer.sender, app.clock.now(), "alerts")
    _replace(place, feed(issuer, written, url=app.config.publish.url, name=name))
    return place


def _beside(app: App, ledger: LedgerReader, record: AlertRecord, place: Path) -> bool:
    try:
        text = message(app, ledger, record)
    except AlertingError as error:
        app.log.warning("feed.failed", alert=record.alert.id, error=str(error))
        return False
    _replace(place.with_name(_name(record)), text)
    return True


def tag(authority: str, at: datetime, specific: str) -> str:
    """Return a name nobody else gives: ``tag:alerts@example.edu,2026-08-31:L-7K2QXD``.

    ``at`` is an instant at which the authority was the campus's own.
    """
    known = _NO_AUTHORITY.sub("-", authority.lower()).strip("-") or "campus"
    return f"tag:{known},{at.astimezone(UTC).date().isoformat()}:{specific}"


def _kept_name(place: Path) -> str:
    """Return the name the feed has had so far, whatever the settings say by now; empty for a new one."""
    try:
        found = ET.fromstring(place.read_bytes()).findtext(f"{{{_ATOM}}}id") or ""  # noqa: S314 - our own file
    except (OSError, ET.ParseError):
        return ""
    return found if found.startswith("tag:") else ""


def feed(issuer: Issuer, records: Sequence[AlertRecord], *, url: str, name: str) -> bytes:
    """Return the Atom document under its name, newest first. The same alerts give the same bytes."""
    root = ET.Element("feed", xmlns=_ATOM)
    base = url.rstrip("/")
    add(root, "id", name)
    add(root, "title", f"{issuer.name}: emergency alerts")
    newest = max((record.accepted_at for record in records), default=None)
    add(root, "updated", stamp(newest, issuer.zone) if newest else "1970-01-01T00:00:00+00:00")
    add(ET.SubElement(root, "author"), "name", issuer.name)
    if base:
        ET.SubElement(root, "link", rel="alternate", href=base)
    for record in records:
        _entry(root, issuer, record, base)
    ET.indent(root, space=" ")
    text: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text + b"\n"


def _entry(root: ET.Element, issuer: Issuer, record: AlertRecord, base: str) -> None:
    entry = ET.SubElement(root, "entry")
    issuer = issuer_then(record, issuer)
    sent = stamp(record.accepted_at, issuer.zone)
    add(entry, "id", tag(issuer.sender, record.accepted_at, identifier(record)))
    add(entry, "title", record.alert.title)
    add(entry, "updated", sent)
    add(entry, "published", sent)
    href = f"{base}/{_name(record)}" if base else _name(record)
    ET.SubElement(entry, "link", rel="alternate", type=CONTENT_TYPE, href=href)
    add(entry, "summary", wording_of(record).description)


def _name(record: AlertRecord) -> str:
    return f"{identifier(record)}.cap.xml"


def _replace(path: Path, text: bytes) -> None:
    """Put a file in its place whole, if it says something else than before."""
    try:
        if path.exists() and path.read_bytes() == text:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with draft.open("wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.chmod(0o644)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        raise UsageProblem(
            Problem(where=str(path), what=what, fix="correct publish.feed in channels.yaml")
        ) from error
