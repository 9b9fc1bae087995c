"""One simulated alert: planned by the planner, opened by the service, sent by every worker's lanes."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from alerting.audience.roster import Counts
from alerting.broadcast.lane import Lane, Rules
from alerting.channels.base import Capabilities
from alerting.ledger.base import Ledger
from alerting.ledger.rows import Actor
from alerting.model.audience import AddressKind
from alerting.rendering.store import TemplateStore
from alerting.service.house import House, Wired
from alerting.service.opening import open_alert
from alerting.service.planning import Past, Request, make_plan
from alerting.telemetry import QuietLog
from benchmarks.simulation.memory import Book, Commits
from benchmarks.simulation.provider import Manner, ModelledChannel, Provider, share
from benchmarks.simulation.virtual import VirtualClock, VirtualLoop

_TEMPLATES: Final = Path(__file__).parents[2] / "templates"
_LEASE_S: Final = 15.0
#: As `alert` itself: looking for garbage among the batches in hand finds none.
_GARBAGE_AFTER: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One channel: what it may do, and how its provider behaves."""

    name: str
    capabilities: Capabilities
    manner: Manner = field(default_factory=Manner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is simulated. ``lost_at`` seconds into it a worker dies, with what it had in hand."""

    people: int
    accounts: tuple[Account, ...]
    workers: int = 1
    commit_s: float = 0.006
    seed: int = 7
    lost_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of it. Times are virtual seconds since acceptance; ``cpu_s`` is what it took here."""

    book: Book
    providers: tuple[Provider, ...]
    cpu_s: float
    lasted_s: float
    commits: int

    def reached(self, channel: str, part: float) -> float:
        """Return when this part of a channel's acceptances had come in."""
        tenths = self.book.accepted[channel]
        wanted, seen = part * tenths.total(), 0
        for tenth in sorted(tenths):
            seen += tenths[tenth]
            if seen >= wanted:
                return (tenth + 1) / 10
        return 0.0

    @property
    def busiest(self) -> float:
        """Rows a second the database writes while the alert is in full flow: the median second."""
        seconds = sorted(self.book.written.values())
        return float(seconds[len(seconds) // 2]) if seconds else 0.0


class People:
    """An audience nobody has to store: the n-th person's addresses follow from n."""

    def __init__(self, count: int) -> None:
        self._count, self.path, self.digest = count, Path(), ""

    def counts(self) -> Counts:
        """Return what a checked list would say."""
        kinds = {AddressKind.PHONE: self._count, AddressKind.EMAIL: self._count}
        return Counts(recipients=self._count, refused=0, duplicates=0, addresses=dict(kinds))

    def listed(self, kind: AddressKind, *, fallback: AddressKind | None = None) -> str:
        """Return how many there are, and the first one's address."""
        del fallback
        return f"{self._count} {address(kind, 0)}"

    def among(self, question: str, addresses: Collection[str]) -> list[tuple[str, str, str]]:
        """Return nobody: nobody here ever said stop."""
        del question, addresses
        return []


def address(kind: AddressKind, n: int) -> str:
    """Return the n-th address of a kind."""
    return f"phone:+1{2_000_000_000 + n}" if kind is AddressKind.PHONE else f"email:p{n}@example.edu"


def following(first: str, n: int) -> str:
    """Return the address n places after another."""
    kind, _, value = first.partition(":")
    if kind == AddressKind.PHONE:
        return address(AddressKind.PHONE, int(value[2:]) - 2_000_000_000 + n)
    return address(AddressKind.EMAIL, int(value[1:].partition("@")[0]) + n)


def play(scene: Scene) -> Told:
    """Run a scene to its end."""
    loop = VirtualLoop()
    gc.set_threshold(_GARBAGE_AFTER)
    began = time.process_time()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        book, providers, commits = runner.run(_alert(scene, VirtualClock(loop)))
        return Told(
            book=book,
            providers=providers,
            cpu_s=time.process_time() - began,
            lasted_s=loop.time(),
            commits=commits,
        )


async def _alert(scene: Scene, clock: VirtualClock) -> tuple[Book, tuple[Provider, ...], int]:
    book = Book(clock, following)
    providers = {
        account.name: Provider(
            account.name,
            account.manner,
            deadline_s=account.capabilities.deadline.total_seconds(),
            seed=scene.seed,
        )
        for account in scene.accounts
    }
    _open(scene, book, clock, providers)
    writers = [Commits(book, scene.commit_s) for _ in range(scene.workers)]
    lanes = [
        [_lane(scene, number, account, providers[account.name], writer) for account in scene.accounts]
        for number, writer in enumerate(writers)
    ]
    stop = asyncio.Event()
    crews = [asyncio.gather(*(lane.run(stop=stop) for lane in crew)) for crew in lanes]
    if scene.lost_at is not None:
        asyncio.get_running_loop().call_later(scene.lost_at, _lose, lanes[0], crews[0])
    await asyncio.gather(*crews, return_exceptions=scene.lost_at is not None)
    return book, tuple(providers.values()), sum(writer.count for writer in writers)


def _lose(lanes: list[Lane], crew: asyncio.Future[Any]) -> None:
    for lane in lanes:
        assert isinstance(lane.channel, ModelledChannel)
        lane.channel.dead = True
    crew.cancel()


def _open(scene: Scene, book: Book, clock: VirtualClock, providers: dict[str, Provider]) -> None:
    wired = {
        account.name: Wired(
            name=account.name,
            kind="model",
            channel=ModelledChannel(account.name, providers[account.name], account.capabilities),
        )
        for account in scene.accounts
    }
    people = cast("Any", People(scene.people))
    house = House(
        campus="Simulated",
        source="SIM ALERT",
        zone=ZoneInfo("UTC"),
        link="",
        channels=wired,
        templates=TemplateStore(_TEMPLATES),
        audiences={"everyone": lambda: people},
        default_audience="everyone",
    )
    request = Request(template="gas-leak", values={"place": "Baker Hall"})
    plan = make_plan(house, request, as_of=clock.now(), past=Past())
    ledger = cast("Ledger", book)
    open_alert(ledger, house, plan, actor=Actor(name="simulation"), run_key="simulation", at=clock.now())


def _lane(scene: Scene, number: int, account: Account, provider: Provider, writer: Commits) -> Lane:
    part = share(account.capabilities, scene.workers)
    clock = writer.book.clock
    return Lane(
        ModelledChannel(account.name, provider, part),
        writer=writer,
        clock=clock,
        rng=random.Random(f"{scene.seed} {number} {account.name}"),
        log=QuietLog(),
        owner=f"worker-{number}",
        nudge=lambda _: None,
        rules=Rules(lease=_LEASE_S),
    )
