"""``alert export``: the whole record of an alert, for auditors and spreadsheets."""

from __future__ import annotations

import json as jsons
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from alerting.cli import complete
from alerting.cli.face import JSON_VERSION, Face, emit, note
from alerting.cli.group import single
from alerting.cli.options import Json
from alerting.cli.words import plural
from alerting.errors import Problem, UnknownAlert, UsageProblem
from alerting.keys import normal_id

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.cli.dossier import Dossier
    from alerting.ledger.base import LedgerReader
    from alerting.ledger.rows import AlertRecord

#: How many of the newest alerts are looked through for an id somebody mistyped.
_NEAR: Final = 500


class Format(StrEnum):
    """How the record is written."""

    JSONL = "jsonl"  #: everything: a JSON object a line
    CSV = "csv"  #: deliveries only: one a row


def export(
    ctx: typer.Context,
    alert: Annotated[
        str, typer.Argument(help="Alert, for example L-7K2QXD.", autocompletion=complete.alerts)
    ],
    form: Annotated[
        Format, typer.Option("--format", help="jsonl: everything; csv: one delivery a row.")
    ] = Format.JSONL,
    out: Annotated[Path | None, typer.Option("--out", help="A new file; stdout without.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    addresses: Annotated[
        bool, typer.Option("--addresses", help="Write phones and mailboxes in full, not masked.")
    ] = False,
    json: Json = False,
) -> None:
    """Write the whole record of an alert: what was decided, said, tried and answered, by whom."""
    from alerting.cli.dossier import Dossier
    from alerting.cli.outfile import written

    if json and not out and form is Format.CSV:
        raise UsageProblem(Problem(where="--json", what="stdout cannot be both", fix="add --out FILE"))
    face: Face = ctx.obj
    ledger, record = _found(face.view, normal_id(alert))
    if addresses:
        _audited(face, record.alert.id, form)
    dossier = Dossier(ledger=ledger, record=record, in_full=addresses)
    lines = _csv(dossier) if form is Format.CSV else _jsonl(dossier)
    if out is None or str(out) == "-":
        for line in lines:
            sys.stdout.write(line)
        return
    count = written(out, lines, force=force)
    if json:
        emit("export", alert=record.alert.id, out=str(out), format=str(form), lines=count)
    else:
        note(f"Wrote {plural(count, 'line')} to {out}" + ("" if addresses else "; addresses are masked"))


def _audited(face: Face, alert_id: str, form: Format) -> None:
    """Write down who takes people's addresses out, before they are."""
    from alerting.audit.acts import Act

    face.view.record(Act("people.exported", alert_id, {"format": str(form)}), actor=face.actor)


def _found(app: App, alert_id: str) -> tuple[LedgerReader, AlertRecord]:
    """Return the alert with the ledger it is in.

    Raises:
        UnknownAlert: there is none of that id; it names one that looks like it.
    """
    ledger = app.reader()
    if ledger is None:
        what = f"there is no alert {alert_id}: nothing was ever sent from here"
        raise UnknownAlert(Problem(where="", what=what, fix="check --config and --state"))
    record = ledger.alert(alert_id)
    if record is not None:
        return ledger, record
    from difflib import get_close_matches

    known = [record.alert.id for record in ledger.alerts(limit=_NEAR)]
    near = get_close_matches(alert_id, known, n=3, cutoff=0.7)
    fix = f"did you mean {' or '.join(near)}?" if near else "`alert status` lists them"
    raise UnknownAlert(Problem(where="", what=f"there is no alert {alert_id}", fix=fix))


def _jsonl(dossier: Dossier) -> Iterator[str]:
    for kind, fields in dossier.everything():
        told: dict[str, Any] = {"v": JSON_VERSION, "kind": kind, **fields}
        yield jsons.dumps(told, ensure_ascii=False) + "\n"


def _csv(dossier: Dossier) -> Iterator[str]:
    import csv
    import io

    buffer = io.StringIO()
    writer: Any = None
    for fields in dossier.deliveries():
        if writer is None:
            writer = csv.writer(buffer)
            writer.writerow(fields)
        writer.writerow(map(_harmless, fields.values()))
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _harmless(value: object) -> str:
    """Return a cell no spreadsheet takes for a formula.

    Source: OWASP, CSV Injection.
    """
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def commands(name: str) -> typer.Typer:
    """Return the command of this room."""
    return single(name, export)
