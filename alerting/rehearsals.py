"""Rehearsals beside a server: a process of its own runs them, for it must know nothing but stand-ins."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alerting.app import App


class Rehearsals:
    """Starts the process for rehearsals that are due, and says when one of them failed.

    ``app`` is the server's program; of it only its files, its directory and its log are used.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._going: list[subprocess.Popen[bytes]] = []

    def look(self, due: bool) -> None:  # noqa: FBT001 - called as the schedule calls it
        """Look after those that were started; start one more when rehearsals are due."""
        for process in [process for process in self._going if process.poll() is not None]:
            self._going.remove(process)
            if process.returncode:
                self._app.log.warning("rehearsal.failed", pid=process.pid, code=process.returncode)
        if not due:
            return
        try:
            self._going.append(self._started())
        except OSError as error:
            self._app.log.warning("rehearsal.failed", why=error.strerror)

    def _started(self) -> subprocess.Popen[bytes]:
        """Start it in a session of its own: a server that stops does not stop a rehearsal."""
        app = self._app
        files = ["--config", str(app.config.path), "--state", str(app.base)]
        # Without -P whatever lies in the folder of the server would be imported first.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and words
            [
                *(sys.executable, "-P", "-c", "from alerting.cli import main; main()"),
                *(*files, "drill", "due", "--rehearsals"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        app.log.info("drill.rehearsed", pid=process.pid)
        return process
