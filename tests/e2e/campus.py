"""A campus in a folder of its own: the real command, its own list of people, a sandbox for providers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from datetime import timedelta
from pathlib import Path

from alerting.clock import SystemClock, micros
from alerting.ledger.audit import first_break
from alerting.ledger.lock import RunnerLock
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.delivery import SETTLED

ALERT = str(Path(sys.executable).with_name("alert"))
#: Words that stand for credentials and must never be seen again.
CANARIES = {
    "X_CONSUMER_KEY": "canary-xck-7f31",
    "X_CONSUMER_SECRET": "canary-xcs-9b02",
    "X_ACCESS_TOKEN": "777-canaryxat5d44",
    "X_ACCESS_TOKEN_SECRET": "canary-xas-1c8e",
    "FACEBOOK_PAGE_TOKEN": "canary-fpt-60aa",
    "FACEBOOK_APP_SECRET": "canary-fas-42ef",
    "TWILIO_AUTH_TOKEN": "canary-tat-d913",
    "SMTP_PASSWORD": "canary-smtp-0b7c",
}
CHANNELS = ("x-campus", "facebook-campus", "sms-main", "email-main")
_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR")

SHORT = """---
title: {title}
class: immediate
category: safety
severity: severe
urgency: immediate
certainty: observed
status: {status}
lifetime: {lifetime}
variables:
  place:
    type: place
    prompt: Where
    max_length: 40
