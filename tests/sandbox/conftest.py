"""The real SDKs, pointed at a sandbox that runs in this process's loop or in one of its own."""

import asyncio
import threading
import urllib.parse

import pytest
import requests

from alerting.sandbox.server import Sandbox

ACCOUNT = "AC" + "0" * 32


class Detour(requests.adapters.HTTPAdapter):
    """Sends what an SDK meant for its provider to the sandbox instead."""

    def __init__(self, base, timeout_s=5):
        self.base, self.timeout_s = base, timeout_s
        super().__init__()

    def send(self, request, **kwargs):
        url = urllib.parse.urlsplit(request.url)
        request.url = self.base + url.path + (f"?{url.query}" if url.query else "")
        kwargs["timeout"] = self.timeout_s
        return super().send(request, **kwargs)


class Threaded:
    """A sandbox whose loop runs in a thread, so that blocking SDKs can talk to it."""

    def __init__(self, **options):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.box = self.run(Sandbox(**options).start())
        self.url = self.box.http_url
        self.session = requests.Session()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def stop(self):
        self.session.close()
        self.run(self.box.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()

    def control(self, name, data):
        return self.session.post(f"{self.url}/control/{name}", json=data, timeout=5)

    def play(self, *rules, **script):
        answer = self.control("faults", {"rules": list(rules), **script})
        assert answer.status_code == 200, answer.text

    def state(self, section="counts", **query):
        answer = self.session.get(f"{self.url}/state", params={"section": section, **query}, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json() if section == "counts" else answer.json()["items"]


@pytest.fixture(scope="session")
def threaded():
    box = Threaded(seed=7)
    yield box
    box.stop()


@pytest.fixture
def sandbox(threaded):
    """One sandbox for the whole run, emptied before each test."""
    threaded.control("faults", {"switches": {"sent_after_s": 0.02, "delivered_after_s": 0.04}})
    threaded.control("reset", {})
    return threaded


@pytest.fixture
def x(sandbox):
    import tweepy

    client = tweepy.Client(
        consumer_key="ck", consumer_secret="cs", access_token="777-secrettoken", access_token_secret="ts"
    )
    client.session.mount("https://api.twitter.com", Detour(sandbox.url))
    yield client
    client.session.close()


@pytest.fixture
def graph(sandbox):
    import facebook

    client = facebook.GraphAPI("page-token")
    client.version = "v26.0"
    client.session.mount("https://graph.facebook.com/", Detour(sandbox.url))
    yield client
    client.session.close()


@pytest.fixture
def sms(sandbox):
    from twilio.rest import Client

    client = Client(ACCOUNT, "auth-token")
    client.api.base_url = sandbox.url
    client.http_client.timeout = 5
    yield client
    client.http_client.session.close()
