"""Can somebody send right now? An answer, made of looks: each a sentence with what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerting.errors import Exit


class Level(StrEnum):
    """What one look means for the answer."""

    YES = "yes"  #: as it should be
    WARN = "warn"  #: somebody should look at it; it keeps nobody from sending
    NO = "no"  #: an alert would not go out, not all of it, or nobody is there to send it


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was looked at, how it is, and what to do. ``channel`` is set where it is about one."""

    what: str
    level: Level = Level.YES
    detail: str = ""
    fix: str = ""
    channel: str = ""

    def __str__(self) -> str:
        """Return the sentence."""
        return f"{self.what}: {self.detail}" + (f"; {self.fix}" if self.fix else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Everything that was looked at, at an instant (aware)."""

    at: datetime
    looks: tuple[Look, ...]

    @property
    def ready(self) -> bool:
        """Whether somebody can send right now."""
        return not self.reasons

    @property
    def reasons(self) -> list[Look]:
        """What keeps the answer from being yes."""
        return [look for look in self.looks if look.level is Level.NO]

    @property
    def exit(self) -> Exit:
        """The answer for a monitor: 0 yes, 4 where no channel at all would take an alert, else 3."""
        if self.ready:
            return Exit.OK
        channels = [look for look in self.looks if look.channel]
        dead = bool(channels) and all(look.level is Level.NO for look in channels)
        return Exit.NOTHING_SENT if dead else Exit.PARTIAL
