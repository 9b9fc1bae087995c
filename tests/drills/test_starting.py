"""One process writes: a command has the owner of the ledger start a drill, look for due ones, keep a note."""

import asyncio
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta

import pytest
from drill_campus import ACTOR, ROOT

from alerting.app import App
from alerting.cli.drill_app import DrillApp
from alerting.clock import FrozenClock, micros
from alerting.config.drills import load_drills
from alerting.engine.control import Listener, refusal
from alerting.errors import AlertingError, LedgerBusy, NotAllowed, UnknownAlert
from alerting.gate import admit
from alerting.ledger.rows import NoteRow
from alerting.scheduler import planned
from alerting.service.opening import open_alert
from alerting.service.planning import Request
from alerting.starting import Start, answer, keep_note, start, start_due

NOON = datetime(2026, 9, 2, 16, tzinfo=UTC)
CHANNELS = f"""version: 1
campus: {{name: North Shore University, source: NSU ALERT, time_zone: America/New_York, region: US}}
templates: TEMPLATES
audiences: {{staff: {{csv: people.csv}}}}
channels:
  - name: sms-live
    kind: sms.twilio
    mode: live
    account_sid: AC{"0" * 32}
    auth_token: {{env: LIVE_TOKEN}}
    from: "+14135550199"
  - name: sms-drill
    kind: sms.twilio
    mode: drill
    account_sid: AC{"1" * 32}
    auth_token: {{env: DRILL_TOKEN}}
    from: "+14135550198"
"""
DRILLS = """version: 1
allowed_audiences: [staff]
drills:
  monthly:
    template: TEMPLATE
    audience: staff
    schedule: {starts: 2026-09-02T12:00, rule: FREQ=HOURLY}
"""
NOTE = NoteRow(micros(NOON), "finding", "Siren not heard in B2", "Lee")


class Files:
    """What a campus has on its disk."""

    def __init__(self, home):
        self.home = home
        (home / "channels.yaml").write_text(CHANNELS.replace("TEMPLATES", str(home / "templates")))
        (home / "people.csv").write_text("name,phone\nA,4135550100\nB,4135550101\n")
        (home / "templates").mkdir()
        for name in ("drill.md", "gas-leak.md"):
            text = (ROOT / "templates" / name).read_text()
            (home / "templates" / name).write_text(text)
        self.drills()

    def drills(self, template="drill"):
        (self.home / "drills.yaml").write_text(DRILLS.replace("TEMPLATE", template))


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv("DRILL_TOKEN", "drill-secret")
    monkeypatch.delenv("LIVE_TOKEN", raising=False)
    return Files(tmp_path)


@pytest.fixture
def clock():
    return FrozenClock(NOON - timedelta(minutes=30))


@pytest.fixture
def asking(files, clock):
    """The program of a command, with the credentials of drills only."""
    app = DrillApp(files.home / "channels.yaml", clock=clock, state=files.home / "state")
    yield app
    app.let_go()


@asynccontextmanager
async def owner(files, clock, **more):
    """A process that owns the ledger and answers; it gives what it was asked."""
    environ = {"LIVE_TOKEN": "live-secret", "DRILL_TOKEN": "drill-secret"}
    app = App(files.home / "channels.yaml", clock=clock, environ=environ, state=files.home / "state", **more)
    app.verbs = []

    async def carry_out(told):
        app.verbs.append(told["verb"])
        try:
            return await answer(app, admit(app.config, told), writer=writer)
        except AlertingError as error:
            return refusal(error)

    with app.lock(), closing(app.writer()) as writer:
        app.its_writer = writer
        listener = await Listener(carry_out).start(app.state)
        try:
            yield app
        finally:
            await listener.aclose()
            app.let_go()


def shown(app):
    """A drill as its preview showed it, and the order that confirms it."""
    programme = load_drills(app.config)
    drill = programme.drill("monthly")
    plan = planned(app, programme, drill)
    clock = {"started": app.clock.now().isoformat()}
    return (
        programme,
        drill,
        plan,
        Start(drill="monthly", as_of=plan.as_of, digest=plan.digest, actor=ACTOR, clock=clock, asked=True),
    )


def run_now(app):
    return start(app, *shown(app))


def due(app):
    return start_due(app, load_drills(app.config), rehearsals=False, actor=ACTOR)


def on_record(app):
    """Every row of the drill, and every alert."""
    if not app.ledger_path.exists():
        return [], []
    with closing(app.own_reader()) as ledger:
        return ledger.occurrences_of("monthly"), [record.alert.id for record in ledger.alerts()]


def record_of(app, opened):
    with closing(app.own_reader()) as ledger:
        return ledger.alert(opened.alert_id)