---
{{% block message %}}
{{{{ source }}}} {{{{ time }}}}: {words} at {{{{ place }}}}. Go indoors.
{{% endblock %}}
{{% block subject %}}
{{{{ source }}}}: {words} at {{{{ place }}}}
{{% endblock %}}
"""


class Box:
    """The sandbox as a test sees it: what arrived, and what is to go wrong."""

    def __init__(self, handle):
        self.handle = handle

    @property
    def record(self):
        handle = self.handle
        return {
            "pid": handle.pid,
            "http_url": handle.http_url,
            "smtp_host": handle.smtp_host,
            "smtp_port": handle.smtp_port,
        }

    def lend(self, state):
        """Let commands with this state directory find the sandbox."""
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        (state / "sandbox.json").write_text(json.dumps(self.record))

    def _http(self, path, body=None):
        request = urllib.request.Request(self.handle.http_url + path)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def state(self, section):
        return self._http(f"/state?section={section}&limit=10000")["items"]

    def counts(self):
        return self._http("/state?section=counts")

    def play(self, *rules, **script):
        self._http("/control/faults", {"rules": list(rules), **script})

    def credentials(self, **given):
        self._http("/control/credentials", given)

    def fresh(self):
        """Forget everything and let nothing go wrong."""
        self.play()
        self._http("/control/reset", {})


def rule(provider, effect, *, operation="create", **match):
    return {"provider": provider, "operation": operation, "match": match, "effect": effect}


def slow(seconds, provider="twilio"):
    """A provider that takes the message and answers later."""
    return rule(provider, {"kind": "hang", "when": "after", "seconds": seconds})


class Campus:
    """One state directory, one channels.yaml, and the command that works on them."""

    def __init__(self, home: Path, box: Box | None, *, people=3, **channels) -> None:
        self.home, self.box = home, box
        self.state = home / "state" / "sandbox" if box else home / "state"
        self.channels = channels
        self._started = []
        (home / "templates").mkdir()
        self.template("hazard")
        self.people(people)
        self.configure()
        if box:
            self.adopt(box)

    # -- what is on disk

    def template(self, name, *, title="Hazard", status="actual", lifetime="1h", words="HAZARD"):
        text = SHORT.format(title=title, status=status, lifetime=lifetime, words=words)
        (self.home / "templates" / f"{name}.md").write_text(text)

    def people(self, count, *, rows=()):
        lines = ["id,phone,email"]
        lines += [f"P{n},{phone(n)},{email(n)}" for n in range(count)]
        (self.home / "people.csv").write_text("\n".join([*lines, *rows]) + "\n")

    def configure(self, **changes):
        """Write channels.yaml; ``sms={"rate_per_s": 1}`` changes one channel's settings."""
        changes = {**self.channels, **changes}
        settings = {
            "x": {
                "name": "x-campus",
                "kind": "x",
                "account": "campus",
                "consumer_key": {"env": "X_CONSUMER_KEY"},
                "consumer_secret": {"env": "X_CONSUMER_SECRET"},
                "access_token": {"env": "X_ACCESS_TOKEN"},
                "access_token_secret": {"env": "X_ACCESS_TOKEN_SECRET"},
                "rate_per_s": 100,
                "lookup_after_s": 0.2,
            },
            "facebook": {
                "name": "facebook-campus",
                "kind": "facebook",
                "page": "1000001",
                "access_token": {"env": "FACEBOOK_PAGE_TOKEN"},
                "app_secret": {"env": "FACEBOOK_APP_SECRET"},
                "rate_per_s": 100,
                "lookup_after_s": 0.2,
            },
            "sms": {
                "name": "sms-main",
                "kind": "sms.twilio",
                "account_sid": "AC" + "0" * 32,
                "auth_token": {"env": "TWILIO_AUTH_TOKEN"},
                "from": "+14135550199",
                "rate_per_s": 1000,
                "lookup_after_s": 0.2,
                "fallback": "email-main",
            },
            "email": {
                "name": "email-main",
                "kind": "email.smtp",
                "host": "smtp.example.edu",
                "username": "alerts",
                "password": {"env": "SMTP_PASSWORD"},
                "from": "alerts@example.edu",
                "rate_per_s": 1000,
            },
        }
        for name, given in changes.items():
            settings[name].update(given)
        channels = [{k: v for k, v in one.items() if v is not None} for one in settings.values()]
        whole = {
            "version": 1,
            "campus": {
                "name": "North Shore University",
                "source": "NSU ALERT",
                "time_zone": "America/New_York",
                "region": "US",
                "link": "https://alerts.example.edu",
            },
            "state": "state",
            "templates": "templates",
            "audiences": {"everyone": {"csv": "people.csv"}},
            "defaults": {"channels": list(CHANNELS), "audience": "everyone"},
            "channels": channels,
        }
        # JSON is YAML.
        (self.home / "channels.yaml").write_text(json.dumps(whole, indent=1))

    def adopt(self, box):
        """Let commands with --sandbox find this sandbox."""
        self.box = box
        box.lend(self.state)

    # -- the command

    def words(self, *args):
        return [ALERT, *(["--sandbox"] if self.box else []), *map(str, args)]

    def environment(self, extra=None):
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        canaries = {} if self.box else CANARIES
        return {**kept, "HOME": str(self.home), **canaries, **(extra or {})}

    def __call__(self, *args, env=None, code=None, timeout=30, **given):
        """Run the command to its end; it never shows a traceback."""
        done = subprocess.run(
            self.words(*args),
            cwd=self.home,
            env=self.environment(env),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **({"stdin": subprocess.DEVNULL} if "input" not in given else given),
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        assert "alert-failed" not in done.stderr, done.stderr
        assert code is None or done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def start(self, *args, env=None, **streams):
        """Start the command in a process group of its own; the campus ends it if the test does not."""
        process = subprocess.Popen(
            self.words(*args),
            cwd=self.home,
            env=self.environment(env),
            start_new_session=True,
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
        )
        self._started.append(process)
        return process

    def send(self, *args, place="Baker Hall", template="hazard", code=None, **given):
        return self("send", template, "-v", f"place={place}", "--confirm", place, *args, code=code, **given)

    def send_and_leave(self, *args, **given):
        """Send without watching; return the alert's id."""
        return json.loads(self.send(*args, "--no-wait", "--json", code=8, **given).stdout)["alert"]

    def status(self, alert_id, *args):
        return json.loads(self("status", alert_id, "--json", *args).stdout)

    def preview(self, *args, place="Baker Hall", template="hazard"):
        done = self("preview", template, "-v", f"place={place}", "--json", *args, code=0)
        return {lane["channel"]: lane for lane in json.loads(done.stdout)["channels"]}

    # -- the sender, and the record

    def sender(self):
        """Return the pid of the process that owns the ledger, or None."""
        return RunnerLock(self.state).held_by()

    def awaited_sender(self, within_s=10):
        return until(self.sender, within_s, "no sender")

    def sender_gone(self, within_s=10):
        until(lambda: self.sender() is None, within_s, "the sender does not end")

    def kill_sender(self, number=signal.SIGKILL):
        """Kill the sender, if there is one, and wait until the kernel has let go of its lock."""
        pid = self.sender()
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if number == signal.SIGKILL:
                until(lambda: self.sender() != pid, 5, "the killed sender still holds the lock")
        return pid

    @contextlib.contextmanager
    def ledger(self):
        ledger = SqliteLedger.open(self.state / "ledger.db", write=False, clock=SystemClock())
        try:
            yield ledger
        finally:
            ledger.close()

    def deliveries(self, alert_id):
        with self.ledger() as ledger:
            return list(ledger.deliveries(alert_id))

    def alerts(self):
        path = self.state / "ledger.db"
        if not path.exists():
            return []
        if path.with_name("ledger.db-journal").exists():
            # Its maker was killed while making it; only who may write can undo that.
            SqliteLedger.open(path, clock=SystemClock()).close()
        with self.ledger() as ledger:
            return list(ledger.alerts())

    def settled(self, alert_id, within_s=20):
        def rest():
            return all(d.state in SETTLED for d in self.deliveries(alert_id))

        until(rest, within_s, "not settled")

    def whole(self, alert_id=None):
        """Assert what holds at every moment: the file is whole, the acts are chained, counters are folds."""
        with contextlib.closing(sqlite3.connect(f"file:{self.state}/ledger.db?mode=ro", uri=True)) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        self.folds(alert_id)

    def folds(self, alert_id=None):
        """Assert that the acts are chained and counters are folds, on whichever store."""
        with self.ledger() as ledger:
            assert first_break(ledger.audit()) is None
            for record in ledger.alerts():
                if alert_id in (None, record.alert.id):
                    folded = Counter((d.channel, d.state) for d in ledger.deliveries(record.alert.id))
                    tallied = {
                        (tally.channel, state): count
                        for tally in ledger.tally(record.alert.id)
                        for state, count in tally.counts.items()
                        if count
                    }
                    assert tallied == dict(folded)

    def age(self, alert_id, *, left_s):
        """Change when an alert ends, as if it had been opened earlier; nobody may be sending."""
        assert self.sender() is None
        ends = micros(SystemClock().now() + timedelta(seconds=left_s))
        with contextlib.closing(sqlite3.connect(self.state / "ledger.db")) as raw, raw:
            [(body,)] = raw.execute("SELECT body FROM alert WHERE id = ?", (alert_id,))
            told = json.loads(body)
            told["expires_at"] = ends
            raw.execute(
                "UPDATE alert SET body = ?, expires_at = ? WHERE id = ?", (json.dumps(told), ends, alert_id)
            )

    def close(self):
        """End whatever still runs, by its pid."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.kill_sender(signal.SIGCONT)
        self.kill_sender()


def phone(n):
    return f"+1413555{n:04d}"


def email(n):
    return f"p{n}@example.edu"


def until(look, within_s, otherwise):
    """Look again and again; return the first answer that is true."""
    end = time.monotonic() + within_s
    while True:
        if found := look():
            return found
        if time.monotonic() > end:
            raise AssertionError(otherwise)
        time.sleep(0.01)
