"""The words the program fills in itself, in every template."""

from __future__ import annotations

from typing import Final

from alerting.model.alert import Status
from alerting.named import NamedTuple

#: The word a drill or a test begins and ends with.
WALL: Final = {Status.EXERCISE: "DRILL", Status.TEST: "TEST", Status.SYSTEM: "NOTICE"}


class CoreWords(NamedTuple):
    """What no author writes by hand.

    ``source`` is the campus's source line (``NSU ALERT``); ``time`` the moment the text is true at, in
    the campus's zone (``3:05pm``); ``number`` the place in the incident (``#2``), empty for the first;
    ``link`` the official page, shown without ``https://``; ``next_update`` when people hear again,
    empty when nobody promises. ``status`` decides whether the drill wall goes up.
    """

    source: str
    time: str
    number: str = ""
    link: str = ""
    next_update: str = ""
    evidence: str = ""
    status: Status = Status.ACTUAL

    @property
    def wall(self) -> str:
        """``DRILL`` or ``TEST``, or nothing when it is real."""
        return WALL.get(self.status, "")

    def words(self) -> dict[str, str]:
        """Return what the texts may use, by name."""
        return {
            "source": self.source,
            "time": self.time,
            "number": self.number,
            # Phones and mail readers link a bare name; https:// would only take room.
            "link": self.link.removeprefix("https://").removesuffix("/"),
            "next_update": self.next_update,
            "evidence": self.evidence,
        }
