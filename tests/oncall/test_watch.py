"""Keeping watch: who is called when the answer turns, the signal for an outside monitor, what ends soon."""

import asyncio
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from oncall_scene import KIM, Scene

from alerting.channels.base import Check
from alerting.errors import ConfigProblem
from alerting.oncall.answer import Answer, Level, Look
from alerting.probing import Probed, certificate, keep, known
from alerting.watchman import Watchman, watching

PEM = Path(__file__).parents[1] / "e2e/stand_in.pem"
AUTHORITY = Path(__file__).parents[1] / "e2e/stand_in_authority.pem"


class Asked:
    """A channel that answers a probe as told, and counts the probes."""

    def __init__(self):
        self.found, self.times = [Check(what="credentials", ok=True, detail="known")], 0

    async def check(self):
        self.times += 1
        return self.found

    async def aclose(self):
        """Nothing is open."""


class Watched(Scene):
    """A scene with one channel that can be probed, and an answer of the test's choice."""

    def __init__(self, folder, **on_call):
        super().__init__(folder, probe_every=timedelta(minutes=10), **on_call)
        self.one, self.reasons, self.callback_url = Asked(), [], ""
        self.config.channels = [SimpleNamespace(name="sms-main", kind="sms.twilio", mode="both")]
        self.watchman = Watchman(app=self, signals=self.signals, assess=self.assess)
        self.callout.further, self.callout.ends = self.watchman.concerns, self.watchman.ends

    def channel(self, name):
        return self.one

    def assess(self):
        looks = tuple(Look(what="channel", level=Level.NO, detail=why) for why in self.reasons)
        return Answer(at=self.clock.now(), looks=looks)

    def minute(self, times=1):
        """Let minutes pass, each with its look and what follows from it; return what was told."""
        told = []
        for _ in range(times):
            self.clock.advance(timedelta(minutes=1))
            asyncio.run(self.watchman.look())
            told += self.look()
        return told

    def said(self):
        return [content["email-main"].text for _, content, _ in self.notices()]


@pytest.fixture
def watched(tmp_path):
    made = Watched(tmp_path)
    yield made
    made.close()


def test_when_the_answer_turns_to_no_people_are_called_once_by_two_channels_and_once_when_it_is_yes(watched):
    assert watched.minute(3) == []
    watched.reasons = ["sms-main: no credit left"]
    assert watched.minute() == []  # once is no proof
    [told] = watched.minute()
    assert (told.people, told.messages) == (1, 2)
    assert watched.minute(3) == []
    watched.reasons = []
    [again] = watched.minute()
    assert watched.minute(3) == []
    first, last = watched.said()
    assert "NOT READY: channel: sms-main: no credit left" in first
    assert "alert ready --probe" in first
    assert "READY AGAIN" in last
    assert "alert ack" not in last
    assert watched.told() == [KIM, KIM]
    assert again.messages == 2


def test_the_next_time_is_told_anew_and_a_restart_in_between_tells_nothing_twice(watched):
    watched.reasons = ["x"]
    watched.minute(2)
    second = Watched(watched.folder)
    second.clock, second.watchman.app = watched.clock, watched
    watched.watchman, watched.callout = second.watchman, second.callout
    second.callout.app, second.writer = watched, watched.writer
    second.callout.writer, second.watchman.assess = watched.writer, watched.assess
    assert watched.minute(3) == []
    watched.reasons = []
    assert len(watched.minute()) == 1
    watched.reasons = ["y"]
    assert len(watched.minute(2)) == 1
    assert len(watched.notices()) == 3


def test_providers_are_asked_when_it_is_time_and_each_minute_while_one_fails(watched):
    watched.minute(10)
    assert watched.one.times == 1
    watched.minute()
    assert watched.one.times == 2
    watched.one.found = [Check(what="balance", ok=False, detail="0.00 USD")]
    watched.minute(10)
    watched.minute(3)
    assert watched.one.times == 6
    watched.one.found = [Check(what="balance", ok=True, detail="9.00 USD")]
    watched.minute(3)
    assert watched.one.times == 7
    assert known(watched.state).probes["sms-main"].ok


def test_while_messages_wait_to_leave_no_provider_is_asked(watched):
    watched.incident()
    watched.minute(3)
    assert watched.one.times == 0
    watched.play("L-7K2QXD")
    watched.minute()
    assert watched.one.times == 1


def test_a_dead_channel_whose_probe_is_good_again_is_over(watched):
    watched.signals.hear("breaker.downed", {"channel": "sms-main", "reason": "auth"})
    watched.look()
    assert watched.callout.book.standing("channel:sms-main") is None  # read with the next look
    watched.minute(12)
    assert watched.signals.troubles == {}
    watched.look()
    assert watched.callout.book.standing("channel:sms-main") is None
    assert [notice.over for notice in watched.callout.book.notices.values()] == [True]


