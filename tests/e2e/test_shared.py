"""The same commands over a ledger on PostgreSQL, from one host and from two."""

import json
import re
import socket
import urllib.error
import urllib.request

import pytest
from campus import phone, slow, until
from shared_campus import SharedCampus

from alerting.ledger.lock import RunnerLock
from alerting.model.delivery import State


@pytest.fixture
def hosts(tmp_path, box, fresh_database):
    """Return a function that adds a host to the campus."""
    made = []

    def host(name="one", **given):
        home = tmp_path / name
        home.mkdir()
        made.append(SharedCampus(home, box, fresh_database, **given))
        return made[-1]

    yield host
    for one in made:
        one.close()


def test_send_report_and_prove_on_postgresql(hosts, box):
    host = hosts()
    told = json.loads(host.send("--json", code=0).stdout)
    assert [(c["channel"], c["accepted"], c["total"]) for c in told["channels"]] == [
        ("x-campus", 1, 1),
        ("facebook-campus", 1, 1),
        ("sms-main", 3, 3),
        ("email-main", 3, 3),
    ]
    assert (box.counts()["posts"], box.counts()["texts"], box.counts()["mails"]) == (2, 3, 3)
    host.sender_gone()
    host.whole()
    assert not (host.state / "ledger.db").exists()

    assert json.loads(host("status", told["alert"], "--json", code=0).stdout)["settled"]
    assert told["alert"] in host("status", code=0).stdout
    host("report", told["alert"], code=0)
    assert "NSU ALERT" in (host.home / f"{told['alert']}.html").read_text()
    assert len(host("export", told["alert"], code=0).stdout.splitlines()) >= 8
    assert "alert.opened" in host("audit", "log", code=0).stdout
    sealed = json.loads(host("audit", "checkpoint", "--json", code=0).stdout)
    proved = json.loads(host("audit", "verify", "--json", code=0).stdout)
    assert (proved["whole"], proved["broken"], proved["alerts"]) == (True, [], 1)
    assert proved["acts"] == sealed["size"]
    assert re.search(r"^ok +ledger .*PostgreSQL", host("doctor").stdout, re.MULTILINE | re.IGNORECASE)


def test_what_one_host_sends_another_sees_and_stops(hosts, box):
    one, two = hosts("one", people=40, sms={"rate_per_s": 4}), hosts("two", people=40)
    alert_id = one.send_and_leave("--channels", "sms-main")
    until(lambda: box.counts()["texts"], 10, "nothing left")
    two("cancel", alert_id, code=0)
    one.settled(alert_id)
    stopped = box.counts()["texts"]
    one.sender_gone()
    states = [d.state for d in two.deliveries(alert_id)]
    assert 0 < stopped < 40
    assert states.count(State.ACCEPTED) == stopped == box.counts()["texts"]
    assert states.count(State.CANCELLED) == 40 - stopped
    two.whole()


def test_what_a_provider_tells_any_server_is_known_to_all(hosts, box):
    """Hosts behind one address: a server takes in receipts of what another host sent, and answers probes."""
    desk, one, two = hosts("desk"), hosts("one"), hosts("two")
    calls, spare, *doors = (free_port() for _ in range(4))
    reached(desk, callbacks={"public_url": "https://hooks.example.edu", "listen": f"127.0.0.1:{calls}"})
    reached(one, like=desk, monitor={"listen": f"127.0.0.1:{doors[0]}"})
    # Whichever of them sends a text, providers tell the first.
    callbacks = {"public_url": "https://hooks.example.edu", "listen": f"127.0.0.1:{spare}"}
    reached(two, callbacks=callbacks, monitor={"listen": f"127.0.0.1:{doors[1]}"})
    servers = [host.start("serve", "--json") for host in (one, two)]
    for server in servers:
        assert json.loads(server.stdout.readline())["kind"] == "serving"

    alert_id = desk.send_and_leave("--channels", "sms-main")

    until(lambda: delivered(two, alert_id) == 3, 20, "no receipt comes to the record")
    assert [page(door, "readyz") for door in doors] == [200, 200]
    servers[0].kill()
    assert (page(doors[0], "livez"), page(doors[1], "readyz")) == (0, 200)
    desk.sender_gone()
    desk.whole()


def reached(host, *, like=None, **sections):
    """Write sections into a host's channels.yaml, or into another host's, and take that."""
    whole = json.loads(((like or host).home / "channels.yaml").read_text())
    (host.home / "channels.yaml").write_text(json.dumps({**whole, **sections}))


def delivered(host, alert_id):
    return sum(delivery.state is State.DELIVERED for delivery in host.deliveries(alert_id))


