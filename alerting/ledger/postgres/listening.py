"""The one connection that only listens: it hears in milliseconds that somebody has opened something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from alerting.ledger.postgres.place import Place

#: What Procrastinate's trigger tells of every new job. Databases tell their own clients only.
_HEARD: Final = "LISTEN procrastinate_any_queue_v1"
_PAUSE_S: Final = 1.0
#: It uses no table of ours, so it is not among the programs a change of them has to wait for.
_NAME: Final = "alert listens"


async def listen(place: Place, heard: Callable[[], None]) -> None:
    """Call ``heard`` for whatever is told, until cancelled; connect anew when the server was away.

    Nothing is lost by what is not heard: whoever listens also looks once a second.
    """
    import psycopg

    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                place.address.reveal(),
                autocommit=True,
                application_name=_NAME,
                keepalives_idle=5,
                keepalives_interval=2,
                keepalives_count=3,
            ) as connection:
                await connection.execute(_HEARD)
                heard()
                async for _ in connection.notifies():
                    heard()
        except psycopg.Error:
            pass  # the writer meets the same server, and says what is wrong with it
        await asyncio.sleep(_PAUSE_S)
