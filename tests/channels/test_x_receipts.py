"""What X posts to us: the hourly question, and signed events."""

import base64
import hashlib
import hmac
import json
import random

import pytest

from alerting.channels.base import Callback, Forged, Surroundings
from alerting.channels.x.channel import build
from alerting.channels.x.config import XSettings
from alerting.clock import FrozenClock
from alerting.secret import Secret

SECRET = b"consumer-secret-0123456789"
PATH = "/x/webhook"


def channel(**more):
    keys = dict.fromkeys(("consumer_key", "access_token", "access_token_secret"), Secret("k"))
    given = {
        "name": "x-main",
        "account": "campus",
        **keys,
        "consumer_secret": Secret(SECRET.decode()),
        "webhooks": True,
        **more,
    }
    around = Surroundings(clock=FrozenClock(), campus="E", callback_url="https://a.example.edu")
    return build(XSettings(**given), around)


def sign(body):
    return "sha256=" + base64.b64encode(hmac.new(SECRET, body, hashlib.sha256).digest()).decode()


def call(body=b"", *, method="POST", query="", signature=None):
    headers = {"x-twitter-webhooks-signature": sign(body) if signature is None else signature}
    return Callback(
        method=method, url="https://a.example.edu/x/webhook", query=query, headers=headers, body=body
    )


MENTION = {
    "for_user_id": "1",
    "tweet_create_events": [
        {"id_str": "9", "text": "is hall B open?", "user": {"id_str": "42"}},
        {"id_str": "10", "text": "our own", "user": {"id_str": "1"}},
    ],
}


def test_the_hourly_question_is_answered():
    reading = channel().read(PATH, call(method="GET", query="crc_token=abc%2B123&nonce=x"))
    assert json.loads(reading.body) == {"response_token": sign(b"abc+123")}
    assert (reading.status, reading.content_type) == (200, "application/json")


@pytest.mark.parametrize(
    "query",
    ["", "crc_token=", "crc_token=" + "a" * 201, "crc_token=%7B%22for_user_id%22%7D", "crc_token=a%20b"],
)
def test_the_question_signs_nothing_that_could_be_a_call(query):
    assert isinstance(channel().read(PATH, call(method="GET", query=query)), Forged)


def test_answers_of_others_are_replies():
    (reply,) = channel().read(PATH, call(json.dumps(MENTION).encode())).replies
    assert (reply.channel, reply.text, reply.address, reply.provider_id) == (
        "x-main",
        "is hall B open?",
        "feed:x/42",
        "9",
    )
    single = {
        "data": {"event_type": "post.mention.create", "payload": {"id": "9", "text": "hi", "author_id": "7"}}
    }
    assert channel().read(PATH, call(json.dumps(single).encode())).replies[0].text == "hi"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"null", b'{"tweet_create_events": {"a": 1}}', b'{"data": {"payload": 1}}']
)
def test_a_signed_call_that_says_nothing_is_taken(body):
    reading = channel().read(PATH, call(body))
    assert (reading.status, reading.replies) == (200, ())


def test_forgeries_are_refused():
    rng, ours, body = random.Random(5), channel(), json.dumps(MENTION).encode()
    good = sign(body)
    for _ in range(1000):
        place = rng.randrange(len(good))
        wrong = good[:place] + rng.choice("abcXYZ019+/=é\x00") + good[place + 1 :]
        forged = rng.choice([
            call(body)._replace(body=body + b" "), call(body, signature=wrong), call(body, signature=good[:place]),
            call(body, signature=""), call(body)._replace(headers={}), call(body)._replace(body=rng.randbytes(99)),
        ])  # fmt: skip
        if forged.headers.get("x-twitter-webhooks-signature") == good and forged.body == body:
            continue
        assert isinstance(ours.read(PATH, forged), Forged)


def test_without_being_asked_it_listens_to_nothing():
    assert channel(webhooks=False).paths == ()
    assert channel().paths == (PATH,)
