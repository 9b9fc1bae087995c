"""The sandbox as the channels' tests share it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from threading import Thread

import pytest

from alerting.channels.base import Surroundings
from alerting.clock import SystemClock
from alerting.sandbox.script import Script
from alerting.sandbox.server import Sandbox


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    """One sandbox for all, in a loop and thread of its own: starting one for each test takes longer."""
    loop, sandbox = asyncio.new_event_loop(), Sandbox()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(sandbox.start(), loop).result(10)
    yield sandbox
    asyncio.run_coroutine_threadsafe(sandbox.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    """The sandbox with an empty world, every token alive and nothing scripted."""
    running.world.reset()
    running.world.credentials.dead.clear()
    running.faults.play(Script(), seed=0)
    return running


@pytest.fixture
def play(sandbox: Sandbox) -> Callable[..., None]:
    """Play fault rules, each a mapping in the sandbox's own words, from now on."""

    def from_now_on(*rules: object, **switches: object) -> None:
        sandbox.faults.play(Script.parse({"rules": list(rules), "switches": switches}), seed=0)

    return from_now_on


@pytest.fixture
def surroundings(sandbox: Sandbox) -> Surroundings:
    """A house whose providers are the sandbox, on the machine's own clock."""
    return Surroundings(clock=SystemClock(), campus="Example University", base_url=sandbox.http_url)
