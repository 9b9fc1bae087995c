"""Taking in what providers tell later: durable before it is acknowledged, many in one commit.

A provider that is answered considers its work done; one that is refused with 503, or not answered in
time, comes again. So nothing is acknowledged before its commit, and a queue that is full says so at
once. What is told again afterwards finds itself in the ledger and changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final

from alerting.channels.base import Channel, Reading, Reply, StatusPoll
from alerting.clock import Clock, micros
from alerting.digest import delivery_key
from alerting.errors import LedgerUnavailable, words_of
from alerting.ledger.base import Ledger, LedgerReader, LedgerWriter
from alerting.ledger.rows import Applied, ReplyRow
from alerting.model.delivery import Delivery, State
from alerting.model.receipt import Receipt, ReceiptStatus
from alerting.telemetry import Log

#: Most readings that wait for their commit, and most that one commit takes.
_WAITING: Final = 5_000
_TOGETHER: Final = 200
#: Seconds a provider is kept waiting. Meta wants an answer "within seconds", Twilio gives up after 15.
_PATIENCE_S: Final = 1.0
#: Messages a provider is asked about in one round.
_ASKED: Final = 1_000


@dataclass(slots=True, eq=False, repr=False)
class _Waiting:
    reading: Reading
    future: asyncio.Future[bool]


@dataclass(slots=True, eq=False, repr=False)
class Counts:
    """What has come in since the start."""

    readings: int = 0
    changed: int = 0
    repeated: int = 0
    orphaned: int = 0
    late: int = 0  #: not durable in time: the provider was asked to come again

    def add(self, applied: Applied) -> None:
        """Add what one commit did."""
        self.changed += applied.changed
        self.repeated += applied.repeated
        self.orphaned += applied.orphaned


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Intake:
    """A bounded queue in front of the ledger's writer. ``run`` empties it."""

    writer: LedgerWriter
    clock: Clock
    log: Log
    most: int = _WAITING
    patience_s: float = _PATIENCE_S
    counts: Counts = field(default_factory=Counts)
    _queue: deque[_Waiting] = field(default_factory=deque)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _closing: bool = False

    async def take(self, reading: Reading) -> bool:
        """Keep what a callback told; True once it is on disk, False when the provider should come again."""
        self.counts.readings += 1
        if not (reading.receipts or reading.replies):
            return True
        if self._closing or len(self._queue) >= self.most:
            self.counts.late += 1
            return False
        waiting = _Waiting(reading, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._wake.set()
        try:
            async with asyncio.timeout(self.patience_s):
                return await waiting.future
        except TimeoutError:
            self.counts.late += 1
            return False

    async def run(self) -> None:
        """Commit what comes in until ``close``; then what is left, and return.

        Raises:
            LedgerUnavailable: nothing more can be made durable; everybody who waits was told to come again.
        """
        while True:
            while self._queue:
                together = [self._queue.popleft() for _ in range(min(_TOGETHER, len(self._queue)))]
                await self._commit(together)
            if self._closing:
                return
            self._wake.clear()
            await self._wake.wait()

    def close(self) -> None:
        """Take nothing more in."""
        self._closing = True
        self._wake.set()

    async def _commit(self, together: Sequence[_Waiting]) -> None:
        try:
            self.counts.add(await self._write([waiting.reading for waiting in together]))
        except LedgerUnavailable:
            self._closing = True
            _tell([*together, *self._queue], done=False)
            self._queue.clear()
            raise
        except Exception as error:  # noqa: BLE001 - an error of ours must not take the others with it
            await self._one_by_one(together, error)
        else:
            _tell(together, done=True)

    async def _one_by_one(self, together: Sequence[_Waiting], error: Exception) -> None:
        """Find the reading that cannot be kept; the others are."""
        if len(together) > 1:
            for waiting in together:
                await self._commit([waiting])
            return
        self.log.error("receipts.broken", error=type(error).__name__, words=words_of(error)[:200])
        _tell(together, done=False)

    async def _write(self, readings: Sequence[Reading]) -> Applied:
        receipts = [receipt for reading in readings for receipt in reading.receipts]
        replies = [_row(reply) for reading in readings for reply in reading.replies]
        return await keep(self.writer, receipts, replies, clock=self.clock)


def _tell(together: Sequence[_Waiting], *, done: bool) -> None:
    for waiting in together:
        if not waiting.future.done():
            waiting.future.set_result(done)


def _row(reply: Reply) -> ReplyRow:
    return ReplyRow(
        channel=reply.channel,
        address=reply.address,
        text=reply.text.encode("utf-8", "replace").decode(),
        at=micros(reply.at),
        provider_id=reply.provider_id,
    )


async def keep(
    writer: LedgerWriter, receipts: Sequence[Receipt], replies: Sequence[ReplyRow] = (), *, clock: Clock
) -> Applied:
    """Apply receipts and keep replies, in one transaction; return once that is durable."""
    at = micros(clock.now())

    def change(ledger: Ledger) -> Applied:
        if replies:
            ledger.keep_replies(replies)
        return ledger.apply(receipts, at=at)

    return await writer.do(change)


# -- asking, where nobody can call us ---------------------------------------------------------------


async def ask(
    ledger: LedgerReader, alert_id: str, channels: Mapping[str, Channel]
) -> AsyncIterator[Sequence[Receipt]]:
    """Ask providers how an alert's messages stand, as far as nothing final is known of them.

    Yields what each round of questions told, for the ledger to keep.
    """
    for name, channel in channels.items():
        if not isinstance(channel, StatusPoll):
            continue
        rows = ledger.deliveries(alert_id, channel=name, states=(State.ACCEPTED,))
        named = ((row.provider_id, _handle(row)) for row in rows if row.provider_id)
        while together := dict(islice(named, _ASKED)):
            told = await channel.poll(list(together))
            yield [receipt._replace(key=together.get(receipt.provider_id, "")) for receipt in told]


def _handle(row: Delivery) -> str:
    return f"{delivery_key(row.alert_id, row.channel, row.address)}.{row.id}"


# -- from one process to the one that owns the ledger -----------------------------------------------


def as_json(receipts: Sequence[Receipt]) -> list[dict[str, str]]:
    """Return receipts as the control socket carries them."""
    return [{**receipt._asdict(), "at": receipt.at.isoformat()} for receipt in receipts]


def answer(ledger: Ledger, told: Mapping[str, Any], *, at: int) -> dict[str, Any]:
    """Apply receipts another command read; return what they did.

    Raises:
        KeyError, TypeError, ValueError: they are none.
    """
    receipts = [
        Receipt(
            **{
                **word,
                "status": ReceiptStatus(word["status"]),
                "at": datetime.fromisoformat(word["at"]),
            }
        )
        for word in told["receipts"]
    ]
    return {"ok": True, **ledger.apply(receipts, at=at)._asdict()}
