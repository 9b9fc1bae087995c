"""What every channel with one public page does the same way; X and Facebook each prove it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerting.channels.base import (
    Absent,
    Callback,
    Envelope,
    Forged,
    Lookup,
    Probe,
    Retractable,
    Surroundings,
)
from alerting.channels.facebook import channel as facebook
from alerting.channels.facebook.config import FacebookSettings
from alerting.channels.settings import ChannelSettings
from alerting.channels.x import channel as x
from alerting.channels.x.config import XSettings
from alerting.clock import FrozenClock
from alerting.model.audience import Address
from alerting.model.outcome import Accepted
from alerting.secret import Secret
from alerting.testing.builders import a_content, an_envelope

KEYS = ("consumer_key", "consumer_secret", "access_token", "access_token_secret")


@dataclass(frozen=True)
class Kind:
    """One provider's channel, and a message for it."""

    module: Any
    settings: ChannelSettings
    feed: str
    library: str

    @property
    def envelope(self) -> Envelope:
        return an_envelope(address=Address.parse(self.feed), content=a_content("FIRE in Hall 3. Leave now."))

    def built(self, surroundings, **changes):
        return self.module.build(self.settings.model_copy(update=changes), surroundings)


X = Kind(
    x,
    XSettings(name="x-main", account="campus", webhooks=True, **{key: Secret(f"77-{key}") for key in KEYS}),
    "feed:x/campus",
    "tweepy",
)
FACEBOOK = Kind(
    facebook,
    FacebookSettings(
        name="page",
        page="1000001",
        access_token=Secret("page-token"),
        app_secret=Secret("app-secret"),
        verify_token=Secret("verify-me"),
    ),
    "feed:facebook/1000001",
    "facebook",
)


@pytest.fixture(params=[X, FACEBOOK], ids=["x", "facebook"])
def kind(request):
    return request.param


@pytest.fixture
def feed(kind, surroundings):
    return kind.built(surroundings)


async def test_a_post_made_before_the_attempt_is_not_taken_for_it(kind, feed):
    await feed.send(kind.envelope)
    later = datetime.now(UTC) + timedelta(minutes=5)
    assert await feed.find(kind.envelope, later) == Absent(certain=False)


async def test_another_alerts_post_with_the_same_words_is_not_taken_for_it(kind, feed):
    first = await feed.send(kind.envelope)
    again = kind.envelope._replace(others=(first.provider_id,))
    assert await feed.find(again, datetime.now(UTC)) == Absent(certain=False)


async def test_an_unreachable_provider_is_one_finding(kind, surroundings):
    [check] = await kind.built(surroundings._replace(base_url="http://127.0.0.1:1")).check()
    assert (check.what, check.ok) == ("reachable", False)
    assert "refused" in check.detail


async def test_a_post_is_deleted(kind, feed, sandbox):
    sent = await feed.send(kind.envelope)
    assert await feed.retract(sent.provider_id) == Accepted(sent.provider_id)
    [post] = sandbox.world.posts.values()
    assert post.deleted_at


@pytest.mark.parametrize("sandboxed", [False, True])
def test_a_simulator_stands_in_for_the_provider_and_the_sandbox_for_every_simulator(kind, sandbox, sandboxed):
    """With --sandbox nothing leaves this machine, whatever host channels.yaml names."""
    here, away = sandbox.http_url, "http://127.0.0.1:1"
    around = Surroundings(clock=FrozenClock(), campus="", base_url=here if sandboxed else "")
    built = kind.built(around, base_url=away if sandboxed else here)
    assert isinstance(asyncio.run(built.send(kind.envelope)), Accepted)


def test_building_one_loads_no_library(kind):
    asked = f"import sys, {kind.module.__name__}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert {"requests", kind.library, "asyncio", "ssl"}.isdisjoint(done.stdout.split())


def test_it_has_one_feed_threads_and_every_power(kind, feed):
    assert [str(address) for address in feed.capabilities.feeds] == [kind.feed]
    assert feed.capabilities.threads
    assert all(isinstance(feed, power) for power in (Lookup, Probe, Retractable))
    assert kind.settings.name in repr(feed)


def test_callbacks_are_read_only_where_they_can_reach_us_and_only_when_signed(kind, surroundings):
    assert kind.built(surroundings).paths == ()
    open_to_calls = kind.built(surroundings._replace(callback_url="https://alerts.example.edu"))
    [path] = open_to_calls.paths
    forged = Callback(
        method="POST", url="https://alerts.example.edu" + path, query="", headers={}, body=b"{}"
    )
    assert isinstance(open_to_calls.read(path, forged), Forged)
