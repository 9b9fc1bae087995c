"""While the officer types the word, what sending needs is read; nothing else happens."""

import json
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from alerting.channels.base import Foreseen
from alerting.channels.registry import BUILT_IN, Registry
from alerting.cli.ahead import reading_ahead

SDKS = {"x": "tweepy", "facebook": "facebook", "sms.twilio": "twilio.rest", "email.smtp": "aiosmtplib"}
CODE = "import json, sys; __import__(sys.argv[1]); print(json.dumps(sorted(sys.modules)))"


def wanting(*needs):
    """A program with one channel that needs these modules, and a plan for it."""
    channel = SimpleNamespace(needs=needs)
    app = SimpleNamespace(
        shared=None, house=lambda: SimpleNamespace(channels={"a": SimpleNamespace(channel=channel)})
    )
    return app, SimpleNamespace(lanes=[SimpleNamespace(channel="a"), SimpleNamespace(channel="gone")])


@pytest.mark.parametrize("kind", BUILT_IN)
def test_every_kind_of_the_house_names_the_sdk_its_first_message_imports(kind):
    builder = Registry()._load(kind, BUILT_IN[kind].build)
    channel = next(
        value
        for value in vars(sys.modules[builder.__module__]).values()
        if isinstance(value, type) and value.__module__ == builder.__module__ and hasattr(value, "needs")
    )
    found = set()
    for name in channel.needs:
        done = subprocess.run([sys.executable, "-c", CODE, name], capture_output=True, timeout=60, check=True)
        found |= set(json.loads(done.stdout))

    assert SDKS[kind] in found


def test_what_is_needed_has_been_read_when_the_word_is_typed_and_no_thread_is_left():
    before = set(threading.enumerate())
    app, plan = wanting("colorsys", "netrc")

    with reading_ahead(app, plan):
        pass

    assert {"colorsys", "netrc", "alerting.runner"} <= set(sys.modules)
    assert set(threading.enumerate()) == before


def test_a_library_that_is_missing_keeps_nobody_from_sending():
    app, plan = wanting("no_such_library_at_all")
    gone_on = False

    with reading_ahead(app, plan):
        gone_on = True

    assert gone_on
    assert "no_such_library_at_all" not in sys.modules


def test_leaving_while_it_reads_is_leaving():
    app, plan = wanting()

    with pytest.raises(KeyboardInterrupt), reading_ahead(app, plan):
        raise KeyboardInterrupt


def test_a_channel_that_says_nothing_needs_nothing():
    assert not isinstance(SimpleNamespace(), Foreseen)
