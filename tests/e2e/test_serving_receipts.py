"""`alert serve` as a process: signed callbacks out of order and doubled, and killed under a flood."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from hashlib import sha1
from pathlib import Path
from urllib.parse import urlencode

import pytest

from alerting.clock import SystemClock
from alerting.digest import delivery_key
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.delivery import State

ROOT = Path(__file__).parents[2]
ACCOUNT = "AC" + "0" * 32
#: What a sandbox's configuration gives for `auth_token`.
TOKEN = b"sandbox-auth_token"
PEOPLE = 40
#: How often the service is killed under a flood of calls; more on demand.
KILLS = int(os.environ.get("ALERT_FLOOD_KILLS") or 1)
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR")
CONFIG = """
version: 1
campus: {{name: Example, source: EX ALERT, time_zone: America/New_York}}
audiences: {{everyone: {{csv: people.csv}}}}
callbacks: {{public_url: "https://alerts.example.edu/hooks", listen: "127.0.0.1:{port}"}}
channels:
  - {{name: sms-main, kind: sms.twilio, account_sid: {account}, auth_token: {{env: T}}, from: "+15005550006",
     rate_per_s: 1000}}
"""


class Campus:
    """A folder with a configuration, and the command line in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (home / "channels.yaml").write_text(CONFIG.format(port=self.port, account=ACCOUNT))
        rows = [f"p{n},+1413555{n:04d}" for n in range(100, 100 + PEOPLE)]
        (home / "people.csv").write_text("\n".join(["id,phone", *rows]) + "\n")
        shutil.copytree(ROOT / "templates", home / "templates")
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self.environment = {**kept, "HOME": str(home), "COLUMNS": "200"}

    def words(self, *args):
        return [sys.executable, "-c", "from alerting.cli import main; main()", "--sandbox", *args]

    def run(self, *args):
        done = subprocess.run(
            self.words(*args),
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            timeout=60,
            check=False,
            text=True,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done

    @contextmanager
    def serving(self, **more):
        log = (self.home / "serve.log").open("ab")
        process = subprocess.Popen(
            self.words("serve"), cwd=self.home, env={**self.environment, **more}, stdout=log, stderr=log
        )
        log.close()
        try:
            self.await_port(process)
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(20)

    def await_port(self, process, within_s=20):
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            assert process.poll() is None, (self.home / "serve.log").read_text()
            with socket.socket() as connection:
                if not connection.connect_ex(("127.0.0.1", self.port)):
                    return
            time.sleep(0.05)
        pytest.fail("alert serve does not listen")

    def sandbox(self, path, body):
        place = json.loads((self.home / "state/sandbox/sandbox.json").read_text())["http_url"]
        asked = urllib.request.Request(
            place + path, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return json.load(answer)

    def texts(self):
        place = json.loads((self.home / "state/sandbox/sandbox.json").read_text())["http_url"]
        with urllib.request.urlopen(place + "/state?section=texts", timeout=5) as answer:
            return {text["status"] for text in json.load(answer)["items"]}

    def ledger(self):
        return SqliteLedger.open(self.home / "state/sandbox/ledger.db", write=False, clock=SystemClock())

    def send(self):
        done = self.run("send", "gas-leak", "-v", "place=Baker Hall", "--confirm", "baker hall", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])["alert"]

    def until(self, true, within_s=20):
        until = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < until, "it does not come true"
            time.sleep(0.1)


@pytest.fixture
def campus(tmp_path):
    made = Campus(tmp_path)
    yield made
    made.run("sandbox", "stop")


def test_receipts_out_of_order_and_doubled_end_as_told(campus):
    with campus.serving():
        shuffled = {"kind": "receipts", "order": "shuffled", "copies": 3}
        failing = {f"+1413555{n:04d}": "unreachable" for n in range(100, 105)}
        rule = {"provider": "twilio", "operation": "create", "effect": shuffled}
        rule["match"] = {"to": [f"+1413555{n:04d}" for n in range(105, 100 + PEOPLE)]}
        campus.sandbox("/control/faults", {"numbers": failing, "rules": [rule]})
        alert = campus.send()
        ledger = campus.ledger()
        campus.until(
            lambda: (
                ledger.tally(alert)[0].counts[State.DELIVERED] == PEOPLE - 5
                and ledger.tally(alert)[0].counts[State.UNDELIVERED] == 5
            )
        )
        ledger.close()
        (told,) = json.loads(campus.run("status", alert, "--json").stdout)["channels"]
    assert (told["accepted"], told["delivered"], told["failed"]) == (PEOPLE, PEOPLE - 5, 5), "kept apart"
    lines = campus.run("status", alert).stdout
    assert "not reachable" in lines


def test_a_forged_call_is_refused_and_on_record(campus):
    with campus.serving() as process:
        alert = campus.send()
        asyncio.run(flood(campus, calls(campus, alert, signed_with=b"guess"), most=20))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    ledger = campus.ledger()
    (row,) = {row.subject: row for row in ledger.audit() if row.action == "callback.refused"}.values()
    assert json.loads(row.body)["why"]["its signature is wrong"] >= 1
    ledger.close()


def test_nothing_that_was_acknowledged_is_lost_when_it_is_killed(campus):
    rng = random.Random(5)
    with campus.serving():
        campus.sandbox("/control/faults", {"switches": {"callbacks": False}})
        alert = campus.send()
    told, acknowledged = calls(campus, alert), set()
    for _ in range(KILLS):
        rng.shuffle(told)
        with campus.serving() as process:
            most = rng.randrange(1, len(told))
            acknowledged |= asyncio.run(flood(campus, told, most=most, then=process.kill))
            assert process.wait(20) == -signal.SIGKILL
        ledger = campus.ledger()
        kept = {(receipt.delivery, receipt.status) for receipt in ledger.receipts(alert)}
        ledger.close()
        assert acknowledged <= kept
    assert acknowledged
    with campus.serving():
        again = asyncio.run(flood(campus, told))
    assert len(again) == len(told), "what is told again is taken again"
    ledger = campus.ledger()
    assert ledger.tally(alert)[0].counts[State.DELIVERED] == PEOPLE
    assert len(list(ledger.receipts(alert))) == len(told)
    ledger.close()


def test_who_replied_stop_is_left_out_next_time_and_said_aloud(campus):
    person = "+14135550100"
    with campus.serving():
        inbound = {"AccountSid": ACCOUNT, "MessageSid": "SMin", "From": person, "To": "+15005550006"}
        stop = signed_call(campus, "/twilio/inbound", {**inbound, "Body": "Stop"})
        reply = signed_call(
            campus, "/twilio/inbound", {**inbound, "MessageSid": "SMin2", "Body": "I am safe"}
        )
        asyncio.run(flood(campus, [("stop", stop), ("reply", reply)], count="200"))
        done = campus.run("send", "gas-leak", "-v", "place=Baker Hall", "--confirm", "baker hall")
        assert "1 person replied STOP to sms-main" in done.stdout
        assert "WILL NOT BE REACHED" in done.stdout
        assert f"/{PEOPLE - 1}" in done.stdout
        listed = campus.run("receipts", "stopped").stdout
        start = signed_call(campus, "/twilio/inbound", {**inbound, "MessageSid": "SMin3", "Body": "START"})
        asking = {**inbound, "MessageSid": "SMin4", "Body": "HELP"}
        helped = signed_call(campus, "/twilio/inbound", asking)
        asyncio.run(flood(campus, [("start", start), ("help", helped)], count="200"))
        shown = campus.run("preview", "gas-leak", "-v", "place=Baker Hall").stdout
        words = ("send", "gas-leak", "-v", "place=North Hall", "--confirm", "north hall", "--json")
        back = json.loads(campus.run(*words).stdout.splitlines()[-1])["alert"]
    assert "***0100" in listed
    assert "replied STOP" not in shown, "START brings a person back"
    assert f"{PEOPLE} people" in shown
    assert person not in listed
    ledger = campus.ledger()
    [own] = ledger.deliveries(back, channel="sms-main", address=f"phone:{person}")
    assert own.provider_id, "the text left for them again"
    assert [reply.text for reply in ledger.replies()] == ["I am safe", "HELP"]
    ledger.close()


def test_where_no_callback_reaches_us_providers_can_be_asked(campus):
    text = (campus.home / "channels.yaml").read_text()
    (campus.home / "channels.yaml").write_text(
        "\n".join(line for line in text.splitlines() if "callbacks" not in line)
    )
    alert = campus.send()
    campus.until(lambda: "delivered" in campus.texts())
    time.sleep(0.3)
    done = campus.run("status", alert, "--refresh", "--json")
    (told,) = json.loads(done.stdout)["channels"]
    assert (told["accepted"], told["delivered"]) == (PEOPLE, PEOPLE), done.stderr
    assert f"{PEOPLE} messages; {PEOPLE} of them something new" in done.stderr


def test_it_tells_systemd_when_it_is_ready(campus, tmp_path):
    place = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(place))
        systemd.settimeout(20)
        with campus.serving(NOTIFY_SOCKET=str(place)):
            assert systemd.recv(100) == b"READY=1"


