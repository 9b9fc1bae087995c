"""Starting a drill by hand or because it is due, sending it, and telling how it went."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from alerting.cli.face import Face, deafen, emit, note, say
from alerting.errors import Exit, LedgerBusy, LedgerUnavailable, NotAllowed

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.broadcast.plan import Plan
    from alerting.drills.clery import Dossier
    from alerting.drills.drill import Drill, Programme
    from alerting.scheduler import Fired

_ANSWER_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """A drill about to be run, and what it runs in."""

    face: Face
    app: App
    programme: Programme
    drill: Drill
    approval: str = ""  #: the request of another person that is approved with it


def go(going: Going, plan: Plan, *, asked: bool, wait: bool, json: bool) -> int:
    """Open a confirmed drill, have it sent, and judge it; return the exit code.

    ``asked`` says that somebody typed its word at the prompt.

    Raises:
        NotAllowed: a real alert is in force, or the same drill was started this second.
        AlertingError: it was refused; nothing was sent.
    """
    try:
        return _gone(going, plan, asked=asked, wait=wait, json=json)
    except KeyboardInterrupt:
        note(f"Left. Whether it is being sent: alert drill history {going.drill.name}")
    except BrokenPipeError:
        deafen()
    return Exit.RUNNING


def _gone(going: Going, plan: Plan, *, asked: bool, wait: bool, json: bool) -> int:
    from alerting.authority.practice import grounds_of
    from alerting.config.operators import load_operators
    from alerting.starting import Start, start

    app, drill = going.app, going.drill
    why = grounds_of(plan, load_operators(app.config), rehearsal=drill.rehearsal)
    if why and not going.approval:
        from alerting.cli.asking import ask_for_drill

        return ask_for_drill(going.face, drill, plan, why, json=json)
    order = Start(
        drill=drill.name,
        as_of=plan.as_of,
        digest=plan.digest,
        actor=going.face.actor,
        clock=plan.clock,
        asked=asked,
        approval=going.approval,
    )
    opened = start(app, going.programme, drill, plan, order)
    if not json:
        say(f"Practice {opened.alert_id} is safe on disk, leaving now. Ctrl-C only stops watching.")
    try:
        set_off(app)
        if wait:
            return judged(app, opened.alert_id, json=json)
    except LedgerUnavailable as error:
        from alerting.cli.follow import out_of_sight

        return out_of_sight(error, opened.alert_id, json=json)
    if json:
        emit("accepted", alert=opened.alert_id, again=False)
    return Exit.RUNNING


def set_off(app: App) -> None:
    """Have what was opened sent: by the process that owns the ledger, or by a new one."""
    from alerting.cli.launch import resume
    from alerting.engine.control import ask

    if app.lock().held_by() or not resume(app):
        # Nobody there after all: then whoever had it has ended, and watching starts another.
        with suppress(LedgerBusy):
            ask(app.state, {"verb": "resume"}, timeout=_ANSWER_S)


def judged(app: App, alert_id: str, *, json: bool) -> int:
    """Watch a drill until it is settled and tell how it went; return the exit code.

    An expectation that is not met makes a delivered drill PARTIAL.
    """
    from alerting.cli.drill_record import card_lines, dossier_of
    from alerting.cli.follow import follow

    if json:
        told, code = scored(app, alert_id)
        emit("drill", **told)
        return code
    code = follow(app, alert_id, json=False, title="drill")
    dossier = dossier_of(app, alert_id)
    for line in card_lines(dossier.card):
        say(line)
    return _judgement(code, dossier)


def scored(app: App, alert_id: str) -> tuple[dict[str, Any], int]:
    """Watch a drill until it is settled; return for scripts how it stands and was judged, and the code."""
    from alerting.cli.drill_record import dossier_of
    from alerting.cli.follow import as_json, watched
    from alerting.drills.clery import as_json as card_json

    last = watched(app, alert_id, quiet=True)
    dossier = dossier_of(app, alert_id)
    return {**as_json(app, last), "scorecard": card_json(dossier)}, _judgement(last.exit, dossier)


def _judgement(code: int, dossier: Dossier) -> int:
    return Exit.PARTIAL if code == Exit.OK and dossier.card.passed is False else code


def fire_due(face: Face, programme: Programme, *, only_rehearsals: bool, json: bool) -> int:
    """Start what is due now; return the exit code: USAGE when one could not start, PARTIAL for a miss.

    NOT_ALLOWED says that a real alert is being sent by somebody who cannot look after drills.
    """
    from alerting.cli.drill_app import drill_app
    from alerting.scheduler import split
    from alerting.starting import start_due

    real, rehearsals = split(programme)
    code, told = 0, _Told()
    for part in (rehearsals,) if only_rehearsals else (real, rehearsals):
        if any(drill.schedule for drill in part.drills.values()):
            app = drill_app(face, next(iter(part.drills.values())))
            try:
                fired = start_due(app, part, rehearsals=part is rehearsals, actor=face.actor)
            except NotAllowed as error:
                note(f"! no drill was looked for: {error}")
                code = max(code, error.exit_code)
            else:
                code = max(code, _told(app, fired, told if json else None))
    if json:
        emit("due", opened=told.opened, missed=told.missed, refused=told.refused)
    return code


@dataclass(slots=True)
class _Told:
    """What was due, for scripts: every part of the programme in one object."""

    opened: list[dict[str, Any]] = field(default_factory=list)
    missed: list[dict[str, str]] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)


def _told(app: App, fired: Fired, told: _Told | None) -> int:
    code = 0
    if fired.opened:
        set_off(app)
    for name, alert_id in fired.opened:
        if told is None:
            say(f"Started the drill {name}: {alert_id}")
            code = max(code, judged(app, alert_id, json=False))
        else:
            found, judgement = scored(app, alert_id)
            told.opened.append({"drill": name, **found})
            code = max(code, judgement)
    for missed in fired.missed:
        note(f"! the drill {missed.drill}, planned for {missed.planned_local:%Y-%m-%d %H:%M}, was missed")
        code = max(code, Exit.PARTIAL)
    for name, why in fired.refused:
        note(f"! the drill {name} could not start: {why}")
        code = max(code, Exit.USAGE)
    if told is not None:
        told.missed += [{"drill": m.drill, "planned_local": m.key} for m in fired.missed]
        told.refused += [{"drill": name, "why": why} for name, why in fired.refused]
    return code
