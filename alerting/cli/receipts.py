"""``alert receipts``: bounces from a pipe or a mailbox, and who asked to stop; and ``status --refresh``."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from alerting.cli.face import Face, emit, note, say
from alerting.cli.family import family
from alerting.cli.options import Json
from alerting.cli.words import columns, plural
from alerting.errors import Problem, UsageProblem
from alerting.ledger.rows import Actor

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.channels.base import MailReader
    from alerting.ledger.writer import GroupWriter
    from alerting.model.receipt import Receipt

_PROVIDERS: Final = Actor(name="providers", origin="asked, or their mail read")
_LARGEST_MAIL: Final = 1_000_000


def keep(app: App, receipts: Sequence[Receipt]) -> dict[str, Any]:
    """Apply receipts, here or by the process that owns the ledger; return what they did.

    Raises:
        AlertingError: the ledger cannot be used; nothing of them was kept.
    """
    from alerting.broadcast.receipts import as_json
    from alerting.clock import micros
    from alerting.handover import carry_out

    if not receipts:
        return {"changed": 0, "repeated": 0, "orphaned": 0}

    def here(writer: GroupWriter, _: object) -> dict[str, Any]:
        at = micros(app.clock.now())
        return writer.submit(lambda ledger: ledger.apply(receipts, at=at)).result()._asdict()

    return carry_out(app, {"verb": "receipts", "receipts": as_json(receipts)}, here, actor=_PROVIDERS)


def refresh(face: Face, alert_id: str) -> None:
    """Ask providers what became of an alert's messages, and keep what they say."""
    from alerting.cli import standing

    if not alert_id:
        raise UsageProblem("--refresh needs an alert: `alert status` lists them")
    record = standing.read(face.app, alert_id).record
    house = face.app.house()
    channels = {
        lane.channel: house.channels[lane.channel].channel
        for lane in record.lanes
        if lane.channel in house.channels
    }
    told, changed = asyncio.run(_ask(face.app, alert_id, channels))
    note(f"Providers told of {plural(told, 'message')}; {changed:,} of them something new.")


async def _ask(app: App, alert_id: str, channels: dict[str, Any]) -> tuple[int, int]:
    from alerting.broadcast.receipts import ask

    ledger = app.reader()
    assert ledger is not None
    told = changed = 0
    try:
        async for receipts in ask(ledger, alert_id, channels):
            told += len(receipts)
            changed += (await asyncio.to_thread(keep, app, receipts))["changed"]
    finally:
        for channel in channels.values():
            await channel.aclose()
    return told, changed


def mail(
    ctx: typer.Context,
    channel: Annotated[str, typer.Option(help="The mail channel it is for; the only one without.")] = "",
    mailbox: Annotated[
        bool, typer.Option("--mailbox", help="Read what is new in the configured mailbox, not stdin.")
    ] = False,
    json: Json = False,
) -> None:
    """Read one bounce from stdin, as a mail server's pipe gives it, or all new ones of the mailbox."""
    face: Face = ctx.obj
    reader = _reader(face.app, channel)
    done: Counter[str] = Counter()

    def take(receipts: Sequence[Receipt]) -> None:
        done["receipts"] += len(receipts)
        told = keep(face.app, receipts)
        done.update({name: told[name] for name in ("changed", "repeated", "orphaned")})

    if mailbox:
        done["mails"] = _collected(reader, take)
    else:
        done["mails"] = 1
        take(reader.read_mail(sys.stdin.buffer.read(_LARGEST_MAIL)))
    if json:
        emit("receipts", **{n: done[n] for n in ("mails", "receipts", "changed", "repeated", "orphaned")})
        return
    say(
        f"{plural(done['mails'], 'mail')}: {plural(done['receipts'], 'receipt')},"
        f" {done['changed']:,} new, {done['repeated']:,} known, {done['orphaned']:,} of no known message"
    )


def _collected(reader: MailReader, take: Any) -> int:
    try:
        return reader.collect(take)
    except OSError as error:
        what = f"the mailbox cannot be read ({error})"
        fix = "check bounces: in channels.yaml, and the network"
        raise UsageProblem(Problem(where="channels.yaml", what=what, fix=fix)) from error


def _reader(app: App, name: str) -> MailReader:
    from alerting.channels.base import MailReader

    house = app.house()
    if name:
        found = house.wired(name).channel
        if isinstance(found, MailReader):
            return found
        raise UsageProblem(Problem(where="--channel", what=f"{name} sends no mail", fix="name one that does"))
    readers = [wired.channel for wired in house.channels.values() if isinstance(wired.channel, MailReader)]
    if len(readers) != 1:
        what = "no channel sends mail" if not readers else "several channels send mail"
        raise UsageProblem(Problem(where="channels.yaml", what=what, fix="name one: --channel NAME"))
    return readers[0]


def stopped(ctx: typer.Context, json: Json = False) -> None:
    """List who replied STOP to a channel and did not say START since; addresses are masked."""
    from alerting.model.audience import Address

    face: Face = ctx.obj
    ledger = face.app.reader()
    words = {(opt.channel, opt.address): opt for opt in ledger.opts()} if ledger else {}
    names = sorted({channel for channel, _ in words})
    current = {(name, address) for name in names if ledger for address in ledger.opted_out(name)}
    rows = [(name, Address.parse(address).masked) for name, address in sorted(current)]
    if json:
        emit("stopped", stopped=[{"channel": name, "address": masked} for name, masked in rows])
        return
    if not rows:
        say("Nobody.")
        return
    for line in columns([("channel", "address"), *rows]):
        say(line)


def _which(ctx: typer.Context) -> None:
    typer.echo(ctx.get_help())


def commands(name: str) -> typer.Typer:
    """Return the commands of this room."""
    text = "Read bounces from mail; list who replied STOP."
    return family(name, text, {"mail": mail, "stopped": stopped}, first=_which)
