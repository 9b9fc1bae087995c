"""An account's rate, shared by workers that come and go: no second, however it is cut, holds more than the rate.

In virtual time, with the program's own lanes: each message reaches the provider at the instant its lane counted.
"""

import asyncio
import random

import pytest

from alerting.broadcast.lane import Lane, Rules
from alerting.model.delivery import State
from alerting.telemetry import QuietLog
from benchmarks.simulation.memory import Book, Commits
from benchmarks.simulation.provider import Manner, ModelledChannel, Provider, phones
from benchmarks.simulation.run import Account, Scene, _lose, _open, following
from benchmarks.simulation.virtual import VirtualClock, VirtualLoop
from benchmarks.stub import busiest

#: As a worker on PostgreSQL has them.
LEASE_S = 6.0


class Watched(Provider):
    """A provider that writes down when it was called."""

    def __init__(self, *args, **given):
        super().__init__(*args, **given)
        self.at = []

    def answer(self, envelope):
        self.at.append(asyncio.get_running_loop().time())
        return super().answer(envelope)


def worker(account, provider, book, number, *, seed, way):
    return Lane(
        way(account.name, provider, account.capabilities),
        writer=Commits(book, 0.006),
        clock=book.clock,
        rng=random.Random(f"{seed} {number}"),
        log=QuietLog(),
        owner=f"worker-{number}",
        nudge=lambda _: None,
        rules=Rules(lease=LEASE_S, shared=True),
    )


def sent(account, people, lives, seed, way=ModelledChannel):
    """Send to so many people by workers that each live from one second to another; return the provider, the book."""
    loop = VirtualLoop()

    async def all_of_it():
        clock = VirtualClock(loop)
        book = Book(clock, following)
        provider = Watched(account.name, account.manner, deadline_s=10.0, seed=seed)
        _open(Scene(people=people, accounts=(account,)), book, clock, {account.name: provider})
        stop = asyncio.Event()

        async def live(number, begin, end):
            await asyncio.sleep(begin)
            lane = worker(account, provider, book, number, seed=seed, way=way)
            crew = asyncio.gather(lane.run(stop=stop))
            if end is not None:
                loop.call_later(end - begin, _lose, [lane], crew)
            await asyncio.gather(crew, return_exceptions=end is not None)

        await asyncio.gather(*(live(number, *life) for number, life in enumerate(lives)))
        return provider, book

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(all_of_it())


class Dialing(ModelledChannel):
    """A way to a provider whose connections take a while, now and then: what is begun meanwhile waits."""

    def __init__(self, name, provider, capabilities):
        super().__init__(name, provider, capabilities)
        self.rng, self.waiting = random.Random(name), []

    def submit(self, envelope, done, leave_by):
        if self.waiting or self.rng.random() < 0.05:
            if not self.waiting:
                asyncio.get_running_loop().call_later(self.rng.uniform(0.05, 0.4), self.leave)
            self.waiting.append((envelope, done, leave_by))
            return True
        return super().submit(envelope, done, leave_by)

    def leave(self):
        waiting, self.waiting = self.waiting, []
        for call in waiting:
            super().submit(*call)

    @property
    def held(self):
        return len(self.waiting)


class Crowded(ModelledChannel):
    """A way to a provider that notes how many calls are open there."""

    def submit(self, envelope, done, leave_by):
        self.provider.open = getattr(self.provider, "open", 0) + 1
        self.provider.most_open = max(getattr(self.provider, "most_open", 0), self.provider.open)

        def ended(outcome):
            self.provider.open -= 1
            done(outcome)

        return super().submit(envelope, ended, leave_by)


@pytest.mark.parametrize("latency_s", [0.5, 4.0, 7.0])
def test_no_more_calls_are_open_than_the_account_allows_while_workers_join_however_slow_it_answers(latency_s):
    manner = Manner(latency_s=latency_s, spread=0.1, lost=0.0, busy=0.0, refused=0.0)
    account = Account(name="sms", capabilities=phones(200.0, 24, 10.0), manner=manner)

    provider, book = sent(account, 2000, [(0.0, None), (0.7, None), (1.1, None), (9.3, None)], 1, way=Crowded)

    assert provider.most_open == 24
    assert book.ended[State.ACCEPTED] == provider.taken == book.ended.total()


@pytest.mark.parametrize("rate", [20.0, 40.0, 90.0])
def test_what_waits_for_connections_is_counted_when_it_leaves(rate):
    manner = Manner(lost=0.0, busy=0.0, refused=0.0)
    account = Account(name="sms", capabilities=phones(rate, 60, 10.0), manner=manner)

    provider, book = sent(account, int(rate * 20), [(0.0, None), (5.0, None)], 1, way=Dialing)

    size = book.record.lanes[0].content.size
    assert busiest(provider.at) * size <= rate
    assert busiest(provider.at) * size >= rate * 0.7, "and the account is used"
    assert book.ended[State.ACCEPTED] == provider.taken == book.ended.total()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rate", [7.0, 40.0, 90.0])
def test_while_workers_join_and_die_at_random_no_second_holds_more_than_the_rate(rate, seed):
    rng = random.Random(f"{rate} {seed}")
    lasts = 40.0
    # One is there from beginning to end; the others come when they like, and most of them are killed.
    lives = [(0.0, None)]
    for _ in range(5):
        begin = rng.uniform(0.0, lasts * 0.7)
        lives.append((begin, begin + rng.uniform(0.2, 12.0) if rng.random() < 0.8 else None))
    account = Account(name="sms", capabilities=phones(rate, 60, 10.0), manner=Manner(lost=0.0, busy=0.0))

    provider, book = sent(account, int(rate * lasts), lives, seed)

    # A text of this template is two segments: the rate counts segments.
    size = book.record.lanes[0].content.size
    assert busiest(provider.at) * size <= rate
    assert busiest(provider.at) * size >= rate * 0.7, "and the account is used"
    assert book.ended.total() == book.planned_rows
    assert book.ended[State.ACCEPTED] == provider.taken, "nobody is told twice"
