"""What Facebook posts to us: the challenge, and signed events."""

import hashlib
import hmac
import json
import random

import pytest

from alerting.channels.base import Callback, Forged, Surroundings
from alerting.channels.facebook.channel import build
from alerting.channels.facebook.config import FacebookSettings
from alerting.clock import FrozenClock
from alerting.secret import Secret

SECRET, WORD = b"app-secret-0123456789", "our-verify-word"
PATH, PAGE = "/facebook/webhook", "100000000000001"


def channel(**more):
    given = {
        "name": "fb", "page": PAGE, "access_token": Secret("t"), "app_secret": Secret(SECRET.decode()),
        "verify_token": Secret(WORD), **more,
    }  # fmt: skip
    around = Surroundings(clock=FrozenClock(), campus="E", callback_url="https://a.example.edu")
    return build(FacebookSettings(**given), around)


def sign(body):
    return "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()


def call(body=b"", *, method="POST", query="", signature=None):
    headers = {"x-hub-signature-256": sign(body) if signature is None else signature}
    return Callback(
        method=method, url="https://a.example.edu" + PATH, query=query, headers=headers, body=body
    )


EVENT = {
    "object": "page",
    "entry": [
        {
            "id": PAGE,
            "changes": [
                {
                    "field": "feed",
                    "value": {
                        "item": "comment",
                        "verb": "add",
                        "message": "when?",
                        "from": {"id": "7"},
                        "comment_id": "c1",
                    },
                },
                {
                    "field": "feed",
                    "value": {"item": "comment", "verb": "add", "message": "ours", "from": {"id": PAGE}},
                },
                {"field": "feed", "value": {"item": "like", "verb": "add"}},
            ],
        },
        {"id": PAGE, "messaging": [{"sender": {"id": "8"}, "message": {"mid": "m1", "text": "am I safe?"}}]},
    ],
}


def test_the_challenge_is_echoed_to_who_knows_the_word():
    query = f"hub.mode=subscribe&hub.verify_token={WORD}&hub.challenge=1158201444"
    reading = channel().read(PATH, call(method="GET", query=query))
    assert (reading.status, reading.body, reading.content_type) == (200, b"1158201444", "text/plain")


@pytest.mark.parametrize("query", [
    "", "hub.mode=subscribe&hub.challenge=1", f"hub.verify_token={WORD}&hub.challenge=1",
    "hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1",
    f"hub.mode=subscribe&hub.verify_token={WORD}&hub.challenge=%3Cscript%3E",
    f"hub.mode=subscribe&hub.verify_token={WORD}",
])  # fmt: skip
def test_nobody_else_is_answered(query):
    assert isinstance(channel().read(PATH, call(method="GET", query=query)), Forged)


def test_comments_and_messages_are_replies():
    replies = channel().read(PATH, call(json.dumps(EVENT).encode())).replies
    assert [(r.text, r.address, r.provider_id) for r in replies] == [
        ("when?", "feed:facebook/7", "c1"), ("am I safe?", "feed:facebook/8", "m1"),
    ]  # fmt: skip


def test_escaped_bytes_are_verified_as_they_came():
    body = json.dumps(EVENT).replace("when?", "wh\\u00e9n?").encode()
    assert channel().read(PATH, call(body)).replies[0].text == "whén?"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"entry": 1}', b'{"entry": [{"changes": [{"value": 1}]}]}']
)
def test_a_signed_call_that_says_nothing_is_taken(body):
    reading = channel().read(PATH, call(body))
    assert (reading.status, reading.replies) == (200, ())


def test_forgeries_are_refused():
    rng, ours, body = random.Random(5), channel(), json.dumps(EVENT).encode()
    good = sign(body)
    for _ in range(1000):
        place = rng.randrange(len(good))
        wrong = good[:place] + rng.choice("ghiXYZ\x00é") + good[place + 1 :]
        forged = rng.choice([
            call(body)._replace(body=body + b" "), call(body, signature=wrong), call(body, signature=good[:place]),
            call(body, signature=good.upper()), call(body, signature=""), call(body)._replace(headers={}),
            call(body, signature=good.replace("sha256", "sha1")),
        ])  # fmt: skip
        assert isinstance(ours.read(PATH, forged), Forged)


def test_without_its_secrets_it_listens_to_nothing():
    assert channel(verify_token=None).paths == ()
    assert channel(app_secret=Secret("")).paths == ()
    assert channel().paths == (PATH,)
