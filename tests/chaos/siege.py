"""A campus on PostgreSQL under fire: workers, a server, a sender and the database itself, killed at random.

Everything is a process as it runs in life; the siege knows no more of them than their command lines, what
the sandbox received, and the ledger. Whoever is killed is started again at once, as systemd would.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections import Counter

import psycopg
from campus import rule, slow
from shared_campus import SharedCampus

from alerting.model.delivery import SETTLED, State
from alerting.testing.postgres import PostgresServer

PEOPLE = 90
RATE = 30
#: Who there is: the command each runs, on a host of its own.
CREW = {"worker-a": "worker", "worker-b": "worker", "serve-a": "serve"}
#: How often each kind of strike is drawn, after each came once.
WEIGHTS = {"worker": 10, "serve": 4, "sender": 3, "freeze": 4, "database": 3}
SETTINGS = {
    "x": {"lookup_after_s": 1},
    "facebook": {"lookup_after_s": 1},
    "sms": {"lookup_after_s": 1, "in_flight": 20, "fallback": "", "rate_per_s": RATE},
}
FAULTS = (
    rule("twilio", {"kind": "status", "status": 429}, every=17),
    rule("twilio", {"kind": "status", "status": 503, "when": "after"}, every=19),
    rule("twilio", {"kind": "reset", "when": "after"}, every=23),
    rule("smtp", {"kind": "reset", "when": "after"}, every=19),
    slow(0.05),
)
#: Commands that open an alert wait some seconds for a database that is away, and are repeated then.
_TRIES = 20
_WITHIN_S = 150


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Siege:
    """Sends alerts, strikes at random, and keeps count."""

    def __init__(self, folder, box, rng):
        self.box, self.rng = box, rng
        self.server = PostgresServer(free_port()).start()
        self.desk = self._host(folder, "desk")
        self.hosts = {name: self._host(folder, name) for name in CREW}
        self.crew = {}
        self.strikes = Counter()
        self.blows, self.takeovers = [], []
        self.wrong = Counter()  #: what was lost, and what was doubled without a word, over all alerts
        self.flagged = Counter()  #: by channel, who was told twice and is marked so
        self._deck = rng.sample(list(WEIGHTS), len(WEIGHTS))
        self._widows = {}
        self._thaws = []
        for name in CREW:
            self._muster(name)

    def _host(self, folder, name):
        home = folder / name
        home.mkdir()
        host = SharedCampus(home, self.box, self.server.address, people=PEOPLE, **SETTINGS)
        # One campus, one set of audit keys.
        for key in (folder / "desk" / "state" / "sandbox").glob("audit*.key"):
            (host.state / key.name).write_bytes(key.read_bytes())
        return host

    def _muster(self, name):
        streams = {"stdout": open(os.devnull, "w"), "stderr": open(os.devnull, "w")}  # noqa: PTH123, SIM115
        self.crew[name] = self.hosts[name].start(CREW[name], "--json", **streams)
        for stream in streams.values():
            stream.close()

    # -- one alert

    def alert(self, place, *, channels, most):
        """Send one alert and strike up to so often until it is settled; return its id."""
        words = ("send", "hazard", "-v", f"place={place}", "--confirm", place, "--run-key", place)
        words += ("--channels", ",".join(channels), "--no-wait", "--one-more", "--json")
        alert_id = self._opened(words)
        struck, until = 0, time.monotonic() + _WITHIN_S
        next_at = time.monotonic() + self.rng.random()
        while not self._settled(alert_id):
            now = time.monotonic()
            assert now < until, f"{alert_id} does not come to rest: {self._left(alert_id)}"
            self._mend(now)
            if struck < most and now >= next_at:
                struck += self._strike()
                next_at = time.monotonic() + self.rng.uniform(0.1, 1.6)
            time.sleep(0.05)
        self._thaw_all()
        return alert_id

    def _opened(self, words):
        for _ in range(_TRIES):
            process = self.desk.start(*words)
            if self.rng.random() < 0.2:
                time.sleep(self.rng.uniform(0.2, 1.2))
                self._strike("sender")
            out, err = process.communicate(timeout=60)
            if process.returncode == 8:
                return json.loads(out)["alert"]
            # The sender died, or the database was away: the same run key opens no second one.
            assert process.returncode in (75, -signal.SIGKILL), (process.returncode, out, err)
        raise AssertionError("no alert could be opened")

    # -- strikes

    def _strike(self, kind=""):
        """Hit somebody; return whether there was somebody to hit."""
        drawn = self._deck[-1:] or self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
        kind = kind or drawn[0]
        hit = getattr(self, f"_hit_{kind}")()
        if hit and kind in self._deck:
            self._deck.remove(kind)
        self.strikes[kind] += hit
        self.blows.append((time.time(), kind, hit))
        return hit

    def _hit_worker(self):
        return self._kill(self.rng.choice(["worker-a", "worker-b"]))

    def _hit_serve(self):
        return self._kill("serve-a")

    def _kill(self, name):
        process = self.crew[name]
        self._widow(process.pid)
        process.kill()
        process.wait(10)
        self._muster(name)
        return True

    def _hit_sender(self):
        pid = self.desk.sender()
        if pid is None:
            return False
        self._widow(pid)
        self.desk.kill_sender()
        return True

    def _hit_freeze(self):
        name = self.rng.choice(list(CREW))
        process = self.crew[name]
        os.kill(process.pid, signal.SIGSTOP)
        self._thaws.append((time.monotonic() + self.rng.uniform(1, 9), process.pid))
        return True

    def _hit_database(self):
        self.server.stop(how=signal.SIGQUIT)
        time.sleep(self.rng.uniform(0, 1.5))
        self.server.start()
        self._widows.clear()  # nobody can take over from a database that is away: not counted
        return True

    def _widow(self, pid):
        """Remember who had batches when it was killed, and since when nobody has them."""
        held = [owner for owner in self._owners() if owner.split()[1:2] == [str(pid)]]
        self._widows.update(dict.fromkeys(held, time.monotonic()))

    def _mend(self, now):
        """Thaw who has been frozen for long enough, and see whose batches were taken over."""
        for at, pid in self._thaws:
            if at <= now:
                _signal(pid, signal.SIGCONT)
        self._thaws = [entry for entry in self._thaws if entry[0] > now]
        if self._widows:
            owners = set(self._owners())
            gone = [owner for owner in self._widows if owner not in owners]
            self.takeovers += [now - self._widows.pop(owner) for owner in gone]

    def _thaw_all(self):
        for _, pid in self._thaws:
            _signal(pid, signal.SIGCONT)
        self._thaws.clear()

    # -- what is on record

    def _ask(self, text, *params):
        with psycopg.connect(self.server.address, autocommit=True) as raw:
            raw.execute("SET search_path TO alerting_sandbox")
            return raw.execute(text, params).fetchall()

    def _owners(self):
        said = "SELECT DISTINCT owner FROM batch WHERE state = 'leased'"
        return [owner for (owner,) in self._ask(said)]

    def _settled(self, alert_id):
        return not self._left(alert_id)

    def _left(self, alert_id):
        said = "SELECT state, count(*) FROM delivery WHERE alert = (SELECT ref FROM alert WHERE id = %s) GROUP BY 1"
        return {state: count for state, count in self._ask(said, alert_id) if State(state) not in SETTLED}

    def account(self, alert_id, place, channels):
        """Count who was told how often; return the story of everybody who was lost, or doubled without a word."""
        self.desk.whole(alert_id)
        deliveries = self.desk.deliveries(alert_id)
        got = received(self.box, place)
        expected = {"x-campus": 1, "facebook-campus": 1}
        assert Counter(d.channel for d in deliveries) == {c: expected.get(c, PEOPLE) for c in channels}
        stories = []
        for delivery in deliveries:
            copies = got.pop((delivery.channel, delivery.address), 0)
            assert delivery.state in (State.ACCEPTED, State.UNRESOLVED), delivery
            if word := verdict(delivery, copies):
                self.wrong[word] += 1
                stories.append((word, copies, delivery, self._story(delivery)))
            self.flagged[delivery.channel] += copies > 1
        assert not got, "nobody got what nobody planned"
        return stories

    def _story(self, delivery):
        """Return what was tried and heard of a delivery, for whoever has to find out why."""
        tried = self._ask("SELECT attempt, epoch, began_at FROM attempt WHERE delivery = %s", delivery.id)
        heard = self._ask(
            "SELECT n, attempt, at, outcome, provider_id, reason FROM outcome WHERE delivery = %s",
            delivery.id,
        )
        return tried, heard, [strike for strike in self.blows if strike[0] > tried[0][2] / 1e6 - 10]

    def close(self):
        self._thaw_all()
        for host in (self.desk, *self.hosts.values()):
            host.close()
        self.server.close()


def verdict(delivery, copies):
    """Return what is wrong when somebody got so many copies: nothing, "lost" or "doubled without a word".

    Only what is said not to be known may be missing; only what is marked may have come twice.
    """
    if not copies and delivery.state is not State.UNRESOLVED:
        return "lost"
    return "doubled without a word" if copies > 1 and not delivery.maybe_twice else ""


def received(box, place):
    """Return how often each address got what names a place, by channel and address as the ledger has them.

    The sandbox is not reset between alerts: it would give the ids of the earlier ones once more.
    """
    got = Counter()
    for section, told in (("posts", _post), ("texts", _text), ("mails", _mail)):
        got.update(told(item) for item in _state(box, section) if place in json.dumps(item))
    return got


def _state(box, section):
    """Ask the sandbox, which knows thousands of messages after a while, until it has the time to answer."""
    for _ in range(5):
        with contextlib.suppress(TimeoutError):
            return box.state(section)
    return box.state(section)


def _post(post):
    return (
        ("x-campus", "feed:x/campus")
        if post["provider"] == "x"
        else ("facebook-campus", "feed:facebook/1000001")
    )


def _text(text):
    return "sms-main", f"phone:{text['to']}"


def _mail(mail):
    return "email-main", f"email:{mail['recipients'][0]}"


def _signal(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
