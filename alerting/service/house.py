"""The campus as the service sees it: its words, channels and audiences, whatever stands behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from alerting.audience.roster import Roster
from alerting.channels.base import Channel
from alerting.errors import Problem, UsageProblem
from alerting.named import NamedTuple
from alerting.rendering.store import TemplateStore


class Wired(NamedTuple):
    """One configured channel: its adapter, built but not connected."""

    name: str
    kind: str
    channel: Channel
    fallback: str = ""
    mode: Literal["live", "drill", "both"] = "both"

    def carries(self, *, live: bool) -> bool:
        """Whether messages of this mode may go out here."""
        return self.mode in ("both", "live" if live else "drill")


class House(NamedTuple):
    """Everything a plan is made of."""

    campus: str
    source: str  #: the words an alert starts with
    zone: ZoneInfo
    link: str
    channels: Mapping[str, Wired]
    templates: TemplateStore
    audiences: Mapping[str, Callable[[], Roster]]
    default_channels: tuple[str, ...] = ()
    default_audience: str = ""
    sender: str = ""  #: the campus's name among programs, as CAP wants it

    def issuer(self) -> dict[str, str]:
        """Return who speaks, to be kept with what is said."""
        return {"sender": self.sender, "name": self.campus, "zone": self.zone.key, "web": self.link}

    def clock_words(self, at: datetime) -> str:
        """Return an instant as people on campus say it: ``3:05pm``."""
        local = at.astimezone(self.zone)
        return f"{local.hour % 12 or 12}:{local.minute:02d}{'am' if local.hour < 12 else 'pm'}"  # noqa: PLR2004

    def wired(self, name: str) -> Wired:
        """Return a channel by name.

        Raises:
            UsageProblem: there is none of that name.
        """
        if name in self.channels:
            return self.channels[name]
        raise UsageProblem(_unknown("channel", name, self.channels))

    def roster(self, name: str) -> Roster:
        """Return an audience's roster by name.

        Raises:
            UsageProblem: there is no audience of that name.
            AudienceProblem: its list cannot be read.
        """
        if name in self.audiences:
            return self.audiences[name]()
        raise UsageProblem(_unknown("audience", name, self.audiences))


def _unknown(noun: str, name: str, known: Mapping[str, object]) -> Problem:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1)
    fix = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(known))}"
    return Problem(where="", what=f"there is no {noun} {name!r} in channels.yaml", fix=fix)
