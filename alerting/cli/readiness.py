"""``alert ready``: can somebody send right now?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from alerting.cli.face import Face, emit, say
from alerting.cli.group import single
from alerting.cli.options import Json
from alerting.cli.words import columns, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerting.app import App
    from alerting.oncall.answer import Answer

#: adjtimex(2): what it returns while the clock is not kept in step, and room for its structure.
_TIME_ERROR: Final = 5
_TIMEX_BYTES: Final = 512


def ready(
    ctx: typer.Context,
    probe: Annotated[
        bool, typer.Option("--probe", help="Ask every provider now, and fetch the duty calendar.")
    ] = False,
    json: Json = False,
) -> None:
    """Say whether somebody could send right now, and what keeps them from it. Nothing is sent.

    Exit codes for monitors: 0 yes; 3 no, or not by every channel; 4 no channel would take it; 2 or 75
    when configuration or record cannot be read.
    """
    face: Face = ctx.obj
    if probe:
        _probe(face.app)
    answer = answer_of(face.view, ask=probe)
    if json:
        emit(
            "ready",
            ready=answer.ready,
            exit=int(answer.exit),
            at=answer.at.isoformat(),
            looks=[
                {"what": one.what, "level": str(one.level), "detail": one.detail, "fix": one.fix or None}
                for one in answer.looks
            ],
        )
    else:
        for line in _lines(answer):
            say(line)
    raise typer.Exit(answer.exit)


def _probe(app: App) -> None:
    import asyncio

    from alerting.probing import probe_all

    app.ready_state()
    asyncio.run(probe_all(app))


def answer_of(app: App, *, ask: bool = False) -> Answer:
    """Return the answer as it is now. Any thread may ask."""
    from alerting.readiness import assess

    return assess(app, lint=lambda: _mistakes(app), synchronised=kept_in_step(), ask=ask)


def _mistakes(app: App) -> Sequence[str]:
    """Return what is wrong with the templates on the channels there are, in sentences."""
    from alerting.cli.lint import lint
    from alerting.readiness import capabilities_of

    shapes = {name: can.shape for name, can in capabilities_of(app).items()}
    return [str(problem) for found in lint(app.config, shapes, ()).values() for problem in found.errors]


def kept_in_step() -> bool | None:
    """Return whether the kernel says that something keeps this machine's clock in step; None: no answer.

    Source: adjtimex(2); with no mode set it only reads.
    """
    import ctypes

    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def _lines(answer: Answer) -> list[str]:
    warned = plural(sum(look.level == "warn" for look in answer.looks), "thing")
    head = f"YES: somebody can send right now. {warned} to look at."
    if not answer.ready:
        head = f"NO: {plural(len(answer.reasons), 'reason')}; then {warned} to look at."
    order = {"no": 0, "warn": 1, "yes": 2}
    rows = [
        (str(look.level), look.what, look.detail + (f" -> {look.fix}" if look.fix else ""))
        for look in sorted(answer.looks, key=lambda look: order[look.level])
    ]
    return [head, *columns(rows)]


def commands(name: str) -> typer.Typer:
    """Return the command of this room."""
    return single(name, ready)
