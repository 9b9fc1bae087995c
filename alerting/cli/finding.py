"""One thing the doctor looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from alerting.errors import Exit, Problem


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"  #: as it should be
    WARN = "warn"  #: does not stop an alert; somebody should look at it
    FAIL = "fail"  #: an alert would not go out, or not all of it


class Area(StrEnum):
    """What a failure is about; decides the exit code."""

    CONFIG = "config"  #: configuration, credentials, templates
    LEDGER = "ledger"  #: the record
    SENDING = "sending"  #: anything else an alert needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at, how it is, and what to do about it."""

    what: str
    level: Level = Level.OK
    area: Area = Area.SENDING
    detail: str = ""
    fix: str = ""


def failures(what: str, area: Area, problems: Iterable[Problem]) -> list[Finding]:
    """Return problems as findings that fail."""
    return [
        Finding(
            what=what,
            level=Level.FAIL,
            area=area,
            detail=f"{problem.where}: {problem.what}" if problem.where else problem.what,
            fix=problem.fix,
        )
        for problem in problems
    ]


def verdict(findings: Sequence[Finding]) -> Exit:
    """Return the exit code: what must be mended first decides."""
    failed = {finding.area for finding in findings if finding.level is Level.FAIL}
    for area, code in ((Area.CONFIG, Exit.USAGE), (Area.LEDGER, Exit.LEDGER), (Area.SENDING, Exit.PARTIAL)):
        if area in failed:
            return code
    return Exit.OK
