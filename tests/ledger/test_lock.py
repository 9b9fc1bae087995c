import os
import resource
import signal
import subprocess
import sys

import pytest

from alerting.clock import FrozenClock
from alerting.errors import LedgerBusy, LedgerUnavailable
from alerting.ledger.lock import RunnerLock

HOLDER = """
import sys, time
from pathlib import Path
from alerting.ledger.lock import RunnerLock
lock = RunnerLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait(10)
    process.stdout.close()


def test_nobody_holds_a_lock_that_was_never_taken(tmp_path):
    assert RunnerLock(tmp_path).held_by() is None


def test_the_holder_is_named_and_the_second_is_refused(tmp_path, holder):
    waits = []
    lock = RunnerLock(tmp_path, sleep=waits.append)
    assert lock.held_by() == holder.pid
    with pytest.raises(LedgerBusy, match=f"process {holder.pid} has been sending since 20"):
        lock.acquire()
    assert sum(waits) <= 0.1


def test_the_kernel_frees_the_lock_of_a_process_that_was_killed(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    lock = RunnerLock(tmp_path, clock=FrozenClock())
    assert lock.held_by() is None
    with lock:
        assert lock.held_by() == os.getpid()
        assert lock.path.read_text().startswith(f"{os.getpid()} 2026-09-01T02:14:03")
        assert RunnerLock(tmp_path).held_by() == os.getpid()


def test_a_released_lock_is_free_and_may_be_released_twice(tmp_path):
    lock, other = RunnerLock(tmp_path), RunnerLock(tmp_path, sleep=lambda _: None)
    lock.acquire()
    lock.acquire()
    with pytest.raises(LedgerBusy):
        other.acquire()
    lock.release()
    lock.release()
    assert lock.held_by() is None
    other.acquire()
    other.release()


def test_somebody_who_only_asks_is_not_taken_for_a_runner(tmp_path):
    import fcntl

    with RunnerLock(tmp_path):
        pass
    with (tmp_path / "engine.lock").open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        lock = RunnerLock(tmp_path, sleep=lambda _: fcntl.flock(asking, fcntl.LOCK_UN))
        lock.acquire()
        assert lock.held_by() == os.getpid()
        with pytest.raises(LedgerBusy, match=f"process {os.getpid()} has"):
            RunnerLock(tmp_path, sleep=lambda _: None).acquire()
    lock.release()
    assert lock.held_by() is None


def test_a_missing_state_directory_is_named(tmp_path):
    lock = RunnerLock(tmp_path / "none")
    assert lock.held_by() is None
    with pytest.raises(LedgerUnavailable, match=r"none/engine\.lock"):
        lock.acquire()


def test_a_holder_that_is_about_to_end_is_waited_for_and_no_longer_than_asked(tmp_path):
    other, waits = RunnerLock(tmp_path), []
    other.acquire()

    def sleep(seconds):
        waits.append(seconds)
        if sum(waits) > 0.5:
            other.release()

    RunnerLock(tmp_path, sleep=sleep).acquire(patience_s=5.0)
    assert 0.5 < sum(waits) < 1.0

    waits.clear()
    with pytest.raises(LedgerBusy):
        RunnerLock(tmp_path, sleep=waits.append).acquire(patience_s=2.0)
    assert 2.0 <= sum(waits) < 4.0


def test_a_lock_nobody_can_sign_is_told_in_words_and_not_kept(tmp_path):
    """As on a full disk: a lock that names nobody would look free."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(
            LedgerUnavailable, match=r"engine.lock: cannot be written .*; nothing was sent; free"
        ):
            RunnerLock(tmp_path).acquire()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with RunnerLock(tmp_path) as lock:
        assert lock.held_by() == os.getpid()
