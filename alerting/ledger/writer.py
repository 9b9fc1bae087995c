"""One thread that owns the one writing connection, and pays for one sync on behalf of many.

What is submitted while a commit runs, or within a short window, shares the next commit. A promise is
kept only after its commit: a future that has resolved is on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Condition, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from alerting.errors import LedgerDamaged, LedgerUnavailable
from alerting.ledger.base import Ledger

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
#: The first wait for more, as a part of the window; each further one is twice as long.
_FIRST_WAIT: Final = 0.1


class Task:
    """Something to do inside a transaction, and who waits for it.

    ``loop`` is set when the waiting side is a coroutine: ``future`` then belongs to that loop.
    """

    result: Any = None
    error: BaseException | None = None

    def __init__(
        self,
        fn: Callable[[Ledger], Any],
        future: Future[Any] | asyncio.Future[Any],
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        between: bool = False,
    ) -> None:
        self.fn, self.future, self.loop = fn, future, loop
        self.between = between  #: outside any transaction, after those that came with it


class GroupWriter:
    """Runs functions on the ledger, one transaction for all that came together.

    Args:
        open_ledger: opens the writing connection; called once, in the writer's own thread.
        window_s: the longest a function waits for others to share its commit with, in seconds.

    The thread starts with the first function. After a disk error or damage nothing is tried again:
    what a failed sync has lost, a second one would only hide. Every later function then fails.
    """

    def __init__(self, open_ledger: Callable[[], Ledger], *, window_s: float = 0.005) -> None:
        self._open_ledger = open_ledger
        self._window_s = window_s
        self._changed = Condition()
        self._waiting: list[Task] = []
        self._thread: Thread | None = None
        self._closing = False
        self._ended: LedgerUnavailable | None = None

    @property
    def silent_since(self) -> float | None:
        """Since when the ledger has owed an answer, in monotonic seconds. A file answers, or fails."""
        return None

    def submit(self, fn: Callable[[Ledger], T]) -> Future[T]:
        """Run ``fn`` in the next transaction; the future resolves after its commit.

        If ``fn`` raises, what it changed is undone, and the others' work is not. If the commit fails,
        all of them fail with the reason.
        """
        future: Future[T] = Future()
        self._add(Task(fn, future))
        return future

    def between(self, fn: Callable[[Ledger], T]) -> Future[T]:
        """Run ``fn`` between two transactions: what a database does outside of any, its upkeep."""
        future: Future[T] = Future()
        self._add(Task(fn, future, between=True))
        return future

    async def do(self, change: Callable[[Ledger], T]) -> T:
        """Run ``change`` in the next transaction and return its answer after the commit.

        A coroutine that is cancelled while it waits does not take the change back.

        Raises:
            LedgerUnavailable: it could not be made durable; nothing of it was kept.
        """
        import asyncio  # only those who have a loop have paid for it already

        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._add(Task(change, future, loop))
        return await future

    def _add(self, task: Task) -> None:
        with self._changed:
            if not self._closing and self._ended is None:
                self._waiting.append(task)
                if self._thread is None:
                    self._thread = Thread(target=self._run, name="ledger", daemon=True)
                    self._thread.start()
                elif len(self._waiting) == 1:
                    self._changed.notify()
                return
            task.error = self._ended or LedgerUnavailable("the ledger has been closed")
        _tell([task])

    def close(self) -> None:
        """Commit what has been submitted, give the connection back, end the thread. May be called twice."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        ledger: Ledger | None = None
        try:
            ledger = self._open_ledger()
            while tasks := self._gather():
                if together := [task for task in tasks if not task.between]:
                    self._commit(ledger, together)
                for task in tasks:
                    if task.between:
                        _alone(ledger, task)
                _tell(tasks)
                if self._ended is not None:
                    break
        except BaseException as error:  # noqa: BLE001  # whoever waits must hear of it, whatever it is
            self._ended = _unavailable(error)
        finally:
            self._end(ledger)

    def _gather(self) -> list[Task]:
        """Wait for something to do; take all that comes within the window, while more is coming."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            seen, wait = 0, self._window_s * _FIRST_WAIT
            ends = monotonic() + self._window_s
            while seen < len(self._waiting) and not self._closing and (left := ends - monotonic()) > 0:
                seen = len(self._waiting)
                self._changed.wait(min(wait, left))
                wait *= 2
            tasks, self._waiting = self._waiting, []
        return tasks

    def _commit(self, ledger: Ledger, tasks: Sequence[Task]) -> None:
        try:
            with ledger.transaction():
                if len(tasks) == 1:
                    _by_itself(ledger, tasks[0])
                    return
                for task in tasks:
                    attempt(ledger, task)
        except _Undone:
            pass
        except BaseException as error:  # noqa: BLE001  # whoever waits must hear of it, whatever it is
            self._fail(tasks, error)

    def _fail(self, tasks: Sequence[Task], error: BaseException) -> None:
        failed = _unavailable(error)
        for task in tasks:
            task.error = failed
        if failed is not error or isinstance(error, LedgerDamaged):
            self._ended = failed

    def _end(self, ledger: Ledger | None) -> None:
        with self._changed:
            self._ended = self._ended or LedgerUnavailable("the ledger has been closed")
            left, self._waiting = self._waiting, []
        for task in left:
            task.error = self._ended
        _tell(left)
        if ledger is not None:
            ledger.close()


def _unavailable(error: BaseException) -> LedgerUnavailable:
    if isinstance(error, LedgerUnavailable):
        return error
    failed = LedgerUnavailable(f"the ledger's writer stopped: {type(error).__name__}: {error}")
    failed.__cause__ = error
    return failed


def attempt(ledger: Ledger, task: Task) -> None:
    """Run one task in a part of the transaction; its own error undoes only that part.

    Raises:
        LedgerUnavailable: what all tasks stand on has failed.
    """
    if isinstance(task.future, Future) and not _wanted(task.future):
        return
    try:
        with ledger.transaction():
            task.result = task.fn(ledger)
    except LedgerUnavailable:
        # Not the function's own failure: what has failed is what all of them stand on.
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, it belongs to whoever waits
        task.error = error


def _alone(ledger: Ledger, task: Task) -> None:
    try:
        task.result = task.fn(ledger)
    except Exception as error:  # noqa: BLE001  # whatever it is, it belongs to whoever waits
        task.error = error


class _Undone(Exception):
    """The only task of a transaction has failed by itself; its error is kept with it."""


def _by_itself(ledger: Ledger, task: Task) -> None:
    """Run the only task of a transaction, which is all there is to undo: no part of its own is needed."""
    if isinstance(task.future, Future) and not _wanted(task.future):
        return
    try:
        task.result = task.fn(ledger)
    except LedgerUnavailable:
        raise
    except Exception as error:
        task.error = error
        raise _Undone from error


def _wanted(future: Future[Any]) -> bool:
    """Say whether somebody still waits; a transaction that is repeated finds it running already."""
    return future.running() or (not future.done() and future.set_running_or_notify_cancel())


def _tell(tasks: Sequence[Task]) -> None:
    """Resolve what waits; one wake-up for each event loop, however many wait in it."""
    loops: dict[asyncio.AbstractEventLoop, list[Task]] = {}
    for task in tasks:
        if task.loop is None:
            _resolve(task)
        else:
            loops.setdefault(task.loop, []).append(task)
    for loop, together in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve_all, together)


def _resolve_all(tasks: Sequence[Task]) -> None:
    for task in tasks:
        _resolve(task)


def _resolve(task: Task) -> None:
    if task.future.done():
        return
    if task.error is not None:
        task.future.set_exception(task.error)
    else:
        task.future.set_result(task.result)
