"""How much faster two and four workers are than one, on one PostgreSQL and one account at a provider.

An account's rate and open calls are divided among workers, so more of them send faster only where one
host's CPU is what is short. This machine has two cores, for the workers, PostgreSQL and the stand-in
together. So each worker is made a small host: let run for a tenth of the time, and stopped for the rest.
What it shows is that nothing shared (the database, its locks, the division of the account) eats up what
more hosts bring, up to four; what larger hosts would do is for ``benchmarks.simulation`` to say.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from alerting.testing.postgres import PostgresServer
from benchmarks.campus import campus, people, sms
from benchmarks.lab import Lab, StandIn
from benchmarks.table import Line, at_least, at_most

#: Each worker runs so much of every period, in seconds: a host with a tenth of a core.
_RUNS_S, _PERIOD_S = 0.004, 0.04
#: Far above what four such hosts reach: neither the rate nor the open calls are what is measured.
_RATE, _IN_FLIGHT, _LATENCY_MS = 20_000, 1_000, 100
_SETTLES_S, _WINDOW_S, _WITHIN_S = 8.0, 10.0, 60.0


def workers(lab: Lab) -> Iterator[Line]:
    """Deliveries a second by one, two and four workers."""
    count, window = (60_000, _WINDOW_S / 2) if lab.quick else (100_000, _WINDOW_S)
    with lab.stand_in("stub", "--latency", str(_LATENCY_MS)) as stub:
        times = 1 if lab.quick else min(lab.pairs, 3)
        turns = [[_rate(lab, stub, number, count, window) for number in (1, 2, 4)] for _ in range(times)]
    rounds = [list(column) for column in zip(*turns, strict=True)]
    ones = rounds[0]
    for number, target, pairs in ((2, 1.8, rounds[1]), (4, 3.0, rounds[2])):
        shares = [reached.per_s / one.per_s for reached, one in zip(pairs, ones, strict=True)]
        note = f"{pairs[0].per_s:,.0f}/s over {ones[0].per_s:,.0f}/s; each worker a tenth of a core"
        what = f"deliveries a second by {number} workers on one PostgreSQL over one"
        yield at_least(what, median(shares), target, note=note)
    told = ", ".join(
        f"{median(r.worker_us for r in some):.0f} + {median(r.server_us for r in some):.0f}"
        for some in rounds
    )
    what = "CPU of a delivery in µs, workers + PostgreSQL: 1, 2 and 4 workers"
    yield Line(what=what, target="", measured=told, met=None)


def shared(lab: Lab) -> Iterator[Line]:
    """A provider's rate, shared by two workers that begin beside a sender which dies: never above it."""
    rate, count = 40, 1_000  # two batches: what is less goes to one worker
    with lab.stand_in("stub", "--latency", "20", "--arrivals") as stub, _database() as server:
        folder = _folder(lab, "shared")
        config = _hosts(lab, folder, [sms("sms-main", stub.url, rate=rate)], count, 2)
        with _crew(lab, folder, config, server.address, 2):
            stub.ask("reset")
            _open(lab, folder, config, server.address)
            _await(stub, count)
            told = stub.ask("counts")
    used = count / (told["last_at"] - told["first_at"])
    what = f"paced at {rate}/s by two workers: requests in the busiest second"
    yield at_most(
        what, told["busiest"], rate, unit="", note=f"{used:.1f}/s on average, from a sender that dies"
    )


class Reached(NamedTuple):
    """Deliveries a second, and what one took in CPU: of the workers, and of the database."""

    per_s: float
    worker_us: float
    server_us: float


def _rate(lab: Lab, stub: StandIn, number: int, count: int, window: float) -> Reached:
    """Return what so many workers reach in full flow."""
    folder = _folder(lab, f"workers-{number}")
    channels = [sms("sms-main", stub.url, rate=_RATE, in_flight=_IN_FLIGHT)]
    config = _hosts(lab, folder, channels, count, number)
    with _database() as server, _crew(lab, folder, config, server.address, number) as crew:
        stub.ask("reset")
        with _small(crew):
            _open(lab, folder, config, server.address)
            _await(stub, 1)
            time.sleep(_SETTLES_S)
            pids = [worker.pid for worker in crew]
            begin, at, spent = stub.ask("counts")["total"], time.monotonic(), _spent(pids, server.folder)
            time.sleep(window)
            total, lasted = stub.ask("counts")["total"], time.monotonic() - at
            took = [
                (end - start) * 1e6 for start, end in zip(spent, _spent(pids, server.folder), strict=True)
            ]
            if not begin < total < count:
                raise RuntimeError("they had nothing left to send")
            done = total - begin
            return Reached(done / lasted, took[0] / done, took[1] / done)


