"""What sending needs, read while the officer looks at the preview and types the word.

A vendor's SDK takes longer to import than anything else between Enter and the first message. Nothing is
opened ahead, no connection and no file of ours: only modules are imported, in a thread that has ended
before the sender is forked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.broadcast.plan import Plan

#: What every sender needs, whatever its channels.
_ENGINE: Final = ("alerting.runner", "alerting.broadcast.lane", "alerting.ledger.writer")
#: And what one needs beside that whose record is on PostgreSQL.
_SHARED: Final = ("psycopg", "alerting.engine.queue")

_LONGEST_S: Final = 10.0


@contextmanager
def reading_ahead(app: App, plan: Plan) -> Iterator[None]:
    """Import what this plan's channels will need, beside what is done meanwhile; wait for it in the end."""
    from threading import Thread

    from alerting.channels.base import Foreseen

    channels = app.house().channels
    chosen = [channels[lane.channel].channel for lane in plan.lanes if lane.channel in channels]
    shared = _SHARED if app.shared else ()
    names = [name for channel in chosen if isinstance(channel, Foreseen) for name in channel.needs]
    thread = Thread(target=_read, args=((*_ENGINE, *names, *shared),), name="ahead", daemon=True)
    thread.start()
    try:
        yield
    finally:
        # Bounded: a library that hangs may hold up its own channel, later, and no other.
        thread.join(_LONGEST_S)


def _read(names: tuple[str, ...]) -> None:
    for name in dict.fromkeys(names):
        # Whatever is wrong with a library, its own channel will meet it again, and say so.
        with suppress(Exception):
            import_module(name)
