"""Where outcomes come in: what each does to its delivery, and to the pace of the whole lane."""

from __future__ import annotations

import asyncio
import random
from typing import Final

from alerting.broadcast import retry
from alerting.broadcast.breaker import Breaker
from alerting.broadcast.pace import Pace
from alerting.broadcast.reconcile import ASK_AGAIN_S, ASKS, settle_verdict
from alerting.broadcast.sending import Told, Unsent
from alerting.broadcast.window import Window
from alerting.broadcast.work import Hold, Item
from alerting.channels.base import Absent, CannotTell, Channel, Found, Lookup
from alerting.clock import Clock
from alerting.ledger.rows import Settled
from alerting.model.delivery import State
from alerting.model.outcome import Accepted, Deferred, Outcome, Reason, Rejected, Scope, Unknown
from alerting.telemetry import Log

_SECOND: Final = 1_000_000
_ACCEPTED: Final = State.ACCEPTED
#: The share of an alert's remaining life a lane waits at a provider's word.
_MOST_OF_LIFE: Final = 0.9
#: So many tries that nobody answered, and that surely came to nothing, are enough where there is a fallback.
_ABSENT: Final = 2
_NEVER_TAKEN: Final = "sent again and again without an answer, and it was never there"


class Desk:
    """Turns what senders tell into results for the ledger, and puts items back that must wait.

    ``wake`` is set whenever there is something new to record.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        pace: Pace,
        window: Window,
        breaker: Breaker,
        policy: retry.Policy,
        clock: Clock,
        rng: random.Random,
        log: Log,
        wake: asyncio.Event,
    ) -> None:
        self._channel, self._pace, self._window, self._breaker = channel, pace, window, breaker
        self._policy, self._clock, self._rng, self._log, self._wake = policy, clock, rng, log, wake
        self._quarantine = int(channel.capabilities.quarantine.total_seconds() * _SECOND)
        self.failed: Exception | None = None
        self._results: dict[Hold, list[Settled]] = {}
        self._handed: dict[Hold, list[int]] = {}

    def clear(self) -> tuple[dict[Hold, list[Settled]], dict[Hold, list[int]]]:
        """Give up what has come in: results by batch, and rows to plan on their fallback channel."""
        told = self._results, self._handed
        self._results, self._handed = {}, {}
        return told

    def told(self, item: Item, told: Told) -> None:
        """Take in what became of one item; the next turn records it.

        An error of this program is kept for the lane, which ends on it and is started again: senders
        call this from where nobody would hear.
        """
        try:
            if type(told) is Accepted and self._breaker.calm:
                self._accepted(item, told)
            else:
                self._take_in(item, told)
        except Exception as error:  # noqa: BLE001 - raised again by the lane
            self.failed = error
            self._wake.set()

    def _take_in(self, item: Item, told: Told) -> None:
        now, mono = self._clock.micros(), self._clock.monotonic()
        match told:
            case Unsent():
                self._record(item, self._unsent(item, now))
            case Found() | Absent() | CannotTell():
                self._looked_up(item, told, now, mono)
            case _:
                self._sent(item, told, now, mono)
        self._wake.set()

    def _accepted(self, item: Item, outcome: Accepted) -> None:
        """Do what ``_sent`` does for almost every delivery, in a tenth of the time."""
        self._window.succeeded()
        row, hold = item.row, item.hold
        hold.out -= 1
        settled = Settled(
            row.id,
            row.attempt,
            _ACCEPTED,
            "accepted",
            self._clock.micros(),
            0,
            outcome.provider_id,
            outcome.permalink,
            "",
            outcome.note[: retry.DETAIL],
            row.maybe_twice,
        )
        results = self._results.get(hold)
        if results is None:
            self._results[hold] = [settled]
            self._wake.set()
        else:
            results.append(settled)

    def _sent(self, item: Item, outcome: Outcome, now: int, mono: float) -> None:
        life, rng = item.hold.facts.life, self._rng
        if retry.throttles(outcome):
            self._throttled(outcome, life, now, mono)
        else:
            self._window.succeeded()
        self._tell_breaker(outcome, mono)
        item.duplicate = isinstance(outcome, Rejected) and outcome.reason is Reason.DUPLICATE
        settled = retry.settle(item.row, outcome, life=life, policy=self._policy, now=now, rng=rng)
        refused = isinstance(outcome, Rejected) and outcome.reason.scope is Scope.ADDRESS
        if refused or (isinstance(outcome, Deferred) and settled.state is State.REJECTED):
            # This channel does not reach the person, or was asked for the last time.
            self._hand_over(item)
        self._record(item, settled)

    def _looked_up(self, item: Item, verdict: Found | Absent | CannotTell, now: int, mono: float) -> None:
        if isinstance(self._channel, Lookup):
            cannot = isinstance(verdict, CannotTell)
            if cannot:
                self._tell_breaker(Unknown(Reason.UNAVAILABLE), mono)
            elif isinstance(verdict, Found) or self._breaker.open:
                # That nothing is there shows that calls get through, not that messages do.
                self._tell_breaker(Accepted(""), mono)
            item.asks += 1
            if cannot and item.asks < ASKS:
                item.hold.out -= 1
                item.hold.put(item, due_at=now + int(ASK_AGAIN_S[item.asks - 1] * _SECOND))
                return
        item.asks = 0
        life = item.hold.facts.life
        settled = settle_verdict(
            item.row, verdict, life=life, now=now, duplicate=item.duplicate, inherited=item.inherited
        )
        item.absent += settled.outcome == "absent"
        if item.absent == _ABSENT and item.has_fallback:
            settled = settled._replace(
                state=State.REJECTED, due_at=0, reason=Reason.UNAVAILABLE.code, detail=_NEVER_TAKEN
            )
            self._hand_over(item)
        self._record(item, settled)

    def _unsent(self, item: Item, now: int) -> Settled:
        row = item.row
        if item.lookup:
            return Settled(
                id=row.id,
                attempt=row.attempt,
                state=State.UNCERTAIN,
                outcome="",
                at=now,
                maybe_twice=row.maybe_twice,
            )
        return Settled(
            id=row.id,
            attempt=row.attempt,
            state=State.PENDING,
            outcome="unsent",
            at=now,
            due_at=now,
            maybe_twice=row.maybe_twice,
        )

    def _record(self, item: Item, settled: Settled) -> None:
        hold = item.hold
        hold.out -= 1
        if settled.outcome:
            self._results.setdefault(hold, []).append(settled)
        item.row = item.row._replace(
            state=settled.state, due_at=settled.due_at, maybe_twice=settled.maybe_twice
        )
        if settled.state is State.PENDING:
            hold.put(item, due_at=settled.due_at)
        elif settled.state is State.UNCERTAIN:
            wait = 0 if item.duplicate else self._quarantine
            hold.put(item, due_at=max(item.row.sent_at + wait, settled.at))

    def _hand_over(self, item: Item) -> None:
        if item.has_fallback:
            self._handed.setdefault(item.hold, []).append(item.row.id)

    def _throttled(self, outcome: Outcome, life: retry.Life, now: int, mono: float) -> None:
        self._window.throttled(mono)
        if isinstance(outcome, Deferred) and outcome.after:
            left = max(0.0, (life.expires_at - now) / _SECOND)
            self._pace.block(mono + min(outcome.after.total_seconds(), left * _MOST_OF_LIFE))

    def _tell_breaker(self, outcome: Outcome, mono: float) -> None:
        was_open, was_down = self._breaker.open, self._breaker.down
        self._breaker.tell(outcome, mono)
        name, reason = self._channel.name, self._breaker.reason
        code = reason.code if reason else ""
        if self._breaker.down and not was_down:
            self._log.error("breaker.downed", channel=name, reason=code, detail=self._breaker.detail)
        elif self._breaker.open and not was_open:
            self._log.warning("breaker.opened", channel=name, reason=code, detail=self._breaker.detail)
        elif was_open and not self._breaker.open:
            self._log.info("breaker.closed", channel=name)

    def refuse(self, item: Item, now: int) -> None:
        """Give an item up because its channel is in lasting trouble; hand it over where it can be."""
        row, reason = item.row, self._breaker.reason
        self._hand_over(item)
        self._record(
            item,
            Settled(
                id=row.id,
                attempt=row.attempt,
                state=State.REJECTED,
                outcome="channel_down",
                at=now,
                reason=reason.code if reason else "",
                detail=self._breaker.detail,
                maybe_twice=row.maybe_twice,
            ),
        )
