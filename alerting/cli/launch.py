"""Starting the process that sends, apart from the one that watches.

The sender is a child in a session of its own: Ctrl-C, a closed terminal or a lost connection end
only the watching. The child tells its parent over a pipe as soon as the alert is durable.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alerting.cli.keyboard import Presses
from alerting.engine.control import Unanswered, ask, raise_refusal, refusal
from alerting.errors import (
    AlertingError,
    ConfigProblem,
    LedgerBusy,
    LedgerInDoubt,
    LedgerUnavailable,
    Problem,
)
from alerting.openfiles import ADVICE, SPENT
from alerting.service.opening import Opened
from alerting.service.order import Order

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.broadcast.plan import Plan

_ANSWER_S: Final = 30.0
#: An owner that is just starting or ending does not answer; it is over in much less than this.
_HANDOVER_S: Final = 5.0
_PAUSE_S: Final = 0.05
_CRASHED: Final = 70
#: What a terminal sends to everything in front of it, when a key is pressed or it is closed.
_FROM_TERMINAL: Final = (signal.SIGINT, signal.SIGHUP)


class LeftEarly(Exception):
    """The officer pressed Ctrl-C once while the alert was being opened."""

    def __init__(self, opened: Opened) -> None:
        super().__init__()
        self.opened = opened


def launch(app: App, order: Order, plan: Plan) -> Opened:
    """Open an alert and leave it to a sender; return once it is durable.

    Raises:
        AlertingError: it was refused, or cannot be made durable; nothing was sent.
        LedgerInDoubt: nobody can know whether it is durable; or it is, and nobody can go on with it.
        LeftEarly: somebody pressed Ctrl-C meanwhile, too late to stop it.
        KeyboardInterrupt: more than once, and did not wait for what became of it.
    """
    told, left = _in_child(app, order, plan)
    if told and told.get("kind") != LedgerInDoubt.__name__:
        raise_refusal(told)
        opened = Opened(**{name: told[name] for name in Opened._fields})
    else:
        opened = _after_all(app, order, plan)
    if left:
        raise LeftEarly(opened)
    return opened


def resume(app: App) -> bool:
    """Start a sender for whatever the ledger still holds; False when one is at work already.

    That one is asked to look again, also at what it had given up. Reading connections of ``app`` are closed.

    Raises:
        ConfigProblem: the credentials are not here.
    """
    if app.lock().held_by():
        with suppress(LedgerBusy):  # it may be ending, or hang; whoever watches sees
            ask(app.state, {"verb": "resume"}, timeout=_HANDOVER_S)
        return False
    told, left = _in_child(app.whole(), None, None)
    if not told:
        raise LedgerUnavailable(
            Problem(
                where=str(app.state), what="the sending process ended at once", fix="see sender.log there"
            )
        )
    raise_refusal(told)
    if left:
        raise KeyboardInterrupt
    return True


def _in_child(app: App, order: Order | None, plan: Plan | None) -> tuple[dict[str, Any], bool]:
    """Return what the child told, nothing where it was killed before, and whether Ctrl-C was pressed."""
    app.ready_state()
    app.let_go()
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FROM_TERMINAL)
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(app, order, plan, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        line, left = _heard(pipe, before)
    if not line:
        os.waitpid(child, 0)  # it is ending; its lock on the ledger goes after its end of the pipe
    return dict(json.loads(line)) if line.endswith(b"\n") else {}, left


def _heard(pipe: BufferedReader, before: set[int | signal.Signals]) -> tuple[bytes, bool]:
    """Wait for the child's word. The first Ctrl-C comes too late to stop it, so the wait goes on."""
    with Presses() as presses:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        line = pipe.readline()
    return line, presses.count > 0


def _after_all(app: App, order: Order, plan: Plan) -> Opened:
    """Return the alert that a sender had opened, which was killed or lost the ledger before it could say so.

    Another sender goes on with it.

    Raises:
        LedgerUnavailable: it had not opened it.
        LedgerInDoubt: nobody can know; or it had, and nobody can go on.
    """
    again = f"look at `alert status`; a repeat with --run-key {order.run_key} sends nothing twice"
    try:
        ledger = app.reader()
        alert_id = ledger.alert_of_run(order.run_key) if ledger else None
        planned = sum(tally.total for tally in ledger.tally(alert_id)) if ledger and alert_id else 0
        unknown = app.shared is not None or app.lock().held_by() is not None
    except AlertingError:
        raise _ended(app, "; it may be", fix=again) from None
    if alert_id is None and not unknown:
        raise LedgerUnavailable(*_ended(app, "; nothing was sent", fix=again).problems)
    if alert_id is None:
        raise _ended(app, "; it may still become so", fix=again)
    try:
        resume(app)
    except (AlertingError, ConfigProblem):
        raise _ended(app, f"; it is, as {alert_id}, and waits", fix="run `alert resume`") from None
    return Opened(alert_id=alert_id, planned=planned, recipients=plan.crowd.recipients)


