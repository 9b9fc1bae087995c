"""The network between a worker and the database is cut, without a word: it stops, the others finish, it is fenced."""

import json
import signal
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from campus import phone, slow, until
from severed import Way
from shared_campus import SharedCampus

from alerting.model.delivery import State

RATE = 30
PEOPLE = 150
#: A lease: within it a worker that hears nothing from the database has stopped.
LEASE_S = 6.0


@pytest.fixture
def way(fresh_database):
    told = parse_qs(urlsplit(fresh_database).query)
    made = Way(f"{told['host'][0]}/.s.PGSQL.{told['port'][0]}")
    yield made
    made.close()


@pytest.fixture
def hosts(tmp_path, box, fresh_database):
    made = []

    def host(name, address=fresh_database):
        home = tmp_path / name
        home.mkdir()
        sms = {"rate_per_s": RATE, "lookup_after_s": 1, "fallback": ""}
        made.append(SharedCampus(home, box, address, people=PEOPLE, sms=sms))
        return made[-1]

    yield host
    for one in made:
        one.close()


def working(host):
    process = host.start("worker", "--json")
    assert json.loads(process.stdout.readline())["kind"] == "worker"
    return process


def test_a_worker_cut_off_from_the_database_stops_and_overwrites_nothing(hosts, box, way, fresh_database):
    name = urlsplit(fresh_database).path
    desk = hosts("desk")
    far = hosts("far", f"postgresql://postgres@127.0.0.1:{way.port}{name}")
    box.play(slow(0.5))  # so that some calls are open when it happens
    worker = working(far)
    alert_id = desk.send_and_leave("--channels", "sms-main")
    desk.kill_sender()
    until(lambda: box.counts()["texts"] > RATE, 30, "the worker does not send")

    way.cut()
    time.sleep(LEASE_S)
    stopped = box.counts()["texts"]
    assert stopped < PEOPLE, "it had enough left to go on with"
    time.sleep(2)
    assert box.counts()["texts"] == stopped, "what nobody records is not sent"
    assert worker.poll() is None

    near = working(hosts("near"))
    desk.settled(alert_id, within_s=60)
    before = desk.deliveries(alert_id)
    way.heal()
    # It comes back, hears that it is fenced, and takes its part again.
    second = desk.send_and_leave("--channels", "sms-main", place="Gym")
    desk.settled(second, within_s=60)
    time.sleep(1)
    assert desk.deliveries(alert_id) == before
    assert {d.state for d in before} == {State.ACCEPTED}
    assert not any(d.maybe_twice for d in before)
    sent = [text["to"] for text in box.state("texts")]
    assert sorted(sent) == sorted([phone(n) for n in range(PEOPLE)] * 2), "nobody lost, nobody told twice"
    desk.whole()
    for process in (worker, near):
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
