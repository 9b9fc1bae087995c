"""Telling the people on call, beside everything else ``alert serve`` does.

A look finds what they should know, and opens a notice for each of it in one transaction with the act
that says so: two looks, two processes and a restart in between tell it once. Nobody's answer within the
set time tells the next people, until there are none left.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from alerting.clock import instant, micros
from alerting.duty import Duty, duty_of
from alerting.engine.control import ask
from alerting.errors import LedgerBusy, words_of
from alerting.ledger.base import Ledger, LedgerReader, LedgerWriter
from alerting.model.audience import AddressKind
from alerting.oncall import concerns
from alerting.oncall.book import Book, Notice
from alerting.oncall.concerns import Looking
from alerting.oncall.notice import ACTOR, OPENED, OVER, Concern, Desk, Kind, Told, Way, open_notice
from alerting.oncall.person import Person
from alerting.oncall.signals import Signals

if TYPE_CHECKING:
    from alerting.app import App

#: Seconds between two looks.
LOOK_S: Final = 3.0
_ANSWER_S: Final = 5.0
_PERSONAL: Final = (AddressKind.PHONE, AddressKind.EMAIL)


@dataclass(slots=True, kw_only=True)
class Callout:
    """Looks, and opens what is due. ``further`` returns what else is of concern, besides what the log says.

    ``ends`` returns the topics of standing notices that are over.
    """

    app: App
    writer: LedgerWriter
    signals: Signals
    further: Callable[[Looking], Sequence[Concern]] = field(default=lambda _: ())
    ends: Callable[[Book], Sequence[str]] = field(default=lambda _: ())
    book: Book = field(default_factory=Book)

    async def look(self) -> list[Told]:
        """Look once; return the notices that were opened.

        Raises:
            AlertingError: the ledger cannot be used.
            ConfigProblem: the roster cannot be used.
        """
        now = self.app.clock.now()
        duty, found, again = await asyncio.to_thread(self._found, now)
        if duty is None:
            return []
        desk = await asyncio.to_thread(desk_of, self.app)
        opened = [await self._first(desk, concern, _groups(duty, concern, now)) for concern in found]
        for notice, concern in again:
            opened.append(await self._next(desk, notice, concern, _groups(duty, concern, now)))
        mended = [f"channel:{channel}" for channel in self.signals.mended]
        self.signals.mended.clear()
        for topic in dict.fromkeys([*mended, *self.ends(self.book)]):
            await self._over(topic, now)
        concerns.forget(self.book, now)
        return [told for told in opened if told]

    def _found(self, now: datetime) -> tuple[Duty | None, list[Concern], list[tuple[Notice, Concern]]]:
        """Read what there is to read: files, the calendar, the log."""
        app = self.app
        duty = duty_of(app.config, state=app.state, environ=app.environ, now=now)
        ledger = app.own_reader() if duty else None
        if ledger is None:
            return duty, [], []
        try:
            self.book.read_on(ledger)
            look = Looking(book=self.book, ledger=ledger, now=now, zone=ZoneInfo(app.config.campus.time_zone))
            found = [*concerns.overdue(look), *concerns.channels(look, self.signals)]
            found += [*concerns.rejected(look, self.signals), *concerns.drills(look), *concerns.wanted(look)]
            found += concerns.unreviewed(look)
            return duty, [*found, *self.further(look)], list(_due(look))
        finally:
            ledger.close()

    async def _first(self, desk: Desk, concern: Concern, groups: list[list[Person]]) -> Told | None:
        if not (groups and desk.ways):
            self.app.log.error("notice.unheard", kind=str(concern.kind))
            return None
        return await self._open(desk, concern, groups[0], last=len(groups) == 1)

    async def _next(
        self, desk: Desk, notice: Notice, concern: Concern, groups: list[list[Person]]
    ) -> Told | None:
        """Tell the next people who were not told yet."""
        left = [fresh for group in groups if (fresh := [p for p in group if p.key not in notice.told])]
        if not (left and desk.ways):
            return None
        last, step = len(left) == 1, notice.step + 1
        return await self._open(desk, concern, left[0], last=last, first=notice.first, step=step)

    async def _open(self, desk: Desk, concern: Concern, people: Sequence[Person], **more: Any) -> Told | None:
        def change(ledger: Ledger) -> Told | None:
            # Their time to answer begins now, however long the ledger or this process stood still before.
            return open_notice(ledger, desk, concern, people, at=self.app.clock.now(), **more)

        return self._told(await self.writer.do(change), concern)

    def _told(self, told: Told | None, concern: Concern) -> Told | None:
        if told:
            kind, about = str(concern.kind), concern.about
            self.app.log.warning("notice.opened", notice=told.id, kind=kind, people=told.people, about=about)
        return told

    async def _over(self, topic: str, now: datetime) -> None:
        """Put on record that what a topic's notice told is over, where one stands."""
        if notice := self.book.standing(topic):
            await self.writer.do(partial(_record_over, notice=notice, at=micros(now)))


