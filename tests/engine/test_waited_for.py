"""What is asked of a ledger that stands still counts from when it answers, not from when it was asked."""

import os
import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerting.app import App
from alerting.clock import FrozenClock, SystemClock
from alerting.ledger.rows import Actor
from alerting.ledger.sqlite import SqliteLedger
from alerting.runner import Runner
from alerting.service.order import Order
from alerting.service.planning import Request

TEMPLATES = Path(__file__).parents[2] / "templates"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WAITED = timedelta(minutes=11)


class Enough(Exception):
    """The alert is open: nothing has to be sent."""


@pytest.fixture
def app(tmp_path):
    (tmp_path / "channels.yaml").write_text(
        "version: 1\n"
        "campus: {name: A, source: A ALERT, time_zone: America/New_York, region: US}\n"
        f"templates: {TEMPLATES}\n"
        "audiences: {everyone: {csv: people.csv}}\n"
        "defaults: {channels: [mail], audience: everyone}\n"
        "channels: [{name: mail, kind: email.smtp, host: 127.0.0.1, port: 9, from: a@example.edu, tls: none}]\n"
    )
    (tmp_path / "people.csv").write_text("email\nann@example.edu\n")
    made = App(tmp_path / "channels.yaml", clock=FrozenClock(NOW), environ=os.environ)
    made.ready_state()
    SqliteLedger.open(made.ledger_path, clock=SystemClock()).close()
    return made


def test_an_order_says_nothing_of_the_token_it_came_with():
    order = Order(
        request=Request(template="gas-leak"),
        as_of=NOW,
        digest="d",
        actor=Actor(name="ann"),
        run_key="once",
        token="of-ann-alone",
    )

    assert "once" in repr(order)
    assert "of-ann-alone" not in f"{order!r} {order} {[order]}"


def test_an_alert_lives_from_when_it_is_on_record_and_is_judged_as_of_then(app):
    """An approval that ran out meanwhile is none any more, and nobody's alert has a part of its life behind it."""
    request = Request(template="gas-leak", values={"place": "Baker Hall"})
    plan = app.plan(request, as_of=NOW)
    order = Order(request=request, as_of=NOW, digest=plan.digest, actor=Actor(name="ann"), run_key="once")
    held = threading.Event()

    def hold():
        with closing(sqlite3.connect(app.ledger_path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            held.set()
            time.sleep(0.6)
            app.clock.advance(WAITED)
            other.execute("ROLLBACK")

    def opened(_):
        raise Enough

    thief = threading.Thread(target=hold)
    thief.start()
    held.wait(5)
    with pytest.raises(Enough):
        Runner(app=app, state=app.state, clock=app.clock).run(order, announce=opened, plan=plan)
    thief.join()

    [record] = app.reader().alerts()
    assert record.alert.created_at == NOW + WAITED
    app.let_go()
