"""One lane per channel account: its own pace, window, breaker and deadline.

A lane keeps a sliding window full: as calls end it claims the next rows, without waiting for the slowest of
a batch. Every turn of the loop is one exchange with the ledger (see ``turn``): outcomes in, attempts
committed, and only then are those attempts sent. Memory holds a window and a few leased batches.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from alerting.broadcast import retry
from alerting.broadcast.appetite import Appetite
from alerting.broadcast.breaker import Breaker
from alerting.broadcast.desk import Desk
from alerting.broadcast.offers import Offers
from alerting.broadcast.pace import Pace
from alerting.broadcast.part import Part
from alerting.broadcast.sending import Senders
from alerting.broadcast.setback import Setback
from alerting.broadcast.turn import Answer, Leased, Turn, commit
from alerting.broadcast.window import Window
from alerting.broadcast.work import Facts, Hold, Item, begun
from alerting.channels.base import Channel
from alerting.clock import Clock, micros
from alerting.ledger.base import LedgerWriter
from alerting.model.outcome import Reason
from alerting.named import NamedTuple
from alerting.telemetry import Log

_SECOND: Final = 1_000_000
#: Microseconds until a batch that somebody else holds is asked for again.
_HELD: Final = 50_000
#: The share of a lease after which it is renewed.
_QUARTER: Final = 0.25
#: How often the ledger's last turn fits into a lease at least: one that ends before its answer sends nothing.
_TURNS: Final = 3.0
#: The longest lease for that, in seconds: whoever stood still for an hour must not keep a batch for three.
_LONGEST: Final = 30.0


class Rules(NamedTuple):
    """How a lane behaves, in seconds; the configuration may change some."""

    policy: retry.Policy = retry.Policy()
    fallback_after: float = 10.0  #: trouble this long sends people's messages by the fallback channel
    lease: float = 15.0
    poll: float = 0.5  #: how often an idle lane looks for work nobody told it of
    shared: bool = False  #: whether lanes of other processes may speak to the same provider
    mode: str = "both"  #: what the channel carries: live, drill or both; looked at before every call

    def carries(self, *, live: bool) -> bool:
        """Say whether a message of this mode may leave here."""
        return self.mode in ("both", "live" if live else "drill")


class Lane:
    """Sends everything the ledger has for one channel.

    ``nudge`` is called with the name of another channel that was given work (a fallback); ``fit`` says
    whether one works, as far as anybody knows. With ``offers`` it takes what it is offered, and looks for
    more itself only when it holds nothing.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        writer: LedgerWriter,
        clock: Clock,
        rng: random.Random,
        log: Log,
        owner: str,
        nudge: Callable[[str], None],
        fit: Callable[[str], bool] = lambda _: True,
        rules: Rules | None = None,
        offers: Offers | None = None,
    ) -> None:
        can = channel.capabilities
        self.channel, self._writer, self._clock = channel, writer, clock
        self._log, self._owner, self._nudge, self._rules = log, owner, nudge, rules or Rules()
        self._fit = fit
        self._pace, self._window, self._breaker = Pace(can.rate_per_s), Window(can.in_flight), Breaker()
        self._part = Part(can, self._pace, self._window, alone=not self._rules.shared)
        self._wake, self._offers = asyncio.Event(), offers or Offers()
        self._queued = offers is not None
        self._desk = Desk(
            channel,
            pace=self._pace,
            window=self._window,
            breaker=self._breaker,
            policy=self._rules.policy,
            clock=clock,
            rng=rng,
            log=log,
            wake=self._wake,
        )
        self._senders = Senders(
            channel,
            pace=self._pace,
            breaker=self._breaker,
            clock=clock,
            tell=self._desk.told,
            carries=self._rules.carries,
        )
        self._appetite = Appetite(
            pace=self._pace,
            window=self._window,
            breaker=self._breaker,
            part=self._part,
            senders=self._senders,
        )
        self._quarantine = int(can.quarantine.total_seconds() * _SECOND)
        self._setback, self._holds = Setback(), list[Hold]()
        self._facts: dict[str, Facts] = {}
        self._given_up: set[str] = set()
        self._look = not self._offers.waiting
        self._next_look = self._next_renewal = self._took = 0.0
        self._due: int | None = None
        self._known: int | None = None  #: the ledger may have more, of this priority at most

    @property
    def trouble(self) -> tuple[Reason, str] | None:
        """Why the channel is in trouble, if it is."""
        reason = self._breaker.reason
        return (reason, self._breaker.detail) if reason else None

    def look(self, *, offered: bool = False) -> None:
        """Look for new work now, or only at what was offered."""
        self._look = self._look or not offered
        self._wake.set()

    async def run(self, *, stop: asyncio.Event, forever: bool = False) -> None:
        """Work until nothing is left to send, or until told to stop; then give everything back.

        Raises:
            LedgerUnavailable: outcomes cannot be made durable, so nothing more may be sent.
        """
        self._log.info("lane.started", channel=self.channel.name)
        try:
            while not (stop.is_set() and not self._out):
                await self._step(stopping=stop.is_set())
                if not (forever or self._holds or self._work_known):
                    break
        finally:
            await self._senders.aclose()
        await self._give_back()
        self._log.info("lane.stopped", channel=self.channel.name)

    # -- one turn ---------------------------------------------------------------------------------

    async def _step(self, *, stopping: bool) -> None:
        if self._desk.failed is not None:
            raise self._desk.failed
        if (wait := self._appetite.gathering()) > 0:
            await asyncio.sleep(wait)
        turn = self._turn(stopping=stopping)
        if turn.idle:
            await self._rest()
            return
        answer = await self._writer.do(lambda ledger: commit(ledger, turn))
        self._answered(turn, answer)

    def _turn(self, *, stopping: bool) -> Turn:
        now, mono = micros(self._clock.now()), self._clock.monotonic()
        lease_until = now + int(max(self._rules.lease, min(self._took * _TURNS, _LONGEST)) * _SECOND)
        turn = Turn(self.channel.name, self._owner, now=now, lease_until=lease_until, asked=mono)
        if back := self._setback.since(now, mono):
            for hold in self._holds:
                hold.redate(-back)
        # What is asked for now may be shorter than what was granted, and be granted unheard.
        self._senders.until = min(self._senders.until, turn.ours_until)
        self._end_lives(turn)
        self._give_up(mono, now)
        turn.threads = self.channel.capabilities.threads
        turn.claims = {} if stopping else self._pick(turn, now, mono)
        turn.results, turn.handed = self._desk.clear()
        self._appetite.flow.add(sum(map(len, turn.results.values())), mono)
        turn.finished = [hold for hold in self._holds if hold.finished]
        self._holds = [hold for hold in self._holds if not hold.finished]
        if mono >= self._next_renewal:
            turn.kept = list(self._holds)
            self._next_renewal = mono + self._rules.lease * _QUARTER
            if not turn.kept:
                self._senders.until = turn.ours_until
        turn.only = 0 if stopping else self._offers.take(short=self.short_of(0))
        if turn.only or (not stopping and (self._look or self._thirsty(mono))):
            turn.look = True
            turn.skip = tuple(hold.batch.id for hold in self._holds)
            self._look, self._next_look = self._look and bool(turn.only), mono + self._rules.poll
        turn.open_calls = self._senders.open_calls
        self._part.ask(turn, busy=bool(self._holds), mono=mono)
        return turn

    def _answered(self, turn: Turn, answer: Answer) -> None:
        mono = self._clock.monotonic()
        self._took = mono - turn.asked
        if answer.ours is not None:
            self._senders.until = turn.ours_until
            for hold in turn.kept:
                hold.lost = hold.batch.id not in answer.ours
        ready: list[Item] = []
        for hold, items in turn.claims.items():
            taken = answer.claimed[hold]
            for item in items:
                if item.row.id not in taken:
                    hold.out -= 1
                    continue
                item.row = begun(item.row, turn.now)
                item.claimed_at, item.inherited = mono, False
                ready.append(item)
        self._part.heard(turn, answer, mono)
        self._senders.give([*turn.lookups, *ready], limit=self._window.limit)
        self._holds = [hold for hold in self._holds if hold.out or not hold.lost]
        if turn.look:
            # What is due and was not to be had is held by somebody else, who may stand still.
            due = answer.next_due
            self._due = None if due is None else max(due, turn.now + _HELD)
            self._known = answer.leased.batch.priority if answer.leased else None
        self._look |= any(hold.short for hold in turn.finished)
        if answer.leased:
            self._take_up(answer.leased)
        self._offers.held([hold.batch.id for hold in self._holds])
        for hold, ids in turn.handed.items():
            to = hold.facts.fallback
            self._log.info("delivery.handed_over", channel=self.channel.name, to=to, count=len(ids))
            self._nudge(to)
        for alert_id in turn.expired:
            self._log.warning("alert.expired", alert=alert_id, channel=self.channel.name)

    def _take_up(self, leased: Leased) -> None:
        alert = leased.record.alert
        facts = self._facts.get(alert.id)
        if facts is None:
            facts = Facts.of(leased.record, self.channel.name)
            self._facts = {**self._facts, alert.id: facts}
            if alert.id not in self._given_up:
                self._breaker.renew()
            if all(hold.batch.priority < leased.batch.priority for hold in self._holds):
                self._breaker.hasten(self._clock.monotonic())
        hold = Hold.of(leased.batch, facts, quarantine=self._quarantine, threads=leased.threads)
        self._holds.append(hold)
        self._holds.sort(key=lambda hold: (-hold.batch.priority, hold.batch.id))

    # -- what goes next ---------------------------------------------------------------------------

    @property
    def _out(self) -> int:
        return sum(hold.out for hold in self._holds)

    def _pick(self, turn: Turn, now: int, mono: float) -> dict[Hold, list[Item]]:
        room = self._appetite.room(self._out, mono)
        claims: dict[Hold, list[Item]] = {}
        for hold in self._holds:
            if room <= 0:
                break
            for item in list(hold.take(room, now=now)):
                room -= 1
                hold.out += 1
                item.trial = self._breaker.open
                if item.lookup:
                    item.claimed_at = mono
                    turn.lookups.append(item)
                else:
                    claims.setdefault(hold, []).append(item)
        return claims

    @property
    def _work_known(self) -> bool:
        return self._look or self._offers.waiting or self._due is not None or self._known is not None

    def _thirsty(self, mono: float) -> bool:
        """Whether to look for another batch: taken before it is needed, it is kept from other workers."""
        if not self.short_of(self._known or 0):
            return False
        if self._known is not None and not (self._queued and self._holds):
            return True
        due = self._due is not None and self._due <= micros(self._clock.now())
        return due or (mono >= self._next_look and not self._queued)

    def short_of(self, priority: int) -> bool:
        """Whether little is in hand that is at least so urgent."""
        return self._appetite.short_of(self._holds, priority)

    async def _rest(self) -> None:
        """Wait until an outcome comes, somebody nudges, or something falls due."""
        now, mono = micros(self._clock.now()), self._clock.monotonic()
        waits = [self._rules.poll, self._next_renewal - mono]
        # While only trials may go, what is due waits for the next of them, and that for the provider's wait.
        held = max(self._breaker.trial_in(mono), self._pace.ready_in(1, mono)) if self._breaker.open else 0.0
        dues = [(due - now) / _SECOND for hold in self._holds if (due := hold.next_due) is not None]
        waits += [max(due, held) for due in dues]
        if self._due is not None:
            waits.append((self._due - now) / _SECOND)
        waits += [held] if self._breaker.open else []
        wait = max(0.001, min(waits))
        if any(hold.fresh or (hold.next_due or now + 1) <= now for hold in self._holds):
            wait = max(0.001, min(wait, self._pace.ready_in(1, mono) or wait))
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    # -- endings ----------------------------------------------------------------------------------

    def _end_lives(self, turn: Turn) -> None:
        """Let go of what has outlived its alert; the ledger expires all its waiting rows at once."""
        for hold in self._holds:
            if turn.now >= hold.facts.life.expires_at and hold.drain():
                turn.expired.add(hold.facts.alert_id)

    def _give_up(self, mono: float, now: int) -> None:
        """While the channel is in lasting trouble: hand over what can be, refuse what must be."""
        breaker = self._breaker
        lasting = breaker.opened_at is not None and mono - breaker.opened_at >= self._rules.fallback_after
        if not (breaker.down or lasting) or breaker.reason is None:
            return
        for hold in self._holds:
            # What is in trouble itself takes nobody over: when the network is gone, all of them are.
            if not (breaker.down or (hold.facts.fallback and self._fit(hold.facts.fallback))):
                continue
            if breaker.down:
                self._given_up.add(hold.facts.alert_id)
            for item in hold.drain():
                if not (breaker.down or item.has_fallback):
                    hold.put(item, due_at=item.row.due_at or now)
                    continue
                hold.out += 1
                self._desk.refuse(item, now)

    async def _give_back(self) -> None:
        """Record the last outcomes and free every batch still held."""
        now = micros(self._clock.now())
        turn = Turn(self.channel.name, self._owner, now=now, lease_until=now)
        turn.results, turn.handed = self._desk.clear()
        turn.finished, self._holds = self._holds, []
        turn.leaves = self._part.spoken
        if not turn.idle:
            await self._writer.do(lambda ledger: commit(ledger, turn))
