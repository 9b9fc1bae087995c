import json
import re
import socket
from contextlib import closing

import pytest


@pytest.fixture
def sandbox(alert):
    """A sandbox of this test's own, ended when it is over."""
    yield
    alert("sandbox", "stop")


def only(home, *kinds):
    """Leave only these kinds in channels.yaml, and no defaults that name others."""
    head, _, tail = (home / "channels.yaml").read_text().partition("\nchannels:\n")
    entries = re.split(r"(?=^  - name: )", tail, flags=re.MULTILINE)
    kept = "".join(entry for entry in entries if any(f"kind: {kind}\n" in entry for kind in kinds))
    head = re.sub(r"  channels: \[.*\]\n", "", head)
    (home / "channels.yaml").write_text(f"{head}\nchannels:\n{kept}")


def test_channels_are_listed_without_any_credential(alert):
    done = alert("channels", "list")

    assert done.returncode == 0
    head, *rows = done.stdout.splitlines()
    assert head.split()[:3] == ["name", "kind", "mode"]
    sms = next(row for row in rows if row.startswith("sms-main"))
    assert "sms.twilio" in sms
    assert "100/s" in sms
    assert sms.endswith("email-main")


def test_channels_for_scripts_say_what_each_takes(alert):
    told = json.loads(alert("channels", "list", "--json").stdout)

    by_name = {channel["name"]: channel for channel in told["channels"]}
    assert by_name["x-campus"]["feeds"] == ["feed:x/nsu_alert"]
    assert by_name["x-campus"]["limit"] == 280
    assert by_name["sms-main"]["address_kind"] == "phone"
    assert by_name["sms-main"]["fallback"] == "email-main"
    assert told["off"] == {}


def test_a_channel_that_is_off_says_so(alert, home):
    text = (home / "channels.yaml").read_text()
    off = text.replace("    kind: facebook\n", "    kind: facebook\n    enabled: false\n")
    (home / "channels.yaml").write_text(off)

    done = alert("channels", "list")

    assert "facebook-campus: off" in done.stdout


def test_a_provider_that_takes_our_credentials_is_ready(alert, home, sandbox):
    done = alert("--sandbox", "channels", "check", "facebook-campus", "sms-main", "email-main")

    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout
    assert done.stdout.splitlines()[-1] == "3 channels: 3 ready, 0 not"
    assert alert("--sandbox", "status").stdout == "Nothing has been sent from here yet.\n"
    counts = json.loads(alert("sandbox", "status", "--json").stdout)["counts"]
    assert (counts["posts"], counts["texts"], counts["mails"]) == (0, 0, 0)


def test_one_refused_credential_is_told_with_what_to_do_and_does_not_hide_the_rest(alert, home, sandbox):
    alert("--sandbox", "channels", "check", "sms-main")
    url = json.loads(alert("sandbox", "status", "--json").stdout)["http_url"]
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"provider": "graph", "dead": "*"}).encode()
    with closing(socket.create_connection((host, int(port)), timeout=5)) as wire:
        head = (
            f"POST /control/credentials HTTP/1.0\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        )
        wire.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert b" 200 " in wire.recv(1000)

    told = alert("--sandbox", "channels", "check", "facebook-campus", "sms-main", "--json")

    assert told.returncode == 3
    by_name = {channel["name"]: channel for channel in json.loads(told.stdout)["channels"]}
    assert by_name["sms-main"]["ok"] is True
    assert by_name["facebook-campus"]["ok"] is False
    assert by_name["facebook-campus"]["found"][0]["fix"]


def test_when_no_provider_can_be_reached_the_code_says_nothing_would_go_out(alert, home):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        only(home, "email.smtp")
        text = (home / "channels.yaml").read_text().replace("smtp.example.edu", "127.0.0.1")
        port = f"    port: {taken.getsockname()[1]}\n"
        (home / "channels.yaml").write_text(text.replace("    tls: starttls", port + "    tls: starttls"))

        done = alert("channels", "check", env=alert.credentials)

    assert done.returncode == 4
    assert done.stdout.startswith("FAIL  email-main  connect")
    assert " -> " in done.stdout
    assert "1 channel: 0 ready, 1 not" in done.stdout


def test_credentials_that_are_not_there_are_all_named_at_once(alert):
    done = alert("channels", "check", env={"SMTP_PASSWORD": "not-a-real-password-7"})

    assert done.returncode == 2
    assert "X_CONSUMER_KEY is not set" in done.stderr
    assert "TWILIO_AUTH_TOKEN is not set" in done.stderr
    assert "not-a-real-password-7" not in done.stderr + done.stdout


def test_an_unknown_channel_is_answered_with_the_nearest(alert):
    done = alert("channels", "check", "sms-mian", env=alert.credentials)

    assert done.returncode == 2
    assert "sms-main" in done.stderr
