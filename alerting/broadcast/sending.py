"""The senders of a lane: each takes an item, waits for its turn, calls the channel once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from alerting.broadcast.breaker import Breaker
from alerting.broadcast.pace import Pace
from alerting.broadcast.work import Item
from alerting.channels.base import BatchChannel, CannotTell, Channel, Lookup, Verdict
from alerting.clock import Clock
from alerting.model.message import Unit
from alerting.model.outcome import Outcome, Reason, Unknown

#: A claimed item that has not left by then goes back: its attempt must be recent when it starts.
HOLD_S: Final = 1.0
_DETAIL: Final = 120


class Unsent:
    """An item that was claimed but never handed to the provider."""


Told = Outcome | Verdict | Unsent


class Senders:
    """A pool of coroutines, as many as the lane's window allows, fed through ``give``.

    ``tell`` is called once for every item given, with what is known of it.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        pace: Pace,
        breaker: Breaker,
        clock: Clock,
        tell: Callable[[Item, Told], None],
    ) -> None:
        self._channel = channel
        self._batch = channel if isinstance(channel, BatchChannel) else None
        self._most = channel.capabilities.max_batch if self._batch else 1
        self._by_segment = channel.capabilities.shape.unit is Unit.SEGMENTS
        self._pace, self._breaker, self._clock, self._tell = pace, breaker, clock, tell
        self._ready: deque[Item] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._limit = 0
        self.unsent = 0  #: items given whose call has not begun

    def give(self, items: Sequence[Item], *, limit: int) -> None:
        """Queue items, with at most ``limit`` calls open."""
        self._limit = limit
        self._ready.extend(items)
        self.unsent += len(items)
        for _ in range(min(len(items), limit)):
            self._rouse()

    async def aclose(self) -> None:
        """End every sender; a call that is open stays without an answer."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _rouse(self) -> None:
        while self._idle:
            waiting = self._idle.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
        if len(self._tasks) < self._limit:
            task = asyncio.get_running_loop().create_task(self._serve())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self) -> None:
        while len(self._tasks) <= self._limit:
            if not self._ready:
                waiting = asyncio.get_running_loop().create_future()
                self._idle.append(waiting)
                await waiting
                continue
            item = self._ready.popleft()
            if not await self._may_go(item):
                self.unsent -= 1
                self._tell(item, Unsent())
            elif item.lookup:
                self.unsent -= 1
                self._tell(item, await self._find(item))
            else:
                await self._send([item, *self._companions(item)])

    def _companions(self, first: Item) -> list[Item]:
        """Further ready items of the same alert that the channel takes in one call."""
        items: list[Item] = []
        while len(items) + 1 < self._most and self._ready:
            candidate = self._ready[0]
            if candidate.lookup or candidate.hold.facts is not first.hold.facts:
                break
            if self._pace.wait(self._units(candidate), self._clock.monotonic()) > 0:
                break
            items.append(self._ready.popleft())
        return items

    def _units(self, item: Item) -> int:
        return item.hold.facts.content.size if self._by_segment else 1

    async def _may_go(self, item: Item) -> bool:
        """Wait for the pace; say no when the item has waited too long or the lane is in trouble."""
        wait = self._pace.wait(self._units(item), self._clock.monotonic())
        if wait > 0:
            async with self._turn:
                while (wait := self._pace.wait(self._units(item), self._clock.monotonic())) > 0:
                    if self._clock.monotonic() + wait - item.claimed_at > HOLD_S:
                        return False
                    await asyncio.sleep(wait)
        return item.trial or not self._breaker.open

    async def _send(self, items: list[Item]) -> None:
        self.unsent -= len(items)
        name = self._channel.name
        envelopes = [item.hold.facts.envelope(name, item.row) for item in items]
        try:
            if self._batch and len(items) > 1:
                outcomes = await self._batch.send_many(envelopes)
            else:
                outcomes = [await self._channel.send(envelopes[0])]
        except Exception as error:  # noqa: BLE001 - an adapter's bug must not lose a delivery
            outcomes = [Unknown(Reason.UNREADABLE, _said(error))] * len(items)
        for item, outcome in zip(items, outcomes, strict=True):
            self._tell(item, outcome)

    async def _find(self, item: Item) -> Verdict:
        if not isinstance(self._channel, Lookup):
            return CannotTell("this channel cannot be asked")
        envelope = item.hold.facts.envelope(self._channel.name, item.row)
        try:
            return await self._channel.find(envelope, item.since)
        except Exception as error:  # noqa: BLE001 - as above
            return CannotTell(_said(error))


def _said(error: Exception) -> str:
    return f"the adapter failed: {type(error).__name__}"[:_DETAIL]
