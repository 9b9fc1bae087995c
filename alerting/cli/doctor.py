"""``alert doctor``: whether this installation could send right now. It asks no provider and sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alerting.cli.face import Face, emit, say
from alerting.cli.finding import Finding, Level, verdict
from alerting.cli.group import single
from alerting.cli.options import Json
from alerting.cli.words import columns, plural
from alerting.errors import AlertingError, ConfigProblem, Exit

if TYPE_CHECKING:
    from alerting.config import Config

_MARKS: Final = {Level.OK: "ok", Level.WARN: "warn", Level.FAIL: "FAIL"}


def doctor(
    ctx: typer.Context,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out what takes long.")] = False,
    json: Json = False,
) -> None:
    """Check configuration, templates, record, disk, clock and libraries. Nothing is sent or changed."""
    face: Face = ctx.obj
    findings = list(_findings(face, quick=quick))
    code = verdict(findings)
    if json:
        emit(
            "doctor",
            ok=code is Exit.OK,
            exit=int(code),
            quick=quick,
            findings=[
                {"what": f.what, "level": str(f.level), "area": str(f.area), "detail": f.detail, "fix": f.fix}
                for f in findings
            ],
        )
    else:
        for line in _lines(findings):
            say(line)
    raise typer.Exit(code)


def _lines(findings: list[Finding]) -> list[str]:
    rows = [
        (_MARKS[f.level], f.what, f.detail + (f" -> {f.fix}" if f.fix and f.level is not Level.OK else ""))
        for f in findings
    ]
    failed = sum(f.level is Level.FAIL for f in findings)
    warned = sum(f.level is Level.WARN for f in findings)
    last = f"{plural(failed, 'failure')}, {plural(warned, 'warning')}."
    return [*columns(rows), f"{last} Whether the providers would take us: alert channels check"]


def _findings(face: Face, *, quick: bool) -> Iterator[Finding]:
    from alerting.cli import health_config, health_drills, health_machine, health_operators
    from alerting.cli.unplugged import config_of, state_of
    from alerting.clock import SystemClock

    yield from _safe("config", lambda: health_config.file(face))
    config: Config | None = None
    try:
        config = config_of(face)
    except ConfigProblem:
        yield from _safe("python", lambda: health_machine.libraries(quick=quick))
        return
    clock = SystemClock()
    state = state_of(face, config.state)
    looks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("templates", lambda: health_config.templates(config, quick=quick)),
        ("operators", lambda: health_operators.operators(config)),
        ("review", lambda: health_operators.reviews(face.view)),
        ("audiences", lambda: health_config.audiences(config)),
        ("drills", lambda: health_drills.drills(config, clock.now())),
        ("on call", lambda: health_config.on_call(config, state, clock.now())),
        ("state", lambda: health_machine.directory(state)),
        ("disk", lambda: health_machine.disk(state)),
        ("open files", lambda: health_machine.open_files(sum(one.in_flight for one in config.channels))),
        ("ledger", lambda: _ledger(face, config, state, quick=quick)),
        ("clock", lambda: health_machine.clock(clock.now(), [config.path, state / "ledger.db"])),
        ("time zone", lambda: health_machine.time_zone(config.campus.time_zone, clock.now())),
        ("python", lambda: health_machine.libraries(quick=quick)),
        ("certificates", health_machine.certificates),
    ]
    if not quick:
        looks.append(("ready", lambda: health_config.ready(face)))
    for what, look in looks:
        yield from _safe(what, look)


def _ledger(face: Face, config: Config, state: Path, *, quick: bool) -> Iterable[Finding]:
    from alerting.cli import health_ledger
    from alerting.clock import SystemClock

    if config.ledger and face.view.shared:
        return health_ledger.shared_record(face.view, quick=quick)
    return health_ledger.record(state, SystemClock(), quick=quick)


def _safe(what: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what one look found; a look that breaks is a finding, and the others go on."""
    try:
        return list(look())
    except (AlertingError, ConfigProblem) as error:
        return [Finding(what=what, level=Level.FAIL, detail=str(p.what), fix=p.fix) for p in error.problems]
    except Exception as error:  # noqa: BLE001 - a doctor that breaks on what is broken helps nobody
        detail = f"could not be looked at ({type(error).__name__})"
        return [
            Finding(what=what, level=Level.FAIL, detail=detail, fix="tell whoever maintains this program")
        ]


def commands(name: str) -> typer.Typer:
    """Return the command of this room."""
    return single(name, doctor)