def test_it_says_that_it_listens_when_it_does(campus):
    process = subprocess.Popen(
        campus.words("serve"), cwd=campus.home, env=campus.environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert f"Listening on 127.0.0.1:{campus.port}" in process.stdout.readline()
        socket.create_connection(("127.0.0.1", campus.port), 5).close()
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(20)


def test_without_a_callbacks_section_it_says_what_to_write(campus):
    text = (campus.home / "channels.yaml").read_text()
    (campus.home / "channels.yaml").write_text(
        "\n".join(line for line in text.splitlines() if "callbacks" not in line)
    )
    process = subprocess.Popen(
        campus.words("serve"), cwd=campus.home, env=campus.environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert "Without a callbacks section" in process.stdout.readline()
        assert "public_url" in process.stdout.readline()
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(20)


def calls(campus, alert, *, signed_with=TOKEN):
    """Return every status of every text of an alert, each as ((row, status), raw request)."""
    ledger = campus.ledger()
    rows = [(d.id, d.address, d.provider_id) for d in ledger.deliveries(alert)]
    ledger.close()
    made = []
    for word in ("queued", "sent", "delivered", "read"):
        for row, address, sid in rows:
            key = f"{delivery_key(alert, 'sms-main', address)}.{row}"
            fields = {"AccountSid": ACCOUNT, "MessageSid": sid, "MessageStatus": word, "To": address[6:]}
            raw = signed_call(campus, f"/twilio/status?d={key}", fields, signed_with=signed_with)
            made.append(((row, word), raw))
    return made


def signed_call(campus, path, fields, *, signed_with=TOKEN):
    """Return a call as Twilio makes and signs it, as bytes."""
    whole = f"http://127.0.0.1:{campus.port}{path}" + "".join(n + fields[n] for n in sorted(fields))
    signature = base64.b64encode(hmac.new(signed_with, whole.encode(), sha1).digest()).decode()
    body = urlencode(fields)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"X-Twilio-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


async def flood(campus, told, *, most=0, then=None, count="204"):
    """Post over ten connections; after `most` answers do `then`. Return what was acknowledged."""
    waiting, acknowledged, answered = list(reversed(told)), set(), 0

    async def post_on():
        nonlocal answered
        reader, writer = await asyncio.open_connection("127.0.0.1", campus.port)
        try:
            while waiting and not (most and not then and answered >= most):
                name, raw = waiting.pop()
                writer.write(raw)
                head = await reader.readuntil(b"\r\n\r\n")
                if length := head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]:
                    await reader.readexactly(int(length))
                answered += 1
                if head.startswith(f"HTTP/1.1 {count}".encode()):
                    acknowledged.add(name)
                if then and answered == most:
                    then()
        except (OSError, asyncio.IncompleteReadError):
            assert then, "nobody killed it"
        finally:
            writer.close()

    async with asyncio.timeout(60):
        await asyncio.gather(*(post_on() for _ in range(10)))
    return acknowledged
