"""A drill of the schedule on a ledger of two hosts: it runs once, and its failure reaches people once."""

import json
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from campus import until
from shared_campus import SharedCampus

from alerting.clock import SystemClock, micros
from alerting.config import load
from alerting.config.drills import load_drills
from alerting.drills.due import mark
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.place import Place
from alerting.secret import Secret

ROSTER = """version: 1
people:
  kim: {name: Kim Ito, phone: "+14135559901", email: kim@example.edu}
  lee: {name: Lee Ode, phone: "+14135559902", email: lee@example.edu}
shifts:
  - {who: kim, starts: 2026-01-01T00:00, ends: 2026-01-02T00:00, rule: FREQ=DAILY}
"""
DRILLS = """version: 1
allowed_audiences: [everyone]
drills:
  check:
    title: Check
    template: hazard
    values: {place: Hall}
    audience: everyone
    channels: [x-campus, email-main]
    schedule: {starts: STARTS}
    expect: {accepted_95_s: 0.001}
"""
CLOCK = "America/New_York"


class Host(SharedCampus):
    """A host with people on call, and a drill that was due a minute ago."""

    def on_watch(self, planned):
        path = self.home / "channels.yaml"
        on_call = {"roster": "roster.yaml", "escalate_after_minutes": 0.05}
        path.write_text(json.dumps({**json.loads(path.read_text()), "on_call": on_call}))
        (self.home / "roster.yaml").write_text(ROSTER)
        local = planned.astimezone(ZoneInfo(CLOCK))
        (self.home / "drills.yaml").write_text(DRILLS.replace("STARTS", f"{local:%Y-%m-%dT%H:%M}"))
        return self

    def watch_since(self, at):
        """Have the schedule known since an instant; what was planned before that would be nobody's promise."""
        config = load(self.home / "channels.yaml", environ={}, sandbox=True, live=None)
        schedule = load_drills(config).drill("check").schedule
        place = Place(address=Secret(self.address), schema="alerting_sandbox")
        ledger = PostgresLedger.open(place, clock=SystemClock())
        with ledger.transaction():
            ledger.watch_drill("check", mark(schedule), at=micros(at))
        ledger.close()


@pytest.fixture
def hosts(tmp_path, box, fresh_database):
    """Two hosts of one campus; X takes no key of theirs."""
    planned, made = datetime.now(UTC) - timedelta(minutes=1), []
    for name in ("one", "two"):
        home = tmp_path / name
        home.mkdir()
        made.append(Host(home, box, fresh_database).on_watch(planned))
    made[0].watch_since(planned - timedelta(hours=1))
    box.credentials(provider="x", dead="*")
    yield made
    for host in made:
        host.close()


def told(box):
    """Return how often each person on call was told of each thing, by text."""
    texts = [one for one in box.state("texts") if "on-call" in one["body"]]
    return Counter((one["to"], word) for one in texts for word in ("FAILED", "DOWN") if word in one["body"])


def test_two_schedulers_on_one_postgresql_run_a_drill_once_and_its_notices_escalate(hosts, box):
    one, two = hosts
    servers = [host.start("serve", "--json") for host in hosts]
    for server in servers:
        assert json.loads(server.stdout.readline())["kind"] == "serving"
    kim, lee = "+14135559901", "+14135559902"
    until(lambda: told(box)[kim, "FAILED"] and told(box)[kim, "DOWN"], 30, "who is on duty is not told")
    until(lambda: told(box)[lee, "DOWN"], 30, "nobody is told next")
    [record] = one.alerts()
    assert record.alert.id.startswith("D-")
    [entry] = json.loads(two("drill", "history", "check", "--json", code=0).stdout)["entries"]
    assert (entry["alert"], entry["passed"]) == (record.alert.id, False)
    waiting = json.loads(two("ack", "--json", code=0).stdout)["notices"]
    assert [(notice["kind"], notice["told"]) for notice in waiting] == [("channel", ["kim", "lee"])]
    assert "Nothing waits" in one("ack", code=0).stdout
    assert len([mail for mail in box.state("mails") if "on-call" not in json.dumps(mail)]) == 3
    assert told(box) == {(kim, "FAILED"): 1, (kim, "DOWN"): 1, (lee, "DOWN"): 1}
    for server in servers:
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    one.whole()
