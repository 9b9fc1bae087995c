"""The engine of a shared ledger: the same lanes, told by a queue which batches to take.

Opening an alert writes its batches and one job for each in the same commit; Procrastinate wakes the workers
of every host and gives each job to one of them. The job tells a lane which batch to take. Whether it may is
the ledger's to say: the batch is leased, with its epoch, as any other, and a job whose batch somebody else
has ends quietly. What a dead worker left is found by its lease, beside the queue and never through it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import partial
from hashlib import md5
from importlib import import_module
from itertools import count
from typing import Any, Final

from alerting.broadcast.lane import Lane
from alerting.broadcast.offers import Offers
from alerting.clock import micros
from alerting.engine.base import Jobs, Queued
from alerting.engine.embedded import EmbeddedEngine
from alerting.errors import LedgerUnavailable, innermost, words_of
from alerting.ledger.base import Ledger

#: How often to look for leases that ended, and to ask the queue whatever was or was not heard.
_LOOK_S: Final = 1.0
#: Looks between two at jobs of workers that were not heard of for so long, and at batches without a job.
_MEND, _MEND_ALL = 5, 30
_SILENT_S: Final = 15.0
#: How much of what was left behind one look takes up.
_LEFT: Final = 20
#: What is told in a notification has a name of 63 bytes at most, 23 of which are the queue's own.
_LONGEST: Final = 40
_RESTART_S, _REST_S = 1.0, 30.0
_AGAIN_S: Final = 0.25

Listen = Callable[[Callable[[], None]], Coroutine[None, None, None]]


def queue_of(channel: str) -> str:
    """Return the name of a channel's queue; the ledger derives it in the same way."""
    name = channel.encode()
    return channel if len(name) <= _LONGEST else md5(name, usedforsecurity=False).hexdigest()


