"""From a request to a settled alert: show, confirm, open, watch. Every sending command goes this way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from alerting.cli.face import Face, as_json, emit, heard_or_not, interactive, note, say
from alerting.cli.words import clean
from alerting.errors import Exit, LedgerUnavailable, NotAllowed, NotConfirmed, Problem
from alerting.keys import new_run_key

if TYPE_CHECKING:
    from typing import TypedDict

    from alerting.broadcast.plan import Plan
    from alerting.cli.follow import More
    from alerting.service.opening import Opened
    from alerting.service.order import Order
    from alerting.service.planning import Request

    class Manner(TypedDict, total=False):
        """How a request is carried out, as `dispatch` takes it."""

        confirm: str
        wait: bool
        run_key: str
        break_glass: str
        one_more: bool
        json: bool


#: Where a line goes, out or err, and the line.
Said = tuple[str, str]

#: A preview older than this is shown again before it is sent: its time would be wrong.
STALE_S: Final = 120


def dispatch(
    face: Face,
    request: Request,
    *,
    confirm: str = "",
    wait: bool = True,
    run_key: str = "",
    break_glass: str = "",
    one_more: bool = False,
    json: bool = False,
    title: str,
    more: More | None = None,
) -> int:
    """Send what was asked for, once confirmed, or ask a second person; return the exit code.

    ``more`` gives scripts further fields of their one object.

    Raises:
        NotConfirmed: nobody repeated the word; nothing was opened.
        AlertingError: it was refused; nothing was sent.
    """
    from alerting.cli.asking import ask, waits
    from alerting.cli.confirm import again
    from alerting.gate import check
    from alerting.service.order import Order

    try:
        check(face.app.config, "open", face.token)
        if break_glass:
            from alerting.authority.admission import reason_of

            reason_of(break_glass)
        given_at = face.app.clock.now().isoformat()
        request = request._replace(without=face.without, clock={**request.clock, "started": given_at})
        plan = _confirmed(face, request, confirm, json=json)
        one_more = one_more or again(face, plan)
    except KeyboardInterrupt:
        raise NotConfirmed("left; nothing was sent") from None
    order = Order(
        request=request._replace(clock=plan.clock),
        as_of=plan.as_of,
        digest=plan.digest,
        actor=face.actor,
        run_key=run_key or new_run_key(),
        token=face.token,
        break_glass=break_glass,
        one_more=one_more,
    )
    if waits(face, plan) and not break_glass:
        return ask(face, order, plan, wait=wait, json=json, title=title, more=more)
    return carry_out(face, order, plan, wait=wait, run_key=run_key, json=json, title=title, more=more)


def carry_out(
    face: Face,
    order: Order,
    plan: Plan,
    *,
    wait: bool,
    run_key: str = "",
    json: bool,
    title: str,
    more: More | None = None,
) -> int:
    """Have a confirmed order opened, and watch it; return the exit code.

    Raises:
        AlertingError: it was refused; nothing was sent.
        KeyboardInterrupt: Ctrl-C came before it was known what became of it.
    """
    from alerting.cli.launch import LeftEarly, launch

    opened: Opened | None = None
    try:
        opened = launch(face.app, order, plan)
        utter(accepted(opened, plan, run_key=run_key, json=json))
        if not (json or opened.again):
            _waiting(face, plan, opened)
        if wait:
            from alerting.cli.follow import follow  # it is sending by now

            return follow(face.app, opened.alert_id, json=json, title=title, more=more)
        utter(parting(opened, json=json, more=more))
    except LeftEarly as early:
        utter(parting(early.opened, json=json, more=more))
    except LedgerUnavailable as error:
        if opened is None:
            raise
        from alerting.cli.follow import out_of_sight

        return out_of_sight(error, opened.alert_id, json=json)
    except KeyboardInterrupt:
        if opened is None:
            raise
        utter(parting(opened, json=json, more=more))
    return Exit.RUNNING


def plan_of(face: Face, request: Request) -> Plan:
    """Return what would be sent now, by the channels this command may use."""
    asked = request._replace(without=face.without)
    return face.app.plan(asked, as_of=face.app.clock.now())


def _confirmed(face: Face, request: Request, confirm: str, *, json: bool) -> Plan:
    plan = plan_of(face, request)
    if not (plan.subject.live or request.follows):
        raise NotAllowed(_practice(plan))
    if not json:
        show(plan, json=False)
    plan = _decided(face, plan, confirm)
    if (face.app.clock.now() - plan.as_of).total_seconds() <= STALE_S:
        return plan
    plan = plan_of(face, request)
    show(plan, json=False)
    note("The preview was older than two minutes, so its time changed. Look again.")
    return _decided(face, plan, confirm)


def _decided(face: Face, plan: Plan, confirm: str) -> Plan:
    """Have it confirmed; return it with the instants it was shown at and the word was typed at."""
    from alerting.cli.asking import waits
    from alerting.cli.confirm import confirm as have_typed

    shown_at = face.app.clock.now()
    alone = not waits(face, plan)
    if confirm or not interactive():
        have_typed(plan, confirm, alone=alone)
    else:
        from alerting.cli.ahead import reading_ahead

        with reading_ahead(face.app, plan):
            have_typed(plan, confirm, alone=alone)
    steps = {"previewed": shown_at.isoformat(), "decided": face.app.clock.now().isoformat()}
    return plan._replace(clock={**plan.clock, **steps})


def _practice(plan: Plan) -> Problem:
    return Problem(
        where=plan.subject.template,
        what="this template is for practice, and `alert send` sends real alerts only; nothing was sent",
        fix="put it into drills.yaml and run it with: alert drill run NAME",
    )


def utter(said: Iterable[Said]) -> None:
    """Print lines, each where it belongs."""
    for stream, text in said:
        if stream == "err":
            note(text)
        else:
            with heard_or_not():
                print(text, flush=True)  # noqa: T201


def accepted(opened: Opened, plan: Plan, *, run_key: str, json: bool) -> list[Said]:
    """Return what to know of an alert that was opened."""
    said: list[Said] = []
    if opened.joined:
        already = f"{opened.joined} sent the same alert moments ago: you joined {opened.alert_id}."
        said.append(("err", f"{already} Nobody is told twice."))
    elif opened.again and run_key:
        said.append(("err", f"This run key has sent {opened.alert_id} before; nothing is sent twice."))
    elif not opened.again and opened.recipients != plan.crowd.recipients:
        shown, told = plan.crowd.recipients, opened.recipients
        changed = f"The list of {plan.crowd.audience} changed after the preview:"
        said.append(("err", f"{changed} {shown:,} people were shown, {told:,} are told."))
    if not json:
        safe = f"Accepted {opened.alert_id}: safe on disk, leaving now. Ctrl-C only stops watching."
        said.append(("out", safe))
    return [(stream, clean(text)) for stream, text in said]


def _waiting(face: Face, plan: Plan, opened: Opened) -> None:
    """Say what may follow without another word, and what will need some. The sender is at work already."""
    from alerting.cli import ready

    waiting = ready.lines(ready.before(face.app, plan, face.actor), opened.alert_id)
    with heard_or_not():
        for line in waiting:
            say(line)


def parting(opened: Opened, *, json: bool, more: More | None = None) -> list[Said]:
    """Return what an alert is called that is left alone now."""
    if json:
        fields = more(None) if more else {}
        return [("out", as_json("accepted", alert=opened.alert_id, again=opened.again, **fields))]
    follow = f"Follow it with: alert status {opened.alert_id} --follow"
    return [("out", f"{opened.alert_id} is being sent. {follow}")]


def show(plan: Plan, *, json: bool, **more: Any) -> None:
    """Print every text as it will be sent, the counts and what to know before confirming."""
    from alerting.cli import preview as shown

    if json:
        emit("preview", **shown.as_json(plan), **more)
        return
    from alerting.cli.screen import heading

    first, *rest = shown.lines(plan)
    with heard_or_not():
        heading(first, live=plan.subject.live)
        for line in rest:
            say(line)
