"""A lane over a ledger, or over none: what remembering costs.

``python -m benchmarks.bare URL COUNT sqlite|none|threads`` sends through the SMS channel, without list or
plan; ``threads`` tells the event loop and the ledger's thread apart.
``python -m benchmarks.bare - COUNT together|singly [TURN]`` claims and settles without sending anything: in
turns of a hundred (or ``TURN``), or each delivery in commits of its own. Prints CPU microseconds a delivery.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

from alerting.broadcast.lane import Lane as Runs
from alerting.channels.base import Surroundings
from alerting.channels.sms.channel import build
from alerting.channels.sms.config import TwilioConfig
from alerting.clock import SystemClock, micros
from alerting.ledger.rows import Actor, AlertRecord, Batch, Lane, NewDelivery, Opening, Row, Settled
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.model.delivery import State
from alerting.model.message import Content
from alerting.secret import Secret
from alerting.telemetry import QuietLog
from alerting.testing.builders import a_lane, an_alert, an_envelope
from benchmarks.campus import phone

_NAME, _BATCH = "sms-main", 500
CLOCK = SystemClock()


class Nothing:
    """A ledger that remembers nothing, and its own writer."""

    def __init__(self, record: AlertRecord, batches: list[Batch]) -> None:
        self._record, self._batches = record, batches

    async def do(self, change: Callable[[Any], Any]) -> Any:
        return change(self)

    def lease(self, *_: Any, **__: Any) -> Batch | None:
        return self._batches.pop(0) if self._batches else None

    def alert(self, _: str) -> AlertRecord:
        return self._record

    def claim(self, _: Batch, ids: Sequence[int], *, at: int) -> Sequence[int]:  # noqa: ARG002
        return ids

    def settle(self, _: Batch, results: Sequence[Settled]) -> int:
        return len(results)

    def renew(self, batches: Sequence[Batch], *, until: int) -> list[int]:  # noqa: ARG002
        return [batch.id for batch in batches]

    def next_due(self, *_: Any, **__: Any) -> None:
        return None

    release = settle_alert = expire = hand_over = next_due

    def transaction(self) -> nullcontext[None]:
        return nullcontext()


def record_of() -> AlertRecord:
    now = CLOCK.now()
    alert = an_alert(created_at=now, expires_at=now + timedelta(hours=1))
    return AlertRecord(alert=alert, lanes=(a_lane(channel=_NAME),), digest="d", accepted_at=now)


def opened(folder: Path, record: AlertRecord, count: int) -> SqliteLedger:
    """Make a ledger that holds the alert and its deliveries."""
    ledger = SqliteLedger.open(folder / "ledger.db", clock=CLOCK)
    with ledger.transaction():
        lanes: tuple[Lane, ...] = record.lanes
        opening = Opening(alert=record.alert, lanes=lanes, actor=Actor(name="bench"), digest="d")
        ledger.open_alert(opening, at=micros(CLOCK.now()))
        for first in range(0, count, _BATCH):
            rows = [NewDelivery(f"phone:{phone(n)}") for n in range(first, min(count, first + _BATCH))]
            ledger.add_batch(record.alert.id, _NAME, rows, priority=1)
        ledger.planned(record.alert.id, recipients=count, notes={})
    return ledger


def batches_of(record: AlertRecord, count: int) -> list[Batch]:
    rows = [
        Row(n, f"phone:{phone(n)}", State.PENDING, 0, 0, 0, maybe_twice=False, fallback="")
        for n in range(1, count + 1)
    ]
    return [
        Batch(
            id=first + 1,
            alert_id=record.alert.id,
            channel=_NAME,
            epoch=1,
            rows=tuple(rows[first : first + _BATCH]),
        )
        for first in range(0, count, _BATCH)
    ]


async def sending(url: str, writer: Any) -> tuple[float, float]:
    """Send what the ledger holds; return CPU seconds of all and of the loop, the SDK's imports left out."""
    config = TwilioConfig(
        name=_NAME,
        account_sid="AC" + "0" * 32,
        auth_token=Secret("t" * 32),
        sender="+14135550199",
        rate_per_s=1e6,
        in_flight=50,
    )
    channel = build(config, Surroundings(clock=CLOCK, campus="", base_url=url))
    rng, log = random.Random(1), QuietLog()
    lane = Runs(channel, writer=writer, clock=CLOCK, rng=rng, log=log, owner="b", nudge=lambda _: None)
    await channel.send(an_envelope(content=lane_content(), expires_at=CLOCK.now() + timedelta(hours=1)))
    began, loop_began = time.process_time(), time.thread_time()
    await lane.run(stop=asyncio.Event())
    spent = time.process_time() - began, time.thread_time() - loop_began
    await channel.aclose()
    return spent


def lane_content() -> Content:
    return a_lane(channel=_NAME).content


def sent(folder: Path, url: str, count: int, *, remembered: bool) -> tuple[float, float]:
    """Send, and return CPU seconds from the opened alert to the last outcome: of all, and of the loop."""
    record = record_of()
    if remembered:
        opened(folder, record, count).close()
        writer: Any = GroupWriter(lambda: SqliteLedger.open(folder / "ledger.db", clock=CLOCK))
    else:
        writer = Nothing(record, batches_of(record, count))
    spent = asyncio.run(sending(url, writer))
    if remembered:
        writer.close()
    return spent


def recorded(folder: Path, count: int, *, turn: int) -> float:
    """Claim and settle in commits of so many, and return CPU seconds."""
    ledger = opened(folder, record_of(), count)
    began, at = time.process_time(), micros(CLOCK.now())
    while batch := ledger.lease(_NAME, owner="b", at=at, until=at + 10**9):
        for first in range(0, len(batch.rows), turn):
            ids = [row.id for row in batch.rows[first : first + turn]]
            with ledger.transaction():
                ledger.claim(batch, ids, at=at)
            with ledger.transaction():
                results = [
                    Settled(n, 1, State.ACCEPTED, "accepted", at, provider_id=f"SM{n:032d}") for n in ids
                ]
                ledger.settle(batch, results)
        ledger.release(batch, not_before=at)
    return time.process_time() - began


def main() -> None:
    gc.set_threshold(100_000)
    url, count, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if mode in ("together", "singly"):
            turn = int(sys.argv[4]) if sys.argv[4:] else 100
            spent = loop = recorded(folder, count, turn=turn if mode == "together" else 1)
        else:
            spent, loop = sent(folder, url, count, remembered=mode != "none")
    if mode == "threads":
        print(f"loop {loop / count * 1e6:.1f}, ledger {(spent - loop) / count * 1e6:.1f}")
    else:
        print(spent / count * 1e6)


if __name__ == "__main__":
    main()
