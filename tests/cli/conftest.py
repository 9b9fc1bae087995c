"""The real command, in a folder of its own with a copy of what a campus has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from alerting.clock import SystemClock
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.receipt import Receipt, ReceiptStatus
from alerting.testing.builders import (
    A_MOMENT,
    A_MOMENT_US,
    a_lane,
    accepted,
    an_actor,
    an_alert,
    an_opening,
    rejected,
    some_deliveries,
)

ROOT = Path(__file__).parents[2]
#: Invented, for a configuration whose references must lead somewhere.
CREDENTIALS = {
    "X_CONSUMER_KEY": "not-a-real-key-1",
    "X_CONSUMER_SECRET": "not-a-real-secret-2",
    "X_ACCESS_TOKEN": "not-a-real-token-3",
    "X_ACCESS_TOKEN_SECRET": "not-a-real-secret-4",
    "FACEBOOK_PAGE_TOKEN": "not-a-real-token-5",
    "TWILIO_AUTH_TOKEN": "not-a-real-token-6",
    "SMTP_PASSWORD": "not-a-real-password-7",
}
_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")


class Alert:
    """The command line in a folder, in a process of its own each time."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.credentials = CREDENTIALS
        self.script = str(Path(sys.executable).with_name("alert"))

    def __call__(self, *args, input=None, env=None):  # noqa: A002 - named as subprocess names it
        """Run it to its end and return what it said; it never shows a traceback."""
        given = input.encode() if isinstance(input, str) else input
        done = subprocess.run(
            self.words(*args),
            cwd=self.home,
            env=self.environment(env),
            capture_output=True,
            timeout=60,
            check=False,
            **({"stdin": subprocess.DEVNULL} if given is None else {"input": given}),
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in out + err
        assert "alert-failed" not in err, err
        return subprocess.CompletedProcess(args, done.returncode, out, err)

    @contextmanager
    def start(self, *args, env=None, **streams):
        """Start it and give the process; it is ended with the block, however that ends."""
        words, env = self.words(*args), self.environment(env)
        with subprocess.Popen(words, cwd=self.home, env=env, **streams) as process:
            try:
                yield process
            finally:
                process.kill()

    def words(self, *args):
        return [sys.executable, "-c", "from alerting.cli import main; main()", *map(str, args)]

    def environment(self, extra=None):
        """Return an environment without anything of the machine's own accounts."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {**kept, "HOME": str(self.home), **(extra or {})}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "channels.yaml", tmp_path)
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    (tmp_path / "demo").mkdir()
    shutil.copy(ROOT / "demo" / "people.csv", tmp_path / "demo")
    return tmp_path


@pytest.fixture
def alert(home: Path) -> Alert:
    return Alert(home)


def _ledger(home: Path) -> SqliteLedger:
    state = home / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    return SqliteLedger.open(state / "ledger.db", clock=SystemClock())


@pytest.fixture
def waiting(home: Path) -> str:
    """A ledger with an alert whose messages have not left, and no process to send them."""
    ledger = _ledger(home)
    alert = an_alert(id="L-WA1TNG")
    with ledger.transaction():
        ledger.open_alert(an_opening("sms-main", alert=alert), at=A_MOMENT_US)
        ledger.add_batch(alert.id, "sms-main", some_deliveries(2), priority=50)
        ledger.planned(alert.id, recipients=2, notes={})
    ledger.close()
    return alert.id


@pytest.fixture
def recorded(home: Path) -> str:
    """A ledger with one alert to three people: two texts taken, one refused in words that name the phone.

    One of the taken comes back, in words that name a mailbox.
    """
    ledger = _ledger(home)
    alert = an_alert(title="=Gas leak")
    with ledger.transaction():
        lanes = (a_lane("sms-main"), a_lane("email-main"))
        ledger.open_alert(an_opening(*lanes, alert=alert, actor=an_actor()), at=A_MOMENT_US)
        ledger.add_batch(alert.id, "sms-main", some_deliveries(3), priority=50)
        ledger.planned(alert.id, recipients=3, notes={})
    with ledger.transaction():
        batch = ledger.lease("sms-main", owner="test", at=A_MOMENT_US, until=A_MOMENT_US + 60_000_000)
        assert batch is not None
        ledger.claim(batch, [row.id for row in batch.rows], at=A_MOMENT_US)
        first, second, third = batch.rows
        refusal = rejected(third, detail="+15550000002 is not a mobile number")
        ledger.settle(batch, [accepted(first), accepted(second, provider_id="=cmd|' /C calc'!A0"), refusal])
        ledger.release(batch, not_before=0)
        told = Receipt(
            channel="sms-main",
            status=ReceiptStatus.UNDELIVERED,
            at=A_MOMENT,
            provider_id=accepted(first).provider_id,
            detail="550 ann@example.edu is full",
        )
        ledger.apply([told], at=A_MOMENT_US)
        ledger.settle_alert(alert.id, at=A_MOMENT_US)
    ledger.close()
    return alert.id


@pytest.fixture
def many(home: Path) -> None:
    """A ledger with an open incident whose next word is overdue, and 25 drills since."""
    ledger = _ledger(home)
    with ledger.transaction():
        for name in ("L-0LD000", *(f"D-{number:06}" for number in range(25))):
            alert = an_alert(id=name, incident=name)
            ledger.open_alert(an_opening("sms-main", alert=alert, actor=an_actor()), at=A_MOMENT_US)
            ledger.planned(name, recipients=0, notes={})
            due = {"alert": name, "due_at": A_MOMENT_US, "owner": "lee"}
            ledger.record_act("incident.opened", name, due, actor=an_actor(), at=A_MOMENT_US)
            ledger.settle_alert(name, at=A_MOMENT_US)
    ledger.close()
