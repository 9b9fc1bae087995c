"""``python -m benchmarks.waking``: how fast a worker of a shared ledger begins with what another host opened.

A worker that has nothing to do runs in a process of its own, on a channel that only notes when it was called.
This process opens alerts to one person at random moments. Told are the milliseconds from the commit to the
call, and what the waiting worker costs in CPU by the second. Both processes go by one steady clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from alerting.broadcast.lane import Rules
from alerting.channels.base import Envelope
from alerting.clock import SystemClock, micros
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.place import Place
from alerting.ledger.postgres.writer import SharedWriter
from alerting.model.outcome import Accepted
from alerting.secret import Secret
from alerting.telemetry import QuietLog
from alerting.testing.builders import an_alert, an_opening, some_capabilities, some_deliveries
from alerting.testing.postgres import PostgresServer

_NAME = "sms-main"
_IDLE_S = 20.0


class Noting:
    """A channel that says when it was called."""

    name = _NAME
    capabilities = some_capabilities(rate_per_s=1000.0)

    async def send(self, envelope: Envelope) -> Accepted:
        """Take a message at once."""
        print(json.dumps([str(envelope.address), time.monotonic()]), flush=True)
        return Accepted(envelope.key)

    async def aclose(self) -> None:
        """Nothing is open."""


def work(address: str) -> None:
    """Be the worker until ended."""
    from alerting.engine.distributed import DistributedEngine
    from alerting.ledger.postgres.listening import listen

    place, clock = Place(address=Secret(address)), SystemClock()
    opened = partial(PostgresLedger.open, place, clock=clock)
    engine = DistributedEngine(
        channels=lambda: [_NAME],
        listen=partial(listen, place),
        channel=lambda _: Noting(),
        writer=SharedWriter(opened, patience=timedelta(seconds=5)),
        clock=clock,
        log=QuietLog(),
        owner="worker",
        rules=lambda _: Rules(shared=True, lease=6.0),
    )
    asyncio.run(engine.run(stop=asyncio.Event(), forever=True))


def opened(ledger: PostgresLedger, number: int) -> float:
    """Open an alert to one person; return when it was durable."""
    now = SystemClock().now()
    alert = an_alert(
        id=f"L-{number:06d}", run_key=str(number), created_at=now, expires_at=now + timedelta(minutes=5)
    )
    with ledger.transaction():
        ledger.open_alert(an_opening(_NAME, alert=alert), at=micros(alert.created_at))
        ledger.add_batch(alert.id, _NAME, some_deliveries(1, number), priority=50)
        ledger.planned(alert.id, recipients=1, notes={})
    return time.monotonic()


def cpu_s(pid: int) -> float:
    """Return the CPU seconds a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(address: str, count: int) -> dict[str, Any]:
    """Measure against a worker that is started here and ended here."""
    ledger = PostgresLedger.open(Place(address=Secret(address)), clock=SystemClock())
    words = [sys.executable, "-m", "benchmarks.waking", "--work", address]
    worker = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    try:
        time.sleep(3.0)
        took, rng = [], random.Random(1)
        for number in range(count):
            time.sleep(rng.uniform(0.4, 1.2))
            durable = opened(ledger, number)
            took.append((json.loads(worker.stdout.readline())[1] - durable) * 1000)
        time.sleep(2.0)
        before = cpu_s(worker.pid)
        time.sleep(_IDLE_S)
        idle = cpu_s(worker.pid) - before
    finally:
        worker.terminate()
        worker.wait(10)
        ledger.close()
    took.sort()
    return {
        "alerts": count,
        "ms": {
            "median": round(statistics.median(took), 1),
            "p95": round(took[int(len(took) * 0.95)], 1),
            "longest": round(took[-1], 1),
        },
        "idle_cpu_ms_per_s": round(idle / _IDLE_S * 1000, 2),
    }


def main() -> None:
    """Measure with a server of our own, or be the worker of such a measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waking")
    parser.add_argument("--work", default="", help="be the worker of a measurement at this address")
    parser.add_argument("--alerts", type=int, default=40)
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = PostgresServer(port)
    try:
        print(json.dumps(measured(server.start(fsync="on").address, options.alerts)))
    finally:
        server.close()


if __name__ == "__main__":
    main()
