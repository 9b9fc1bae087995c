"""How a second command speaks to the process that owns the ledger: one JSON line each way.

The socket lies in the state directory and is for its owner only (mode 0600, in a directory of mode
0700), so whoever may write the ledger may speak here, and nobody else. Who speaks is told by the kernel:
each request reaches its handler with ``peer``, the caller's (uid, pid), whatever the caller wrote there.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from alerting.digest import text_digest
from alerting.errors import AlertingError, ConfigProblem, LedgerBusy, LedgerUnavailable, Problem

if TYPE_CHECKING:
    import asyncio

VERSION: Final = 1
_NAME: Final = "engine.sock"
#: Linux: sun_path is 108 bytes with its end (unix(7)); macOS 104.
_LONGEST: Final = 100
_LINE: Final = 1 << 20
#: How long a closing owner waits for answers it has begun.
_LAST_WORDS_S: Final = 10.0

Handler = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class Unanswered(LedgerBusy):
    """The request went out, and no answer came: it may be carried out or not."""


def socket_path(state: Path) -> Path:
    """Return where the socket of a state directory lies.

    That is in the directory itself, or, when its path is too long for a socket, in a directory below
    /tmp that belongs to this user alone.

    Raises:
        LedgerUnavailable: somebody else has taken the place below /tmp.
    """
    path = state.resolve() / _NAME
    if len(os.fsencode(path)) <= _LONGEST:
        return path
    return _own_folder() / f"{text_digest(str(path))[:16]}.sock"


def _own_folder() -> Path:
    folder = Path(f"/tmp/alerting-{os.getuid()}")  # noqa: S108 - looked at below
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    # /tmp is everybody's: a folder put there by another user would let them play the owner.
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        return folder
    raise LedgerUnavailable(
        Problem(
            where=str(folder),
            what="this is not a directory of this user alone",
            fix="remove it, or give a state directory with a shorter path",
        )
    )


def ask(state: Path, request: Mapping[str, Any], *, timeout: float) -> dict[str, Any]:
    """Send one request and return the answer. ``timeout`` is seconds for each step.

    Raises:
        LedgerBusy: nobody listens there.
        Unanswered: it was heard, and not answered in time.
    """
    line = json.dumps({"v": VERSION, **request}).encode() + b"\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(socket_path(state)))
        except OSError as error:
            raise LedgerBusy(_silent(state, error)) from error
        try:
            connection.sendall(line)
            with connection.makefile("rb") as answer:
                return dict(json.loads(answer.readline(_LINE)))
        except (OSError, TypeError, ValueError) as error:
            fix = "look at `alert status` before you repeat it"
            silent = _silent(state, error)
            what = f"{silent.what}; what it was asked may be done or not"
            raise Unanswered(silent._replace(what=what, fix=fix)) from error


def refusal(error: AlertingError | ConfigProblem) -> dict[str, Any]:
    """Return an error as the control socket carries it."""
    problems = [[problem.where, problem.what, problem.fix] for problem in error.problems]
    # A room's own kind of error is told as the one of alerting.errors it is: who hears it knows those.
    kind = next(base.__name__ for base in type(error).__mro__ if base.__module__ == "alerting.errors")
    return {"ok": False, "kind": kind, "exit": int(error.exit_code), "problems": problems}


def raise_refusal(told: Mapping[str, Any]) -> None:
    """Raise what another process refused with; do nothing when it agreed."""
    if told.get("ok"):
        return
    problems = [Problem(where=w, what=what, fix=fix) for w, what, fix in told.get("problems", [])]
    from alerting import errors

    kind = getattr(errors, str(told.get("kind")), None)
    if isinstance(kind, type) and issubclass(kind, AlertingError | ConfigProblem):
        raise kind(*problems)
    raise LedgerBusy(*problems)


class Listener:
    """Answers requests, one line in and one line out for each connection, until it is closed."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._answering: set[asyncio.Task[None] | None] = set()
        self._closed = False
        self._server: asyncio.Server

    async def start(self, state: Path) -> Self:
        """Listen in a state directory, in place of a socket that a dead owner left there."""
        import asyncio

        self._path = socket_path(state)
        self._path.unlink(missing_ok=True)
        old = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path=str(self._path), limit=_LINE)
        finally:
            os.umask(old)
        return self

    async def aclose(self) -> None:
        """Hear nobody any more, and finish the answers that were begun; may be called twice."""
        import asyncio

        if not self._closed:
            self._closed = True
            self._server.close()
            self._path.unlink(missing_ok=True)
        if begun := [task for task in self._answering if task is not None]:
            await asyncio.wait(begun, timeout=_LAST_WORDS_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import asyncio

        task = asyncio.current_task()
        try:
            line = await reader.readline()
            if self._closed or not line.endswith(b"\n"):
                return  # half a line, or a caller who left, or came too late: they will ask again
            self._answering.add(task)
            told = await self._answer(line, _peer(writer))
            writer.write(json.dumps(told).encode() + b"\n")
            await writer.drain()
        except (ValueError, ConnectionError):
            pass  # a line without end, or a caller who left: there is nobody to tell
        finally:
            self._answering.discard(task)
            writer.close()

    async def _answer(self, line: bytes, peer: tuple[int, int]) -> Mapping[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            return _not_understood("this is not a request")
        if request.get("v") != VERSION:
            return _not_understood(
                f"the process that owns the ledger speaks version {VERSION}, not {request.get('v')!r}",
                "wait until it has finished, or use the version of the program it was started with",
            )
        return await self._handler({**request, "peer": peer})


def _peer(writer: asyncio.StreamWriter) -> tuple[int, int]:
    """Return the (uid, pid) of the process at the other end, as it was when it connected (unix(7))."""
    its = writer.get_extra_info("socket")
    pid, uid, _ = struct.unpack("3i", its.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return uid, pid


def _not_understood(what: str, fix: str = "") -> Mapping[str, Any]:
    code = int(LedgerBusy.exit_code)
    return {"ok": False, "kind": LedgerBusy.__name__, "exit": code, "problems": [["", what, fix]]}


def _silent(state: Path, error: Exception) -> Problem:
    return Problem(
        where=str(state),
        what=f"another process owns this ledger and does not answer ({type(error).__name__})",
        fix="wait a moment and repeat; `alert doctor` names the process",
    )
