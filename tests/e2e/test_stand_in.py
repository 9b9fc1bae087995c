"""Anything that speaks the providers' protocols can stand in for them: no --sandbox, no code touched."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from campus import CANARIES, Box, Campus, email, phone, until

HERE = Path(__file__).parent
#: An authority for a hundred years, trusted by nobody but these tests, and its one certificate.
AUTHORITY, CERTIFICATE = HERE / "stand_in_authority.pem", HERE / "stand_in.pem"


class TlsFront:
    """Takes TLS off what comes to a port of localhost, and hands it to a plain HTTP server."""

    def __init__(self, behind):
        self._behind = behind
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self._listener = context.wrap_socket(
            socket.create_server(("127.0.0.1", 0)), server_side=True, do_handshake_on_connect=False
        )
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        with suppress(OSError), client, socket.create_connection(self._behind) as server:
            client.do_handshake()
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join(5)

    def close(self):
        self._listener.close()


def _pump(source, sink):
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    """A simulator nobody told the program about: HTTPS and SMTP with STARTTLS, under its own authority."""
    ready = tmp_path_factory.mktemp("stand-in") / "ready.json"
    words = ["--ready-file", str(ready), "--tls-cert", str(CERTIFICATE), "--tls-key", str(CERTIFICATE)]
    process = subprocess.Popen([sys.executable, "-m", "alerting.sandbox", *words, "--idle-exit", "600"])
    until(ready.exists, 10, "the stand-in does not start")
    told = json.loads(ready.read_text())
    http = int(told["http_url"].rpartition(":")[2])
    front = TlsFront(("127.0.0.1", http))
    yield SimpleNamespace(box=Box(SimpleNamespace(**told)), https=front.port, smtp=told["smtp_port"])
    front.close()
    process.terminate()
    process.wait(10)


@pytest.fixture
def campus(tmp_path, stand_in):
    stand_in.box.fresh()
    url = f"https://localhost:{stand_in.https}"
    made = Campus(
        tmp_path,
        None,
        x={"base_url": url},
        facebook={"base_url": url},
        sms={"base_url": url},
        email={"host": "localhost", "port": stand_in.smtp, "envelope_sender": "bounces@example.edu"},
    )
    yield made
    made.close()


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_every_channel_speaks_to_a_stand_in_and_trusts_the_usual_variables(campus, stand_in, variable):
    done = campus.send("--json", env={variable: str(AUTHORITY)}, code=0)

    assert [c["accepted"] for c in json.loads(done.stdout)["channels"]] == [1, 1, 3, 3]
    box = stand_in.box
    assert sorted(post["provider"] for post in box.state("posts")) == ["graph", "x"]
    assert sorted(text["to"] for text in box.state("texts")) == [phone(n) for n in range(3)]
    mails = box.state("mails")
    assert sorted(mail["recipients"] for mail in mails) == [[email(n)] for n in range(3)]
    assert {mail["sender"] for mail in mails} == {"bounces@example.edu"}
    assert not (campus.home / "state" / "sandbox").exists()


def test_an_authority_nobody_named_is_not_trusted_and_nothing_is_sent(campus, stand_in):
    alert_id = campus.send_and_leave()
    time.sleep(1.5)

    status = campus.status(alert_id)

    assert not status["settled"]
    assert sum(channel["accepted"] for channel in status["channels"]) == 0
    assert "check network, DNS and certificates" in json.dumps(status)
    counts = stand_in.box.counts()
    assert (counts["posts"], counts["texts"], counts["mails"]) == (0, 0, 0)
    campus("cancel", alert_id, code=0)


def test_no_secret_is_in_the_record_the_logs_or_the_output_whatever_goes_wrong(campus, stand_in):
    env = {"REQUESTS_CA_BUNDLE": str(AUTHORITY)}
    said = [campus.send("--json", env=env, code=0), campus.send("--help", env=env)]
    # It would take the next one over, and its connection to the relay has logged in already.
    campus.sender_gone()
    stand_in.box.credentials(provider="x", dead="*")
    stand_in.box.credentials(provider="graph", dead="*")
    stand_in.box.credentials(provider="twilio", dead="*")
    stand_in.box.credentials(provider="smtp", dead="*")
    said += [
        campus.send(env=env, code=4, place="North Hall"),
        campus("status", env=env),
        campus("channels", "list", env=env),
        campus("channels", "check", env=env),
        campus("doctor", env=env),
        campus("doctor", env={**env, "SMTP_PASSWORD": ""}),
    ]
    export = campus.home / "out"
    [*_, first] = campus.alerts()
    said.append(campus("export", first.alert.id, "--to", export, env=env))

    heard = "".join(done.stdout + done.stderr for done in said)
    for name, secret in CANARIES.items():
        assert secret not in heard, name
    for path in _files(campus.home):
        content = path.read_bytes()
        for name, secret in CANARIES.items():
            assert secret.encode() not in content, f"{name} in {path}"


def test_the_files_of_the_record_are_for_this_user_only(campus):
    campus.send("--json", env={"REQUESTS_CA_BUNDLE": str(AUTHORITY)}, code=0)

    assert campus.state.stat().st_mode & 0o077 == 0
    for path in ("ledger.db", "sender.log", "engine.lock"):
        assert (campus.state / path).stat().st_mode & 0o077 == 0, path


def _files(folder):
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            if path.is_file():
                yield path
