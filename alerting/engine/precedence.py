"""Feeds before everybody else: one post reaches thousands at once, and those who never registered.

Importing a vendor's library takes longer than anything else between an open alert and its first message,
and Python runs one import at a time, whatever the number of threads. Whoever begins first is ready first;
who comes second is ready when both are, in either order. So the libraries of feeds are read first.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Final

from alerting.channels.base import Channel, Foreseen

#: A library that hangs must not hold up the other channels: how long they wait for it, in seconds.
LONGEST_S: Final = 1.0


class Precedence:
    """Says when a lane may begin. One for all lanes of a process."""

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self._longest_s = longest_s
        self._patient_until = 0.0  #: by the loop's clock, whoever waits and however often
        self._reading: dict[tuple[str, ...], asyncio.Task[None]] = {}

    def ahead(self, channels: Iterable[Channel]) -> None:
        """Begin to read what the feeds among these need, beside what is done before their lanes begin."""
        for channel in channels:
            if channel.capabilities.feeds:
                self._begin(channel)

    async def turn(self, channel: Channel) -> None:
        """Return when it is this channel's turn: a feed has read its library, the others have let it."""
        if not channel.capabilities.feeds:
            await self.read()
        elif task := self._begin(channel):
            await asyncio.wait([task])

    async def read(self) -> None:
        """Return when no feed reads its library any more, or one takes too long."""
        # Lanes that were started in the same moment have said by then that they read.
        await asyncio.sleep(0)
        if self._reading:
            left = self._patient_until - asyncio.get_running_loop().time()
            await asyncio.wait(self._reading.values(), timeout=max(0.0, left))

    def _begin(self, channel: Channel) -> asyncio.Task[None] | None:
        """Return what reads a channel's libraries; None when that has been done."""
        if not isinstance(channel, Foreseen):
            return None
        needs = channel.needs
        if needs not in self._reading and not all(name in sys.modules for name in needs):
            self._patient_until = asyncio.get_running_loop().time() + self._longest_s
            task = self._reading[needs] = asyncio.create_task(asyncio.to_thread(_read, needs))
            task.add_done_callback(lambda _: self._reading.pop(needs, None))
        return self._reading.get(needs)


def _read(names: Sequence[str]) -> None:
    for name in names:
        # Whatever is wrong with a library, its own channel meets it again, and says so.
        with suppress(Exception):
            import_module(name)
