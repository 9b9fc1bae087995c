"""Events this program tells the people who run it. Names are noun.past-verb and listed here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final, Protocol, TextIO

from alerting.clock import SystemClock

#: Every event there is, and what it means. Fields never hold an address, a text or a secret.
EVENTS: Final = {
    "alert.opened": "an alert is durable and its lanes may start",
    "alert.refused": "an alert was asked for and could not be opened; nothing was sent",
    "alert.settled": "every delivery of an alert has come to rest",
    "alert.cancelled": "an operator stopped an alert",
    "alert.expired": "the life of an alert ended with deliveries unsent",
    "lane.started": "a channel's lane took up work",
    "lane.stopped": "a channel's lane has nothing left to do",
    "lane.broken": "a lane ended on an error of this program; it is started again",
    "breaker.opened": "a channel is in trouble; one trial at a time",
    "breaker.closed": "a channel works again",
    "breaker.downed": "a channel's account is refused; its deliveries are given up or handed over",
    "delivery.handed_over": "deliveries went on to a fallback channel",
    "delivery.uncertain": "attempts without an answer are being looked up",
    "callback.refused": "callbacks were turned away: forged, too large, too slow; counts by reason",
    "receipts.broken": "receipts could not be kept because of an error of this program",
    "receipts.unread": "the mailbox for bounces could not be read; it is tried again",
    "serve.started": "the callback endpoints listen",
    "serve.stopped": "the callback endpoints have closed",
    "audit.checkpointed": "the record was sealed and its head signed",
    "audit.failed": "the record could not be sealed, or its head not written to its second place",
    "feed.failed": "the public feed could not be written",
    "drill.missed": "a planned time of a drill passed without it",
    "drill.refused": "a drill could not be started; it is tried again until its window closes",
    "drill.rehearsed": "a process was started for the rehearsals that are due",
    "drill.left": "a process with drill credentials only made way for a real alert",
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
    """JSON lines in a file (the state directory's ``engine.log``), or on stderr.

    Events are kept until ``flush`` is first called, and written as they come from then on: the first
    messages leave before anything is written. One line is one object of plain values, so no logging
    library is needed; importing one takes longer than a first post may wait.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._out: TextIO | None = None
        self._kept: list[str] = []

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
        if self._out is None:
            self._out = _opened(self._path)
        kept, self._kept = self._kept, []
        self._out.writelines(kept)
        self._out.flush()

    def _tell(self, level: str, event: str, fields: dict[str, object]) -> None:
        at = SystemClock().now().isoformat(timespec="milliseconds")
        line = {"at": at, **fields, "event": event, "level": level}
        self._kept.append(json.dumps(line, default=repr) + "\n")
        if self._out is not None:
            self.flush()


def _opened(path: str) -> TextIO:
    try:
        return Path(path).open("a", encoding="utf-8") if path else sys.stderr
    except OSError:
        return sys.stderr
