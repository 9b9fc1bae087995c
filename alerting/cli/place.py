"""Where the sandbox listens: the one on record if it answers, else one started for it.

A started sandbox is a process of its own: it outlives the command, holds none of its pipes, and leaves
by itself when nobody has used it for a while.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alerting.cli.face import note
from alerting.errors import LedgerUnavailable, Problem, UsageProblem

if TYPE_CHECKING:
    from subprocess import Popen

_RECORD: Final = "sandbox.json"
_LOG: Final = "sandbox.log"
_LOCK: Final = "sandbox.lock"
_IDLE_S: Final = 15 * 60
_READY_S: Final = 20.0
_ANSWER_S: Final = 2.0
_LOOK_S: Final = 0.02
_LARGEST: Final = 1 << 20  # bytes of an answer
_GONE_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A sandbox that listens."""

    pid: int
    http_url: str
    smtp_host: str
    smtp_port: int

    def counts(self) -> dict[str, Any] | None:
        """Return what it has received so far; None when it does not answer, or is something else."""
        authority = self.http_url.removeprefix("http://")
        host, _, port = authority.rpartition(":")
        asked = f"GET /state HTTP/1.0\r\nHost: {authority}\r\n\r\n"
        with contextlib.suppress(OSError, ValueError):
            head, _, body = _exchange(host.strip("[]"), int(port), asked.encode()).partition(b"\r\n\r\n")
            found = json.loads(body)
            if b" 200 " in head[:16] and isinstance(found, dict) and "posts" in found:
                return found
        return None


def sandbox_place(state: Path) -> tuple[str, tuple[str, int]]:
    """Return where the sandbox of a state directory listens, starting one when there is none.

    The answer is (http url, (smtp host, smtp port)). A sandbox that had to be started is told on stderr.

    Raises:
        UsageProblem: it does not start; it says what the sandbox said.
        LedgerUnavailable: the state directory cannot be written.
    """
    found = recorded(state)
    if found is None:
        with starting(state):
            # Somebody else may have started one while this command waited for its turn.
            found = recorded(state)
            if found is None:
                found = _started(state)
                note(f"Sandbox started; nothing leaves this machine. What people receive: {found.http_url}/")
    return found.http_url, (found.smtp_host, found.smtp_port)


def recorded(state: Path) -> Place | None:
    """Return the sandbox on record, if it is alive and answers."""
    place = _read(state / _RECORD)
    if place is None or not _alive(place.pid) or place.counts() is None:
        return None
    return place


def record(state: Path, place: Place) -> None:
    """Put a sandbox on record, readable by this user only; what stood there before is replaced whole."""
    draft = state / f"{_RECORD}.{os.getpid()}.part"
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor has no path
        json.dump(asdict(place), file)
    draft.replace(state / _RECORD)


def forget(state: Path, pid: int) -> None:
    """Take a sandbox off the record, if it is the one on record."""
    place = _read(state / _RECORD)
    if place is not None and place.pid == pid:
        with contextlib.suppress(OSError):  # the record of one that is dead misleads nobody
            (state / _RECORD).unlink()


def stop(state: Path) -> Place | None:
    """End the sandbox on record and return it; None when there is none.

    Raises:
        UsageProblem: it does not end.
    """
    place = recorded(state)
    if place is None:
        return None
    with contextlib.suppress(ProcessLookupError):
        os.kill(place.pid, signal.SIGTERM)
    until = time.monotonic() + _GONE_S
    while _alive(place.pid):
        if time.monotonic() > until:
            what, fix = f"process {place.pid} does not end", f"kill -9 {place.pid}"
            raise UsageProblem(Problem(where=place.http_url, what=what, fix=fix))
        time.sleep(_LOOK_S)
    forget(state, place.pid)
    return place


@contextmanager
def starting(state: Path) -> Iterator[None]:
    """Hold the right to put a sandbox on record; another command waits for its turn.

    Raises:
        LedgerUnavailable: the state directory cannot be written.
    """
    import fcntl

    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(state / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        fix = "name a directory that can be written: --state DIRECTORY"
        raise LedgerUnavailable(Problem(where=str(state), what=what, fix=fix)) from error
    try:
        # Whoever holds it gives up after a bounded wait, so this ends too.
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _started(state: Path) -> Place:
    """Start a sandbox, and wait until it has put itself on record."""
    import subprocess

    (state / _RECORD).unlink(missing_ok=True)
    arguments = ["--ready-file", str((state / _RECORD).absolute()), "--idle-exit", str(_IDLE_S)]
    log = os.open(state / _LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        # In its own folder: with -m, whatever lies in the folder of the command would be imported first.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and words
            [sys.executable, "-m", "alerting.sandbox", *arguments],
            cwd=state,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=0o077,
        )
    finally:
        os.close(log)
    return _awaited(state, process)


def _awaited(state: Path, process: Popen[bytes]) -> Place:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until:
        place = _read(state / _RECORD)
        if place is not None and place.pid == process.pid:
            return place
        if process.poll() is not None:
            raise _failed(state, f"the sandbox ended at once (code {process.returncode})")
        time.sleep(_LOOK_S)
    process.kill()
    process.wait()
    raise _failed(state, f"the sandbox was not ready within {_READY_S:g} s")


def _failed(state: Path, what: str) -> UsageProblem:
    log = state / _LOG
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    said = f": {lines[-1]}" if lines else ""
    return UsageProblem(Problem(where="", what=f"{what}{said}", fix=f"see {log}"))


def _read(path: Path) -> Place | None:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return Place(
            pid=int(told["pid"]),
            http_url=str(told["http_url"]),
            smtp_host=str(told["smtp_host"]),
            smtp_port=int(told["smtp_port"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _alive(pid: int) -> bool:
    """Say whether a process is a sandbox that runs: the system gives the numbers of the dead away again."""
    try:
        os.kill(pid, 0)
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return True  # no /proc here
    except OSError:
        return False
    # The dead whose parent has not looked yet have no words left.
    return b"sandbox" in words


def _exchange(host: str, port: int, asked: bytes) -> bytes:
    """Ask one question over HTTP; the libraries for it take longer to import than it to answer."""
    import socket

    heard = bytearray()
    with socket.create_connection((host, port), timeout=_ANSWER_S) as connection:
        connection.sendall(asked)
        while len(heard) < _LARGEST and (more := connection.recv(65_536)):
            heard += more
    return bytes(heard)
