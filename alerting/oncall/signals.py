"""What the lanes of this process say of their channels while they run: a breaker that opens, and closes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from alerting.model.outcome import Reason

#: Seconds a channel may be in trouble before anybody is told: most of it passes by itself.
GRACE_S: Final = 60.0
_TROUBLE: Final = frozenset({"breaker.opened", "breaker.downed", "lane.broken"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Since when (monotonic seconds) a channel is in trouble, why, and whether it was given up."""

    since: float
    words: str
    advice: str = ""
    down: bool = False


@dataclass(slots=True, kw_only=True)
class Signals:
    """The channels in trouble. ``hear`` may be called from any thread: each word is one change."""

    monotonic: Callable[[], float]
    troubles: dict[str, Trouble] = field(default_factory=dict)
    mended: set[str] = field(default_factory=set)

    def hear(self, event: str, fields: Mapping[str, object]) -> None:
        """Take in one event of the log."""
        channel = str(fields.get("channel", ""))
        if event in _TROUBLE:
            reason = Reason.of(str(fields.get("reason", "")))
            words = "an error of this program" if event == "lane.broken" else reason.words
            before = self.troubles.get(channel)
            self.troubles[channel] = Trouble(
                since=before.since if before else self.monotonic(),
                words=words,
                advice="" if event == "lane.broken" else reason.advice,
                down=event != "breaker.opened" or bool(before and before.down),
            )
            self.mended.discard(channel)
        elif event == "breaker.closed":
            self.troubles.pop(channel, None)
            self.mended.add(channel)
        elif event == "lane.stopped" and (known := self.troubles.get(channel)) and not known.down:
            # Nothing waits there any more; whether it works again the next message will show.
            self.troubles.pop(channel)

    def lasting(self) -> Iterator[tuple[str, Trouble]]:
        """Yield the channels that were given up, or are in trouble for longer than the grace."""
        now = self.monotonic()
        for channel, trouble in list(self.troubles.items()):
            if trouble.down or now - trouble.since >= GRACE_S:
                yield channel, trouble
