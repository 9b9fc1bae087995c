"""The configuration without its credentials, for commands that send nothing.

Whoever writes templates or looks after a list of people has no tokens, and needs none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alerting.channels.base import Channel
    from alerting.cli.face import Face
    from alerting.config import Config


def config_of(face: Face) -> Config:
    """Read channels.yaml with invented credentials; its channels are those for alerts and for drills.

    Raises:
        ConfigProblem: the file cannot be used; every reason at once.
    """
    from alerting.config import load

    return load(face.config, environ=os.environ, sandbox=True, live=None)


def channels_of(config: Config) -> dict[str, Channel]:
    """Build every channel that is on, to ask what it can do; none of them could post.

    Raises:
        ConfigProblem: a channel's library is not installed.
    """
    from alerting.channels.base import Surroundings
    from alerting.channels.registry import Registry
    from alerting.clock import SystemClock

    registry = Registry()
    around = Surroundings(clock=SystemClock(), campus=config.campus.name)
    return {settings.name: registry.build(settings, around) for settings in config.channels}


def state_of(face: Face, configured: Path) -> Path:
    """Return the state directory a command works in; nothing is made."""
    base = face.state or Path(os.environ.get("ALERT_STATE") or configured)
    return base / "sandbox" if face.sandbox else base