def _record_over(ledger: Ledger, *, notice: Notice, at: int) -> None:
    """Put it on record unless another process did: what has begun anew since is not over."""
    ledger.alone(f"over {notice.topic}")
    told = [act for act in ledger.audit(notice.topic) if act.action in (OPENED, OVER)]
    if told[-1].action == OPENED and json.loads(told[-1].body)["first"] == notice.first:
        ledger.record_act(OVER, notice.topic, {}, actor=ACTOR, at=at)


def desk_of(app: App) -> Desk:
    """Return the channels notices go by: those named, or the first for texts and the first for mail.

    A public feed is never among them.
    """
    told, house = app.config.on_call, app.house()
    assert told is not None
    able = [w for w in house.channels.values() if w.carries(live=True)]
    able = [w for w in able if w.channel.capabilities.address_kind in _PERSONAL]
    if told.channels:
        chosen = [wired for wired in able if wired.name in told.channels]
    else:
        firsts = {wired.channel.capabilities.address_kind: wired for wired in reversed(able)}
        chosen = [firsts[kind] for kind in _PERSONAL if kind in firsts]
    ways = tuple(Way(channel=w.name, kind=w.kind, capabilities=w.channel.capabilities) for w in chosen)
    return Desk(source=house.source, ways=ways, escalate_after=told.escalate_after)


def _groups(duty: Duty, concern: Concern, now: datetime) -> list[list[Person]]:
    """Return who is told of a concern, group after group; an incident's owner is in the first."""
    if concern.to_approvers:
        others = [
            [p for p in group if not (concern.but and p.called(concern.but))] for group in duty.rota.asked()
        ]
        return [group for group in others if group]
    groups = duty.rota.steps(now)
    owner = [person for person in duty.rota.people.values() if concern.owner and person.called(concern.owner)]
    if not owner:
        return groups
    rest = [[person for person in group if person not in owner] for group in groups]
    return [owner + rest[0], *(group for group in rest[1:] if group)] if rest else [owner]


def _due(look: Looking) -> Iterator[tuple[Notice, Concern]]:
    """Yield the notices nobody answered in time, where what they told still is so."""
    for notice in look.book.waiting():
        if notice.again_at is None or look.now < notice.again_at:
            continue
        concern = notice.concern()
        if concern.kind is Kind.OVERDUE:
            due = instant(int(notice.mark))
            if not concerns.still_overdue(look.ledger, notice.about, due):
                continue
        yield notice, concern


async def run_callout(
    callout: Callout,
    stop: asyncio.Event,
    *,
    nudge: Callable[[], Awaitable[object]] | None = None,
    look_s: float = LOOK_S,
) -> None:
    """Look until told to stop. What cannot be read now is logged, and looked at again."""
    nudge = nudge or partial(_nudge, callout.app)
    while not stop.is_set():
        try:
            if await callout.look():
                await nudge()
        except Exception as error:  # noqa: BLE001 - no look may end the lanes it runs beside
            callout.app.log.warning("notice.failed", why=words_of(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), timeout=look_s)


@asynccontextmanager
async def calling_out(callout: Callout) -> AsyncIterator[None]:
    """Look after notices beside whatever else a process does; it stops on leaving."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_callout(callout, stop))
        try:
            yield
        finally:
            stop.set()


async def _nudge(app: App) -> None:
    with suppress(LedgerBusy):
        await asyncio.to_thread(ask, app.state, {"verb": "resume"}, timeout=_ANSWER_S)


def waiting(ledger: LedgerReader) -> list[Notice]:
    """Return the notices somebody still has to answer, oldest first."""
    book = Book()
    book.read_on(ledger)
    return book.waiting()
