"""A process that has the credentials of drills only can run drills, and cannot send a real alert."""

import sqlite3
from pathlib import Path

import pytest
from drill_campus import a_drill

from alerting.app import App
from alerting.cli.drill_app import DrillApp, RehearsalApp, drill_app
from alerting.cli.face import Face
from alerting.clock import SystemClock
from alerting.config import load
from alerting.errors import ConfigProblem
from alerting.ledger.sqlite import SqliteLedger
from alerting.service.planning import Request

FILE = """version: 1
campus: {name: North Shore University, source: NSU ALERT, time_zone: America/New_York}
audiences: {staff: {csv: people.csv}}
channels:
  - name: sms-live
    kind: sms.twilio
    mode: live
    account_sid: AC00000000000000000000000000000000
    auth_token: {env: LIVE_TOKEN}
    from: "+14135550199"
  - name: sms-drill
    kind: sms.twilio
    mode: drill
    account_sid: AC00000000000000000000000000000001
    auth_token: {env: DRILL_TOKEN}
    from: "+14135550198"
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    for name in ("LIVE_TOKEN", "DRILL_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "channels.yaml"
    path.write_text(FILE)
    return path


def test_a_drill_needs_and_holds_no_credential_of_a_real_alert(file, monkeypatch):
    monkeypatch.setenv("DRILL_TOKEN", "drill-secret")
    app = DrillApp(file, clock=SystemClock(), state=None)
    assert [channel.name for channel in app.config.channels] == ["sms-drill"]
    assert set(app.house().channels) == {"sms-drill"}
    monkeypatch.setenv("LIVE_TOKEN", "live-secret")
    app = DrillApp(file, clock=SystemClock(), state=None)
    held = [getattr(channel, "auth_token", None) for channel in app.config.channels]
    assert [secret.reveal() for secret in held] == ["drill-secret"]


def test_with_drill_credentials_only_a_real_alert_cannot_be_sent(file, monkeypatch):
    monkeypatch.setenv("DRILL_TOKEN", "drill-secret")
    with pytest.raises(ConfigProblem, match="LIVE_TOKEN is not set"):
        App(file, clock=SystemClock(), environ={"DRILL_TOKEN": "drill-secret"})


@pytest.mark.parametrize("what", ["plan", "channel"])
def test_a_process_of_a_drill_makes_way_when_a_real_alert_reaches_it(file, monkeypatch, what):
    monkeypatch.setenv("DRILL_TOKEN", "drill-secret")
    ended = []

    def leave(code):
        ended.append(code)
        raise SystemExit(code)

    monkeypatch.setattr("os._exit", leave)
    app = DrillApp(file, clock=SystemClock(), state=None)
    reach = {
        "plan": lambda: app.plan(Request(template="gas-leak"), as_of=app.clock.now()),
        "channel": lambda: app.channel("sms-live"),
    }
    with pytest.raises(SystemExit):
        reach[what]()
    assert ended == [0]
    assert app.channel("sms-drill").name == "sms-drill"


def test_a_rehearsal_needs_no_credential_at_all_and_uses_every_channel(file, tmp_path):
    app = RehearsalApp(
        file, clock=SystemClock(), state=tmp_path, place=lambda _: ("http://127.0.0.1:9", ("127.0.0.1", 9))
    )
    assert set(app.house().channels) == {"sms-live", "sms-drill"}
    assert all(wired.carries(live=False) for wired in app.house().channels.values())
    assert app.rules("sms-live").carries(live=False)
    assert app.state == tmp_path / "sandbox"


def test_the_lane_of_a_channel_knows_its_mode(file):
    app = App(file, clock=SystemClock(), environ={"LIVE_TOKEN": "x", "DRILL_TOKEN": "y"})
    assert not app.rules("sms-live").carries(live=False)
    config = load(Path(file), environ={"LIVE_TOKEN": "x", "DRILL_TOKEN": "y"}, live=None)
    app.config = config
    assert not app.rules("sms-drill").carries(live=True)


def test_programs_of_one_command_close_each_others_readers_before_one_forks(file, tmp_path):
    """A forked child that holds a parent's open reader believes it holds its locks too."""
    state = tmp_path / "state"
    face = Face(config=file, state=state, sandbox=False)
    drill, rehearsal = (drill_app(face, one, plugged=False) for one in (None, a_drill(rehearsal=True)))
    drill.ready_state()
    SqliteLedger.open(drill.ledger_path, clock=SystemClock()).close()
    reader = drill.reader()
    assert reader.alerts() == []
    rehearsal.let_go()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        reader.alerts()
