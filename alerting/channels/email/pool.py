"""The connections of one channel: as many as the relay allows, opened when needed."""

from __future__ import annotations

import asyncio
from typing import Final

from alerting.channels.email.connection import IDLE_S, Begun, Connection, Pending
from alerting.channels.email.dial import Dialler, Trouble
from alerting.channels.email.transaction import Transaction
from alerting.model.outcome import Deferred, Reason

#: Mails one connection may have under way: one text without an answer, and the next head.
OVERLAP: Final = 2
_CLOSED: Final = Trouble("connect", Deferred(Reason.UNCONNECTED, detail="this channel is closed"))


class Pool:
    """Places for connections; a mail goes where least is going on, and where a session is open."""

    def __init__(self, dialler: Dialler, *, connections: int, idle_s: float = IDLE_S) -> None:
        self._places = [_Place(dialler, idle_s) for _ in range(connections)]

    async def carry(self, mail: Transaction) -> None:
        """Take a mail to the relay; afterwards it knows its outcomes. The caller bounds the time."""
        place = min(self._places, key=_Place.burden)
        place.mails += 1
        try:
            await place.carry(mail)
        finally:
            place.mails -= 1

    async def aclose(self) -> None:
        """Close every connection; may be called twice. Mails that come later are deferred."""
        await asyncio.gather(*(place.aclose() for place in self._places))


class _Place:
    """Room for one connection. One mail at a time has its turn to speak; the others wait in line."""

    def __init__(self, dialler: Dialler, idle_s: float) -> None:
        self._dialler = dialler
        self._idle_s = idle_s
        self._turn = asyncio.Lock()
        self._connection: Connection | None = None
        self._closed = False
        self.mails = 0

    def burden(self) -> tuple[int, bool]:
        return self.mails, not (self._connection and self._connection.usable)

    async def carry(self, mail: Transaction) -> None:
        async with self._turn:
            begun = await self._begin(mail)
            if begun is None:
                return
            connection, pending = begun
            if not connection.overlaps:
                await connection.end(mail, pending)
                return
        await connection.end(mail, pending)

    async def aclose(self) -> None:
        self._closed = True
        if self._connection is not None:
            await self._connection.aclose()

    async def _begin(self, mail: Transaction) -> tuple[Connection, Pending] | None:
        if self._connection and self._connection.usable:
            begun = await self._connection.begin(mail)
            if begun is not Begun.STALE:
                return None if begun is Begun.SETTLED else (self._connection, begun)
        # Not a second try: nobody heard the first word of this mail.
        connection = await self._open()
        if isinstance(connection, Trouble):
            mail.refused(connection.outcome)
            return None
        begun = await connection.begin(mail)
        return None if isinstance(begun, Begun) else (connection, begun)

    async def _open(self) -> Connection | Trouble:
        session = _CLOSED if self._closed else await self._dialler.dial()
        if isinstance(session, Trouble):
            return session
        self._connection = Connection(session, idle_s=self._idle_s)
        if self._closed:
            await self._connection.aclose()
        return self._connection
