"""``alert audit``: prove that the record is what it was; sign it; forget people when their time is over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alerting.cli.face import Face, emit, note, say
from alerting.cli.family import family
from alerting.cli.options import Json
from alerting.cli.words import plural
from alerting.errors import Exit, Problem, UsageProblem

if TYPE_CHECKING:
    from alerting.audit.verify import Verdict

_SHOWN = 20


def verify(
    ctx: typer.Context,
    ledger: Annotated[
        Path | None, typer.Argument(help="A ledger file or a copy; this installation's own without.")
    ] = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option("--checkpoint", help="A file of checkpoints; may be repeated.")
    ] = None,
    public_key: Annotated[
        str, typer.Option("--public-key", help="The line `alert audit key` printed, kept elsewhere.")
    ] = "",
    key: Annotated[
        Path | None,
        typer.Option("--audit-key", help="audit.key, to compare addresses; beside the ledger without."),
    ] = None,
    json: Json = False,
) -> None:
    """Look at everything, offline and read-only: exit code 0 when whole, 3 when broken."""
    from alerting.audit.signer import STAND_INS, Verifier, stand_in_key
    from alerting.audit.verify import verify_file, verify_opened

    face: Face = ctx.obj
    shared = face.view.shared if ledger is None else None
    path = ledger or face.view.ledger_path
    where = face.view.where if ledger is None else str(ledger)
    state = key.parent if key and key.name == STAND_INS else path.parent
    if key is not None and key.name != STAND_INS:
        raise UsageProblem(
            Problem(where="--audit-key", what="is not audit.key", fix="name the file audit.key")
        )
    notes = [found for file in checkpoint or () for found in _notes(file)]
    verifier = Verifier.parse(public_key) if public_key else _own_verifier(path.parent) if notes else None
    hidden = stand_in_key(state, make=False)
    if shared:
        verdict = verify_opened(face.view.copy, notes=notes, verifier=verifier, key=hidden)
    else:
        verdict = verify_file(path, notes=notes, verifier=verifier, key=hidden)
    if notes and not public_key:
        verdict.notes.append(
            "the public key was taken from beside the ledger: whoever owns the machine owns that too;"
            " give the one you noted down with --public-key"
        )
    if json:
        emit("audit.verify", **_told(verdict, where))
    else:
        for line in _lines(verdict, where):
            say(line)
    raise typer.Exit(Exit.OK if verdict.whole else Exit.PARTIAL)


def _notes(file: Path) -> Any:
    from alerting.audit.checkpoint import read

    return read(file)


def _own_verifier(state: Path) -> Any:
    """Return the public half of the key beside the ledger."""
    from alerting.audit.signer import SIGNING, Signer

    if not (state / SIGNING).exists():
        fix = "add --public-key with the line `alert audit key` printed"
        raise UsageProblem(
            Problem(where=str(state), what="there is no signing key beside the ledger", fix=fix)
        )
    from alerting.audit.checkpoint import read

    own = state / "checkpoints"
    name = read(own)[-1].signer if own.exists() else ""
    return Signer.of(state, name)[0].verifier


def _lines(verdict: Verdict, path: str) -> Iterator[str]:
    if verdict.whole:
        yield f"WHOLE  {path}"
    else:
        yield f"BROKEN  {path}"
        yield f"First: {verdict.broken[0]}"
        yield from (f"  also: {words}" for words in verdict.broken[1:_SHOWN])
        if len(verdict.broken) > _SHOWN:
            yield f"  and {len(verdict.broken) - _SHOWN:,} more"
    yield (
        f"{plural(verdict.acts, 'act')}, {plural(verdict.alerts, 'alert')},"
        f" {plural(verdict.deliveries, 'delivery', 'deliveries')},"
        f" {plural(verdict.checkpoints, 'checkpoint')} compared"
    )
    yield from (f"Note: {words}" for words in verdict.notes)
    if not verdict.whole:
        yield "Keep this file as it is, and a copy; restore from a backup to go on."


def _told(verdict: Verdict, path: str) -> dict[str, Any]:
    return {
        "ledger": path,
        "whole": verdict.whole,
        "broken": verdict.broken,
        "notes": verdict.notes,
        "acts": verdict.acts,
        "head": verdict.head,
        "alerts": verdict.alerts,
        "deliveries": verdict.deliveries,
        "checkpoints": verdict.checkpoints,
    }


def checkpoint(
    ctx: typer.Context,
    to: Annotated[Path | None, typer.Option("--to", help="One more file to add it to.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Seal every alert anew, not only those that changed.")
    ] = False,
    json: Json = False,
) -> None:
    """Seal what changed, sign the head of the log, and add it to its second place."""
    from dataclasses import replace

    face: Face = ctx.obj
    app, actor = face.view, face.actor
    if app.reader() is None:
        raise UsageProblem(Problem(where=str(app.state), what="nothing was ever recorded here"))
    app.let_go()
    keeper = app.keeper()
    keeper = replace(keeper, places=(*keeper.places, to)) if to else keeper
    kept = keeper.checkpoint(lambda acts: app.record(*acts, actor=actor), everything=everything)
    if json:
        emit(
            "audit.checkpoint",
            size=kept.checkpoint.size,
            head=kept.checkpoint.head,
            sealed=list(kept.sealed),
            note=kept.note,
            public_key=kept.verifier.text,
            places=[str(place) for place in kept.places],
        )
        return
    say(kept.note.rstrip())
    note(f"Sealed {plural(len(kept.sealed), 'alert')}; added to {', '.join(map(str, kept.places))}")
    if kept.fresh:
        note("A signing key was made. Note its public half down elsewhere:")
        note(kept.verifier.text)
    if len(kept.places) == 1:
        note("There is no second place yet: set audit.checkpoints in channels.yaml, or add --to FILE.")


def key(ctx: typer.Context, json: Json = False) -> None:
    """Print the public key that checkpoints are checked with; made on first use."""
    from alerting.audit.signer import Signer

    app = ctx.obj.app
    app.ready_state()
    verifier = Signer.of(app.state, app.keeper().origin)[0].verifier
    if json:
        emit("audit.key", public_key=verifier.text, origin=verifier.name)
    else:
        say(verifier.text)


def log(
    ctx: typer.Context,
    subject: Annotated[str, typer.Argument(help="An alert or an incident; everything without.")] = "",
    json: Json = False,
) -> None:
    """Print who did what, when and from where."""
    from zoneinfo import ZoneInfo

    from alerting.clock import instant
    from alerting.keys import normal_id

    app = ctx.obj.app
    ledger = app.reader()
    zone = ZoneInfo(app.config.campus.time_zone)
    for row in ledger.audit(normal_id(subject) if subject else "") if ledger else ():
        if json:
            emit("act", **row._asdict())
            continue
        when = instant(row.at).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
        body = row.body if len(row.body) < 160 else row.body[:157] + "..."  # noqa: PLR2004
        say(f"{row.seq:>6}  {when}  {row.actor} ({row.origin})  {row.action}  {row.subject}  {body}")


def retain(
    ctx: typer.Context,
    days: Annotated[int, typer.Option("--days", min=1, help="Keep people's data this many days.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; change nothing.")] = False,
    json: Json = False,
) -> None:
    """Delete people's addresses of settled alerts; counts, texts and the log stay, and still verify."""
    from alerting.audit.retention import forgettable
    from alerting.retaining import retain as forget

    face: Face = ctx.obj
    app = face.view
    if app.reader() is None:
        raise UsageProblem(Problem(where=str(app.state), what="nothing was ever recorded here"))
    app.let_go()
    plan = forgettable(app, days=days) if dry_run else forget(app, days=days, actor=face.actor)
    if json:
        emit("audit.retain", done=not dry_run, **plan.told())
        return
    for line in plan.lines(done=not dry_run):
        say(line)


def _first(ctx: typer.Context) -> None:
    say(ctx.get_help())


def commands(name: str) -> typer.Typer:
    """Return the commands of this room."""
    members: dict[str, Any] = {
        "verify": verify,
        "checkpoint": checkpoint,
        "key": key,
        "log": log,
        "retain": retain,
    }
    return family(name, "Prove that the record is what it was; forget people.", members, first=_first)
