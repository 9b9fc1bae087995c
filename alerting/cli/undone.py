"""What a recall came to: what providers took back, and how fast the correction was out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from alerting.cli.face import Face, note, say
from alerting.cli.words import clean, plural, span

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerReader
    from alerting.ledger.rows import AlertRecord

_LOOK_S: Final = 0.1


def tell(face: Face, incident: str, *, decided_at: datetime, wait: bool) -> None:
    """Wait until providers were asked, and say what they took back and how long the correction took."""
    found = _found(face, incident, decided_at=decided_at, wait=wait)
    for line in _lines(*found) if found else ():
        say(line)


def as_json(face: Face, incident: str, *, decided_at: datetime, wait: bool) -> dict[str, Any]:
    """Wait as ``tell`` does, and return for scripts what came of it; nothing where nothing was opened."""
    found = _found(face, incident, decided_at=decided_at, wait=wait)
    if found is None:
        return {}
    came, times = found
    return {"recalled": {"done": came is not None, **(came or {}), **times}}


def _found(
    face: Face, incident: str, *, decided_at: datetime, wait: bool
) -> tuple[Mapping[str, int] | None, dict[str, float | None]] | None:
    from alerting.service.incident import story
    from alerting.service.recall import recalls_something

    ledger = face.app.reader()
    assert ledger is not None
    last = story(ledger, incident).alerts[-1]
    if not recalls_something(ledger, last.alert.id):
        return None  # nothing was opened: it waits for somebody else's word
    came = _outcome(face, ledger, last.alert.id) if wait else None
    return came, _times(face, ledger, last, decided_at)


def outcome(ledger: LedgerReader | None, alert_id: str) -> Mapping[str, int] | None:
    """Return what providers took back for a recall, or None while that is not known, or there is none."""
    from alerting.service.recall import outcome_of_recall

    return outcome_of_recall(ledger, alert_id) if ledger else None


def told(ledger: LedgerReader | None, alert_id: str) -> list[str]:
    """Return in words what providers took back for a recall, or what keeps it; nothing of other alerts."""
    came = outcome(ledger, alert_id)
    return _taken_back(came) if came else _stuck(ledger, alert_id)


def _stuck(ledger: LedgerReader | None, alert_id: str) -> list[str]:
    from alerting.service.recall import trouble_of_recall

    words = trouble_of_recall(ledger, alert_id) if ledger else ""
    return [f"{clean(words)}. To try it again at once: alert resume"] if words else []


def _outcome(face: Face, ledger: LedgerReader, alert_id: str) -> Mapping[str, int] | None:
    """Return the counts once they are on record; None when whoever takes back has ended before."""
    from alerting.service.recall import outcome_of_recall

    try:
        while (came := outcome_of_recall(ledger, alert_id)) is None and face.app.lock().held_by():
            if stuck := _stuck(ledger, alert_id):
                note(stuck[0])
                return None
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        note("\nProviders are still being asked; that goes on.")
        return None
    came = came or outcome_of_recall(ledger, alert_id)
    if came is None:
        note("The sender ended early: `alert status` goes on with taking back.")
    return came


def _times(
    face: Face, ledger: LedgerReader, last: AlertRecord, decided_at: datetime
) -> dict[str, float | None]:
    """Return seconds from the decision: to the first corrected post, the first message, and 95 % of all."""
    lead = (last.accepted_at - decided_at).total_seconds()
    times = {tally.channel: tally.times for tally in ledger.tally(last.alert.id)}
    wired = face.app.house().channels
    public = {name for name in times if name in wired and wired[name].channel.capabilities.feeds}
    firsts = {name: lead + found["first"] for name, found in times.items() if "first" in found}
    most = [lead + found["95"] for found in times.values() if "95" in found]
    return {
        "first_post_s": min((at for name, at in firsts.items() if name in public), default=None),
        "first_s": min(firsts.values(), default=None),
        "most_s": max(most, default=None),
    }


def _lines(came: Mapping[str, int] | None, times: Mapping[str, float | None]) -> list[str]:
    said = _taken_back(came) if came else []
    first = times["first_post_s"] if times["first_post_s"] is not None else times["first_s"]
    if first is not None:
        word = "corrected post" if times["first_post_s"] is not None else "correction"
        said.append(f"From decision to first {word} {span(first)}, to 95 % {span(times['most_s'])}.")
    return said


def _taken_back(came: Mapping[str, int]) -> list[str]:
    said = (
        f"Providers took back {plural(came['taken_back'], 'queued message')} of {came['asked']:,} asked"
        f" about; {plural(came['spared'], 'correction')} could be spared;"
        f" {plural(came['deleted'], 'post')} deleted."
    )
    left = f"{plural(came['kept'], 'post')} could not be deleted: look at the page."
    return [said, left] if came["kept"] else [said]
