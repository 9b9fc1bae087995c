"""``alert ack``: somebody looks after it, so nobody else is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from alerting.cli import complete
from alerting.cli.face import Face, emit, say
from alerting.cli.group import single
from alerting.cli.options import Json
from alerting.cli.words import columns
from alerting.errors import Problem, UnknownAlert
from alerting.keys import normal_id

if TYPE_CHECKING:
    from alerting.oncall.book import Notice


def ack(
    ctx: typer.Context,
    notice: Annotated[
        str,
        typer.Argument(help="Notice, like N-7K2QXD; all that wait without.", autocompletion=complete.notices),
    ] = "",
    only_list: Annotated[bool, typer.Option("--list", help="Show what waits; answer nothing.")] = False,
    json: Json = False,
) -> None:
    """Say that you look after it: the next people are not told. It mends nothing by itself."""
    face: Face = ctx.obj
    waiting = _waiting(face)
    chosen = [_chosen(face, waiting, normal_id(notice))] if notice else waiting
    if chosen and not only_list:
        from alerting.audit.acts import Act
        from alerting.oncall.notice import ACKED

        face.view.record(*(Act(ACKED, one.first, {"about": one.about}) for one in chosen), actor=face.actor)
    if json:
        emit("ack", acknowledged=not only_list, notices=[_as_json(one) for one in chosen])
        return
    for line in _lines(face, chosen):
        say(line)
    if not chosen:
        say("Nothing waits for an answer.")
    elif not only_list:
        say("Yours now; nobody else is told.")


def _waiting(face: Face) -> list[Notice]:
    from alerting.callout import waiting

    ledger = face.view.reader()
    return waiting(ledger) if ledger else []


def _chosen(face: Face, waiting: list[Notice], notice_id: str) -> Notice:
    """Return the notice that waits under an id, or under that of one that followed it.

    Raises:
        UnknownAlert: none does.
    """
    ledger = face.view.reader()
    record = ledger.alert(notice_id) if ledger else None
    first = record.alert.incident if record else notice_id
    found = next((one for one in waiting if one.first == first), None)
    if found is None:
        known = record is not None and notice_id.startswith("N-")
        what = "needs no answer any more" if known else "is no notice of ours"
        raise UnknownAlert(Problem(where=notice_id, what=what, fix="alert ack --list shows what waits"))
    return found


def _lines(face: Face, notices: list[Notice]) -> list[str]:
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(face.view.config.campus.time_zone)
    return columns(
        (one.first, f"{one.opened_at.astimezone(zone):%H:%M}", one.title, _told(one)) for one in notices
    )


def _told(one: Notice) -> str:
    return f"told {', '.join(one.told)}" + ("" if one.again_at else ", nobody is left to be told")


def _as_json(one: Notice) -> dict[str, Any]:
    return {
        "notice": one.first,
        "kind": one.kind,
        "about": one.about or None,
        "title": one.title,
        "opened_at": one.opened_at.isoformat(),
        "told": list(one.told),
        "next_at": one.again_at.isoformat() if one.again_at else None,
    }


def commands(name: str) -> typer.Typer:
    """Return the command of this room."""
    return single(name, ack)
