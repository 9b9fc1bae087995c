"""``alert status``, ``alert cancel`` and ``alert resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from alerting.cli import complete, history, reviews, screen, standing, stories, undone
from alerting.cli.face import Face, emit, note, say
from alerting.cli.group import single
from alerting.cli.options import Json
from alerting.cli.words import columns, plural
from alerting.errors import Exit
from alerting.keys import normal_id

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerReader

Id = Annotated[str, typer.Argument(help="Alert, for example L-7K2QXD.", autocompletion=complete.alerts)]


def status(
    ctx: typer.Context,
    alert: Annotated[
        str, typer.Argument(help="Alert; all recent ones without.", autocompletion=complete.alerts)
    ] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Watch until settled.")] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask providers first what became of what they accepted.")
    ] = False,
    people: Annotated[
        str, typer.Option("--people", help="Whom of it: states, channels, part of an address; or all.")
    ] = "",
    unmask: Annotated[
        bool, typer.Option("--unmask", help="With --people: addresses in full; that is written down.")
    ] = False,
    json: Json = False,
) -> None:
    """Show how one alert stands, or the recent ones; with --people, what became of each message."""
    face: Face = ctx.obj
    face.stops = not (refresh or unmask)
    _go_on(face)
    if people or unmask:
        _people(face, normal_id(alert), people, unmask=unmask, json=json)
        return
    if refresh:
        from alerting.cli.receipts import refresh as ask

        ask(face, normal_id(alert))
    if not alert:
        _recent(face, json=json)
        return
    if follow:
        from alerting.cli.follow import follow as watch

        standing.read(face.view, normal_id(alert))
        raise typer.Exit(watch(face.view, normal_id(alert), json=json, title="status"))
    current = standing.read(face.view, normal_id(alert))
    if json:
        told = standing.as_json(current, clock=standing.clock(face.view, current))
        told["history_of"] = history.hosts(face.view.reader()).get(current.record.alert.id)
        emit("status", **told, **follow_ups(face.view, current.record.alert))
    else:
        screen.tell(standing.lines(current, blocks=screen.blocks()))
        for line in stories.told(face.view, current.record.alert.incident):
            say(line)
        alert_id, ledger = current.record.alert.id, face.view.reader()
        for line in [*history.told(ledger, alert_id), *undone.told(ledger, alert_id)]:
            say(line)
        for line in reviews.told(face.view, alert_id):
            say(line)
    raise typer.Exit(current.exit)


def follow_ups(app: Any, alert: Any) -> dict[str, Any]:
    """Return for scripts what waits to follow an alert, and what became of a recall."""
    from alerting.cli import ready
    from alerting.service.ready import waiting_for

    ledger = app.reader()
    waiting = waiting_for(ledger, alert.incident) if ledger else ()
    return {"follow_ups": ready.as_json(waiting), "taken_back": undone.outcome(ledger, alert.id)}


def _people(face: Face, alert_id: str, text: str, *, unmask: bool, json: bool) -> None:
    from alerting.cli import people

    ledger = face.view.reader()
    if not alert_id and ledger is not None and (newest := ledger.alerts(limit=1)):
        alert_id = newest[0].alert.id
    record = standing.read(face.view, alert_id).record
    assert ledger is not None
    people.people(face, ledger, record, text, unmask=unmask, json=json)


def _go_on(face: Face) -> None:
    """Start a sender for what an earlier one left behind; tell that it was done."""
    ledger = face.view.reader()
    if ledger is None or not _waiting(ledger) or face.view.sending(ledger):
        return
    from alerting.cli.launch import resume as start
    from alerting.errors import ConfigProblem

    try:
        if start(face.app):
            note("An interrupted alert was found; sending goes on in the background.")
    except ConfigProblem:
        note("An interrupted alert waits; run `alert resume` where the credentials are.")


def _recent(face: Face, *, json: bool) -> None:
    from zoneinfo import ZoneInfo

    from alerting.broadcast.report import report

    ledger = face.view.reader()
    reports = []
    if ledger is not None:
        now = face.view.clock.now()
        reports = [report(ledger, record, at=now) for record in ledger.alerts()]
    if json:
        emit(
            "alerts",
            alerts=[standing.as_json(current) for current in reports],
            incidents=stories.as_json(face.view),
            reviews=reviews.as_json(face.view),
        )
        return
    if not reports:
        say("Nothing has been sent from here yet.")
        if ledger is None:
            note(f"There is no ledger at {face.view.where}.")
        return
    # Not house().zone: that would build every channel, and with --sandbox start one.
    zone = ZoneInfo(face.view.config.campus.time_zone)
    rows: list[tuple[str, ...]] = [("alert", "when", "what", "accepted", "failed", "state")]
    replaced = {old for current in reports for old in current.record.alert.references}
    alone = history.hosts(ledger)
    rows += [_line(current, zone, replaced, alone) for current in reports]
    for line in columns(rows, right=(3, 4)):
        say(line)
    for line in [*stories.told(face.view), *reviews.told(face.view)]:
        say(line)


def _line(current: Any, zone: Any, replaced: set[str], alone: dict[str, str]) -> tuple[str, ...]:
    alert = current.record.alert
    total = sum(channel.total for channel in current.channels)
    accepted = sum(channel.accepted for channel in current.channels)
    return (
        alert.id,
        current.record.accepted_at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
        alert.title if alert.live else f"[{alert.status}] {alert.title}",
        f"{accepted:,}/{total:,}",
        f"{sum(channel.failed for channel in current.channels):,}",
        _state(current, replaced) + (f", history of {alone[alert.id]}" if alert.id in alone else ""),
    )


def _state(current: Any, replaced: set[str]) -> str:
    """Return in words how an alert stands as a whole, and what of it nobody knows yet."""
    waiting = sum(channel.waiting for channel in current.channels)
    uncertain = sum(channel.uncertain for channel in current.channels)
    if current.record.alert.id in replaced:
        state = "replaced"
    elif current.record.cancelled_at:
        state = "cancelled"
    else:
        state = "settled" if current.settled else f"being sent, {waiting:,} wait"
    return f"{state}, {uncertain:,} uncertain" if uncertain else state


def cancel(ctx: typer.Context, alert: Id, json: Json = False) -> None:
    """Stop what has not left yet. What has left cannot be called back; the command says how much."""
    from alerting.cli.acting import act

    face: Face = ctx.obj
    face.stops = True
    alert_id = normal_id(alert)
    standing.read(face.view, alert_id)
    done = act(face, "cancel", {"alert": alert_id})
    if json:
        emit("cancel", alert=alert_id, **{name: done[name] for name in ("stopped", "in_flight", "gone")})
        return
    say(
        f"{alert_id}: stopped {plural(done['stopped'], 'message')};"
        f" {done['in_flight']:,} were leaving, {done['gone']:,} had left."
    )
    if done["gone"] or done["in_flight"]:
        say("People have read it: send a correction or an all clear.")


def resume(
    ctx: typer.Context,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Send in this process (service managers).")
    ] = False,
    json: Json = False,
) -> None:
    """Go on with deliveries an interrupted sender left behind, and watch them."""
    from alerting.cli.follow import as_json, follow, watched
    from alerting.cli.launch import resume as start

    face: Face = ctx.obj
    ledger = face.view.reader()
    waiting = _waiting(ledger) if ledger else []
    if not waiting:
        _nothing(json=json)
        return
    app = face.app
    _audited(face, waiting)
    if foreground:
        from alerting.runner import Runner

        Runner(app=app, state=app.state, clock=app.clock).run(None)
    elif not start(app):
        note("Another process is sending these; watching.")
    if json:
        reports = [watched(app, alert_id, quiet=True) for alert_id in waiting]
        emit("resume", alerts=[as_json(app, report) for report in reports])
        codes: list[int] = [report.exit for report in reports]
    else:
        codes = [follow(app, alert_id, json=False, title="resume") for alert_id in waiting]
    raise typer.Exit(max(codes, key=_weight))


def _audited(face: Face, alerts: list[str]) -> None:
    """Write down who goes on with these, before anything more leaves."""
    from alerting.audit.acts import Act

    face.app.record(*(Act("alert.resumed", alert_id, {}) for alert_id in alerts), actor=face.actor)


def _weight(code: int) -> int:
    order = (Exit.OK, Exit.RUNNING, Exit.UNCERTAIN, Exit.PARTIAL, Exit.NOTHING_SENT, Exit.LEDGER)
    return order.index(Exit(code))


def _waiting(ledger: LedgerReader) -> list[str]:
    """Return the alerts an interrupted sender left behind, with messages to send or to take back."""
    from alerting.service.recall import unfinished

    recalls = [record.alert.id for record, _ in unfinished(ledger)]
    return list(dict.fromkeys([*(alert_id for alert_id, _ in ledger.unsettled()), *recalls]))


def _nothing(*, json: bool) -> None:
    if json:
        emit("resume", alerts=[])
    else:
        say("Nothing is waiting: every accepted delivery has come to rest.")


def commands(name: str) -> typer.Typer:
    """Return one of this room's commands."""
    return single(name, {"status": status, "cancel": cancel, "resume": resume}[name])
