"""Events this program tells the people who run it. Names are noun.past-verb and listed here."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, Protocol, TextIO, cast

from alerting.clock import SystemClock

#: Every event there is, and what it means. Fields never hold an address, a text or a secret.
EVENTS: Final = {
    "alert.opened": "an alert is durable and its lanes may start",
    "alert.refused": "an alert was asked for and could not be opened; nothing was sent",
    "alert.cancelled": "an operator stopped an alert",
    "alert.taken_back": "what providers took back of a wrong alert is on record",
    "recall.failed": "taking a wrong alert back broke off; it is begun again after a pause",
    "recall.left": "taking a wrong alert back broke off too often; the next owner of the ledger goes on",
    "alert.expired": "the life of an alert ended with deliveries unsent",
    "lane.started": "a channel's lane took up work",
    "lane.stopped": "a channel's lane has nothing left to do",
    "roll.broken": "rows of an accepted list could not be written: an error of this program; tried again",
    "lane.broken": "a lane ended on an error of this program; it is started again",
    "breaker.opened": "a channel is in trouble; one trial at a time",
    "breaker.closed": "a channel works again",
    "breaker.downed": "a channel's account is refused; its deliveries are given up or handed over",
    "delivery.handed_over": "deliveries went on to a fallback channel",
    "callback.refused": "callbacks were turned away: forged, too large, too slow; counts by reason",
    "receipts.broken": "receipts could not be kept because of an error of this program",
    "receipts.unread": "the mailbox for bounces could not be read; it is tried again",
    "serve.started": "the callback endpoints listen",
    "serve.stopped": "the callback endpoints have closed",
    "audit.checkpointed": "the record was sealed and its head signed",
    "audit.failed": "the record could not be sealed, or its head not written to its second place",
    "follow_ups.failed": "what may follow an alert could not be rendered and put on record",
    "feed.failed": "the public feed could not be written",
    "drill.missed": "a planned time of a drill passed without it",
    "people.kept": "addresses older than audit.retain_days could not be forgotten; it is tried again",
    "people.forgotten": "addresses older than audit.retain_days were replaced by stand-ins",
    "drill.refused": "a drill could not be started; it is tried again until its window closes",
    "drill.rehearsed": "a process was started for the rehearsals that are due",
    "rehearsal.failed": "that process could not be started, or ended with an error or a miss",
    "drill.left": "a process with drill credentials only made way for a real alert",
    "notice.opened": "people on call are told about this system itself; the kind, and to how many",
    "notice.unheard": "there is nobody the roster could tell",
    "notice.failed": "notices could not be looked after; it is tried again",
    "ready.answered": "whether somebody could send turned to yes or to no; the reasons",
    "signal.failed": "the dead man's signal could not be given",
    "queue.failed": "the queue's worker broke off and is started again; meanwhile lanes look for themselves",
    "queue.said": "the queue's library found something wrong; deliveries do not depend on it",
    "ledger.failed": "the ledger cannot be written",
}


class Log(Protocol):
    """Where events go. Structlog's bound loggers are one."""

    def info(self, event: str, **fields: object) -> object:
        """Tell a thing that happened."""
        ...

    def warning(self, event: str, **fields: object) -> object:
        """Tell a thing somebody should look at."""
        ...

    def error(self, event: str, **fields: object) -> object:
        """Tell a thing that is broken."""
        ...


class QuietLog:
    """A log nobody reads."""

    def info(self, event: str, **fields: object) -> None:
        """Drop it."""

    def warning(self, event: str, **fields: object) -> None:
        """Drop it."""

    def error(self, event: str, **fields: object) -> None:
        """Drop it."""


class LazyLog:
    """Structlog, imported only once there is time: it costs more than a first post may wait.

    Events are kept until ``flush`` is first called, and written as they come from then on: JSON lines
    in a file (the state directory's ``engine.log``), or on stderr.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._log: Log | None = None
        self._kept: list[tuple[str, str, dict[str, object]]] = []

    def info(self, event: str, **fields: object) -> None:
        """Tell a thing that happened."""
        self._tell("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Tell a thing somebody should look at."""
        self._tell("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Tell a thing that is broken."""
        self._tell("error", event, fields)

    def flush(self) -> None:
        """Write what was kept."""
        if self._log is None:
            self._log = _structlog(self._path)
        kept, self._kept = self._kept, []
        for level, event, fields in kept:
            getattr(self._log, level)(event, **fields)

    def _tell(self, level: str, event: str, fields: dict[str, object]) -> None:
        at = SystemClock().now().isoformat(timespec="milliseconds")
        self._kept.append((level, event, {"at": at, **fields}))
        if self._log is not None:
            self.flush()


class HeardLog(LazyLog):
    """A log that somebody listens to as well; ``hear`` is called with every event, and must be quick."""

    def __init__(self, path: str, *, hear: Callable[[str, Mapping[str, object]], None]) -> None:
        super().__init__(path)
        self._hear = hear

    def _tell(self, level: str, event: str, fields: dict[str, object]) -> None:
        super()._tell(level, event, fields)
        self._hear(event, fields)


class _Appending:
    """A file that is open only while a line is written: it can be moved away, and nothing is left open.

    A log that cannot be written (a full disk, somebody else's file) must stop no alert: the line goes to
    stderr then, or nowhere.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def write(self, line: str) -> None:
        """Append one line."""
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, line.encode())
            finally:
                os.close(file)
        except OSError:
            with suppress(OSError, ValueError):
                sys.stderr.write(line)

    def flush(self) -> None:
        """Do nothing: a line is written at once."""


def _structlog(path: str) -> Log:
    """Return a logger of JSON lines.

    Structlog's console printer, which nothing here uses, would import rich and pygments for its colours,
    twice what the rest of structlog takes. It does without where there is no rich, so there is none for it.
    """
    absent = "rich" not in sys.modules
    if absent:
        sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog
    finally:
        if absent:
            del sys.modules["rich"]
    file = cast("TextIO", _Appending(path)) if path else sys.stderr
    log: Log = structlog.wrap_logger(
        structlog.WriteLogger(file),
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer(default=repr)],
    )
    return log
