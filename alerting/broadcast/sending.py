"""The senders of a lane: each item waits for its turn, then its channel is called once.

Calls that answer through a callback (``StreamChannel``) cost neither a task nor a switch; every other
call is a task of its own. Both kinds share one pump, which starts calls while the window has room.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Protocol, runtime_checkable

from alerting.broadcast.breaker import Breaker
from alerting.broadcast.pace import Pace
from alerting.broadcast.work import Facts, Item
from alerting.channels.base import BatchChannel, CannotTell, Channel, Envelope, Lookup, Verdict
from alerting.clock import Clock
from alerting.model.delivery import State
from alerting.model.message import Content, Unit
from alerting.model.outcome import Outcome, Reason, Rejected, Unknown

#: A claimed item that has not left by then goes back: its attempt must be recent when it starts.
HOLD_S: Final = 1.0
#: What leaves within so many seconds of being let go leaves at once; the pace has more room than that.
_AT_ONCE_S: Final = 0.001
_DETAIL: Final = 120
_UNCERTAIN: Final = State.UNCERTAIN
_WRONG_MODE: Final = "the channel's mode in channels.yaml does not allow this alert"


class Unsent:
    """An item that was claimed but never handed to the provider."""


Told = Outcome | Verdict | Unsent


@runtime_checkable
class StreamChannel(Protocol):
    """A channel that can begin a call and answer later, without a coroutine for each."""

    async def prepare(self, content: Content) -> None:
        """Make ready for a content, so that what is submitted leaves at once. Never raises."""
        ...

    def submit(self, envelope: Envelope, done: Callable[[Outcome], None], leave_by: float) -> bool:
        """Begin ``send`` and return; ``done`` is called once, later, in this loop.

        What still waits for a connection at ``leave_by``, in the loop's seconds, must not leave any more.
        False when it has to be ``send`` this time; then nothing was begun.
        """
        ...

    @property
    def held(self) -> int:
        """How many of those submitted have not left yet, the newest: they wait for a connection."""
        ...


class Senders:
    """Keeps as many calls open as the lane's window allows, fed through ``give``.

    ``tell`` is called once for every item given, with what is known of it. Nothing is sent after ``until``,
    in monotonic seconds, which the lane moves on as its leases are renewed.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        pace: Pace,
        breaker: Breaker,
        clock: Clock,
        tell: Callable[[Item, Told], None],
        carries: Callable[..., bool] = lambda *, live: True,  # noqa: ARG005
    ) -> None:
        self._channel, self._carries = channel, carries
        self._batch = channel if isinstance(channel, BatchChannel) else None
        self._most = channel.capabilities.max_batch if self._batch else 1
        self._stream = channel if isinstance(channel, StreamChannel) else None
        self._prepared: dict[int, Facts] = {}
        self._by_segment = channel.capabilities.shape.unit is Unit.SEGMENTS
        self._pace, self._breaker, self._tell = pace, breaker, tell
        self._monotonic = clock.monotonic
        self._ready: deque[Item] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._limit = self._open = self._held = 0
        self._closed = self._preparing = False
        self.unsent = 0  #: items given whose call has not begun
        self.until = float("-inf")  #: until when what was given is surely this process's to send

    @property
    def open_calls(self) -> int:
        """How many calls are open."""
        return self._open

    def give(self, items: Sequence[Item], *, limit: int) -> None:
        """Queue items, with at most ``limit`` calls open."""
        self._limit = limit
        self._ready.extend(items)
        self.unsent += len(items)
        if items:
            self._pump()

    async def aclose(self) -> None:
        """End every call that is open; it stays without an answer."""
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _pump(self) -> None:
        """Begin calls until the window is full, nothing is ready, or the pace says to wait.

        A message counts from when it leaves, as the provider hears it: between the word that it may go and
        its first byte a busy machine may have done something else, or a connection may have to be opened.
        """
        ready, stream = self._ready, self._stream
        if stream and self._held:
            # Since the last look they may have left: at this moment at the latest.
            self._pace.left(self._held, self._monotonic())
            self._held = stream.held
        while ready and self._open < self._limit and not self._closed:
            item = ready[0]
            facts = item.hold.facts
            if stream and id(facts) not in self._prepared:
                self._prepare(stream, facts)
                return
            now = self._monotonic()
            if (now > self.until or item.hold.lost) and not item.lookup:
                # This process, or its ledger, stood still: somebody else may have taken the message over.
                self._return(Unsent())
                continue
            units = facts.content.size if self._by_segment else 1
            if (wait := self._pace.wait(units, now)) > 0:
                if now + wait - item.claimed_at <= HOLD_S:
                    self._wait(wait)
                    return
            elif item.trial or self._breaker.opened_at is None:
                self._begin(ready.popleft())
                if (left_at := self._monotonic()) - now > _AT_ONCE_S:
                    self._pace.left(1, left_at)
                if stream:
                    self._held = stream.held
                continue
            self._return(Unsent())

    def _return(self, told: Told) -> None:
        self.unsent -= 1
        self._tell(self._ready.popleft(), told)

    def _prepare(self, stream: StreamChannel, facts: Facts) -> None:
        """Go on when the channel is ready: a message counted now and leaving later would break the pace."""

        async def prepare() -> None:
            with suppress(Exception):  # the calls will say what is wrong
                await stream.prepare(facts.content)
            self._preparing = False
            self._prepared[id(facts)] = facts

        if not self._preparing:
            self._preparing = True
            self._open += 1
            self._start(prepare())

    def _wait(self, wait: float) -> None:
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(wait, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._pump()

    def _begin(self, item: Item) -> None:
        self._open += 1
        self.unsent -= 1
        if item.row.state is _UNCERTAIN:
            self._start(self._find(item))
        elif self._stream is None or not self._streamed(self._stream, item):
            items = [item, *self._companions(item)] if self._most > 1 else [item]
            self._start(self._send(items))

    def _streamed(self, stream: StreamChannel, item: Item) -> bool:
        """Begin a call that answers through a callback; say whether it could be begun."""
        facts = item.hold.facts
        if not self._carries(live=facts.life.live):
            return False
        try:
            envelope = item.hold.envelope(item)
            return stream.submit(envelope, partial(self._done, item), self.until)
        except Exception as error:  # noqa: BLE001 - an adapter's bug must not lose a delivery
            self._done(item, Unknown(Reason.UNREADABLE, _said(error)))
            return True

    def _done(self, item: Item, outcome: Outcome) -> None:
        if self._closed:
            return
        self._open -= 1
        self._tell(item, outcome)
        if self._ready or self._held:
            self._pump()

    def _start(self, call: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._open -= 1
        self._pump()

    def _companions(self, first: Item) -> list[Item]:
        """Further ready items of the same alert that the channel takes in one call."""
        items: list[Item] = []
        now = self._monotonic()
        while len(items) + 1 < self._most and self._ready:
            candidate = self._ready[0]
            hold = candidate.hold
            if candidate.lookup or hold.lost or hold.facts is not first.hold.facts:
                break
            if self._pace.wait(self._units(candidate), now) > 0:
                break
            items.append(self._ready.popleft())
        self.unsent -= len(items)
        return items

    def _units(self, item: Item) -> int:
        return item.hold.facts.content.size if self._by_segment else 1

    async def _send(self, items: list[Item]) -> None:
        envelopes = [self._envelope(item) for item in items]
        try:
            if not self._carries(live=envelopes[0].live):
                # The wall between drill and live, looked at once more with the message in hand.
                outcomes: Sequence[Outcome] = [Rejected(Reason.WRONG_MODE, _WRONG_MODE)] * len(items)
            elif self._batch and len(items) > 1:
                outcomes = _one_each(await self._batch.send_many(envelopes), len(items))
            else:
                outcomes = [await self._channel.send(envelopes[0])]
        except (Exception, asyncio.CancelledError) as error:
            # An adapter's bug must not lose a delivery; nor must a future that its library has cancelled.
            if self._closed:
                raise
            outcomes = [Unknown(Reason.UNREADABLE, _said(error))] * len(items)
        for item, outcome in zip(items, outcomes, strict=True):
            self._tell(item, outcome)

    def _envelope(self, item: Item) -> Envelope:
        """Return an item with the question to ask once there is a connection: is it still ours to send?"""
        hold = item.hold
        envelope = hold.envelope(item)
        return envelope._replace(ours=lambda: self._monotonic() <= self.until and not hold.lost)

    async def _find(self, item: Item) -> None:
        self._tell(item, await self._asked(item))

    async def _asked(self, item: Item) -> Verdict:
        if not isinstance(self._channel, Lookup):
            return CannotTell("this channel cannot be asked")
        envelope = item.hold.envelope(item)
        try:
            return await self._channel.find(envelope, item.since)
        except (Exception, asyncio.CancelledError) as error:
            if self._closed:
                raise
            return CannotTell(_said(error))


def _one_each(outcomes: Sequence[Outcome], count: int) -> Sequence[Outcome]:
    """Return the answers to a batch. One that lacks any tells nothing of which message it speaks."""
    if len(outcomes) != count:
        raise ValueError(outcomes)
    return outcomes


def _said(error: BaseException) -> str:
    return f"the adapter failed: {type(error).__name__}"[:_DETAIL]
