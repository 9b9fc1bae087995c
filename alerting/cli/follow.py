"""Watching an alert: live progress until it is settled, and the final word with its exit code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from alerting.broadcast.report import Report, report
from alerting.cli import screen, standing
from alerting.cli.face import colourful, deafen, emit, heard_or_not, note, say
from alerting.errors import ConfigProblem, Exit, LedgerLost, LedgerUnavailable

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.ledger.base import LedgerReader

#: What else a command tells scripts of an alert it has watched; of None where it did not watch.
More = Callable[["Report | None"], Mapping[str, Any]]

_LOOK_S: Final = 0.2
_PLAIN_S: Final = 1.0
#: With fewer columns the figures of the table would give way to dots; plain lines are folded and stay whole.
_NARROWEST: Final = 72
#: A sender that died is started again this often before the watcher gives up.
_RESTARTS: Final = 3
_GRACE_S: Final = 1.0
#: How long a shared ledger may be away before whoever watches leaves. Who sends waits with it.
_AWAY_S: Final = 30.0


def follow(app: App, alert_id: str, *, json: bool, title: str, more: More | None = None) -> int:
    """Watch until settled; return the exit code. Ctrl-C stops watching and nothing else.

    ``more`` gives scripts further fields of their one object.
    """
    try:
        last = watched(app, alert_id, quiet=json)
        told = {**as_json(app, last), **(more(last) if more else {})} if json else {}
    except BrokenPipeError:
        deafen()
        return standing.read(app, alert_id).exit
    except LedgerUnavailable as error:
        return out_of_sight(error, alert_id, json=json)
    with heard_or_not():
        if json:
            emit(title, **told)
        else:
            screen.tell(standing.lines(last, blocks=screen.blocks()))
    return last.exit


def out_of_sight(error: LedgerUnavailable, alert_id: str, *, json: bool) -> int:
    """Say what stands of an alert whose record cannot be read: it was accepted, so nobody must repeat it."""
    away = isinstance(error, LedgerLost)
    if away:
        note(
            f"{alert_id} is accepted and kept; do not repeat it. Where the ledger answers, it is being sent."
        )
    else:
        note(f"{error}\n{alert_id} was accepted before; do not repeat it.")
    note(f"Follow it with: alert status {alert_id} --follow")
    if json:
        emit("accepted", alert=alert_id)
    return Exit.RUNNING if away else error.exit_code


def watched(app: App, alert_id: str, *, quiet: bool) -> Report:
    """Watch until settled, or until Ctrl-C; return how it stands then. ``quiet`` shows no progress."""
    try:
        return _watch(app, alert_id, quiet=quiet)
    except KeyboardInterrupt:
        note(f"\nStill sending. Follow it with: alert status {alert_id} --follow")
        return standing.read(app, alert_id)


def as_json(app: App, current: Report) -> dict[str, Any]:
    """Return how an alert stands for scripts, with the times of its decision."""
    return standing.as_json(current, clock=standing.clock(app, current))


def _watch(app: App, alert_id: str, *, quiet: bool) -> Report:
    with_screen: Callable[[Report], None] | None = None
    live: Any = None
    if not quiet and colourful() and _wide():
        from alerting.cli.live import LiveScreen

        live = LiveScreen()
        with_screen = live.show
    elif not quiet:
        with_screen = _Plain().show
    try:
        return _until_settled(app, alert_id, with_screen)
    finally:
        if live:
            live.close()


def _wide() -> bool:
    """Whether the terminal has room for a table that is redrawn."""
    from shutil import get_terminal_size

    return get_terminal_size().columns >= _NARROWEST


def _until_settled(app: App, alert_id: str, show: Callable[[Report], None] | None) -> Report:
    alone_since: float | None = None
    away_since: float | None = None
    restarts = 0
    while True:
        try:
            with _heard_at_once(app):
                ledger = _reader(app)
                current = _standing(app, ledger, alert_id)
                alone_since, away_since = _alone_since(app, ledger, alone_since), None
        except LedgerLost as lost:
            away_since = _away_since(app, lost, away_since)
            continue
        if show and not _drawn(show, current):
            show = None
        # The end is stamped a moment after the last delivery came to rest.
        if current.settled and (current.record.settled_at or alone_since):
            return current
        if alone_since and time.monotonic() - alone_since > _GRACE_S:
            if restarts == _RESTARTS:
                _give_up(app)
                return current
            if not _restarted(app):
                return current
            restarts, alone_since = restarts + 1, None
        time.sleep(_LOOK_S)


@contextmanager
def _heard_at_once(app: App) -> Iterator[None]:
    """Let Ctrl-C close what is being read: psycopg would wait ten seconds for a server that stands still."""
    import signal

    def leave(*_: object) -> None:
        app.let_go()
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    heeded = app.shared is not None and before is signal.default_int_handler
    if heeded:
        signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        if heeded:
            signal.signal(signal.SIGINT, before)


def _drawn(show: Callable[[Report], None], current: Report) -> bool:
    """Show how things stand; False where nothing can be shown any more, and the end is waited for unseen.

    Who has left a pipe waits for nothing: that is for the caller.
    """
    try:
        show(current)
    except BrokenPipeError:
        raise
    except OSError:  # the terminal was closed, or the disk under a log is full
        deafen()
        return False
    return True


def _away_since(app: App, lost: LedgerLost, before: float | None) -> float:
    """Wait for a ledger that is away; return since when it is.

    Raises:
        LedgerLost: for too long.
    """
    if before is None:
        note(f"{lost}. What was accepted is kept; looking again.")
    elif time.monotonic() - before > _AWAY_S:
        raise lost
    app.let_go()
    time.sleep(_LOOK_S)
    return before or time.monotonic()


def _give_up(app: App) -> None:
    note(f"The sender ended {_RESTARTS + 1} times, and NOBODY IS SENDING NOW. What was accepted is kept.")
    note(f"Why: `alert doctor`, and {app.state / 'sender.log'}. When that is mended: alert resume")


def _reader(app: App) -> LedgerReader:
    ledger = app.reader()
    if ledger is None:
        raise LedgerUnavailable(f"{app.where}: the ledger is gone")
    return ledger


def _standing(app: App, ledger: LedgerReader, alert_id: str) -> Report:
    record = ledger.alert(alert_id)
    if record is None:
        raise LedgerUnavailable(f"{app.where}: {alert_id} is not in it any more")
    return report(ledger, record, at=app.clock.now(), curves=True)


def _alone_since(app: App, ledger: LedgerReader, before: float | None) -> float | None:
    """Since when nobody has been sending; None while somebody is."""
    return None if app.sending(ledger) else before or time.monotonic()


def _restarted(app: App) -> bool:
    """Start another sender; False where the credentials for that are not."""
    from alerting.cli.launch import resume

    try:
        resume(app)
    except ConfigProblem:
        note("The sender ended early: run `alert resume` where the credentials are.")
        return False
    note("The sender ended early; going on with what is left.")
    return True


class _Plain:
    """Progress for pipes and logs: a line when something moved, at most one a second."""

    def __init__(self) -> None:
        self._last = ""
        self._at = float("-inf")

    def show(self, current: Report) -> None:
        """Print one line if it says something new."""
        line = standing.progress(current)
        now = time.monotonic()
        if line != self._last and (now - self._at >= _PLAIN_S or current.settled):
            self._last, self._at = line, now
            say(line)
