"""The embedded engine: every lane in this process, over one ledger that this process owns."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Final

from alerting.broadcast.lane import Lane, Rules
from alerting.broadcast.offers import Offers
from alerting.channels.base import Channel
from alerting.clock import Clock
from alerting.engine.precedence import Precedence
from alerting.errors import LedgerUnavailable, innermost, words_of
from alerting.ledger.base import Ledger, LedgerWriter
from alerting.ledger.rolling import Rolling
from alerting.telemetry import Log

_RESTART_S: Final = 1.0
#: A post is claimed and out in a third of that, where its library has been read.
_HEAD_START_S: Final = 0.1
#: How often in a row a lane may break before its channel counts as one that cannot work.
_BREAKS: Final = 10


class EmbeddedEngine:
    """Runs one lane for each channel that has something to send.

    ``channel`` builds a configured channel by name; it is asked once for each lane, which closes it.
    ``refusing`` builds what stands in for one whose lane breaks again and again: given its name and why,
    it refuses everything, so that fallbacks take over and nothing waits for ever unseen.
    ``mine`` says which channels are this process's to send on. ``head_start_s`` is how long feeds have the
    ledger to themselves before the rows of an accepted list are written.
    """

    def __init__(
        self,
        *,
        channel: Callable[[str], Channel],
        writer: LedgerWriter,
        clock: Clock,
        log: Log,
        owner: str,
        rng: random.Random | None = None,
        rules: Callable[[str], Rules] | None = None,
        refusing: Callable[[str, str], Channel] | None = None,
        restart_s: float = _RESTART_S,
        head_start_s: float = _HEAD_START_S,
        mine: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._channel, self._writer, self._clock, self._log = channel, writer, clock, log
        self._owner, self._refusing, self._restart_s = owner, refusing, restart_s
        self._head_start_s, self._mine = head_start_s, mine
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not secrets
        self._rules = rules or (lambda _: Rules())
        self._lanes: dict[str, Lane] = {}
        self._running: set[str] = set()
        self._breaks: dict[str, list[str]] = {}
        self._wake = asyncio.Event()
        self._wanted: set[str] = set()
        self._precedence = Precedence()
        self._rolls, self._unwritten = asyncio.Event(), False

    @property
    def lanes(self) -> dict[str, Lane]:
        """The lanes at work, by channel."""
        return dict(self._lanes)

    def ahead(self, channels: Iterable[Channel]) -> None:
        """Read what the feeds among channels need, while the alert they will carry is being opened."""
        self._precedence.ahead(channels)

    def look(self, channel: str = "") -> None:
        """Tell the lanes that there is work; without a name, ask the ledger which."""
        if lane := self._lanes.get(channel):
            self._tell(lane)
        self._wanted.add(channel)
        self._wake.set()

    async def run(self, *, stop: asyncio.Event, forever: bool = False) -> None:
        """Send until nothing is left (or for ever), or until told to stop."""
        self.look()
        try:
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(task) for task in self._beside(stop)]
                try:
                    await self._watch(group, stop, forever=forever)
                finally:
                    self._through()
                    for task in beside:
                        task.cancel()
        except* LedgerUnavailable as failed:
            # Several lanes meet the same broken ledger; one of their errors tells it all.
            raise innermost(failed) from failed

    def _beside(self, stop: asyncio.Event) -> Iterator[Coroutine[None, None, None]]:
        """Give what runs beside the lanes, until no more of them are started; then it is cancelled."""
        yield self._end(stop)
        yield self._unroll()

    def _tell(self, lane: Lane) -> None:
        """Tell a lane at work that there may be more."""
        lane.look()

    def _through(self) -> None:
        """Let go of what no lane will be started for."""

    def _ended(self, channel: str) -> None:
        """Let go of what a lane had in hand that has ended."""

    def _offers_of(self, channel: str) -> Offers | None:  # noqa: ARG002 - for engines with a queue
        """Return what a lane is told to take; None where it takes whatever there is."""
        return None

    async def _end(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()
        for lane in self._lanes.values():
            lane.look()

    async def _watch(self, group: asyncio.TaskGroup, stop: asyncio.Event, *, forever: bool) -> None:
        while not stop.is_set():
            await self._start_wanted(group, stop)
            if not (self._running or self._wanted or self._unwritten or forever):
                return
            await self._wake.wait()
            self._wake.clear()

    async def _start_wanted(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        wanted, self._wanted = self._wanted, set()
        if "" in wanted:
            work, rolled = await self._writer.do(_waiting)
            # A lane without anything to send yet would only be in the way of the feeds.
            wanted |= {name for _, name in work if rolled.get(name, True)}
            if rolled:
                self._unwritten = True
                self._rolls.set()
        for name in sorted(name for name in wanted if name and self._mine(name)):
            if name in self._running:
                if lane := self._lanes.get(name):
                    self._tell(lane)
            else:
                self._running.add(name)
                group.create_task(self._run(name, stop))

    async def _unroll(self) -> None:
        """Write the rows of people whose list was accepted, when the feeds have had time to leave."""
        while True:
            await self._rolls.wait()
            self._rolls.clear()
            await self._precedence.read()
            await asyncio.sleep(self._head_start_s)
            try:
                while channel := await self._writer.do(_unrolled):
                    self.look(channel)
                self._unwritten = False
                self._wake.set()
            except LedgerUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - lanes that have their rows must go on
                self._log.error("roll.broken", error=type(error).__name__, words=words_of(error)[:200])
                await asyncio.sleep(self._restart_s)
                self._rolls.set()

    def _built(self, name: str) -> Channel:
        breaks = self._breaks.get(name, [])
        if self._refusing is None or len(breaks) < _BREAKS:
            return self._channel(name)
        return self._refusing(name, f"the channel broke {len(breaks)} times: {breaks[-1]}")

    def _lane(self, name: str) -> Lane:
        return Lane(
            self._built(name),
            writer=self._writer,
            clock=self._clock,
            rng=self._rng,
            log=self._log,
            owner=self._owner,
            nudge=self.look,
            fit=self._fit,
            rules=self._rules(name),
            offers=self._offers_of(name),
        )

    def _fit(self, name: str) -> bool:
        """Whether nothing is known against a channel."""
        lane = self._lanes.get(name)
        return lane is None or lane.trouble is None

    async def _run(self, name: str, stop: asyncio.Event) -> None:
        """Run a lane to its end. An error of ours breaks one lane, never the others."""
        try:
            lane = self._lanes[name] = self._lane(name)
            try:
                await self._precedence.turn(lane.channel)
                await lane.run(stop=stop)
            finally:
                await lane.channel.aclose()
            self._breaks.pop(name, None)
        except LedgerUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the other channels must go on
            self._log.error(
                "lane.broken", channel=name, error=type(error).__name__, words=words_of(error)[:200]
            )
            self._breaks.setdefault(name, []).append(type(error).__name__)
            await asyncio.sleep(self._restart_s)
        finally:
            self._running.discard(name)
            self._lanes.pop(name, None)
            self._ended(name)
            self.look()  # whatever came for it while it was ending


def _waiting(ledger: Ledger) -> tuple[Sequence[tuple[str, str]], Mapping[str, bool]]:
    """Return what is not settled, and which channels have rows to be written; see ``Rolling.rolled``."""
    return ledger.unsettled(), ledger.rolled() if isinstance(ledger, Rolling) else {}


def _unrolled(ledger: Ledger) -> str | None:
    return ledger.unroll() if isinstance(ledger, Rolling) else None
