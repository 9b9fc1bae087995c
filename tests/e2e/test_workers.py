"""Several hosts send one alert: killed at any moment, sharing one rate, with clocks that disagree."""

import contextlib
import json
import os
import shutil
import signal
import socket
import time
from datetime import datetime
from pathlib import Path

import pytest
from campus import phone, until
from shared_campus import SharedCampus

from alerting.clock import instant
from alerting.model.delivery import State

TEMPLATES = Path(__file__).parents[2] / "templates"
RATE = 30
PEOPLE = 120


@pytest.fixture
def hosts(tmp_path, box, fresh_database):
    """Return a function that adds a host to the campus."""
    made = []

    def host(name="one", **given):
        home = tmp_path / name
        home.mkdir()
        made.append(
            SharedCampus(home, box, fresh_database, people=PEOPLE, **{"sms": {"rate_per_s": RATE}, **given})
        )
        return made[-1]

    yield host
    for one in made:
        one.close()


def working(host, *args, **env):
    """Start a worker and wait until it says that it works."""
    process = host.start("worker", "--json", *args, env=env)
    told = json.loads(process.stdout.readline())
    assert told["kind"] == "worker"
    return process


def busiest_second(box):
    """Return the most texts that were asked for in any second, by the sandbox's own clock.

    A tenth is left out of the second: on a busy machine the sandbox reads together what came apart.
    """
    at = [
        datetime.fromisoformat(request["at"]).timestamp()
        for request in box.state("requests")
        if request["provider"] == "twilio" and request["operation"] == "create"
    ]
    return max(sum(one <= other < one + 0.9 for other in at) for one in at)


def test_workers_share_the_rate_and_one_that_is_killed_is_replaced(hosts, box):
    desk, one, two = hosts("desk"), hosts("one"), hosts("two")
    first, second = working(one), working(two)
    alert_id = desk.send_and_leave("--channels", "sms-main")
    until(lambda: box.counts()["texts"] > RATE, 20, "nothing left")
    desk.kill_sender()
    first.kill()
    killed_at, had = time.monotonic(), box.counts()["texts"]
    until(lambda: box.counts()["texts"] > had + 5, 20, "nobody went on")
    assert time.monotonic() - killed_at < 12, "a lease is six seconds"
    desk.settled(alert_id, within_s=60)
    second.send_signal(signal.SIGTERM)
    assert second.wait(15) == 0
    sent = [text["to"] for text in box.state("texts")]
    assert sorted(sent) == sorted(phone(n) for n in range(PEOPLE)), "nothing lost, nothing doubled"
    assert busiest_second(box) <= RATE
    assert {d.state for d in desk.deliveries(alert_id)} == {State.ACCEPTED}
    desk.whole()


def test_what_replaces_or_stops_an_alert_reaches_every_worker_in_under_two_seconds(hosts, box):
    sms = {"rate_per_s": RATE, "fallback": ""}
    desk, other, *more = (hosts(name, sms=sms) for name in ("desk", "other", "one", "two"))
    shutil.copy(TEMPLATES / "update.md", other.home / "templates")
    crew = [working(host) for host in more]
    first = desk.send_and_leave("--channels", "sms-main")
    until(lambda: box.counts()["texts"] > RATE, 20, "nothing left")

    told = other("update", first, "-v", "action=STAY AWAY from it", "--confirm", "Baker Hall", "--no-wait",
                 "--json", code=8)  # fmt: skip
    update = json.loads(told.stdout)["alert"]
    until(lambda: any("UPDATE" in text["body"] for text in box.state("texts")), 20, "no update leaves")
    other("cancel", update, code=0)
    desk.settled(update)

    with desk.ledger() as ledger:
        stopped = {act.subject: instant(act.at) for act in ledger.audit() if act.action == "alert.cancelled"}
    for alert_id, word in ((first, "HAZARD"), (update, "UPDATE")):
        last = max(datetime.fromisoformat(t["created_at"]) for t in box.state("texts") if word in t["body"])
        assert (last - stopped[alert_id]).total_seconds() < 2
        states = [delivery.state for delivery in desk.deliveries(alert_id)]
        assert State.CANCELLED in states
        assert set(states) <= {State.ACCEPTED, State.CANCELLED}
    assert all(worker.poll() is None for worker in crew)


def test_a_worker_leaves_alone_what_it_has_no_channel_for(hosts, box):
    desk, one = hosts("desk"), hosts("one")
    box.play()
    worker = working(one, "--channels", "email-main")
    alert_id = desk.send_and_leave("--channels", "sms-main,email-main")
    desk.kill_sender()
    # The desk may have died over some of them, which wait until they can be told for lost, or come twice.
    reached = lambda: {to for mail in box.state("mails") for to in mail["recipients"]}  # noqa: E731
    until(lambda: len(reached()) == PEOPLE, 90, "the mails do not leave")
    left = {d.state for d in desk.deliveries(alert_id) if d.channel == "sms-main"}
    assert State.REJECTED not in left
    refused = one("cancel", alert_id, code=0)
    assert "stopped" in refused.stdout.lower()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0


def test_a_worker_with_other_channels_than_an_open_alert_is_refused_in_words(hosts, box):
    desk, one = hosts("desk", sms={"rate_per_s": 1}), hosts("one")
    alert_id = desk.send_and_leave("--channels", "sms-main")
    desk.kill_sender()
    path = one.home / "channels.yaml"
    whole = json.loads(path.read_text())
    whole["channels"] = [c for c in whole["channels"] if c["name"] != "sms-main"]
    whole["defaults"]["channels"] = [c["name"] for c in whole["channels"]]
    path.write_text(json.dumps(whole))
    refused = one("worker", code=2)
    assert f"{alert_id} is also for sms-main, which this worker does not have" in refused.stderr


def test_a_worker_that_freezes_sends_nothing_of_what_others_took_over(hosts, box):
    desk, one = hosts("desk"), hosts("one")
    alert_id = desk.send_and_leave("--channels", "sms-main")
    until(lambda: box.counts()["texts"] > 20, 20, "nothing left")
    pid = desk.sender()
    os.kill(pid, signal.SIGSTOP)
    try:
        worker = working(one)
        desk.settled(alert_id, within_s=60)
        sent = len(box.state("texts"))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    desk.sender_gone(within_s=20)
    texts = [text["to"] for text in box.state("texts")]
    assert len(texts) == sent == PEOPLE
    assert len(set(texts)) == PEOPLE
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    desk.whole()


def test_a_server_that_crashes_in_the_middle_holds_up_and_doubles_nothing(tmp_path, box):
    from alerting.testing.postgres import PostgresServer

    server = PostgresServer(free_port()).start(fsync="on")
    host = SharedCampus(tmp_path, box, server.address, people=60, sms={"rate_per_s": 20})
    try:
        alert_id = host.send_and_leave("--channels", "sms-main")
        until(lambda: box.counts()["texts"] > 10, 20, "nothing left")
        server.stop(how=signal.SIGQUIT)
        left = box.counts()["texts"]
        refused = host.send(place="Gym", code=75)
        assert "cannot be reached" in refused.stderr
        assert box.counts()["texts"] <= left + 20, "no attempt on record, no message"
        server.start(fsync="on")
        host.settled(alert_id, within_s=60)
        host.sender_gone(within_s=20)
        sent = [text["to"] for text in box.state("texts")]
        assert sorted(sent) == sorted(phone(n) for n in range(60))
        host.whole()
    finally:
        host.close()
        server.close()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_worker_needs_a_shared_ledger(campus):
    refused = campus("worker", code=2)
    assert "workers share a ledger" in refused.stderr
