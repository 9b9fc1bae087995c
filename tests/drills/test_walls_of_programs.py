"""The walls where whole programs meet: the plan of a real alert, the owner of the ledger, the public feed."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from drill_campus import ACTOR, ROOT

from alerting.app import App
from alerting.clock import FrozenClock, SystemClock, micros
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.alert import Status
from alerting.model.delivery import State
from alerting.publishing.feed import message, publish
from alerting.runner import Runner
from alerting.service.planning import Request
from alerting.telemetry import QuietLog
from alerting.testing.builders import a_lane, an_alert, an_opening, some_deliveries

NOON = datetime(2026, 9, 2, 16, tzinfo=UTC)
FILE = f"""version: 1
campus: {{name: North Shore University, source: NSU ALERT, time_zone: America/New_York, region: US}}
templates: {ROOT / "templates"}
audiences: {{staff: {{csv: people.csv}}}}
channels:
  - name: sms-live
    kind: sms.twilio
    mode: live
    account_sid: AC{"0" * 32}
    auth_token: {{env: LIVE_TOKEN}}
    from: "+14135550199"
"""


@pytest.fixture
def build(tmp_path):
    """Make programs of one campus, in a sandbox nobody needs."""
    (tmp_path / "channels.yaml").write_text(FILE)
    (tmp_path / "people.csv").write_text("name,phone\nA,4135550100\nB,4135550101\n")
    made = []

    def program(clock):
        nowhere = ("http://127.0.0.1:9", ("127.0.0.1", 9))
        app = App(
            tmp_path / "channels.yaml",
            clock=clock,
            environ={},
            state=tmp_path,
            place=lambda _: nowhere,
            log=QuietLog(),
        )
        app.ready_state()
        made.append(app)
        return app

    yield program
    for app in made:
        app.let_go()


def on_record(app, alert_id, *, status, deliveries=0, life=timedelta(hours=1)):
    """Put an alert on record that was accepted a moment ago, with messages that wait on sms-live."""
    at = app.clock.now()
    alert = an_alert(
        id=alert_id,
        incident=alert_id,
        status=status,
        created_at=at,
        expires_at=at + life,
        title="Shelter drill",
    )
    with closing(SqliteLedger.open(app.ledger_path, clock=app.clock)) as ledger, ledger.transaction():
        ledger.open_alert(an_opening(a_lane("sms-live"), alert=alert, actor=ACTOR), at=micros(at))
        if deliveries:
            ledger.add_batch(alert_id, "sms-live", some_deliveries(deliveries), priority=10)
        ledger.planned(alert_id, recipients=deliveries, notes={})


def test_the_plan_of_a_real_alert_says_first_that_a_drill_is_running(build):
    app = build(FrozenClock(NOON))
    on_record(app, "D-7K2QXD", status=Status.EXERCISE)
    request = Request(template="gas-leak", values={"place": "Baker Hall"}, audience="staff")
    first, *_ = app.plan(request, as_of=NOON + timedelta(minutes=7)).warnings
    assert first.startswith("A DRILL IS RUNNING: D-7K2QXD, Shelter drill, since 7 min. This alert is REAL")


def test_whoever_sends_refuses_a_drill_on_a_channel_for_real_alerts(build):
    """However it came there: the wall stands in every process that sends."""
    app = build(SystemClock())
    # Without the wall it would be tried, at an address where nobody listens, for as long as it lives.
    on_record(app, "D-7K2QXD", status=Status.EXERCISE, deliveries=3, life=timedelta(seconds=2))
    Runner(app=app, state=app.state, clock=app.clock).run(None)
    found = list(app.reader().deliveries("D-7K2QXD"))
    assert [delivery.state for delivery in found] == [State.REJECTED] * 3
    [failure] = app.reader().failures("D-7K2QXD")
    assert failure.reason == "wrong_mode"


def test_a_drill_is_never_in_the_public_feed(build):
    app = build(FrozenClock(NOON))
    for alert_id, status in (("D-7K2QXD", Status.EXERCISE), ("L-0V3RHD", Status.ACTUAL)):
        on_record(app, alert_id, status=status)
    text = publish(app, app.reader()).read_text()
    assert "L-0V3RHD" in text
    assert "D-7K2QXD" not in text


def test_a_drill_is_an_exercise_in_cap(build):
    app = build(FrozenClock(NOON))
    on_record(app, "D-7K2QXD", status=Status.EXERCISE)
    ledger = app.reader()
    root = ET.fromstring(message(app, ledger, ledger.alert("D-7K2QXD")))
    assert root.findtext("{*}status") == "Exercise"
    assert "no action is needed" in root.findtext("{*}note")
