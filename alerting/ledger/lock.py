"""Who runs the broadcasts of a state directory: one process, and the kernel knows which."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from alerting.clock import Clock, SystemClock
from alerting.errors import LedgerBusy, LedgerUnavailable, Problem

_TRIES: Final = 5
_PAUSE_S: Final = 0.01
_LOOK_S: Final = 0.1


class RunnerLock:
    """An exclusive lock on ``engine.lock`` in a state directory.

    The kernel releases it when the process ends, however it ends. The file says who holds it, and since
    when; what it says counts only while the lock is held.
    """

    def __init__(
        self, state_dir: Path, *, clock: Clock | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.path = state_dir / "engine.lock"
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._fd = -1

    def acquire(self, *, patience_s: float = 0.0) -> None:
        """Take the lock, waiting so many seconds for a process that is about to end.

        Raises:
            LedgerBusy: another process holds it; the error names its pid.
            LedgerUnavailable: the file cannot be made.
        """
        left = round(patience_s / _LOOK_S)
        while True:
            try:
                self._acquire()
            except LedgerBusy:
                if left <= 0:
                    raise
            else:
                return
            left -= 1
            self._sleep(_LOOK_S)

    def _acquire(self) -> None:
        if self._fd >= 0:
            return
        fd = self._open(os.O_RDWR | os.O_CREAT)
        try:
            self._take(fd)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    def _take(self, fd: int) -> None:
        if not self._locked(fd):
            raise self._busy(fd)
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()} {self._clock.now().isoformat()}\n".encode(), 0)
        except OSError as error:
            # A lock that names nobody would look free to whoever asks who is sending.
            raise self._unusable("cannot be written", "free some space on its disk", error) from error

    def _open(self, flags: int) -> int:
        try:
            return os.open(self.path, flags | os.O_CLOEXEC, 0o600)
        except OSError as error:
            fix = "make the state directory, and let this user write in it"
            raise self._unusable("cannot be opened", fix, error) from error

    def _unusable(self, what: str, fix: str, error: OSError) -> LedgerUnavailable:
        return LedgerUnavailable(
            Problem(where=str(self.path), what=f"{what} ({error.strerror}); nothing was sent", fix=fix)
        )

    def _locked(self, fd: int) -> bool:
        # Whoever asks who holds the lock has it for an instant: that must not look like a runner.
        for left in reversed(range(_TRIES)):
            if _try(fd, fcntl.LOCK_EX):
                return True
            if left:
                self._sleep(_PAUSE_S)
        return False

    def _busy(self, fd: int) -> LedgerBusy:
        pid, since = _told(fd)
        return LedgerBusy(
            Problem(
                where=str(self.path),
                what=f"process {pid} has been sending since {since}",
                fix="let it finish, or stop it, and try again",
            )
        )

    def release(self) -> None:
        """Give the lock back; may be called twice."""
        if self._fd < 0:
            return
        os.ftruncate(self._fd, 0)
        os.close(self._fd)
        self._fd = -1

    def held_by(self) -> int | None:
        """Return the pid of the process that holds the lock, or None."""
        if self._fd >= 0:
            return os.getpid()
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return None if _try(fd, fcntl.LOCK_SH) else _told(fd)[0]
        finally:
            os.close(fd)

    def __enter__(self) -> Self:
        """Take the lock."""
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        self.release()


def _try(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True


def _told(fd: int) -> tuple[int, str]:
    pid, _, since = os.pread(fd, 200, 0).decode(errors="replace").strip().partition(" ")
    return (int(pid) if pid.isdigit() else 0), since or "a moment ago"
