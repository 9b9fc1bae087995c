"""``alert channels``: what is configured, and whether each provider would take us."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from alerting.cli import complete
from alerting.cli.face import Face, emit, say
from alerting.cli.family import family
from alerting.cli.options import Json
from alerting.cli.unplugged import channels_of, config_of
from alerting.cli.words import columns, plural, span
from alerting.errors import Exit

if TYPE_CHECKING:
    from alerting.channels.base import Channel
    from alerting.channels.settings import ChannelSettings
    from alerting.probing import Probed

_HEAD: Final = ("name", "kind", "mode", "takes", "rate", "in flight", "deadline", "receipts", "fallback")


def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the channels: what each takes, how fast, and where its people go when it fails."""
    config = config_of(ctx.obj)
    built = channels_of(config)
    if json:
        listed = [_as_json(settings, built[settings.name]) for settings in config.channels]
        emit("channels", channels=listed, off=dict(config.off))
        return
    rows = [_HEAD, *(_row(settings, built[settings.name]) for settings in config.channels)]
    for line in columns(rows, right=(4, 5, 6)):
        say(line)
    for name, why in config.off.items():
        say(f"{name}: off, {why}")


def _row(settings: ChannelSettings, channel: Channel) -> tuple[str, ...]:
    can = channel.capabilities
    return (
        settings.name,
        settings.kind,
        settings.mode,
        _takes(channel),
        f"{can.rate_per_s:g}/s",
        str(can.in_flight),
        span(can.deadline),
        "yes" if can.receipts else "no",
        settings.fallback or "-",
    )


def _takes(channel: Channel) -> str:
    """Return whom a channel reaches, and what fits."""
    can = channel.capabilities
    who = ", ".join(feed.value for feed in can.feeds) or str(can.address_kind)
    unit = {"weighted": "characters as X counts", "segments": "segments"}.get(can.shape.unit, "characters")
    return f"{who}: {can.shape.limit:,} {unit}"


def _as_json(settings: ChannelSettings, channel: Channel) -> dict[str, Any]:
    can = channel.capabilities
    return {
        "name": settings.name,
        "kind": settings.kind,
        "mode": settings.mode,
        "address_kind": str(can.address_kind),
        "feeds": [str(feed) for feed in can.feeds],
        "unit": str(can.shape.unit),
        "limit": can.shape.limit,
        "subject": can.shape.subject,
        "html": can.shape.html,
        "rate_per_s": can.rate_per_s,
        "in_flight": can.in_flight,
        "max_batch": can.max_batch,
        "deadline_s": can.deadline.total_seconds(),
        "receipts": can.receipts,
        "fallback": settings.fallback or None,
    }


def check(
    ctx: typer.Context,
    name: Annotated[
        list[str] | None,
        typer.Argument(help="Channels; all of them without.", autocompletion=complete.channels),
    ] = None,
    json: Json = False,
) -> None:
    """Try credentials and reachability of each channel, all at once. Nothing is posted."""
    import asyncio

    from alerting.openfiles import make_room
    from alerting.probing import WITHIN_S, keep, probe

    make_room()
    face: Face = ctx.obj
    app = face.app
    chosen = [app.config.channel(word) for word in dict.fromkeys(name or [])] or list(app.config.channels)
    lanes = {settings.name: (settings.kind, app.channel(settings.name)) for settings in chosen}
    checked = asyncio.run(probe(lanes, at=app.clock.now(), within_s=WITHIN_S))
    if app.state.is_dir():
        keep(app.state, checked)
    failed = [one for one in checked if not one.ok]
    if json:
        emit("channels_check", ok=not failed, channels=[_checked_json(one) for one in checked])
    else:
        for line in _lines(checked):
            say(line)
        say(f"{plural(len(checked), 'channel')}: {len(checked) - len(failed)} ready, {len(failed)} not")
    if failed:
        raise typer.Exit(Exit.NOTHING_SENT if len(failed) == len(checked) else Exit.PARTIAL)


def _lines(checked: Sequence[Probed]) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for one in checked:
        if not one.found:
            rows.append(("--", one.name, "", "this kind cannot be checked without sending"))
        for finding in one.found:
            fix = f" -> {finding.fix}" if finding.fix and not finding.ok else ""
            mark = "OK" if finding.ok else "FAIL"
            rows.append((mark, one.name, finding.what, f"{finding.detail}{fix}"))
    return columns(rows)


def _checked_json(one: Probed) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "ok": one.ok,
        "found": [{"what": f.what, "ok": f.ok, "detail": f.detail, "fix": f.fix or None} for f in one.found],
    }


def _first(ctx: typer.Context) -> None:
    list_(ctx)


def commands(name: str) -> typer.Typer:
    """Return the commands of this room."""
    members: dict[str, Any] = {"list": list_, "check": check}
    return family(name, "List channels, check their credentials.", members, first=_first)
