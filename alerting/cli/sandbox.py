"""``alert sandbox``: stand-ins for the providers, and the page that shows what people receive."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from alerting.cli.face import Face, emit, note, say
from alerting.cli.options import Json
from alerting.cli.place import Place, forget, record, recorded, starting
from alerting.cli.unplugged import config_of, state_of
from alerting.cli.words import columns
from alerting.errors import AlertingError, ConfigProblem, Problem, UsageProblem

if TYPE_CHECKING:
    from alerting.sandbox.script import Script
    from alerting.sandbox.server import Sandbox

_PORT_MOST: Final = 65_535


def run(
    ctx: typer.Context,
    http_port: Annotated[
        int, typer.Option("--http-port", min=0, max=_PORT_MOST, help="For X, Facebook, Twilio; 0: any.")
    ] = 0,
    smtp_port: Annotated[
        int, typer.Option("--smtp-port", min=0, max=_PORT_MOST, help="For mail; 0: any.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same faults.")] = 0,
    faults: Annotated[Path | None, typer.Option("--faults", help="A script of faults, JSON.")] = None,
    json: Json = False,
) -> None:
    """Run stand-ins for X, Facebook, Twilio and a mail relay until Ctrl-C. Nothing leaves this machine.

    While it runs, commands with --sandbox of the same configuration speak to it.
    """
    if ctx.invoked_subcommand is not None:
        return
    import asyncio

    from alerting.sandbox.server import Sandbox

    sandbox = Sandbox(seed=seed, faults=_script(faults), http_port=http_port, smtp_port=smtp_port)
    home = _home(ctx.obj)

    def announce() -> None:
        place = _place(sandbox)
        if home is not None:
            _put_on_record(home, place)
        _tell(place, json=json)

    try:
        asyncio.run(_until_stopped(sandbox, announce))
    except OSError as error:
        what = f"cannot listen on HTTP port {http_port}, SMTP port {smtp_port} ({error.strerror or error})"
        raise UsageProblem(
            Problem(where="sandbox", what=what, fix="use others; 0 chooses free ones")
        ) from error
    finally:
        if home is not None:
            forget(home, os.getpid())


async def _until_stopped(sandbox: Sandbox, announce: Callable[[], None]) -> None:
    import asyncio
    import signal

    leave = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, leave.set)
    await sandbox.start()
    try:
        announce()
        await leave.wait()
    finally:
        await sandbox.stop()


def _script(path: Path | None) -> Script | None:
    from alerting.sandbox.script import Script, ScriptError

    try:
        return Script.load(path) if path else None
    except ScriptError as error:
        raise UsageProblem(str(error)) from error


def _home(face: Face) -> Path | None:
    """Return where commands with --sandbox look for one; None where nothing is configured."""
    try:
        return _sandbox_state(face)
    except ConfigProblem:
        return None


def _sandbox_state(face: Face) -> Path:
    state = state_of(face, config_of(face).state)
    return state if face.sandbox else state / "sandbox"


def _place(sandbox: Sandbox) -> Place:
    return Place(
        pid=os.getpid(),
        http_url=sandbox.http_url,
        smtp_host=sandbox.smtp_host,
        smtp_port=sandbox.smtp_port,
    )


def _put_on_record(home: Path, place: Place) -> None:
    """Have commands with --sandbox use this one, unless they are using another already."""
    try:
        with starting(home):
            other = recorded(home)
            if other is None:
                record(home, place)
    except (AlertingError, OSError) as error:
        note(f"! Commands with --sandbox will not find this one: {error}")
        return
    if other is not None:
        note(f"! Commands with --sandbox go on using {other.http_url}/; `alert sandbox stop` ends that one.")


def _tell(place: Place, *, json: bool) -> None:
    if json:
        emit("sandbox", running=True, **_as_json(place))
    else:
        say(f"Outbox: {place.http_url}/   what people receive")
        say(f"SMTP:   {place.smtp_host}:{place.smtp_port}")
        say("Ctrl-C ends it.")
    # Whoever reads through a pipe waits for this.
    sys.stdout.flush()


def _as_json(place: Place) -> dict[str, Any]:
    return {
        "pid": place.pid,
        "http_url": place.http_url,
        "smtp_host": place.smtp_host,
        "smtp_port": place.smtp_port,
    }


def status(ctx: typer.Context, json: Json = False) -> None:
    """Say where the sandbox of commands with --sandbox listens, and what it received."""
    place = recorded(_sandbox_state(ctx.obj))
    counts = (place.counts() or {}) if place else {}
    if json:
        emit("sandbox", running=place is not None, **(_as_json(place) if place else {}), counts=counts)
        return
    if place is None:
        say("No sandbox is running. Any command with --sandbox starts one.")
        return
    say(f"Outbox: {place.http_url}/   SMTP: {place.smtp_host}:{place.smtp_port}   process {place.pid}")
    rows = [(word, f"{counts.get(word, 0):,}") for word in ("posts", "texts", "mails", "faults")]
    for line in columns(rows, right=(1,)):
        say(line)


def stop(ctx: typer.Context, json: Json = False) -> None:
    """End the sandbox of commands with --sandbox."""
    from alerting.cli.place import stop as end

    place = end(_sandbox_state(ctx.obj))
    if json:
        emit("sandbox", running=False, stopped=place.pid if place else None)
    elif place is None:
        say("No sandbox is running.")
    else:
        say(f"Stopped the sandbox at {place.http_url}/")


def commands(name: str) -> typer.Typer:
    """Return the commands of this room."""
    app = typer.Typer(
        name=name,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        invoke_without_command=True,
    )
    app.callback()(run)
    app.command("status")(status)
    app.command("stop")(stop)
    return app
