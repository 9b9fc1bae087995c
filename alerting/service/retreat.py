"""Undoing a wrong alert beside the lanes: what providers still hold is taken back, posts only on request.

The correction is opened like any follow-up; this runs next to the lanes that send it, in the process that
owns the ledger, so that nobody's Ctrl-C ends it. Correct first, delete never silently: a post goes only
after its correction stands on the same channel, and the count of what went is an act in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from functools import partial
from itertools import islice
from typing import Any, Final

from alerting.channels.base import Channel, Retractable
from alerting.clock import Clock, micros
from alerting.digest import delivery_key
from alerting.errors import words_of
from alerting.ledger.base import Ledger, LedgerReader, LedgerWriter
from alerting.ledger.rows import AlertRecord
from alerting.model.delivery import SETTLED, TAKEN, UNREACHED, Delivery, State
from alerting.model.outcome import Accepted, Deferred, Outcome, Reason
from alerting.model.receipt import Receipt, ReceiptStatus
from alerting.service.held import gone_so_far, still_leaving, what_is_held, what_stands
from alerting.service.recall import TAKEN_BACK, note_taken_back, note_trouble, outcome_of_recall, unfinished
from alerting.telemetry import Log

#: Calls open at once: taking back must not crowd out the correction on the same account.
_AT_ONCE: Final = 20
#: How long what is just leaving is waited for, and a correction before its wrong post is deleted.
_LONGEST_S: Final = 120.0
_LOOK_S: Final = 0.2
_TRIES: Final = 3
_BATCH: Final = 500
#: Seconds before what broke off is begun again: where the owner ends soon, and where it lives.
BRIEF: Final = (1.0, 5.0)
PATIENT: Final = (*BRIEF, 30.0, 120.0, 600.0, 1800.0, 3600.0)
#: From so many failures on the people on call are told.
_TOLD_AFTER: Final = 3
#: How often to look for what another host has left.
_EVERY_S: Final = 5.0
#: What may have reached somebody, or still will.
_OUT: Final = frozenset(State) - UNREACHED - {State.UNDELIVERED}


class Retreat:
    """What came of a recall so far.

    ``asked`` messages were asked about, ``taken_back`` while the provider still queued them; ``spared``
    corrections were not needed any more; ``deleted`` posts are gone, ``kept`` ones were to go and did not.
    """

    def __init__(self) -> None:
        self.asked = self.taken_back = self.spared = self.deleted = self.kept = 0

    def told(self) -> dict[str, int]:
        """Return it as the record keeps it."""
        return dict(vars(self))


class Recalls:
    """Takes back for every recall that is not finished; one task each.

    ``reader`` opens a connection that is closed again; ``nudge`` tells the lanes that there is work.
    What breaks off is begun again after each of ``pauses``, then left to the next owner. ``alone`` gives
    whether no other host does what a word says, for as long as it is held.
    """

    def __init__(
        self,
        *,
        channel: Callable[[str], Channel],
        reader: Callable[[], LedgerReader | None],
        writer: LedgerWriter,
        clock: Clock,
        log: Log,
        nudge: Callable[[], None],
        pauses: Sequence[float] = BRIEF,
        alone: Callable[[str], AbstractContextManager[bool]] = lambda _: nullcontext(enter_result=True),
    ) -> None:
        self.channel, self.reader, self.writer = channel, reader, writer
        self.clock, self.log, self.nudge = clock, log, nudge
        self.pauses, self.alone = pauses, alone
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._looks: set[asyncio.Task[None]] = set()

    def look(self, *, again: bool = False) -> None:
        """Begin whatever recall is on record and not finished; ``again`` begins anew what was left."""
        self._tasks = {name: task for name, task in self._tasks.items() if not (again and task.done())}
        self._looks.add(asyncio.get_running_loop().create_task(self._until_done(self._look)))

    def watch(self) -> None:
        """Look now and again, for as long as this owner lives: another host may end before its recall."""
        self._looks.add(asyncio.get_running_loop().create_task(self._watch()))

    async def busy(self, stop: asyncio.Event) -> bool:
        """Wait a moment for what is being taken back; False when nothing is, or when told to stop."""
        open_ = [task for task in (*self._looks, *self._tasks.values()) if not task.done()]
        if not open_ or stop.is_set():
            return False
        await asyncio.wait(open_, timeout=_LOOK_S)
        return True

    async def aclose(self) -> None:
        """End what is not finished; whoever owns the ledger next takes it up."""
        tasks = (*self._looks, *self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await self._until_done(self._look)
            await asyncio.sleep(_EVERY_S)

    async def _look(self) -> None:
        for record, delete_posts in await self.writer.do(unfinished):
            name = record.alert.id
            if name not in self._tasks:
                attempt = partial(self._attempt, _TakingBack(self, record, delete_posts=delete_posts), name)
                self._tasks[name] = asyncio.get_running_loop().create_task(self._until_done(attempt, name))

    async def _attempt(self, taking: _TakingBack, name: str) -> None:
        with ExitStack() as held:
            if not await asyncio.to_thread(held.enter_context, self.alone(f"recall {name}")):
                del self._tasks[name]  # should that host end, a later look finds it unfinished
            elif await self.writer.do(lambda ledger: outcome_of_recall(ledger, name)) is None:
                await taking.run()

    async def _until_done(self, attempt: Callable[[], Awaitable[None]], recall: str = "") -> None:
        """Begin anew what breaks off. An error here must end neither the lanes nor the process."""
        for failures, pause in enumerate((*self.pauses, None), start=1):
            try:
                await attempt()
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody must read of it
                words = words_of(error)[:200]
                told = {"alert": recall, "error": type(error).__name__, "words": words}
            else:
                return
            if recall and failures >= _TOLD_AFTER:
                at = micros(self.clock.now())
                with suppress(Exception):  # it may be the ledger that fails; the next failure tells
                    await self.writer.do(partial(note_trouble, alert_id=recall, words=words, at=at))
            if pause is None:
                self.log.error("recall.left", **told)
                return
            self.log.warning("recall.failed", **told, again_in_s=pause)
            await asyncio.sleep(pause)


class _TakingBack:
    """One recall at work. What broke off may be run again."""

    def __init__(self, house: Recalls, recall: AlertRecord, *, delete_posts: bool) -> None:
        self._house, self._recall, self._delete_posts = house, recall, delete_posts
        self._done = Retreat()
        self._until = 0.0

    async def run(self) -> None:
        """Take everything back, then put on record what came of it."""
        self._done = Retreat()
        self._until = self._house.clock.monotonic() + _LONGEST_S
        earlier = await self._read(
            lambda ledger: [ledger.alert(name) for name in self._recall.alert.references]
        )
        lanes = [(record, lane.channel) for record in earlier if record for lane in record.lanes]
        await _all(self._tell_late(), *(self._from(record, name) for record, name in lanes))
        name, at = self._recall.alert.id, micros(self._house.clock.now())
        back, spared = await self._read(partial(gone_so_far, recall=self._recall.alert))
        asked = self._done.asked + back - self._done.taken_back
        told = {**self._done.told(), "asked": asked, "taken_back": back, "spared": spared}
        if await self._house.writer.do(lambda ledger: note_taken_back(ledger, name, told, at=at)):
            self._house.log.info(TAKEN_BACK, alert=name, **told)

    async def _read(self, question: Callable[[LedgerReader], Any]) -> Any:
        """Ask the ledger beside the thread that writes: a long answer must not hold up a lane."""

        def ask() -> Any:
            ledger = self._house.reader()
            assert ledger is not None
            try:
                return question(ledger)
            finally:
                ledger.close()

        return await asyncio.to_thread(ask)

    async def _from(self, record: AlertRecord, name: str) -> None:
        channel = self._house.channel(name)
        try:
            if isinstance(channel, Retractable):
                if not channel.capabilities.feeds:
                    await self._messages(channel, record)
                elif self._delete_posts:
                    await self._posts(channel, record)
        finally:
            with suppress(Exception):
                await channel.aclose()

    async def _tell_late(self) -> None:
        """Plan the correction of what was just leaving when the recall came, once it is known to be out."""
        names = self._recall.alert.references
        while await self._read(lambda ledger: any(still_leaving(ledger, name) for name in names)):
            if self._house.clock.monotonic() > self._until:
                break
            await asyncio.sleep(_LOOK_S)
        if await self._house.writer.do(self._plan_late):
            self._house.nudge()

    def _plan_late(self, ledger: Ledger) -> int:
        mine, planned = self._recall.alert, 0
        for lane in self._recall.lanes:
            stopped = ledger.opted_out(lane.channel)
            for name in mine.references:
                rows = ledger.recipients(name, lane.channel, reached_only=True)
                reached = (row for row in rows if row.address not in stopped)
                while batch := list(islice(reached, _BATCH)):
                    planned += ledger.add_batch(mine.id, lane.channel, batch, priority=mine.priority)
        return planned

    # -- messages to people

    async def _messages(self, channel: Channel, record: AlertRecord) -> None:
        """Ask for all the provider has, the newest first: the oldest have left its queue long ago."""
        asked: set[int] = set()
        while True:
            held, leaving = await self._read(lambda ledger: what_is_held(ledger, record, channel.name, asked))
            asked.update(row.id for row in held)
            rows = iter(held)
            await _all(*(self._ask(channel, record, rows) for _ in range(_AT_ONCE)))
            if not held and (not leaving or self._house.clock.monotonic() > self._until):
                return
            if not held:
                await asyncio.sleep(_LOOK_S)

    async def _ask(self, channel: Channel, record: AlertRecord, rows: Iterator[Delivery]) -> None:
        for row in rows:
            self._done.asked += 1
            if isinstance(await _retract(channel, row.provider_id), Accepted):
                self._done.taken_back += 1
                await self._gone(record, row)

    async def _gone(self, record: AlertRecord, row: Delivery) -> None:
        """Record that a message was taken back; whom nothing wrong reaches needs no correction either."""
        at = self._house.clock.now()
        receipt = Receipt(
            channel=row.channel,
            status=ReceiptStatus.UNDELIVERED,
            at=at,
            key=f"{delivery_key(record.alert.id, row.channel, row.address)}.{row.id}",
            provider_id=row.provider_id,
            address=row.address,
            reason=Reason.CANCELLED.code,
            dedupe=f"{row.provider_id}:taken back",
        )
        names = self._recall.alert.references

        def change(ledger: Ledger) -> None:
            ledger.apply([receipt], at=micros(at))
            told = (
                d for name in names for d in ledger.deliveries(name, channel=row.channel, address=row.address)
            )
            if not any(other.state in _OUT or other.maybe_twice for other in told):
                mine, why = self._recall.alert.id, Reason.SUPERSEDED.code
                ledger.withdraw(mine, row.channel, row.address, reason=why, at=micros(at))

        await self._house.writer.do(change)

    # -- public posts

    async def _posts(self, channel: Channel, record: AlertRecord) -> None:
        """Delete what stands, once the correction stands on the same channel."""
        wrong = await self._read(lambda ledger: what_stands(ledger, record.alert.id, channel.name))
        corrected = await self._corrected(channel.name)
        for row in wrong:
            gone = corrected and isinstance(await _retract(channel, row.provider_id), Accepted)
            self._done.deleted += gone
            self._done.kept += not gone

    async def _corrected(self, name: str) -> bool:
        """Wait for the correction's own post; say whether it is out."""
        mine = self._recall.alert.id
        while True:
            rows = await self._read(lambda ledger: list(ledger.deliveries(mine, channel=name)))
            if all(row.state in SETTLED for row in rows) or self._house.clock.monotonic() > self._until:
                return any(row.state in TAKEN for row in rows)
            await asyncio.sleep(_LOOK_S)


async def _all(*work: Awaitable[None]) -> None:
    """Do all of it, then raise the first error: nothing goes on behind what is begun anew."""
    for done in await asyncio.gather(*work, return_exceptions=True):
        if done is not None:
            raise done


async def _retract(channel: Channel, provider_id: str) -> Outcome:
    """Ask once, and again where the provider says later."""
    assert isinstance(channel, Retractable)
    outcome = await channel.retract(provider_id)
    for _ in range(_TRIES - 1):
        if not isinstance(outcome, Deferred):
            break
        await asyncio.sleep(min(outcome.after.total_seconds() if outcome.after else _LOOK_S, _LONGEST_S / 10))
        outcome = await channel.retract(provider_id)
    return outcome