def _folder(lab: Lab, name: str) -> Path:
    folder = lab.folder / f"{name}-{time.monotonic_ns()}"
    folder.mkdir()
    return folder


@contextlib.contextmanager
def _database() -> Iterator[PostgresServer]:
    """Run a PostgreSQL whose commits are synced, as in life."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = PostgresServer(port)
    try:
        yield server.start(fsync="on", full_page_writes="on", autovacuum="on")
    finally:
        server.close()


def _spent(pids: Sequence[int], folder: Path) -> tuple[float, float]:
    """Return the CPU seconds so far of these processes, and of the database in a folder."""
    (postmaster,) = (folder / "data" / "postmaster.pid").read_text().splitlines()[:1]
    tick, own, server = os.sysconf("SC_CLK_TCK"), 0, 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent, *rest = path.read_text().rpartition(") ")[2].split()[1:]
        except (OSError, ValueError):
            continue
        ticks = int(rest[9]) + int(rest[10])
        own += ticks if int(path.parent.name) in pids else 0
        server += ticks if postmaster in (parent, path.parent.name) else 0
    return own / tick, server / tick


def _hosts(lab: Lab, folder: Path, channels: Sequence[str], count: int, number: int) -> Path:
    """Write the campus; each worker has a state directory of its own, and the list checked in it."""
    config = campus(folder, people(lab.folder, count), channels)
    config.write_text(config.read_text() + "ledger: {env: ALERT_LEDGER}\n")
    for host in range(number):
        (folder / f"host-{host}").mkdir(mode=0o700)
    return config


def _command(lab: Lab, config: Path, address: str, *words: str, state: Path) -> subprocess.Popen[bytes]:
    around: dict[str, Any] = lab.surroundings()
    environ = {**around["env"], "ALERT_LEDGER": address}
    command = [sys.executable, "-m", "benchmarks.command", "--config", str(config), "--state", str(state)]
    return subprocess.Popen(
        [*command, *words],
        env=environ,
        cwd=around["cwd"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


@contextlib.contextmanager
def _crew(
    lab: Lab, folder: Path, config: Path, address: str, number: int
) -> Iterator[Sequence[subprocess.Popen[bytes]]]:
    """Run so many workers, and wait until each says that it works."""
    crew = [
        _command(lab, config, address, "worker", "--json", state=folder / f"host-{host}")
        for host in range(number)
    ]
    try:
        for worker in crew:
            assert worker.stdout
            if json.loads(worker.stdout.readline() or b"{}").get("kind") != "worker":
                raise RuntimeError("a worker did not start")
        yield crew
    finally:
        for worker in crew:
            worker.kill()
            worker.communicate()


def _open(lab: Lab, folder: Path, config: Path, address: str) -> None:
    """Open the alert, and end the sender of the command: the workers are to do it alone."""
    state = folder / "desk"
    words = ("send", "gas-leak", "-v", "place=Baker Hall", "--confirm", "Baker Hall", "--no-wait", "--json")
    command = _command(lab, config, address, *words, state=state)
    told, _ = command.communicate(timeout=_WITHIN_S)
    if command.returncode != 8:
        raise RuntimeError(f"the alert was not opened: {told.decode()[-500:]}")
    lab.end(str(state))


@contextlib.contextmanager
def _small(crew: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Let each worker run for its share of every period, in turn, and stop it for the rest."""
    over = threading.Event()

    def beat() -> None:
        while not over.is_set():
            began = time.monotonic()
            for worker in crew:
                os.kill(worker.pid, signal.SIGCONT)
                time.sleep(_RUNS_S)
                os.kill(worker.pid, signal.SIGSTOP)
            over.wait(max(0.0, _PERIOD_S - (time.monotonic() - began)))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for worker in crew:
            os.kill(worker.pid, signal.SIGCONT)


def _await(stub: StandIn, count: int) -> None:
    until = time.monotonic() + _WITHIN_S
    while stub.ask("counts")["total"] < count:
        if time.monotonic() > until:
            raise RuntimeError("nothing is sent")
        time.sleep(0.1)
