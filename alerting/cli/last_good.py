"""For looking and stopping while channels.yaml is broken: somebody edits it, and an alert is out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from alerting.app import App
from alerting.cli.face import note
from alerting.config.kept import last_checked
from alerting.errors import ConfigProblem

if TYPE_CHECKING:
    from alerting.config import Config


class LastGood(App):
    """Goes by the file as it was last found in order, and says so; it has no credentials, and cannot send.

    Raises:
        ConfigProblem: the file cannot be used, and nothing is kept of an earlier one.
    """

    def _load(self, without: tuple[str, ...] | None = None) -> Config:
        try:
            return super()._load(without)
        except ConfigProblem as error:
            kept = last_checked(self._path, environ=self._environ, state=self._told)
            if kept is None:
                raise
            config, at = kept
            first, *more = error.problems
            others = f" (and {len(more)} more)" if more else ""
            note(f"alert: {first}{others}")
            note(f"! {self._path.name} cannot be used; going by what it said at {_local(config, at)}")
            return config


def _local(config: Config, at: datetime) -> str:
    return at.astimezone(ZoneInfo(config.campus.time_zone)).strftime("%H:%M on %d %B %Y")
