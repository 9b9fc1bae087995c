"""The program as a drill may have it: with the credentials of drills, or with none and stand-ins only."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from alerting.app import App
from alerting.broadcast.lane import Rules
from alerting.errors import Problem, UsageProblem

if TYPE_CHECKING:
    from alerting.archive import Reader
    from alerting.broadcast.plan import Plan
    from alerting.channels.base import Channel
    from alerting.cli.face import Face
    from alerting.clock import Clock
    from alerting.config import Config
    from alerting.drills.drill import Drill
    from alerting.service.house import Wired
    from alerting.service.planning import Request

#: How a process that makes way for a real alert ends: at once. What it had in hand is on record.
LEFT: Final = 0


class DrillApp(App):
    """Holds the channels that carry drills, and no credentials of those for real alerts only.

    While it owns the ledger and a real alert comes, it ends at once: whoever brings the alert takes
    the ledger over, and the drill goes on when that is done. ``plugged=False`` invents credentials,
    for what only plans. ``readers`` holds the open reading connections; programs of one process share it.
    """

    def __init__(
        self,
        config_path: Path,
        *,
        clock: Clock,
        state: Path | None,
        place: Callable[[Path], tuple[str, tuple[str, int]]] | None = None,
        plugged: bool = True,
        readers: list[Reader] | None = None,
    ) -> None:
        self._plugged = plugged
        super().__init__(
            config_path, clock=clock, environ=os.environ, state=state, place=place, readers=readers
        )

    def _load(self, without: tuple[str, ...] | None = None) -> Config:
        del without  # a drill takes the whole path: ``drill_app`` refuses to leave a channel out
        invented = self.sandbox or not self._plugged
        return self._checked(sandbox=invented, live=False)

    def plan(self, request: Request, *, as_of: datetime) -> Plan:
        """Make way: what is ordered here is a real alert, and this process could not send it."""
        del as_of
        self._make_way(request.template)

    def channel(self, name: str) -> Channel:
        """Return a channel; where it belongs to real alerts only, make way for whoever may send there."""
        if name in self.config.off:
            self._make_way(name)
        return super().channel(name)

    def _make_way(self, why: str) -> NoReturn:
        self.log.warning("drill.left", why=why)
        self.flush_log()
        os._exit(LEFT)


class RehearsalApp(DrillApp):
    """Every channel, real audience and texts, and stand-ins for every provider: nothing leaves.

    Its ledger lies in the sandbox's directory. Lanes keep the configured rates, so it takes as long as
    the real thing.
    """

    def _load(self, without: tuple[str, ...] | None = None) -> Config:
        del without  # a drill takes the whole path: ``drill_app`` refuses to leave a channel out
        return self._checked(sandbox=True, live=None)

    def _wire(self, only: str = "") -> list[Wired]:
        return [wired._replace(mode="both") for wired in super()._wire(only)]

    def rules(self, channel: str) -> Rules:
        """Return how a channel's lane behaves; stand-ins carry everything."""
        return super().rules(channel)._replace(mode="both")


def drill_app(face: Face, drill: Drill | None, *, plugged: bool = True) -> App:
    """Return the program a drill runs in; None stands for any drill that is no rehearsal.

    Raises:
        ConfigProblem: channels.yaml cannot be used, or no channel of it may carry a drill.
        UsageProblem: a channel was to be left out.
    """
    if face.without:
        fix = "give the drill its own channels in drills.yaml"
        raise UsageProblem(Problem(where="--without", what="a drill goes by all its channels", fix=fix))
    from alerting.clock import SystemClock

    rehearsal = drill is not None and drill.rehearsal
    made = RehearsalApp if rehearsal else DrillApp
    place = (_stand_in if plugged else no_place) if rehearsal or face.sandbox else None
    return made(
        face.config,
        clock=SystemClock(),
        state=face.state,
        place=place,
        plugged=plugged,
        readers=face.readers,
    )


def no_place(state: Path) -> tuple[str, tuple[str, int]]:
    """Stand for a sandbox where nothing is sent, and so none is started."""
    del state
    return "http://127.0.0.1:9", ("127.0.0.1", 9)


def _stand_in(state: Path) -> tuple[str, tuple[str, int]]:
    from alerting.cli.place import sandbox_place

    return sandbox_place(state)