def test_what_ends_soon_is_told_once_for_each_end_and_needs_no_answer(watched):
    def ends(detail):
        soon = Check(what="token expiry", ok=False, detail=detail, fix="renew it")
        keep(
            watched.state,
            [Probed(name="facebook-campus", kind="facebook", at=watched.clock.now(), found=(soon,))],
        )

    ends("expires 2026-09-10, 8 days")
    assert len(watched.look()) == 1
    ends("expires 2026-09-10, 7 days")
    assert watched.look(after=86400) == []
    ends("expires 2026-11-10, 6 days")
    assert len(watched.look(after=86400)) == 1
    assert (
        "ENDS SOON: facebook-campus, token expiry: expires 2026-09-10, 8 days; renew it" in watched.said()[0]
    )
    assert "alert ack" not in watched.said()[0]


def test_what_runs_low_is_told_once_until_there_was_enough_again_and_needs_no_answer(watched):
    def left(detail, *, much):
        watched.one.found = [Check(what="headroom", ok=much, detail=detail, fix="" if much else "top up")]

    left("less than 20 USD", much=False)
    assert len(watched.minute(30)) == 1
    left("at least 20 USD", much=True)
    assert watched.minute(30) == []
    left("less than 20 USD", much=False)
    assert len(watched.minute(30)) == 1
    assert "RUNS LOW: sms-main: less than 20 USD; top up" in watched.said()[0]
    assert "alert ack" not in watched.said()[0]


# -- the signal


class Monitor(BaseHTTPRequestHandler):
    """An outside monitor: it counts the signals."""

    def do_GET(self):
        self.server.heard.append(self.path)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        """Keep the test's output clean."""


@pytest.fixture
def monitor():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Monitor)
    server.heard, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_the_signal_is_given_every_minute_while_the_answer_is_yes_and_stops_with_it(tmp_path, monitor):
    scene = Watched(tmp_path, signal="$PING")
    scene.environ["PING"] = f"http://127.0.0.1:{monitor.server_port}/ping/4711"
    scene.minute(3)
    assert monitor.heard == ["/ping/4711"] * 3
    scene.reasons = ["x"]
    scene.minute(3)
    assert len(monitor.heard) == 3
    scene.reasons, monitor.status = [], 500
    scene.minute()
    assert len(monitor.heard) == 4
    assert scene.log.named("signal.failed") == [{"why": "it answers 500"}]
    scene.close()


def test_a_file_is_touched_instead_and_what_cannot_be_is_logged(tmp_path):
    scene = Watched(tmp_path, signal=str(tmp_path / "alive"))
    scene.minute()
    assert (tmp_path / "alive").exists()
    scene.config.on_call = SimpleNamespace(signal="$NONE", probe_every=timedelta(minutes=10))
    asyncio.run(scene.watchman.look())
    assert "NONE is not set" in str(scene.log.named("signal.failed"))
    scene.close()


@pytest.mark.parametrize(
    ("error", "told"),
    [(ConfigProblem("the roster is gone"), "the roster is gone"), (KeyError("+14135550101"), "KeyError")],
)
async def test_a_look_that_fails_is_logged_and_the_watch_goes_on(tmp_path, error, told):
    """Also on an error nobody thought of: lanes run beside it. Its words may name somebody."""
    scene = Watched(tmp_path)
    scene.reasons = []
    looked = asyncio.Event()

    def assess():
        if not scene.log.named("notice.failed"):
            raise error
        looked.set()
        return Answer(at=scene.clock.now(), looks=())

    scene.watchman.assess = assess
    async with asyncio.timeout(10):
        async with watching(scene.watchman, every_s=0.01):
            await looked.wait()
    assert scene.log.named("notice.failed") == [{"why": told}]
    scene.close()


# -- certificates


@pytest.fixture
async def https(monkeypatch):
    """A server with a certificate of our own authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)

    def greet(_, writer):
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


def ends_at():
    told = ssl._ssl._test_decode_cert(str(PEM))["notAfter"]
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(told), UTC)


async def test_a_certificate_is_told_before_it_ends_and_one_nobody_trusts_at_once(https, monkeypatch):
    distrusted = await certificate("localhost", https, at=datetime(2026, 9, 1, tzinfo=UTC), within_s=5)
    assert (distrusted.what, distrusted.ok) == ("certificate", False)
    monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY))
    good = await certificate("localhost", https, at=ends_at() - timedelta(days=15), within_s=5)
    soon = await certificate("localhost", https, at=ends_at() - timedelta(days=13), within_s=5)
    assert (good.ok, soon.ok) == (True, False)
    assert f"ends {ends_at():%Y-%m-%d}, 13 days" in soon.detail
    nobody = await certificate("127.0.0.1", 1, at=ends_at(), within_s=5)
    assert not nobody.ok