def page(door, name):
    """Return the status of a monitor's page, 0 where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{door}/{name}", timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_host_that_dies_is_followed_by_another(hosts, box):
    people = 30
    one, two = hosts("one", people=people, sms={"rate_per_s": 20}), hosts("two", people=people)
    alert_id = one.send_and_leave("--channels", "sms-main")
    until(lambda: box.counts()["texts"] > 3, 10, "nothing left")
    one.kill_sender()
    two("resume", code=0)
    one.settled(alert_id, within_s=40)
    sent = [text["to"] for text in box.state("texts")]
    assert sorted(set(sent)) == [phone(n) for n in range(people)]
    assert len(sent) == people, "nobody was told twice: what was on its way was looked up"
    two.whole()


def test_the_same_alert_from_two_hosts_is_one(hosts, box):
    one, two = hosts("one"), hosts("two")
    box.play(slow(0.3))
    first = one.start("send", "hazard", "-v", "place=Baker Hall", "--confirm", "Baker Hall", "--json")
    second = two.start("send", "hazard", "-v", "place=Baker Hall", "--confirm", "Baker Hall", "--json")
    told = [json.loads(process.communicate(timeout=30)[0].splitlines()[-1]) for process in (first, second)]
    assert told[0]["alert"] == told[1]["alert"]
    assert box.counts()["texts"] == 3


def test_an_address_that_is_missing_or_wrong_is_told_before_anything_is_sent(hosts, fresh_database):
    host = hosts()
    host.box = None  # real hosts: nothing may leave
    gone = host.send(env={"ALERT_LEDGER": "postgresql://alert:canary-pg@127.0.0.1:1/alerts"}, code=75)
    assert "cannot be reached" in gone.stderr
    assert "canary" not in gone.stdout + gone.stderr
    wrong = host.send(env={"ALERT_LEDGER": "sqlite:///x"}, code=2)
    assert "ledger: the variable ALERT_LEDGER does not hold an address" in wrong.stderr
    assert re.search(
        r"channels.yaml:\d+: ledger: the variable ALERT_LEDGER is empty",
        host.send(env={"ALERT_LEDGER": ""}, code=2).stderr,
    )


def test_when_the_server_is_away_one_host_may_send_alone(hosts, box):
    host = hosts()
    away = {"ALERT_LEDGER": "postgresql://alert@127.0.0.1:1/alerts"}
    refused = host.send(env=away, code=75)
    assert "repeat the command with --local" in refused.stderr
    local = host.home / "state" / "local-sandbox"
    local.mkdir(parents=True, mode=0o700)
    (local / "sandbox.json").write_text(json.dumps(box.record))
    sent = host.send("--local", "--json", "--channels", "sms-main", env=away, code=0)
    assert "SOME PEOPLE GET IT TWICE" in sent.stderr
    alert_id = json.loads(sent.stdout)["alert"]
    assert box.counts()["texts"] == 3
    assert json.loads(host("--local", "status", alert_id, "--json", env=away, code=0).stdout)["settled"]
    assert (local / "ledger.db").exists()
    until(lambda: not (RunnerLock(local).held_by()), 10, "the local sender does not end")

    merged = json.loads(host("ledger", "merge", "--json", code=0).stdout)
    assert (merged["alerts"], merged["rows"]["delivery"]) == ([alert_id], 3)
    assert "Nothing new" in host("ledger", "merge", code=0).stdout
    host("--local", "close", alert_id, "--reason", "the leak was found and mended", env=away, code=0)
    assert f"incident {alert_id}" in host("status", code=0).stdout
    assert "Merged " in host("ledger", "merge", code=0).stdout
    assert f"incident {alert_id}" not in host("status", code=0).stdout, "it was closed on the host alone"
    assert "Nothing new" in host("ledger", "merge", code=0).stdout
    name = json.loads(host("status", alert_id, "--json", code=0).stdout)["history_of"]
    assert name
    assert f"settled, history of {name}" in host("status", code=0).stdout
    assert f"History: {name} sent it alone" in host("status", alert_id, code=0).stdout
    opened = [json.loads(line) for line in host("export", alert_id, code=0).stdout.splitlines()]
    assert any("merged" in act["body"] for act in opened if act["kind"] == "audit")
    assert json.loads(host("audit", "verify", "--json", code=0).stdout)["broken"] == []
    assert "no ledger file here" in host("ledger", "merge", "nowhere.db", code=2).stderr


def test_a_record_moves_to_postgresql_and_its_alerts_are_still_there(hosts, box):
    host = hosts()
    path = host.home / "channels.yaml"
    shared = path.read_text()
    path.write_text(json.dumps({k: v for k, v in json.loads(shared).items() if k != "ledger"}))
    alert_id = json.loads(host.send("--json", "--channels", "sms-main", code=0).stdout)["alert"]
    host.sender_gone()
    assert (host.state / "ledger.db").exists()
    refused = host("ledger", "copy", code=2)
    assert "write ledger: {env: ALERT_LEDGER} first" in refused.stderr
    path.write_text(shared)
    moved = json.loads(host("ledger", "copy", "--json", code=0).stdout)
    assert (moved["rows"]["alert"], moved["rows"]["delivery"]) == (1, 3)
    assert json.loads(host("status", alert_id, "--json", code=0).stdout)["settled"]
    assert json.loads(host("audit", "verify", "--json", code=0).stdout)["broken"] == []
    assert "holds a record of" in host("ledger", "copy", code=75).stderr
    assert "schema" in host("ledger", "upgrade", code=0).stdout
