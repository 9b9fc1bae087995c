"""What a monitor sees of `alert serve`: alive, ready, and figures that agree with the ledger."""

import json
import signal
import socket
import sqlite3
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from campus import rule, until
from prometheus_client.parser import text_string_to_metric_families

from alerting.clock import SystemClock
from alerting.ledger.sqlite import SqliteLedger
from alerting.testing.builders import A_MOMENT_US, an_actor, an_alert, an_opening

WAITING = ("pending", "sending")
RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerting.rules.yaml"


@pytest.fixture
def door(campus):
    """Configure a door for monitors; return what gets a page of it: its status and its text."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = campus.home / "channels.yaml"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, "monitor": {"listen": f"127.0.0.1:{port}"}}, indent=1))

    def page(name):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    return page


@pytest.fixture
def long_ago(campus):
    """An open incident whose next word is overdue, and 60 drills since."""
    ledger = SqliteLedger.open(campus.state / "ledger.db", clock=SystemClock())
    with ledger.transaction():
        for name in ("L-0LD000", *(f"D-{number:06}" for number in range(60))):
            alert = an_alert(id=name, incident=name)
            ledger.open_alert(an_opening("sms-main", alert=alert), at=A_MOMENT_US)
            ledger.planned(name, recipients=0, notes={})
            told = {"alert": name, "due_at": A_MOMENT_US}
            ledger.record_act("incident.opened", name, told, actor=an_actor(), at=A_MOMENT_US)
            ledger.settle_alert(name, at=A_MOMENT_US)
    ledger.close()


@pytest.fixture
def server(campus, door):
    process = campus.start("serve")
    until(lambda: door("readyz")[0] == 200, 20, lambda: "it does not answer")
    yield process
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0, process.stderr.read().decode()


def figures(door):
    status, text = door("metrics")
    assert status == 200, text
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, *sorted(sample.labels.values())] = sample.value
    return found


def test_a_server_that_could_send_is_alive_and_ready(server, door):
    assert door("livez") == (200, "alive\n")
    assert door("readyz") == (200, "ready\n")


def test_a_ledger_nobody_can_write_makes_it_unready_and_not_dead(server, door, campus):
    lock = sqlite3.connect(campus.state / "ledger.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        status, words = door("readyz")
        alive = door("livez")
    finally:
        lock.execute("ROLLBACK")
        lock.close()

    assert status == 503
    assert words.startswith("not ready: ")
    assert alive == (200, "alive\n")


def test_figures_agree_with_the_ledger(long_ago, server, door, campus):
    before = figures(door)
    campus.box.play(rule("twilio", {"kind": "status", "status": 429, "retry_after": 1}))
    alert_id = campus.send_and_leave()
    until(
        lambda: figures(door).get(("alerting_deliveries", "accepted", "email-main")) == 3,
        20,
        lambda: "no mail",
    )
    during = figures(door)

    assert before["alerting_alerts_unsettled",] == 0
    assert during["alerting_alerts_unsettled",] == 1
    assert during["alerting_incidents_open",] == 2
    assert during["alerting_incidents_overdue",] == 1, "it is not forgotten for what came after it"
    assert during["alerting_state_free_bytes",] > 0
    texts = [during.get(("alerting_deliveries", *sorted((state, "sms-main"))), 0) for state in WAITING]
    assert sum(texts) == 3
    campus("cancel", alert_id, code=0)
    until(lambda: figures(door)["alerting_alerts_unsettled",] == 0, 20, lambda: "it stays unsettled")


def test_no_figure_names_a_person_or_a_text(server, door, campus):
    campus.send(code=0)
    _, text = door("metrics")
    assert "+1" not in text.replace("e+1", "")
    assert "@" not in text
    assert "Baker" not in text


def test_every_figure_the_shipped_rules_look_at_exists(server, door):
    _, text = door("metrics")
    told = {family.name for family in text_string_to_metric_families(text)}
    groups = yaml.safe_load(RULES.read_text())["groups"]
    rules = [one for group in groups for one in group["rules"]]

    assert len(rules) >= 6
    for one in rules:
        named = {
            word.removesuffix("_total") for word in words_of(one["expr"]) if word.startswith("alerting_")
        }
        assert named, one
        assert named <= told, one
        assert one["annotations"]["summary"]
        assert one["annotations"]["action"]


def words_of(text):
    return "".join(char if char.isalnum() or char == "_" else " " for char in text).split()


def test_a_port_that_is_taken_is_told_before_anything_runs(campus, door):
    path = campus.home / "channels.yaml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        whole = json.loads(path.read_text())
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        path.write_text(json.dumps({**whole, "monitor": {"listen": listen}}, indent=1))
        done = campus("serve", timeout=30)

    assert done.returncode == 2
    assert "monitor.listen: cannot listen on" in done.stderr
