"""The doctor's look at the record. It reads only."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alerting.cli.finding import Area, Finding, Level, failures
from alerting.cli.words import plural, span
from alerting.clock import Clock, instant, micros
from alerting.errors import LedgerUnavailable

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.ledger.base import LedgerReader

#: From 3.7.0 until before this one a commit at the moment the log starts anew can damage the file.
#: https://www.sqlite.org/changes.html, version 3.51.3
_MENDED: Final = (3, 51, 3)
_CHECK_S: Final = 10.0
_STEPS: Final = 100_000  # of SQLite's machine between two looks at the time
_NAMED: Final = 5
#: How far a host's clock may be from the server's before the doctor says so, in seconds.
_CLOCK_S: Final = 2.0


def record(state: Path, clock: Clock, *, quick: bool) -> Iterator[Finding]:
    """Look at the ledger of a state directory: whether it opens, is whole, and what waits in it."""
    from alerting.ledger.lock import RunnerLock
    from alerting.ledger.migrate import latest
    from alerting.ledger.sqlite import SqliteLedger
    from alerting.ledger.upgraded import OlderLedger, at_work

    path = state / "ledger.db"
    yield _version()
    if not path.exists() and not path.with_name("ledger.db-wal").exists():
        yield Finding(what="ledger", area=Area.LEDGER, detail=f"{path}: none yet; the first alert makes it")
        return
    try:
        ledger = SqliteLedger.open(path, write=False, clock=clock)
    except LedgerUnavailable as error:
        pid = RunnerLock(state).held_by()
        told = at_work(error, pid) if pid and isinstance(error, OlderLedger) else error
        yield from failures("ledger", Area.LEDGER, told.problems)
        return
    try:
        size = path.stat().st_size / 1e6
        detail = f"{path}: schema {latest()}, {size:,.1f} MB"
        yield Finding(what="ledger", area=Area.LEDGER, detail=detail)
        yield from _waiting(ledger, RunnerLock(state).held_by())
        yield from _time(ledger, clock)
        if not quick:
            yield _whole(path)
            yield _chain(ledger)
    except LedgerUnavailable as error:
        yield from failures("ledger", Area.LEDGER, error.problems)
    finally:
        ledger.close()


def shared_record(app: App, *, quick: bool) -> Iterator[Finding]:
    """Look at a ledger on PostgreSQL: whether it opens, how old the server is, and what waits in it."""
    from alerting.ledger.lock import RunnerLock
    from alerting.ledger.postgres.ledger import PostgresLedger

    where = app.where
    try:
        ledger = app.own_reader()
    except LedgerUnavailable as error:
        yield from failures("ledger", Area.LEDGER, error.problems)
        return
    if ledger is None:
        yield Finding(what="ledger", area=Area.LEDGER, detail=f"{where}: none yet; the first alert makes it")
        return
    assert isinstance(ledger, PostgresLedger)
    try:
        yield Finding(what="ledger", area=Area.LEDGER, detail=f"{where}: {ledger.described()}")
        busy = ledger.leased(at=micros(app.clock.now()))
        elsewhere = "another host is sending" if busy else ""
        yield from _waiting(ledger, RunnerLock(app.state).held_by(), elsewhere)
        yield _against(app.clock)
        if not quick:
            yield _chain(ledger)
    except LedgerUnavailable as error:
        yield from failures("ledger", Area.LEDGER, error.problems)
    finally:
        ledger.close()


def _against(clock: Clock) -> Finding:
    """Compare this host's clock with the server's, by which everything goes."""
    from alerting.ledger.postgres.clock import ServerClock

    off = clock.ahead.total_seconds() if isinstance(clock, ServerClock) else 0.0
    if abs(off) < _CLOCK_S:
        return Finding(what="clock", area=Area.LEDGER, detail="this host and the ledger agree on the time")
    word = "ahead of" if off > 0 else "behind"
    return Finding(
        what="clock",
        level=Level.WARN,
        area=Area.LEDGER,
        detail=f"this host is {abs(off):,.0f} s {word} the ledger, whose time is used",
        fix="set this host's clock, and keep it with NTP",
    )


def _version() -> Finding:
    import sqlite3

    if sqlite3.sqlite_version_info >= _MENDED:
        return Finding(what="sqlite", area=Area.LEDGER, detail=sqlite3.sqlite_version)
    return Finding(
        what="sqlite",
        level=Level.WARN,
        area=Area.LEDGER,
        detail=f"{sqlite3.sqlite_version}: before 3.51.3 two programs that write one file can damage it",
        fix="keep backup tools off the live file, and use a Python with a newer SQLite",
    )


def _waiting(ledger: LedgerReader, pid: int | None, elsewhere: str = "") -> Iterator[Finding]:
    """Look who is sending, and whether anything waits for nobody."""
    waiting = list(dict.fromkeys(alert_id for alert_id, _ in ledger.unsettled()))
    if pid or elsewhere:
        detail = f"process {pid} is sending" if pid else elsewhere
        yield Finding(what="sender", area=Area.LEDGER, detail=detail)
        return
    if not waiting:
        yield Finding(what="sender", area=Area.LEDGER, detail="nobody is sending, and nothing waits")
        return
    named = ", ".join(waiting[:_NAMED]) + (" …" if len(waiting) > _NAMED else "")
    yield Finding(
        what="sender",
        level=Level.WARN,
        area=Area.LEDGER,
        detail=f"nobody is sending, and {plural(len(waiting), 'alert')} waits: {named}",
        fix="alert resume",
    )


def _time(ledger: LedgerReader, clock: Clock) -> Iterator[Finding]:
    """Look whether the clock stands before the last act on record: then ages and lifetimes are wrong."""
    last = next(iter(deque(ledger.audit(), maxlen=1)), None)
    now = clock.now()
    if last is not None and instant(last.at) > now:
        behind = span(instant(last.at) - now)
        detail = f"now is {behind} before the last act on record ({instant(last.at):%Y-%m-%d %H:%M:%S} UTC)"
        fix = "set this machine's clock, and keep it with NTP"
        yield Finding(what="clock", level=Level.WARN, detail=detail, fix=fix)


def _whole(path: Path) -> Finding:
    """Have SQLite read the whole file, within a bounded time."""
    import sqlite3
    from contextlib import closing
    from urllib.parse import quote

    until = time.monotonic() + _CHECK_S
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as raw:
        raw.set_progress_handler(lambda: int(time.monotonic() > until), _STEPS)
        try:
            rows = raw.execute("PRAGMA quick_check(1)").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                return _damaged(str(error))
            detail = f"not read to the end within {_CHECK_S:g} s"
            return Finding(what="integrity", level=Level.WARN, area=Area.LEDGER, detail=detail)
        except sqlite3.DatabaseError as error:
            return _damaged(str(error))
    if rows != [("ok",)]:
        return _damaged("; ".join(str(row[0]) for row in rows))
    return Finding(what="integrity", area=Area.LEDGER, detail="the file is whole")


def _damaged(why: str) -> Finding:
    return Finding(
        what="integrity",
        level=Level.FAIL,
        area=Area.LEDGER,
        detail=f"the file is damaged ({why.splitlines()[0]})",
        fix="move it aside together with its -wal and -shm files, and restore the last backup",
    )


def _chain(ledger: LedgerReader) -> Finding:
    from alerting.ledger.audit import first_break

    broken = first_break(ledger.audit())
    if broken is None:
        return Finding(what="audit", area=Area.LEDGER, detail="the chain of acts is unbroken")
    detail = f"the chain of acts is broken at row {broken}: it was changed, or lost rows"
    fix = "compare it with a backup"
    return Finding(what="audit", level=Level.WARN, area=Area.LEDGER, detail=detail, fix=fix)
