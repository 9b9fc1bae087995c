"""``alert serve``: own the ledger, run the schedule, send, and take in what providers tell later."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alerting.cli.face import Face, emit, heard_or_not, note, say
from alerting.cli.group import single
from alerting.errors import LedgerBusy

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.cli.desk import Desk
    from alerting.ledger.writer import GroupWriter
    from alerting.oncall.signals import Signals
    from alerting.runner import Runner
    from alerting.web.serving import Served

_LOOK_S: Final = 0.2


def serve(
    ctx: typer.Context,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object for scripts, once it listens.")
    ] = False,
) -> None:
    """Run the schedule, take in receipts and replies, and send. Other commands hand over to it."""
    from alerting.cli.desk import Desk

    face: Face = ctx.obj
    app = face.everything
    signals = _listening(app)
    reach = app.config.callbacks
    calls = [f"{app.callback_url}{path}" for path in _paths(app)] if reach else []
    desk = Desk(face, app)
    ready = _once(lambda: _tell(app, calls, json=json))
    _until_stopped(app, desk, signals, (reach.host, reach.port) if reach else None, ready)
    if not json:
        say("Stopped. Nothing that was acknowledged is lost.")


@heard_or_not()
def _tell(app: App, calls: list[str], *, json: bool) -> None:
    """Say what is done from now on; the endpoints listen."""
    reach = app.config.callbacks
    if json:
        emit("serving", host=reach.host if reach else None, port=reach.port if reach else None, calls=calls)
        return
    if reach:
        say(f"Listening on {reach.host}:{reach.port}; providers call")
        for call in calls:
            say(f"  {call}")
    else:
        say("Running the schedule and sending. Without a callbacks section no provider can call:")
        say("  add `callbacks: {public_url: https://…}`, or ask with `alert status ID --refresh`.")
    if app.config.monitor:
        host, port = app.config.monitor
        say(f"Monitors look at http://{host}:{port}/metrics, /livez and /readyz")


def _once(say: Callable[[], None]) -> Callable[[], None]:
    """Return what tells systemd every time that we are ready, and people the first time."""
    left = [say]

    def ready() -> None:
        notify("READY=1")
        while left:
            left.pop()()

    return ready


def _paths(app: App) -> list[str]:
    from alerting.web.callbacks import readers_of

    paths = sorted(readers_of(wired.channel for wired in app.house().channels.values()))
    if not paths:
        note("No channel has what it needs to read callbacks; see docs/receipts.md")
    return paths


def _listening(app: App) -> Signals:
    """Let what the lanes tell the log be heard by who looks after notices."""
    from alerting.oncall.signals import Signals
    from alerting.telemetry import HeardLog

    signals = Signals(monotonic=app.clock.monotonic)
    app.log = HeardLog(str(app.state / "engine.log"), hear=signals.hear)
    return signals


def _until_stopped(
    app: App, desk: Desk, signals: Signals, listen: tuple[str, int] | None, ready: Callable[[], None]
) -> None:
    """Run; while a command is still sending by itself, wait for it to end and then take over."""
    from alerting.runner import Runner

    @asynccontextmanager
    async def beside(writer: GroupWriter) -> AsyncIterator[None]:
        from alerting.retaining import retaining
        from alerting.scheduler import scheduling

        async with AsyncExitStack() as stack:
            await stack.enter_async_context(scheduling(app, writer))
            await stack.enter_async_context(retaining(app, writer))
            if app.config.on_call:
                await _on_watch(app, writer, signals, stack)
            await stack.enter_async_context(_warming(desk))
            served = _served(app, writer, ready)
            if app.config.monitor:
                await stack.enter_async_context(_monitored(app, writer, runner, served))
            if listen:
                from alerting.web.serving import serving

                await stack.enter_async_context(serving(served, listen))
            else:
                ready()
            yield

    runner = Runner(app=app, state=app.state, clock=app.clock, beside=beside, desk=desk.answer)
    told = False
    while True:
        try:
            runner.run(None, forever=True)
        except LedgerBusy as busy:
            if not told:
                note(f"{busy}. It takes over when that ends.")
                told = True
            time.sleep(_LOOK_S)
        else:
            return


@asynccontextmanager
async def _warming(desk: Desk) -> AsyncIterator[None]:
    """Read beside everything else what a first alert would have to read."""
    import asyncio

    warming = asyncio.create_task(asyncio.to_thread(desk.warm))
    try:
        yield
    finally:
        with suppress(Exception):
            await warming


async def _on_watch(app: App, writer: GroupWriter, signals: Signals, stack: AsyncExitStack) -> None:
    """Keep watch, and tell the people on call what is seen."""
    from alerting.callout import Callout, calling_out
    from alerting.cli.readiness import answer_of
    from alerting.watchman import Watchman, watching

    watchman = Watchman(app=app, signals=signals, assess=lambda: answer_of(app))
    callout = Callout(app=app, writer=writer, signals=signals, further=watchman.concerns, ends=watchman.ends)
    await stack.enter_async_context(calling_out(callout))
    await stack.enter_async_context(watching(watchman))


def _monitored(
    app: App, writer: GroupWriter, runner: Runner, served: Served
) -> AbstractAsyncContextManager[None]:
    from alerting.web.figures import Pulse
    from alerting.web.monitor import Monitor, monitored

    pulse = Pulse(
        troubles=lambda: runner.troubles,
        received=lambda: served.intake.counts.readings,
        refused=lambda: served.refusals.total,
    )
    assert app.config.monitor
    return monitored(Monitor(app=app, writer=writer, pulse=pulse), app.config.monitor)


def _served(app: App, writer: GroupWriter, ready: Callable[[], None]) -> Served:
    from alerting.web.serving import Served

    return Served(
        writer=writer,
        clock=app.clock,
        log=app.log,
        public_url=app.callback_url,
        channels=lambda: app.house().channels,
        ready=ready,
    )


def notify(state: str) -> None:
    """Tell systemd how we are, where it asked to be told.  sd_notify(3)."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place:
        return
    # A leading @ stands for a name in the abstract namespace, which begins with a zero byte.
    address = "\0" + place[1:] if place.startswith("@") else place
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        try:
            connection.sendto(state.encode(), address)
        except OSError:
            return


def commands(name: str) -> typer.Typer:
    """Return the command of this room."""
    return single(name, serve)
