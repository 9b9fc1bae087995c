"""A provider as a model: how fast it answers, what it refuses, what it never answers."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerting.channels.base import Absent, Capabilities, Envelope, Found, Verdict
from alerting.model.audience import AddressKind
from alerting.model.message import Content, Shape, Unit
from alerting.model.outcome import Accepted, Deferred, Outcome, Reason, Rejected, Unknown
from benchmarks.simulation.virtual import TICK_S

#: Longer than a lease and a look-up's wait together.
_REMEMBERED_S: Final = 60.0
#: So many latencies are drawn beforehand, and then again and again in another order.
_DRAWN: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a provider behaves. Shares are of all calls; ``latency_s`` is the median of its answers."""

    latency_s: float = 0.1
    spread: float = 0.25  #: of the logarithm of the latency
    refused: float = 0.004  #: landlines, opted out: for good
    lost: float = 0.0005  #: taken or not, no answer comes
    busy: float = 0.001  #: 503: try again


class Provider:
    """One account at a provider, called by every worker."""

    def __init__(self, name: str, manner: Manner, *, deadline_s: float, seed: int) -> None:
        self.name, self._manner, self._deadline_s = name, manner, deadline_s
        self._rng = random.Random(f"{seed} {name}")
        self._latencies = [
            manner.latency_s * self._rng.lognormvariate(0.0, manner.spread) for _ in range(_DRAWN)
        ]
        self._coming: dict[int, list[tuple[ModelledChannel, Callable[[Outcome], None], Outcome]]] = {}
        self.calls: Counter[int] = Counter()  #: by virtual second
        self.has: set[str] = set()  #: keys of what it took lately: whoever asks, asks soon
        self._recent: deque[tuple[float, str]] = deque()
        self.taken = 0

    def answer(self, envelope: Envelope) -> tuple[float, Outcome]:
        """Return what the provider says to a call, and after how many seconds."""
        self.calls[int(asyncio.get_running_loop().time())] += 1
        manner, draw = self._manner, self._rng.random()
        after = self._latencies[int(self._rng.random() * _DRAWN)]
        if draw < manner.lost:
            if self._rng.random() < 0.5:
                self._take(envelope.key)
            return self._deadline_s, Unknown(Reason.TIMEOUT)
        if draw < manner.lost + manner.busy:
            return after, Deferred(Reason.UNAVAILABLE)
        if draw < manner.lost + manner.busy + manner.refused:
            return after, Rejected(Reason.NOT_MOBILE)
        self._take(envelope.key)
        return after, Accepted(f"SM{self.taken:032d}")

    def call(self, channel: ModelledChannel, envelope: Envelope, done: Callable[[Outcome], None]) -> None:
        """Take a call; ``done`` is called once, after the provider's time, with others of that tick."""
        after, outcome = self.answer(envelope)
        loop = asyncio.get_running_loop()
        tick = math.ceil((loop.time() + after) / TICK_S)
        coming = self._coming.get(tick)
        if coming is None:
            coming = self._coming[tick] = []
            loop.call_at(tick * TICK_S, self._come_in, tick)
        coming.append((channel, done, outcome))

    def _come_in(self, tick: int) -> None:
        for channel, done, outcome in self._coming.pop(tick):
            if not channel.dead:
                done(outcome)

    def _take(self, key: str) -> None:
        now = asyncio.get_running_loop().time()
        self.taken += 1
        self.has.add(key)
        self._recent.append((now, key))
        while now - self._recent[0][0] > _REMEMBERED_S:
            self.has.discard(self._recent.popleft()[1])


class ModelledChannel:
    """A worker's way to a provider: the channel port, with calls that answer through a callback."""

    def __init__(self, name: str, provider: Provider, capabilities: Capabilities) -> None:
        self.name, self.provider, self.capabilities = name, provider, capabilities
        self.dead = False  #: its worker is gone: answers come to nobody

    async def prepare(self, content: Content) -> None:
        """Have nothing to prepare."""

    def submit(self, envelope: Envelope, done: Callable[[Outcome], None], leave_by: float) -> bool:
        """Begin a call, which leaves at once; ``done`` is called once, after the provider's time."""
        del leave_by
        self.provider.call(self, envelope, done)
        return True

    @property
    def held(self) -> int:
        """Hold nothing back."""
        return 0

    async def send(self, envelope: Envelope) -> Outcome:
        """Try once."""
        answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.provider.call(self, envelope, answered.set_result)
        return await answered

    async def find(self, envelope: Envelope, since: datetime) -> Verdict:
        """Ask whether the provider has it; its list is complete by then."""
        del since
        await asyncio.sleep(0.2)
        return Found("found") if envelope.key in self.provider.has else Absent(certain=True)

    async def aclose(self) -> None:
        """Have nothing to give back."""


def phones(rate_per_s: float, in_flight: int, deadline_s: float) -> Capabilities:
    """Return what an SMS account can do."""
    return Capabilities(
        address_kind=AddressKind.PHONE,
        shape=Shape(unit=Unit.SEGMENTS, limit=2, slots=("sms", "message")),
        rate_per_s=rate_per_s,
        in_flight=in_flight,
        deadline=timedelta(seconds=deadline_s),
    )


def mailboxes(rate_per_s: float, in_flight: int) -> Capabilities:
    """Return what a mail relay can do."""
    return Capabilities(
        address_kind=AddressKind.EMAIL,
        shape=Shape(unit=Unit.CHARACTERS, limit=100_000, slots=("email", "message"), subject=True),
        rate_per_s=rate_per_s,
        in_flight=in_flight,
        deadline=timedelta(seconds=30),
    )


def share(whole: Capabilities, workers: int) -> Capabilities:
    """Return a worker's part of an account: its rate and its calls, divided evenly."""
    return whole._replace(rate_per_s=whole.rate_per_s / workers, in_flight=max(1, whole.in_flight // workers))
