"""``alert approve`` and ``alert approvals``: deciding what somebody else asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from alerting.cli import complete
from alerting.cli.asking import local_time
from alerting.cli.face import Face, emit, heard_or_not, say
from alerting.cli.group import single
from alerting.cli.options import Confirm, Json, OneMore, Wait
from alerting.cli.words import columns
from alerting.errors import PlanRefused, Problem

if TYPE_CHECKING:
    from alerting.authority.approvals import Asked
    from alerting.broadcast.plan import Plan

Id = Annotated[str, typer.Argument(help="Request, for example A-7K2QXD.", autocompletion=complete.approvals)]


def approve(
    ctx: typer.Context,
    request: Id,
    reject: Annotated[str, typer.Option("--reject", help="Reject it, or take yours back: why.")] = "",
    confirm: Confirm = "",
    one_more: OneMore = False,
    wait: Wait = True,
    json: Json = False,
) -> None:
    """Show what somebody asks to send, in full, have the place typed, and send it; or reject it."""
    from alerting.authority.approvals import find, normal_approval

    face: Face = ctx.obj
    if reject:
        _reject(face, normal_approval(request), reject, json=json)
        return
    asked = find(face.app.reader(), request)
    raise typer.Exit(_approve(face, asked, confirm, one_more=one_more, wait=wait, json=json))


def _reject(face: Face, name: str, reason: str, *, json: bool) -> None:
    from alerting.cli.acting import act

    face.view.let_go()
    act(face, "reject", {"approval": name, "reason": reason})
    if json:
        emit("rejected", approval=name)
    else:
        say(f"{name} is rejected; nothing was sent.")


def _approve(face: Face, asked: Asked, given: str, *, one_more: bool, wait: bool, json: bool) -> int:
    from alerting.authority.approvals import refuse_decided, refuse_own
    from alerting.cli.confirm import again, confirm
    from alerting.cli.dispatch import carry_out, show
    from alerting.gate import admit
    from alerting.service.order import Order, request_of

    admitted = admit(face.app.config, {"verb": "approved", "token": face.token})
    refuse_decided(asked, face.app.clock.now())
    refuse_own(asked, admitted["by"])
    if "drill" in asked.request:
        return _practise(face, asked, given, wait=wait, json=json)
    request = request_of(asked.request)
    plan = face.app.plan(request, as_of=asked.as_of)
    _introduce(face, asked, plan, json=json)
    if not json:
        show(plan, json=False)
    confirm(plan, given, alone=False)
    order = Order(
        request=request,
        as_of=asked.as_of,
        digest=asked.digest,
        actor=face.actor,
        run_key=asked.run_key,
        token=face.token,
        approval=asked.id,
        one_more=one_more or again(face, plan),
    )
    return carry_out(face, order, plan, wait=wait, json=json, title="approve")


def _practise(face: Face, asked: Asked, given: str, *, wait: bool, json: bool) -> int:
    """Show a drill somebody asks for, have its word typed, and run it."""
    from alerting.cli.drill import confirm_drill, programme_of
    from alerting.cli.drill_app import drill_app
    from alerting.cli.drill_run import Going, go
    from alerting.scheduler import planned

    programme = programme_of(face)
    drill = programme.drill(str(asked.request["drill"]))
    app = drill_app(face, drill)
    plan = planned(app, programme, drill, as_of=asked.as_of)
    _introduce(face, asked, plan, json=json)
    confirm_drill(drill, plan, given, json=json)
    face.app.let_go()
    going = Going(face=face, app=app, programme=programme, drill=drill, approval=asked.id)
    return go(going, plan, asked=not given, wait=wait, json=json)


def _introduce(face: Face, asked: Asked, plan: Plan, *, json: bool) -> None:
    """Say who asks for what, where it is still what was asked for."""
    if plan.digest != asked.digest:
        _void(face, asked)
    if not json:
        with heard_or_not():
            for line in head(face, asked):
                say(line)


def _void(face: Face, asked: Asked) -> None:
    from alerting.cli.acting import act

    face.app.let_go()
    act(face, "void", {"approval": asked.id, "reason": "its text changed"})
    raise PlanRefused(
        Problem(
            where=asked.id,
            what="a template, channels.yaml or the incident changed since this was asked for: it is void, and"
            " nothing was sent",
            fix=f"{asked.by} must ask again",
        )
    )


def head(face: Face, asked: Asked) -> list[str]:
    """Return who asks, since when and until when, and why a second person is needed."""
    since, until = local_time(face.app, asked.at), local_time(face.app, asked.expires_at)
    told = [f"{asked.by} asks since {since} and until {until}; the time in the text is theirs."]
    return [*told, *(f"  because {words}" for words in asked.why)]


def approvals(
    ctx: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Those that are decided too.")] = False,
    json: Json = False,
) -> None:
    """List what waits for a second person."""
    from alerting.authority.approvals import Standing, asked_for

    face: Face = ctx.obj
    now = face.view.clock.now()
    found = [
        asked
        for asked in asked_for(face.view.reader()).values()
        if everything or asked.standing(now) is Standing.OPEN
    ]
    if json:
        emit("approvals", approvals=[_as_json(asked, now) for asked in found])
        return
    rows: list[tuple[str, ...]] = [("request", "by", "what", "until", "state")]
    rows += [_row(face, asked, now) for asked in found]
    for line in columns(rows) if found else ["Nothing waits for a second person."]:
        say(line)


def _row(face: Face, asked: Asked, now: Any) -> tuple[str, ...]:
    standing = asked.standing(now)
    by = f" by {asked.decided_by}" if asked.decided_by else ""
    more = f": {asked.alert or asked.reason}" if asked.decided_by else ""
    until = local_time(face.view, asked.expires_at)
    return (asked.id, asked.by, f"{asked.title}, {asked.place}", until, f"{standing}{by}{more}")


def _as_json(asked: Asked, now: Any) -> dict[str, Any]:
    return {
        "approval": asked.id,
        "state": str(asked.standing(now)),
        "by": asked.by,
        "asked_at": asked.at.isoformat(),
        "expires_at": asked.expires_at.isoformat(),
        "template": asked.request["template"],
        "title": asked.title,
        "place": asked.place,
        "why": list(asked.why),
        "decided_by": asked.decided_by or None,
        "reason": asked.reason or None,
        "alert": asked.alert or None,
    }


def commands(name: str) -> typer.Typer:
    """Return one of this room's commands."""
    return single(name, {"approve": approve, "approvals": approvals}[name])
