"""A command's line read as the command would read it, without doing what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any

from alerting.cli import dispatch
from alerting.service.order import Order, refuse_changed

if TYPE_CHECKING:
    from alerting.cli.face import Face
    from alerting.service.planning import Request


def reader(verb: str) -> Any:
    """Return a command's parser: the same options, which are kept instead of acted upon."""
    import typer

    from alerting.cli import send
    from alerting.cli.group import single
    from alerting.cli.plain import lighten

    command: Callable[..., None] = send.send if verb == "send" else send.preview

    @wraps(command)
    def keep(ctx: typer.Context, **told: Any) -> None:
        ctx.obj.update(told)

    return lighten(typer.main.get_command(single(verb, keep)))


def given(parser: Any, words: Sequence[str]) -> dict[str, Any]:
    """Return the options of a line by name; raises what the command would fail with."""
    found: dict[str, Any] = {}
    parser(args=list(words), prog_name="alert", standalone_mode=False, obj=found)
    return found


def request(told: Mapping[str, Any], *, clock: Mapping[str, str]) -> Request:
    """Return what was asked for, of the options of a line."""
    from alerting.cli.sending import request_of

    names = ("template", "value", "to", "channels", "incident", "evidence", "next_minutes")
    asked: Request = request_of(**{name: told[name] for name in names})
    return asked._replace(clock=clock)


def take_over(face: Face, words: Sequence[str], told: Mapping[str, Any]) -> int:
    """Carry out by oneself what was confirmed, when the owner that had shown it is gone.

    Raises:
        AlertingError: it is refused; nothing was sent.
    """
    verb, *rest = words
    options = given(reader(verb), rest)
    as_of = datetime.fromisoformat(told["as_of"])
    asked = request(options, clock={**told["clock"], "decided": face.app.clock.now().isoformat()})
    plan = face.app.plan(asked, as_of=as_of)
    ledger = face.app.reader()
    if not (ledger and ledger.alert_of_run(told["run_key"])):  # it may have opened it before it was gone
        refuse_changed(plan, told["digest"])
    order = Order(
        request=asked,
        as_of=as_of,
        digest=plan.digest,
        actor=face.actor,
        run_key=told["run_key"],
        token=face.token,
        one_more=bool(options["one_more"]),
    )
    wait, json = bool(options["wait"]), bool(options["json"])
    return dispatch.carry_out(
        face, order, plan, wait=wait, run_key=options["run_key"], json=json, title="send"
    )
