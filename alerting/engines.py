"""Which engine runs a ledger's lanes: that of one process, or that of many hosts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from alerting.engine.embedded import EmbeddedEngine

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.clock import Clock
    from alerting.ledger.writer import GroupWriter


def engine_for(app: App, writer: GroupWriter, *, clock: Clock, mine: Callable[[str], bool]) -> EmbeddedEngine:
    """Return the engine for where the record is; ``mine`` says which channels this process sends on."""
    make: Callable[..., EmbeddedEngine] = EmbeddedEngine
    if app.shared is not None:
        from alerting.engine.distributed import DistributedEngine
        from alerting.ledger.postgres.listening import listen

        make = partial(
            DistributedEngine,
            channels=lambda: [known.name for known in app.config.channels],
            listen=partial(listen, app.shared),
        )
    return make(
        channel=app.channel,
        writer=writer,
        clock=clock,
        log=app.log,
        owner=app.owner,
        rules=app.rules,
        refusing=app.refusing,
        mine=mine,
    )