class News:
    """What wakes the worker of a queue: notifications of the server, and lanes that run short."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.heard = 0  #: how often the server said something
        self.told = 0  #: how often anybody did

    def hear(self) -> None:
        """There may be new jobs."""
        self.heard += 1
        self.ask()

    def ask(self) -> None:
        """A lane could take one."""
        self.told += 1
        self._event.set()

    async def wait(self) -> None:
        """Wait until something was told since the last time."""
        await self._event.wait()
        self._event.clear()


def jobs_of(ledger: Ledger) -> Jobs:
    """Return the jobs beside a ledger; it must have a queue."""
    assert isinstance(ledger, Queued)
    return ledger.jobs


class DistributedEngine(EmbeddedEngine):
    """Runs lanes as the embedded engine does, for batches that a queue gives to this process.

    ``channels`` names those it may send on at this moment. ``listen`` hears of new jobs and calls what it is
    given, until it is cancelled. ``look_s`` is how often to look for what others left behind, in seconds.
    """

    def __init__(
        self,
        *,
        channels: Callable[[], Iterable[str]],
        listen: Listen,
        look_s: float = _LOOK_S,
        **given: Any,
    ) -> None:
        super().__init__(**given)
        self._channels, self._listen, self._look_s = channels, listen, look_s
        self._offers: dict[str, Offers] = {}
        self._news = News()
        self._dry: set[str] = set()
        self._peeked = -1
        self._open = self._queue_works = False

    @property
    def hears(self) -> int:
        """How often the server was heard: new jobs, and every time the connection was made."""
        return self._news.heard

    # -- what the lanes are told ------------------------------------------------------------------

    def _offers_of(self, channel: str) -> Offers:
        if channel not in self._offers:
            self._offers[channel] = Offers(partial(self._hungry, channel))
        return self._offers[channel]

    def _hungry(self, channel: str) -> None:
        if channel not in self._dry:
            self._news.ask()

    def offer(self, channel: str, batch: int) -> asyncio.Future[bool]:
        """Tell a lane to take a batch; see ``Offers.add``."""
        if not self._open:
            # Fetched while the lanes were ending: nobody is left to take it, and nobody may wait for that.
            nobody: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            nobody.set_result(False)
            return nobody
        told = self._offers_of(channel).add(batch)
        if lane := self._lanes.get(channel):
            lane.look(offered=True)
        else:
            self._wanted.add(channel)
            self._wake.set()
        return told

    async def deliver(self, channel: str, batch: int) -> None:
        """Have a lane deliver a batch; return when this process is through with it.

        A batch that no lane here has had, and that still waits, goes back into the queue.
        """
        if not await self.offer(channel, batch):
            if self._open:
                # Somebody has it locked, for a moment or because they stand still.
                await asyncio.sleep(_AGAIN_S)
            await self._writer.do(lambda ledger: jobs_of(ledger).again(batch))

    async def wanted(self) -> list[str]:
        """Return the channels whose lanes could take a job now.

        A lane with enough in hand takes one only if it is more urgent than that.
        """
        if not self._open:
            return []
        free = [
            name
            for name in self._channels()
            if self._mine(name) and name not in self._dry and not self._offers_of(name).waiting
        ]
        short = [name for name in free if not (lane := self._lanes.get(name)) or lane.short_of(0)]
        busy = {queue_of(name): name for name in free if name not in short}
        if busy and self._peeked != self._news.heard:
            self._peeked = self._news.heard
            top = await self._writer.do(lambda ledger: jobs_of(ledger).most_urgent(list(busy)))
            short += [busy[queue] for queue, priority in top.items() if self._short(busy[queue], priority)]
        return short

    def _short(self, channel: str, priority: int) -> bool:
        lane = self._lanes.get(channel)
        return lane is None or lane.short_of(priority)

    def nothing_for(self, channels: Iterable[str]) -> None:
        """Note that the queue has no job for these; they are asked for again when something was heard."""
        self._dry.update(channels)

    # -- what runs beside the lanes ---------------------------------------------------------------

    def _beside(self, stop: asyncio.Event) -> Iterator[Coroutine[None, None, None]]:
        self._open = True
        yield from super()._beside(stop)
        yield self._listen(self._heard)
        yield self._take_jobs()
        yield self._take_over()

    def _through(self) -> None:
        self._open = False
        for offers in self._offers.values():
            offers.close()

    def _tell(self, lane: Lane) -> None:
        # The queue tells it what there is; taking more beside that would keep it from others.
        lane.look(offered=self._queue_works)

    def _heard(self) -> None:
        self._dry.clear()
        self._news.hear()

    def _ended(self, channel: str) -> None:
        self._offers_of(channel).held(())

    async def _take_jobs(self) -> None:
        """Run the queue's worker, again and again; without it the lanes look for themselves."""
        for turn in count():
            try:
                work = await asyncio.to_thread(import_module, "alerting.engine.queue")
                self._queue_works = True
                await work.take_jobs(self, self._writer, self._news, name=self._owner, log=self._log)
            except* LedgerUnavailable as failed:
                raise innermost(failed) from failed
            except* Exception as failed:  # noqa: BLE001 - no library may stop an alert
                self._queue_works = False
                words = words_of(innermost(failed))[:200]
                self._log.error("queue.failed", error=type(innermost(failed)).__name__, words=words)
            await asyncio.sleep(min(_REST_S, _RESTART_S * 2**turn))

    async def _take_over(self) -> None:
        """Find what nobody sends any more, and have it sent here."""
        for turn in count(1):
            await asyncio.sleep(self._look_s)
            left = await self._writer.do(partial(self._left, turn=turn))
            # One a look for each lane: what is left of a dead worker is for all who go on.
            for channel, batch in dict(reversed(left)).items():
                if self._mine(channel):
                    self.offer(channel, batch)
            self._heard()
            if not self._queue_works:
                self.look()

    def _left(self, ledger: Ledger, *, turn: int) -> list[tuple[str, int]]:
        jobs = jobs_of(ledger)
        if turn % _MEND == 1:
            jobs.mend(silent_s=_SILENT_S, all_of_it=turn % _MEND_ALL == 1)
        return list(jobs.left_behind(at=micros(self._clock.now()), most=_LEFT))