def _ended(app: App, then: str, *, fix: str) -> LedgerInDoubt:
    what = f"the sending process ended before it said whether the alert is durable{then}"
    return LedgerInDoubt(Problem(where=str(app.state), what=what, fix=fix))


def _child(app: App, order: Order | None, plan: Plan | None, pipe: int) -> None:
    """Be the sender, and never return."""
    # All there is now was imported and stays. Looking through it for garbage would copy its memory from the
    # parent's page by page: 42 ms, between the post and the first text.
    gc.freeze()
    code = _CRASHED
    try:
        _detach()
        _redirect(app.state)
        code = _serve(app, order, plan, pipe)
    except OSError as error:
        where, what = error.filename or app.state, f"{error.strerror or error}; nothing was sent"
        full = error.errno in SPENT
        fix = ADVICE if full else "let this user write there, and see that the disk has space"
        _tell(pipe, refusal(LedgerUnavailable(Problem(where=str(where), what=what, fix=fix))))
        _log_failure(app, error)
    except BaseException as error:  # noqa: BLE001 - nothing may climb back into the parent's code
        _log_failure(app, error)
    finally:
        os._exit(code)


def _serve(app: App, order: Order | None, plan: Plan | None, pipe: int) -> int:
    if order is None:
        _tell(pipe, {"ok": True})
    try:
        _own_or_hand_over(app, order, plan, pipe)
    except LedgerBusy as busy:
        _tell(pipe, refusal(busy))
        return int(busy.exit_code)
    except (AlertingError, ConfigProblem) as error:
        event = "ledger.failed" if isinstance(error, LedgerUnavailable) else "alert.refused"
        app.log.warning(event, error=str(error))
        app.flush_log()
        _tell(pipe, refusal(error))
        return int(error.exit_code)
    return 0


def _own_or_hand_over(app: App, order: Order | None, plan: Plan | None, pipe: int) -> None:
    """Own the ledger, or find the process that does; until one of both succeeds.

    Raises:
        LedgerBusy: neither, for a while.
        AlertingError: the order was refused, or the ledger failed.
    """

    def announce(opened: Opened) -> None:
        _tell(pipe, {"ok": True, **opened._asdict()})

    until = time.monotonic() + _HANDOVER_S
    while True:
        busy = _owned(app, order, plan, announce)
        if busy is None:
            return
        if order is None:
            raise busy
        try:
            _tell(pipe, ask(app.state, order.to_json(), timeout=_ANSWER_S))
        except LedgerBusy as silent:
            # The same run key makes a repeat harmless, whether or not the order was carried out.
            if time.monotonic() > until:
                raise _given_up(order, busy, silent) from busy
            time.sleep(_PAUSE_S)
        else:
            return


def _owned(
    app: App, order: Order | None, plan: Plan | None, announce: Callable[[Opened], None]
) -> LedgerBusy | None:
    """Own the ledger to the end of everything in it; return why not, where somebody else does."""
    try:
        with app.lock():
            pass
        # Whoever only hands over does not even import what owning takes.
        from alerting.runner import Runner

        Runner(app=app, state=app.state, clock=app.clock).run(order, announce=announce, plan=plan)
    except LedgerBusy as busy:
        return busy
    return None


def _given_up(order: Order, busy: LedgerBusy, silent: LedgerBusy) -> LedgerBusy:
    if not isinstance(silent, Unanswered):
        return busy
    [problem] = silent.problems
    return LedgerBusy(
        Problem(
            where=problem.where,
            what=problem.what,
            fix=f"look at `alert status`; a repeat with --run-key {order.run_key} sends nothing twice",
        )
    )


def _tell(pipe: int, told: dict[str, Any]) -> bool:
    try:
        os.write(pipe, json.dumps(told).encode() + b"\n")
    except OSError:
        return False  # the watcher left; the sender goes on
    return True


def _detach() -> None:
    """Leave the terminal. What it sent before this moment is forgotten, for it was too late.

    What is written from here on is for this user alone.
    """
    os.setsid()
    os.umask(0o077)
    for number in _FROM_TERMINAL:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FROM_TERMINAL)


def _redirect(state: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    log = os.open(state / "sender.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(nothing)
    os.close(log)


def _log_failure(app: App, error: BaseException) -> None:
    import traceback

    with suppress(OSError), (app.state / "sender.log").open("a", encoding="utf-8") as file:
        file.write("".join(traceback.format_exception(type(error), error, error.__traceback__)))
