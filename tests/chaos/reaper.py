"""Ways to kill a sender at a moment nobody chose."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from functools import cache

#: Writing, syncing, speaking, hearing: where a death leaves the most behind.
CALLS = ("pwrite64", "fdatasync", "sendto", "recvfrom", "epoll_wait")
_WITHIN_S = 1.5


def at_a_time(campus, rng):
    """Kill it somewhere between its birth and a second later."""
    pid = campus.sender()
    time.sleep(rng.random() * 1.0)
    return _killed(campus, pid)


def at_a_size(campus, rng):
    """Kill it when the write-ahead log has grown by so many bytes."""
    pid, log = campus.sender(), campus.state / "ledger.db-wal"
    goal = _size(log) + rng.randrange(1, 400_000)
    end = time.monotonic() + _WITHIN_S
    while _size(log) < goal and time.monotonic() < end and campus.sender() == pid:
        time.sleep(0.0005)
    return _killed(campus, pid)


def at_a_call(campus, rng):
    """Kill it as it enters its nth call of a kind."""
    pid = campus.sender()
    if pid is None:
        return False
    call, nth = rng.choice(CALLS), rng.randrange(1, 60)
    tracer = subprocess.Popen(
        [
            "strace",
            "-f",
            "-qq",
            "-e",
            f"trace={call}",
            "-e",
            f"inject={call}:signal=KILL:when={nth}",
            "-o",
            os.devnull,
            "-p",
            str(pid),
        ],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + _WITHIN_S
        while campus.sender() == pid and time.monotonic() < end:
            time.sleep(0.002)
        return _killed(campus, pid)
    finally:
        with suppress(ProcessLookupError):
            tracer.kill()
        tracer.wait()


def ways():
    """Return the ways this machine knows."""
    return [at_a_time, at_a_size, *([at_a_call] if _can_trace() else [])]


@cache
def _can_trace():
    """Say whether there is a strace, and whether it may look at another process and kill it."""
    if not shutil.which("strace"):
        return False
    sleeper = subprocess.Popen(["sleep", "5"])
    tracer = subprocess.Popen(
        ["strace", "-qq", "-o", os.devnull, "-p", str(sleeper.pid)], stderr=subprocess.DEVNULL
    )
    time.sleep(0.1)
    may = tracer.poll() is None
    for process in (tracer, sleeper):
        process.kill()
        process.wait()
    return may


def _killed(campus, pid):
    """Kill what is left of it; say whether it died before it had finished."""
    if pid is None:
        return False
    alive = campus.sender() == pid
    if alive:
        campus.kill_sender()
    with campus.ledger() as ledger:
        return alive or bool(ledger.unsettled())


def _size(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def kill(pid, number=signal.SIGKILL):
    with suppress(ProcessLookupError):
        os.kill(pid, number)
