"""What an officer tells of the decision: when the danger was reported, and when it was confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alerting.cli.face import Face


def clock_of(face: Face, *, reported: str, confirmed: str) -> dict[str, str]:
    """Return what was given, as instants by name.

    A time of day is the last one on the campus clock that fits: today, or yesterday evening.

    Raises:
        UsageProblem: no time, in the future, long ago, or out of order; every reason at once.
    """
    given = {"reported": reported, "confirmed": confirmed}
    given = {name: text for name, text in given.items() if text.strip()}
    if not given:
        return {}
    from zoneinfo import ZoneInfo

    from alerting.publishing.facts import checked

    app = face.app
    now = app.clock.now()
    return checked(given, known={}, near=now, now=now, zone=ZoneInfo(app.config.campus.time_zone))
