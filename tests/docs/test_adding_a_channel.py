"""The page about adding a channel is true: its code is the example's, it works, and it conforms."""

from __future__ import annotations

import importlib.util
import json
import re
import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import EntryPoint
from pathlib import Path
from threading import Event, Thread

import pytest

from alerting.channels.base import Surroundings
from alerting.channels.registry import ENTRY_POINTS, Registry
from alerting.clock import SystemClock
from alerting.model.audience import Address
from alerting.secret import Secret
from alerting.testing.builders import an_envelope
from alerting.testing.channel_conformance import CANARY, ChannelConformance, Fault

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/adding-a-channel.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples/webhook_channel.py"
NOWHERE = "http://127.0.0.1:1/"
DRIP_S = 4.0

#: What the service says: status, body, headers.
ANSWERS = {
    Fault.RATE_LIMITED: (429, b"{}", {"Retry-After": "7"}),
    Fault.BROKEN: (500, b"{}"),
    Fault.DEAD_TOKEN: (401, b"{}"),
    Fault.HTML: (200, b"<html></html>"),
    Fault.EMPTY: (201, b""),
    Fault.NAN: (200, b'{"id":NaN}'),
}


def code_of_the_page():
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return next(block for block in blocks if "KindSpec" in block)


class Service(BaseHTTPRequestHandler):
    """Takes alerts as JSON; a fault of the suite may be scripted."""

    def do_POST(self):
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
        fault = self.server.fault if self.server.only in text else None
        if fault in (None, Fault.RESET_AFTER, Fault.DRIP, Fault.HUGE):
            self.server.taken.append((text, self.headers["Idempotency-Key"]))
        good = json.dumps({"id": f"note-{len(self.server.taken)}"}).encode()
        if fault in ANSWERS:
            self.answer(*ANSWERS[fault])
        elif fault is Fault.HANG:
            self.server.stopped.wait(30)
        elif fault is Fault.RESET_AFTER:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault is Fault.DRIP:
            self.drip(good)
        else:
            self.answer(200, good + (b" " * 3_000_000 if fault is Fault.HUGE else b""))

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def drip(self, body):
        self.answer(200, b"", {"Content-Length": str(len(body))})
        for byte in body:
            if self.server.stopped.wait(DRIP_S / len(body)):
                return
            self.wfile.write(bytes([byte]))

    def log_message(self, *_):
        """Keep the test's output clean."""


class Server(ThreadingHTTPServer):
    """The service, and what it has taken."""

    daemon_threads = True
    request_queue_size = 64
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Service)
        self.fault, self.only, self.taken, self.stopped = None, "", [], Event()
        self.url = f"http://127.0.0.1:{self.server_port}/alerts"

    def handle_error(self, *_):
        """A client that went away is part of the tests."""


class Handle:
    """The service as the suite sees it."""

    def __init__(self, server):
        self.server = server

    def script(self, effect, *, text_contains=""):
        self.server.fault, self.server.only = effect, text_contains

    def taken(self, envelope):
        return len(self.keys(envelope))

    def keys(self, envelope):
        return [key for text, key in self.server.taken if text == envelope.content.text]


@pytest.fixture
def server():
    with Server() as running:
        Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield running
        running.stopped.set()
        running.shutdown()


@pytest.fixture(scope="module")
def webhook():
    """The page's own code, as a module."""
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("webhook_channel", loader=None, origin=str(EXAMPLE))
    )
    sys.modules["webhook_channel"] = module
    exec(compile(code_of_the_page(), str(EXAMPLE), "exec"), module.__dict__)
    yield module
    del sys.modules["webhook_channel"]


@pytest.fixture
def surroundings():
    return Surroundings(clock=SystemClock(), campus="Example University")


def test_the_pages_code_is_the_examples():
    assert code_of_the_page() == EXAMPLE.read_text(encoding="utf-8")


def test_the_example_is_short():
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 80


async def test_the_pages_entry_point_and_settings_send_an_alert(webhook, server, surroundings):
    name, value = re.search(r'^(\w+) = "(webhook_channel:\w+)"$', PAGE, re.MULTILINE).groups()
    assert f'[project.entry-points."{ENTRY_POINTS}"]' in PAGE
    assert f"kind: {name}" in PAGE
    registry = Registry(lambda: [EntryPoint(name, value, ENTRY_POINTS)])
    settings = registry.settings_class(name)(name="room", url=server.url, token=Secret("let-me-in"))
    outcome = await registry.build(settings, surroundings).send(an_envelope())
    assert outcome.provider_id == "note-1"
    assert server.taken == [(an_envelope().content.text, an_envelope().key)]


class TestWebhook(ChannelConformance):
    @pytest.fixture
    def provider(self, server):
        return Handle(server)

    def build(self, webhook, surroundings, url):
        settings = webhook.WebhookSettings(name="room", url=url, token=Secret(CANARY), deadline_s=1)
        return webhook.build(settings, surroundings)

    @pytest.fixture
    def channel(self, webhook, surroundings, server):
        return self.build(webhook, surroundings, server.url)

    @pytest.fixture
    def lost_channel(self, webhook, surroundings):
        return self.build(webhook, surroundings, NOWHERE)

    @pytest.fixture
    def envelope(self):
        return an_envelope(address=Address.parse("feed:webhook/room"))
