"""Two versions of the program at work on one record, as while hosts are brought up to date one by one.

Every version is a tree with an ``alerting`` folder, run as it runs in life; what is known of them is their
command lines, what the sandbox received, and the record. ``python tests/upgrade/side_by_side.py OLDER`` does
all of it with a tree of the project's own history; ``make test`` with trees made of this one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from campus import Campus, email, phone, slow, until
from shared_campus import SharedCampus

from alerting.model.delivery import State

HERE = Path(__file__).parents[2]
RATE = 120
LATE_S = 1.5
SETTINGS = {
    "sms": {"rate_per_s": RATE, "in_flight": 20, "lookup_after_s": 0.5, "fallback": ""},
    "email": {"rate_per_s": RATE, "in_flight": 5},
}
UPDATE = ["update", "-v", "action=STAY AWAY from it"]
#: Older ones took any newer number for damage, and fell over a field they did not know in what waits to follow.
TOLERANT = 4
#: What the next version of a store takes on, and what the one after it gives up.
WIDER = "ALTER TABLE alert ADD COLUMN aside {} NOT NULL DEFAULT '';\n"
NARROWER = "ALTER TABLE alert DROP COLUMN IF EXISTS pending;\n"


def version_of(tree, store="postgres"):
    """Return the version of the tables a tree makes."""
    return len(list((_migrations(tree) / ("postgres" if store == "postgres" else "")).glob("[0-9]*.sql")))


def _migrations(tree):
    return tree / "alerting" / "ledger" / "migrations"


def grown(tree, folder, *, postgres="", sqlite=""):
    """Copy a tree, and give it one more migration for each store that is named."""
    shutil.copytree(tree / "alerting", folder / "alerting")
    for text, place in ((postgres, _migrations(folder) / "postgres"), (sqlite, _migrations(folder))):
        number = len(list(place.glob("[0-9]*.sql"))) + 1
        if text:
            (place / f"{number:04d}_grown.sql").write_text(text)
    return folder


class _Of:
    """A host that runs the program of a tree."""

    tree = HERE

    def environment(self, extra=None):
        return super().environment({"PYTHONPATH": str(self.tree), **(extra or {})})


class Host(_Of, SharedCampus):
    """One that shares a record."""


class Alone(_Of, Campus):
    """One with a record of its own."""


class Shared:
    """An older, a newer and a still newer program on one PostgreSQL, one step after the other."""

    def __init__(self, folder, box, address, *, older, newer, people, say=lambda _: None):
        self.box, self.people, self.say = box, people, say
        self.narrower = grown(
            newer, folder / "narrower-tree", postgres=f"-- least: {version_of(newer)}\n{NARROWER}"
        )
        self.old, self.new, self.next = (
            self._host(folder / name, address, tree)
            for name, tree in (("older", older), ("newer", newer), ("narrower", self.narrower))
        )
        self.before, self.after = version_of(older), version_of(newer)
        self.workers = []

    def _host(self, home, address, tree):
        home.mkdir()
        host = Host(home, self.box, address, people=self.people, **SETTINGS)
        host.tree = tree
        for name in ("update", "all-clear"):
            shutil.copy(HERE / "templates" / f"{name}.md", home / "templates")
        return host

    def close(self):
        for host in (self.old, self.new, self.next):
            host.close()

    # -- the steps

    def widen(self):
        """The older one sends; the newer one is refused, is forced, and both send the rest."""
        self._box_slow()
        alert = self.old.send_and_leave("--channels", "sms-main,email-main")
        self._same_keys()
        until(lambda: self.box.counts()["texts"] > 5, 20, "nothing left")
        for words in (("status", alert), ("ledger", "upgrade")):
            refused = self.new(*words, code=75)
            assert "an alert is being sent" in refused.stderr
            assert "alert ledger upgrade --force" in refused.stderr
        forced = self.new("ledger", "upgrade", "--force", code=0)
        assert f"schema {self.after}," in forced.stdout
        # One worker a channel, so that each surely has a part.
        self._worker(self.old, "sms-main")
        self._worker(self.new, "email-main")
        self.old.kill_sender(signal.SIGTERM)
        self.box.play()
        self._seen_by_both(alert)
        self.old.settled(alert, within_s=60)
        self._everybody_once()
        self.say(
            f"version {self.before} opened {alert}, {self.after} widened the tables while it was sent, "
            f"both sent it: {self.people} texts and {self.people} mails, none lost, none doubled"
        )
        return alert

    def cross(self, alert):
        """Each stops, follows up and settles what the other opened."""
        for one, other in ((self.new, self.old), (self.old, self.new)):
            self._box_slow()
            opened = one.send_and_leave("--channels", "sms-main", "--one-more", place=f"Hall {one.home.name}")
            until(lambda: self.box.counts()["texts"], 20, "nothing left")
            other("cancel", opened, code=0)
            one.settled(opened, within_s=30)
            states = Counter(d.state for d in one.deliveries(opened))
            sent = self.box.counts()["texts"]
            assert states == {State.ACCEPTED: sent, State.CANCELLED: self.people - sent}
            self._seen_by_both(opened)
            self.say(f"{one.home.name} opened {opened}, {other.home.name} stopped it after {sent} texts")
        for host, words in ((self.old, UPDATE), (self.new, ["all-clear"])):
            self.box.fresh()
            told = host(words[0], alert, *words[1:], "--confirm", "Baker Hall", "--json", code=0)
            follow = json.loads(told.stdout)["alert"]
            host.settled(follow, within_s=30)
            self._everybody_once()
            self._seen_by_both(follow)
            self.say(f"{host.home.name} followed {alert} up with {words[0]}")

    def prove(self):
        """Both seal the record, one after the other, and both verify it; return what each finds broken."""
        found = {}
        for host in (self.old, self.new):
            host("audit", "checkpoint", code=0)
        for host in (self.old, self.new):
            looked = host("audit", "verify", "--json")
            assert looked.stdout, looked.stderr
            told = json.loads(looked.stdout)
            known = f"it says it is of version {self.after}; this program knows 1 to {self.before}"
            found[host.home.name] = told["broken"]
            assert told["broken"] in ([], [known] if self.before < TOLERANT else [])
        self.new.whole()
        self.say(f"both verify the record: {told['acts']} acts, {told['deliveries']} messages")
        return found

    def narrow(self):
        """The step that takes something away waits for the older one, and then shuts it out; return its words."""
        for words in (("status",), ("ledger", "upgrade", "--force")):
            refused = self.next(*words, code=75)
            assert f"while programs older than version {self.after} use it" in refused.stderr
        self.say(refused.stderr.strip())
        self._stop(self.workers[0])
        # A sender that has just come to its end lets go of its connection a moment later; "then repeat", it says.
        until(lambda: self.next("ledger", "upgrade").returncode == 0, 20, "the older program has not gone")
        shut_out = self.old.send(place="Gym", code=75).stderr.strip()
        assert "newer version" in shut_out
        assert "use that version, or a newer one" in shut_out
        self.say(shut_out)
        assert self.old("worker").returncode == self.old("status").returncode == 75
        self.box.fresh()
        opened = self.next.send_and_leave("--channels", "email-main", "--one-more", place="Pool")
        self.next.kill_sender(signal.SIGTERM)
        until(lambda: self.new.status(opened)["settled"], 30, "not settled")
        assert self.box.counts()["mails"] == self.people
        for host in (self.new, self.next):
            assert json.loads(host("audit", "verify", "--json", code=0).stdout)["whole"]
        self._stop(self.workers[1])
        self.say(f"version {self.after} goes on beside {self.after + 1}, and both verify the record")
        return shut_out

    # -- what they are made of

    def _box_slow(self):
        """Let providers answer late: what is sent lasts for as long as commands are tried beside it."""
        self.box.fresh()
        self.box.play(slow(LATE_S), slow(LATE_S, "smtp"))

    def _same_keys(self):
        self.old("audit", "checkpoint", code=0)
        for key in self.old.state.glob("audit*.key"):
            for host in (self.new, self.next):
                shutil.copy(key, host.state)

    def _worker(self, host, channel):
        process = host.start("worker", "--channels", channel, "--json")
        assert json.loads(process.stdout.readline())["kind"] == "worker"
        self.workers.append(process)

    def _stop(self, process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, process.stderr.read()

    def _seen_by_both(self, alert):
        for host in (self.old, self.new):
            words = ("status", alert) if host is self.new or self.before >= TOLERANT else ("status",)
            assert alert in host(*words, "--json").stdout

    def _everybody_once(self):
        assert self.lost_and_doubled() == ([], []), self.new("status", "--json").stdout

    def lost_and_doubled(self):
        """Return who has no text or no mail, and who has one twice."""
        box, people, lost, doubled = self.box, range(self.people), [], []
        texts = Counter(text["to"] for text in box.state("texts"))
        mails = Counter(address for mail in box.state("mails") for address in mail["recipients"])
        for told, whom in ((texts, phone), (mails, email)):
            lost += [whom(n) for n in people if not told[whom(n)]]
            doubled += [whom(n) for n in people if told[whom(n)] > 1]
        return lost, doubled


class OneHost:
    """An older and a newer program, one after the other, on the record of one host."""

    def __init__(self, home, box, *, older, newer, people, say=lambda _: None):
        self.box, self.people, self.say = box, people, say
        home.mkdir()
        self.old = Alone(home, box, people=people, **SETTINGS)
        self.new = object.__new__(Alone)  # another program in the same place
        self.new.__dict__.update(self.old.__dict__)
        self.old.tree, self.new.tree = older, newer
        self.before, self.after = version_of(older, "sqlite"), version_of(newer, "sqlite")

    def close(self):
        self.old.close()

    def follow(self):
        """Refused while the older one sends; brought up to date when it is gone, and sent to the end.

        Returns how often each number got its text.
        """
        self.box.fresh()
        first = self.old.send_and_leave("--channels", "email-main", place="Library")
        until(lambda: self.old.status(first)["settled"], 30, "not settled")
        self.old.sender_gone()
        self.old("audit", "checkpoint", code=0)
        self.box.fresh()
        self.box.play(slow(LATE_S))
        alert = self.old.send_and_leave("--channels", "sms-main")
        until(lambda: self.box.counts()["texts"] > 5, 20, "nothing left")
        pid = self.old.sender()
        for words in (("cancel", alert), ("doctor", "--quick")):
            refused = self.new(*words, code=75)
            assert f"(ledger {self.before}, we need {self.after}), and process {pid}" in _line(refused)
            assert f"`kill {pid}` and repeat: nothing is lost" in _line(refused)
        self.say(_line(self.new("status", code=75)))
        self.box.play()
        os.kill(pid, signal.SIGTERM)
        until(lambda: self.old.sender() != pid, 10, "the sender does not end")
        until(lambda: self.new.status(alert)["settled"], 40, "not settled")
        sent = Counter(text["to"] for text in self.box.state("texts"))
        assert sent == dict.fromkeys(map(phone, range(self.people)), 1)
        self.say(f"version {self.after} went on with {alert}: {len(sent)} texts, none lost, none doubled")
        self.new.sender_gone()
        return sent

    def rest(self):
        """A record that was sealed and is only brought up to date is whole; the older one leaves it alone, and says so."""
        told = json.loads(self.new("audit", "verify", "--json", code=0).stdout)
        assert told["whole"]
        with closing(sqlite3.connect(self.new.state / "ledger.db")) as raw:
            noted = raw.execute("SELECT body FROM audit WHERE action = 'ledger.upgraded'").fetchall()
        assert noted == [(f'{{"from":{self.before},"to":{self.after}}}',)]
        refused = self.old("cancel", "L-AAAAAA", code=75)
        assert "newer version" in refused.stderr
        assert f"it says it is of version {self.after}" in _line(self.old("audit", "verify", code=3))
        told = _line(self.old.send(place="Gym", code=75))
        assert "newer version" in told
        self.say(_line(self.old("status", code=75)))
        return told


def _line(done):
    return " ".join((done.stdout + done.stderr).split())
