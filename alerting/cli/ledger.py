"""``alert ledger``: move the record to PostgreSQL, merge others into it, bring its tables up to date."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alerting.cli.face import Face, emit, note, say
from alerting.cli.family import family
from alerting.cli.options import Json
from alerting.cli.words import plural
from alerting.errors import Problem, UsageProblem

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.ledger.scrutiny import Scrutiny


def copy(ctx: typer.Context, json: Json = False) -> None:
    """Copy this host's ledger file to the PostgreSQL of channels.yaml, whole, and prove the copy."""
    from alerting.audit.signer import stand_in_key
    from alerting.audit.verify import verify_opened

    face: Face = ctx.obj
    app = face.view
    _refuse_own(app)
    source = app.ledger_path
    if not source.exists():
        what = "there is no ledger file here to copy"
        raise UsageProblem(Problem(where=str(source), what=what, fix="name its folder with --state"))
    key = stand_in_key(app.state, make=False)

    def whole(opened: Callable[[], Scrutiny]) -> list[str]:
        return verify_opened(opened, key=key).broken

    _refuse_broken(source, key)
    counts = app.moved(whole, actor=face.actor)
    if json:
        emit("ledger.copy", to=app.where, rows=counts)
        return
    told = f"{plural(counts['alert'], 'alert')} with {plural(counts['delivery'], 'message')}"
    say(f"Copied {told} to {app.where}.")
    say("The copy was proved: every act, state and count is as in the file.")
    note(f"The file stays where it is: {source}. Nothing is written to it any more while `ledger:` is set.")


def merge(
    ctx: typer.Context,
    record: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE|DIR]", help="A ledger file or its folder; that of --local without."),
    ] = None,
    json: Json = False,
) -> None:
    """Take the alerts of another record, as one host kept alone with --local, into this one as history."""
    from alerting.audit.signer import stand_in_key

    face: Face = ctx.obj
    app = face.view
    source = _named(app, record)
    if not source.exists():
        what = "there is no ledger file here to merge"
        raise UsageProblem(Problem(where=str(source), what=what, fix="name the file, or its folder"))
    _refuse_broken(source, stand_in_key(source.parent, make=False))
    done = app.merged(source, actor=face.actor)
    if json:
        told = {"alerts": list(done.alerts), "known": list(done.known), "acts": done.acts}
        told["rows"] = dict(done.rows)
        emit("ledger.merge", source=str(source), to=app.where, **told)
        return
    if not done.alerts:
        new = f"Merged {plural(done.acts, 'act')}" if done.acts else "Nothing new"
        say(f"{new}: {plural(len(done.known), 'alert')} of {source} are in {app.where} already.")
        return
    told_of = f"{plural(len(done.alerts), 'alert')} with {plural(done.rows.get('delivery', 0), 'message')}"
    say(f"Merged {told_of} into {app.where}, as history: {', '.join(done.alerts)}.")
    note(f"The file stays as it is: {source}. `alert audit verify` proves the whole record.")


def _named(app: App, record: Path | None) -> Path:
    """Return the file that is meant; without a name that of this host's own record beside a shared one."""
    if record is None:
        _refuse_own(app)
        record = app.base / ("local-sandbox" if app.sandbox else "local")
    path = record / app.ledger_path.name if record.is_dir() or not record.suffix else record
    if path.absolute() == app.ledger_path.absolute() and app.shared is None:
        raise UsageProblem(Problem(where=str(path), what="is this record itself", fix="name another one"))
    return path


def upgrade(
    ctx: typer.Context,
    force: Annotated[bool, typer.Option("--force", help="Even while an alert is being sent.")] = False,
    json: Json = False,
) -> None:
    """Bring the tables on PostgreSQL up to date, as their owner; the first alert does it by itself."""
    app = ctx.obj.view
    _refuse_own(app)
    told = app.brought_up(force=force)
    if json:
        emit("ledger.upgrade", ledger=app.where, is_now=told)
    else:
        say(f"{app.where}: {told}")


def _refuse_own(app: App) -> None:
    if app.shared is None:
        raise UsageProblem(
            Problem(
                where="channels.yaml",
                what="the ledger is a file of this host",
                fix="write ledger: {env: ALERT_LEDGER} first",
            )
        )


def _refuse_broken(source: Path, key: bytes | None) -> None:
    """Refuse a file that is not whole: a copy would carry on what is wrong with it."""
    from alerting.audit.verify import verify_file
    from alerting.errors import LedgerDamaged

    broken = verify_file(source, key=key).broken
    if broken:
        fix = "`alert audit verify` names all of it; restore a backup first"
        raise LedgerDamaged(Problem(where=str(source), what=f"is not whole: {broken[0]}", fix=fix))


def _first(ctx: typer.Context) -> None:
    say(ctx.get_help())


def commands(name: str) -> typer.Typer:
    """Return the commands of this room."""
    members: dict[str, Any] = {"copy": copy, "merge": merge, "upgrade": upgrade}
    about = "Move the record to PostgreSQL, merge others into it, and keep its tables up to date."
    return family(name, about, members, first=_first)
