"""Feeds before everybody else, and nobody for ever behind them."""

import asyncio
import sys
import textwrap

import pytest

from alerting.engine.precedence import Precedence
from alerting.model.audience import Address
from alerting.testing.builders import some_capabilities


class Channel:
    """A channel as the order looks at it."""

    def __init__(self, *needs, feed=False):
        feeds = (Address.parse("feed:x/campus"),) if feed else ()
        self.name = "x-campus" if feed else "sms-main"
        self.capabilities = some_capabilities(feeds=feeds)
        self.needs = needs


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library that says when it is read, and takes as long as it is told."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name, body):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(body))
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return make


async def in_turn(precedence, *channels):
    """Return who began, in order, each with what had been read by then."""
    order = []

    async def lane(channel):
        await precedence.turn(channel)
        needed = [name for other in channels for name in other.needs]
        order.append((channel.name, [name for name in needed if hasattr(sys.modules.get(name), "READ")]))

    await asyncio.wait_for(asyncio.gather(*map(lane, channels)), 10)
    return order


async def test_a_feed_reads_its_library_before_anybody_else_begins(library):
    slow = library("slow_feed_library", "import time; time.sleep(0.2); READ = True")

    order = await in_turn(Precedence(), Channel("netrc"), Channel(slow, feed=True))

    assert sorted(order) == [("sms-main", [slow]), ("x-campus", [slow])]


async def test_a_feed_may_read_its_library_once_and_before_its_lane_begins(library):
    slow = library(
        "early_feed_library",
        "import sys, time; sys.read_so_often = getattr(sys, 'read_so_often', 0) + 1; time.sleep(0.2); READ = True",
    )
    unread = library("library_of_texts", "READ = True")
    precedence, texts, feed = Precedence(), Channel(unread), Channel(slow, feed=True)

    precedence.ahead([texts, feed])
    order = await in_turn(precedence, texts, feed)

    assert sorted(order) == [("sms-main", [slow]), ("x-campus", [slow])]
    assert sys.__dict__.pop("read_so_often") == 1


async def test_a_library_that_hangs_holds_up_its_own_channel_and_no_other(library):
    hanging = library("hanging_feed_library", "import time; time.sleep(1.5); READ = True")

    order = await in_turn(Precedence(longest_s=0.1), Channel(), Channel(hanging, feed=True))

    assert [name for name, _ in order] == ["sms-main", "x-campus"]
    assert order[0][1] == []


async def test_who_has_waited_for_a_library_that_hangs_does_not_wait_for_it_again(library):
    """The rows of the people wait for it, and after them their lane does."""
    hanging = library("twice_hanging_feed_library", "import time; time.sleep(1.5); READ = True")
    precedence = Precedence(longest_s=0.6)
    precedence.ahead([Channel(hanging, feed=True)])
    await precedence.read()

    await asyncio.wait_for(precedence.turn(Channel()), 0.5)

    assert not hasattr(sys.modules.get(hanging), "READ")


async def test_a_library_that_is_missing_or_broken_holds_up_nobody(library):
    broken = library("broken_feed_library", "raise RuntimeError('no')")

    order = await in_turn(Precedence(), Channel(), Channel("no_such_feed_library", broken, feed=True))

    assert {name for name, _ in order} == {"sms-main", "x-campus"}