def test_where_nobody_owns_the_ledger_a_command_does_for_that_moment(asking):
    opened = run_now(asking)
    [row], alerts = on_record(asking)
    assert alerts == [row.alert] == [opened.alert_id]
    assert record_of(asking, opened).alert.clock == {"started": asking.clock.now().isoformat()}
    assert row.facts["asked"] is True
    assert asking.lock().held_by() is None, "and lets it go"


async def test_a_drill_is_started_by_the_process_that_owns_the_ledger(files, clock, asking):
    async with owner(files, clock, live=None) as serving:
        opened = await asyncio.to_thread(run_now, asking)
        assert serving.verbs == ["drill.start"]
        [row], alerts = on_record(serving)
        told = record_of(serving, opened).alert
    assert alerts == [row.alert] == [opened.alert_id]
    assert (opened.planned, row.detail, row.facts["asked"]) == (2, "by hand", True)
    assert told.clock == {"started": clock.now().isoformat()}, "the officer's clock, not the owner's"
    assert told.author == ACTOR.name


async def test_what_is_due_is_started_and_missed_by_the_owner_and_told_to_who_asked(files, clock, asking):
    async with owner(files, clock, live=None) as serving:
        first = await asyncio.to_thread(due, asking)
        clock.advance(timedelta(minutes=31))
        second = await asyncio.to_thread(due, asking)
        clock.advance(timedelta(minutes=80))
        files.drills("no-such")
        third = await asyncio.to_thread(due, asking)
        rows, alerts = on_record(serving)
    assert (first.opened, first.missed, first.refused) == ([], [], [])
    assert second.opened == [("monthly", alerts[0])]
    assert [(m.drill, m.key) for m in third.missed] == [("monthly", "2026-09-02T13:00:00")]
    assert [name for name, _ in third.refused] == []
    assert [row.outcome for row in rows] == ["missed", "run"]


async def test_a_drill_that_the_owner_cannot_start_is_told_with_the_reason(files, clock, asking):
    async with owner(files, clock, live=None):
        await asyncio.to_thread(due, asking)
        clock.advance(timedelta(minutes=31))
        files.drills("no-such")
        fired = await asyncio.to_thread(due, asking)
    [(name, why)] = fired.refused
    assert name == "monthly"
    assert "no-such" in why


async def test_an_owner_without_the_accounts_of_drills_says_so_and_which_alert_it_sends(files, clock, asking):
    order = shown(asking)
    async with owner(files, clock) as sending:
        request = Request(template="gas-leak", values={"place": "Baker Hall"}, audience="staff")
        plan, at = sending.plan(request, as_of=clock.now()), clock.now()
        live = await sending.its_writer.do(
            lambda ledger: open_alert(ledger, sending.house(), plan, actor=ACTOR, run_key="r", at=at)
        )
        for ask in (lambda: start(asking, *order), lambda: due(asking)):
            with pytest.raises(NotAllowed, match=f"sms-drill: .*{live.alert_id}.*without the accounts"):
                await asyncio.to_thread(ask)
        assert on_record(sending) == ([], [live.alert_id])


async def test_a_template_changed_after_the_preview_is_refused_by_the_owner(files, clock, asking):
    order = shown(asking)
    path = files.home / "templates" / "drill.md"
    path.write_text(path.read_text().replace("nearest exit", "nearest door"))
    async with owner(files, clock, live=None) as serving:
        with pytest.raises(NotAllowed, match="changed after the preview"):
            await asyncio.to_thread(start, asking, *order)
        assert on_record(serving) == ([], [])


async def test_the_same_drill_twice_in_a_second_is_refused_by_the_owner_too(files, clock, asking):
    async with owner(files, clock, live=None):
        await asyncio.to_thread(run_now, asking)
        with pytest.raises(NotAllowed, match="started moments ago"):
            await asyncio.to_thread(run_now, asking)


async def test_a_note_is_kept_by_the_owner(files, clock, asking):
    async with owner(files, clock, live=None) as serving:
        opened = await asyncio.to_thread(run_now, asking)
        await asyncio.to_thread(keep_note, asking, opened.alert_id, NOTE, actor=ACTOR)
        with pytest.raises(UnknownAlert):
            await asyncio.to_thread(keep_note, asking, "D-NOSUCH", NOTE, actor=ACTOR)
        assert serving.verbs == ["drill.start", "drill.note", "drill.note"]
        with closing(serving.own_reader()) as ledger:
            assert list(ledger.notes(opened.alert_id)) == [NOTE]


def test_an_owner_that_never_answers_is_given_up(asking, files, clock, monkeypatch):
    monkeypatch.setattr("alerting.handover._HANDOVER_S", 0.2)
    order = shown(asking)
    holding = App(files.home / "channels.yaml", clock=clock, environ={"LIVE_TOKEN": "x"}, state=asking.base)
    with holding.lock(), pytest.raises(LedgerBusy):
        start(asking, *order)
    assert on_record(asking) == ([], [])
