"""Batches a lane was told to take, each until the lane has let go of it.

Where a ledger is shared, a queue says which worker takes which batch. It says so only to lanes that have
little in hand, and keeps its job until the lane is through with the batch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection


class Offers:
    """What one lane was told to take.

    ``hungry`` is called when the lane has little in hand and nothing was offered that it has not taken yet.
    """

    def __init__(self, hungry: Callable[[], None] = lambda: None) -> None:
        self._hungry = hungry
        self._waiting: deque[int] = deque()
        self._taking = 0  #: what the lane is asking the ledger for
        self._open: dict[int, asyncio.Future[bool]] = {}
        self._had: set[int] = set()

    @property
    def waiting(self) -> bool:
        """Whether something was offered, and the lane does not know yet whether it has it."""
        return bool(self._waiting or self._taking)

    def add(self, batch: int) -> asyncio.Future[bool]:
        """Offer a batch; the future tells when the lane is through with it, and whether it ever had it."""
        if batch not in self._open:
            self._open[batch] = asyncio.get_running_loop().create_future()
            self._waiting.append(batch)
        return self._open[batch]

    def take(self, *, short: bool) -> int:
        """Return the batch to take up next, 0 for none; ``short`` is whether little is in hand."""
        if self._waiting:
            self._taking = self._waiting.popleft()
            return self._taking
        if short:
            self._hungry()
        return 0

    def held(self, batches: Collection[int]) -> None:
        """Let go of what was taken and is not among these (any more)."""
        self._taking = 0
        self._had.update(one for one in self._open if one in batches)
        for batch in [one for one in self._open if one not in batches and one not in self._waiting]:
            self._tell(batch)

    def close(self) -> None:
        """Give back what no lane has looked at."""
        waiting = list(self._waiting)
        self._waiting.clear()
        for batch in waiting:
            self._tell(batch)

    def _tell(self, batch: int) -> None:
        told, had = self._open.pop(batch), batch in self._had
        self._had.discard(batch)
        if not told.done():
            told.set_result(had)
