"""Every shipped channel does what every channel must do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from threading import Thread
from typing import Final

import pytest

from alerting.channels.base import Channel, Envelope, Surroundings
from alerting.clock import SystemClock
from alerting.model.audience import Address
from alerting.model.outcome import Deferred
from alerting.sandbox.script import Script
from alerting.sandbox.server import Sandbox
from alerting.secret import Secret
from alerting.testing.builders import a_content, an_envelope
from alerting.testing.channel_conformance import CANARY, ChannelConformance, Fault

#: Nobody listens here.
NOWHERE: Final = "http://127.0.0.1:1"
#: Long enough for a call that goes well on a busy machine; the hanging ones take all of it.
DEADLINE_S: Final = 1.0

#: The suite's faults in the words of the sandbox's fault script.
EFFECTS: Final[dict[Fault, dict[str, object]]] = {
    Fault.RATE_LIMITED: {"kind": "status", "status": 429, "retry_after": 7},
    Fault.BROKEN: {"kind": "status", "status": 500},
    Fault.HANG: {"kind": "hang", "seconds": 30},
    Fault.DRIP: {"kind": "drip", "seconds": 4},
    Fault.RESET_AFTER: {"kind": "reset", "when": "after"},
    Fault.HTML: {"kind": "html", "status": 200},
    Fault.EMPTY: {"kind": "empty", "status": 201},
    Fault.HUGE: {"kind": "huge"},
    Fault.NAN: {"kind": "status", "status": 201, "body": '{"id":NaN,"sid":NaN,"data":{"id":NaN}}'},
    Fault.DEAD_TOKEN: {"kind": "dead_token"},
}


class Handle:
    """One of the sandbox's providers as the suite sees it."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.sandbox = sandbox
        self._name = name

    def script(self, effect: Fault, **match: object) -> None:
        rule = {"provider": self._name, "match": match, "effect": EFFECTS[effect]}
        self.sandbox.faults.play(Script.parse([rule]), seed=0)

    def taken(self, envelope: Envelope) -> int:
        world, text = self.sandbox.world, envelope.content.text
        posts = [post.text for post in world.posts.values()]
        texts = [sms.body for sms in world.texts.values()]
        mails = [mail.text.rstrip() for mail in world.mails]
        return sum(found == text for found in (*posts, *texts, *mails))

    def keys(self, envelope: Envelope) -> Sequence[str]:
        same = [mail for mail in self.sandbox.world.mails if mail.text.rstrip() == envelope.content.text]
        return [str(mail.message["Message-ID"]) for mail in same]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    """One sandbox for all, in a loop and thread of its own: starting one for each test takes longer."""
    loop, sandbox = asyncio.new_event_loop(), Sandbox()
    thread = Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(sandbox.start(), loop).result(10)
    yield sandbox
    asyncio.run_coroutine_threadsafe(sandbox.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.world.reset()
    running.faults.play(Script(), seed=0)
    return running


def surroundings(base_url: str) -> Surroundings:
    return Surroundings(clock=SystemClock(), campus="Example University", base_url=base_url)


class OverHttp(ChannelConformance):
    """A kind that speaks HTTP to the sandbox: its class says which provider, and how it is built."""

    provider_name: str
    of_provider = ("uvicorn", "mail", "asyncio")

    def build(self, base_url: str) -> Channel:
        raise NotImplementedError

    @pytest.fixture
    def provider(self, sandbox):
        return Handle(sandbox, self.provider_name)

    @pytest.fixture
    async def channel(self, sandbox):
        built = self.build(sandbox.http_url)
        yield built
        await built.aclose()

    @pytest.fixture
    def lost_channel(self):
        return self.build(NOWHERE)


class TestX(OverHttp):
    provider_name = "x"

    def build(self, base_url):
        import tweepy  # noqa: F401  # loaded here, or the first call's deadline pays for it

        from alerting.channels.x import channel, config

        settings = config.XSettings(
            name="x-main",
            account="campus",
            consumer_key=Secret(f"key-{CANARY}"),
            consumer_secret=Secret(CANARY),
            access_token=Secret(f"1234-{CANARY}"),
            access_token_secret=Secret(CANARY),
            deadline_s=DEADLINE_S,
        )
        return channel.build(settings, surroundings(base_url))

    @pytest.fixture
    def envelope(self):
        return an_envelope(address=Address.parse("feed:x/campus"), content=a_content())


class TestFacebook(OverHttp):
    provider_name = "graph"

    def build(self, base_url):
        import facebook  # noqa: F401  # loaded here, or the first call's deadline pays for it

        from alerting.channels.facebook import channel, config

        settings = config.FacebookSettings(
            name="facebook-main",
            page="100000000000001",
            access_token=Secret(CANARY),
            app_id="42",
            app_secret=Secret(f"app-{CANARY}"),
            deadline_s=DEADLINE_S,
        )
        return channel.build(settings, surroundings(base_url))

    @pytest.fixture
    def envelope(self):
        return an_envelope(address=Address.parse("feed:facebook/100000000000001"), content=a_content())


class TestTwilio(OverHttp):
    provider_name = "twilio"

    def build(self, base_url):
        from alerting.channels.sms import channel, config

        settings = config.TwilioConfig(
            name="sms-main",
            account_sid="AC" + "0" * 32,
            auth_token=Secret(CANARY),
            sender="+15005550006",
            deadline_s=DEADLINE_S,
        )
        return channel.build(settings, surroundings(base_url))

    @pytest.fixture
    def envelope(self):
        return an_envelope()


class SmtpHandle(Handle):
    """Mail goes wrong after its text, in reply codes; only a dead login goes wrong before it."""

    effects: Final = {
        **EFFECTS,
        Fault.RATE_LIMITED: {"kind": "status", "status": 454, "body": "Throttling failure"},
        Fault.BROKEN: {"kind": "status", "status": 451},
        Fault.NAN: {"kind": "status", "status": 399},
    }

    def script(self, effect: Fault, **match: object) -> None:
        operation = "auth" if effect is Fault.DEAD_TOKEN else "create"
        rule = {"provider": "smtp", "operation": operation, "match": match, "effect": self.effects[effect]}
        self.sandbox.faults.play(Script.parse([rule]), seed=0)


class TestSmtp(ChannelConformance):
    wait = None  # SMTP names no wait
    broken = Deferred  # a reply of 4xx says that nothing was taken: RFC 5321 section 4.2.1
    unreadable = (Fault.NAN,)
    of_provider = ("asyncio",)
    batch = 1

    def build(self, port: int) -> Channel:
        from alerting.channels.email import channel, config

        relay = {"host": "127.0.0.1", "port": port, "tls": "none", "username": "alerts"}
        rest = {"password": Secret(CANARY), "batch": self.batch, "deadline_s": DEADLINE_S}
        settings = config.SmtpConfig(**{"name": "mail", "from": "alerts@example.edu", **relay, **rest})
        return channel.build(settings, surroundings(""))

    @pytest.fixture
    def provider(self, sandbox):
        return SmtpHandle(sandbox, "smtp")

    @pytest.fixture
    async def channel(self, sandbox):
        built = self.build(sandbox.smtp_port)
        yield built
        await built.aclose()

    @pytest.fixture
    def lost_channel(self):
        return self.build(1)

    @pytest.fixture
    def envelope(self):
        return an_envelope(address=Address.parse("email:lee@example.edu"), content=a_content())


class TestSmtpInBatches(TestSmtp):
    batch = 20
