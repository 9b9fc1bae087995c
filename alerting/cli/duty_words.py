"""The duty roster in words."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from alerting.cli.words import span

if TYPE_CHECKING:
    from alerting.duty import Duty


def on_duty(duty: Duty, zone: ZoneInfo, now: datetime) -> tuple[bool, str]:
    """Return whether anybody is on duty, and who that is until when, in a sentence."""
    stints = duty.on_duty(now)
    source = f"{duty.source}{_copied(duty, now)}"
    if not stints:
        return False, f"nobody is on duty now, says {source}"
    named = (f"{s.person.title} until {s.until.astimezone(zone):%a %H:%M}" for s in stints)
    return True, f"{', '.join(named)}; from {source}"


def _copied(duty: Duty, now: datetime) -> str:
    if duty.copy is None or duty.copy.fetched_at is None:
        return ""
    return f", fetched {span(duty.copy.age(now))} ago"
