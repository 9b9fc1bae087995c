"""Hosts whose clocks are wrong, and a PostgreSQL that has no room left, or is followed by another."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from campus import phone, until
from shared_campus import SharedCampus

from alerting.model.delivery import State
from alerting.testing.postgres import PostgresServer, programs

SHIFTED = str(Path(__file__).with_name("shifted.py"))
RATE = 25
PEOPLE = 60


class Shifted(SharedCampus):
    """A host whose clock is off by so many seconds."""

    off_s = 0

    def words(self, *args):
        return [sys.executable, SHIFTED, str(self.off_s), *super().words(*args)[1:]]


@pytest.fixture
def hosts(tmp_path, box):
    made = []

    def host(name, address, kind=SharedCampus, **given):
        home = tmp_path / name
        home.mkdir()
        sms = {"rate_per_s": RATE, "lookup_after_s": 1, "fallback": ""}
        made.append(kind(home, box, address, people=PEOPLE, sms=sms, **given))
        return made[-1]

    yield host
    for one in made:
        one.close()


def test_hosts_whose_clocks_are_minutes_off_take_nothing_early_and_finish_for_each_other(
    hosts, box, fresh_database
):
    desk = hosts("desk", fresh_database)
    late, early = hosts("late", fresh_database, Shifted), hosts("early", fresh_database, Shifted)
    late.off_s, early.off_s = -400, 500
    crew = [host.start("worker", "--json") for host in (late, early)]
    for worker in crew:
        assert json.loads(worker.stdout.readline())["kind"] == "worker"
    alert_id = desk.send_and_leave("--channels", "sms-main")
    until(lambda: box.counts()["texts"] > 15, 30, "nothing left")
    desk.kill_sender()
    crew[0].kill()
    desk.settled(alert_id, within_s=60)
    # A lifetime of an hour is an hour of the server's clock, and every instant on record is its time.
    deliveries = desk.deliveries(alert_id)
    assert {d.state for d in deliveries} == {State.ACCEPTED}
    assert not any(d.maybe_twice for d in deliveries)
    changed = sorted(d.changed_at for d in deliveries)
    assert (changed[-1] - changed[0]).total_seconds() < 60
    sent = [text["to"] for text in box.state("texts")]
    assert sorted(sent) == [phone(n) for n in range(PEOPLE)], "nothing lost, nothing doubled"
    desk.whole()
    crew[1].send_signal(signal.SIGTERM)
    assert crew[1].wait(20) == 0


@pytest.fixture
def servers():
    """Return a function that makes a PostgreSQL, which is not started yet."""
    made = []

    def server():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            made.append(PostgresServer(free.getsockname()[1]))
        return made[-1]

    yield server
    for one in made:
        one.close()


def test_a_server_without_room_refuses_with_the_way_out_and_works_again(hosts, servers):
    small = servers().start(max_connections="12")
    host = hosts("one", small.address)
    host.send("--channels", "sms-main", code=0)
    host.sender_gone()
    with contextlib.ExitStack() as taken:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                taken.enter_context(psycopg.connect(small.address))
        refused = host.send("--channels", "sms-main", place="Gym", code=75)
    assert "no more connections" in refused.stderr
    assert "repeat the command with --local" in refused.stderr
    host.send("--channels", "sms-main", place="Gym", code=0)


def test_a_worker_that_is_turned_away_waits_and_goes_on(hosts, box, servers):
    server = servers().start()
    with psycopg.connect(server.address, autocommit=True) as admin:
        admin.execute("CREATE ROLE visitor LOGIN; GRANT CREATE ON DATABASE postgres TO visitor")
        address = server.address.replace("postgres@", "visitor@")
        desk, one = hosts("desk", address), hosts("one", address)
        worker = one.start("worker", "--json")
        assert json.loads(worker.stdout.readline())["kind"] == "worker"
        alert_id = desk.send_and_leave("--channels", "sms-main")
        until(lambda: box.counts()["texts"] > 10, 30, "nothing left")
        admin.execute("ALTER ROLE visitor CONNECTION LIMIT 0")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'visitor'")
        # What was claimed may leave; then nothing does, from the worker and from the sender of the command.
        until(lambda: texts_have_stopped(box), 20, "it sends without a record")
        assert worker.poll() is None
        admin.execute("ALTER ROLE visitor CONNECTION LIMIT -1")
    desk.settled(alert_id, within_s=60)
    sent = [text["to"] for text in box.state("texts")]
    assert sorted(sent) == [phone(n) for n in range(PEOPLE)], "nothing lost, nothing doubled"
    assert not any(d.maybe_twice for d in desk.deliveries(alert_id))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    desk.whole()


def texts_have_stopped(box):
    had = box.counts()["texts"]
    time.sleep(1.5)
    return box.counts()["texts"] == had < PEOPLE


def test_a_standby_refuses_with_the_way_out_and_takes_over_when_the_primary_dies(hosts, box, servers):
    primary, standby = servers().start(), servers()
    copied_from(primary, standby)
    standby.start()
    both = (
        f"postgresql://postgres@/postgres?host={primary.folder},{standby.folder}"
        f"&port={primary.port},{standby.port}&target_session_attrs=read-write"
    )
    with psycopg.connect(primary.address, autocommit=True) as raw:
        raw.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        raw.execute("SELECT pg_reload_conf()")
    host = hosts("one", both)
    alert_id = host.send_and_leave("--channels", "sms-main")
    until(lambda: box.counts()["texts"] > 10, 30, "nothing left")
    two = hosts("two", standby.address)
    refused = two.send(place="Gym", code=75)
    assert "standby" in refused.stderr
    assert "repeat the command with --local" in refused.stderr
    assert "standby" in two("worker", code=75).stderr
    # This one asks whoever answers first: after the primary that is the standby, promoted or not.
    worker = hosts("three", both.partition("&target")[0]).start("worker", "--json")
    assert json.loads(worker.stdout.readline())["kind"] == "worker"
    primary.stop(how=signal.SIGQUIT)
    time.sleep(1)
    with psycopg.connect(standby.address, autocommit=True) as raw:
        raw.execute("SELECT pg_promote()")
    host.settled(alert_id, within_s=60)
    host.sender_gone(within_s=20)
    sent = [text["to"] for text in box.state("texts")]
    assert sorted(sent) == [phone(n) for n in range(PEOPLE)], "nothing lost, nothing doubled"
    assert worker.poll() is None
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    host.whole()


def copied_from(primary, standby):
    """Make the data of a standby, which follows from then on."""
    run = [programs() / "pg_basebackup", "-h", primary.folder, "-p", str(primary.port), "-U", "postgres"]
    if standby._user:
        shutil.chown(standby.folder, standby._user)
    subprocess.run(
        [*run, "-D", standby.folder / "data", "-R", "--no-sync", "-c", "fast"],
        check=True,
        user=standby._user,
        cwd="/",
        timeout=60,
    )


@contextlib.contextmanager
def frozen(server):
    """A server all of whose processes stand still: connections stay, and nobody answers."""
    first = server._process.pid
    family = [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(family):
            os.kill(pid, signal.SIGCONT)


def left_without(process):
    """Assert that a process which was told to stop leaves soon, and says what stands."""
    _, told = process.communicate(timeout=20)
    assert process.returncode == 75, told
    assert b"stays claimed until its lease ends; then any other worker goes on with it" in told
    assert b"Traceback" not in told


WATCHED = ("send", "hazard", "-v", "place=Gym", "--confirm", "Gym", "--channels", "sms-main")


def test_who_is_told_to_stop_leaves_a_server_that_stands_still(hosts, box, servers):
    server = servers().start()
    desk, one, two, three = (hosts(name, server.address) for name in ("desk", "one", "two", "three"))
    worker, serve, hasty = (
        host.start(word, "--json") for host, word in ((one, "worker"), (two, "serve"), (three, "worker"))
    )
    for process in (worker, serve, hasty):
        assert json.loads(process.stdout.readline())["kind"] in ("worker", "serving")
    watching = desk.start(*WATCHED, "--json")
    until(lambda: box.counts()["texts"] > 10, 30, "nothing left")
    [record] = desk.alerts()
    leaving = desk.start("status", record.alert.id, "--follow")
    assert leaving.stdout.readline()
    with frozen(server):
        for process in (worker, serve, hasty):
            process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        # Told a second time, nobody waits for anything.
        hasty.send_signal(signal.SIGINT)
        assert hasty.wait(2) == -signal.SIGINT
        # Who only watches is not kept for the ten seconds that its driver would wait for an answer.
        leaving.send_signal(signal.SIGINT)
        _, noted = leaving.communicate(timeout=9)
        assert leaving.returncode == 8, noted
        assert b"is accepted and kept; do not repeat it" in noted
        left_without(worker)
        left_without(serve)
    had = box.counts()["texts"]
    until(lambda: box.counts()["texts"] > had, 30, "nobody goes on")

    # Who watches waits for the ledger as who sends does, and never says that it should be sent again.
    server.stop(how=signal.SIGQUIT)
    time.sleep(1)
    server.start()
    told, noted = watching.communicate(timeout=60)
    assert watching.returncode == 0, noted
    assert json.loads(told)["kind"] == "send"
    assert b"What was accepted is kept; looking again" in noted
    assert b"--local" not in noted
    sent = [text["to"] for text in box.state("texts")]
    assert sorted(sent) == [phone(n) for n in range(PEOPLE)], "nothing lost, nothing doubled"
    desk.whole()


def test_who_is_told_to_stop_leaves_a_server_that_is_gone(hosts, servers):
    server = servers().start()
    desk = hosts("desk", server.address)
    watching = desk.start(*WATCHED)
    until(lambda: b"Accepted" in watching.stdout.readline(), 20, "it is not accepted")
    sender, worker = desk.awaited_sender(), hosts("one", server.address).start("worker", "--json")
    assert json.loads(worker.stdout.readline())["kind"] == "worker"
    server.stop(how=signal.SIGQUIT)
    until(lambda: b"looking again" in watching.stderr.readline(), 20, "it does not say so")

    os.kill(sender, signal.SIGTERM)
    worker.send_signal(signal.SIGTERM)
    watching.send_signal(signal.SIGINT)

    _, noted = watching.communicate(timeout=20)
    assert watching.returncode == 8
    assert b"is accepted and kept; do not repeat it" in noted
    assert b"--local" not in noted
    left_without(worker)
    desk.sender_gone(within_s=20)
