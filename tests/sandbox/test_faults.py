import http.client
import time

import facebook
import pytest
import requests
import tweepy
from twilio.base.exceptions import TwilioRestException

from alerting.sandbox.faults import Faults
from alerting.sandbox.script import Script

SENDER = "+15550199999"


def create(sms, to="+15550100001", body="Fire."):
    return sms.messages.create(to=to, from_=SENDER, body=body)


def test_429_comes_with_or_without_retry_after(sandbox):
    url = f"{sandbox.url}/2010-04-01/Accounts/AC{'0' * 32}/Messages.json"
    form = {"To": "+15550100001", "From": SENDER, "Body": "Fire."}
    sandbox.play(
        {"provider": "twilio", "match": {"nth": 1}, "effect": {"kind": "status", "status": 429}},
        {
            "provider": "twilio",
            "match": {"nth": 1},
            "effect": {"kind": "status", "status": 429, "retry_after": 3},
        },
    )
    answers = [requests.post(url, data=form, auth=("AC", "t"), timeout=5) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 201]
    assert [answer.headers.get("Retry-After") for answer in answers] == [None, "3", None]
    assert answers[0].json()["code"] == 20429
    assert sandbox.state()["texts"] == 1


def test_a_429_of_x_carries_a_reset_that_can_be_moved_or_taken_away(x, sandbox):
    effect = {"kind": "status", "status": 429, "headers": {"x-rate-limit-reset": "+30"}}
    bare = {"kind": "status", "status": 429, "headers": {"x-rate-limit-reset": None}}
    sandbox.play({"provider": "x", "match": {"nth": 1}, "effect": effect}, {"provider": "x", "effect": bare})
    with pytest.raises(tweepy.TooManyRequests) as caught:
        x.create_tweet(text="Fire.")
    assert abs(caught.value.reset_time - time.time() - 30) < 5
    with pytest.raises(tweepy.TooManyRequests) as caught:
        x.create_tweet(text="Fire.")
    assert caught.value.reset_time is None


@pytest.mark.parametrize(("when", "kept"), [("before", 0), ("after", 1)])
def test_a_5xx_comes_on_either_side_of_acceptance(sms, x, graph, sandbox, when, kept):  # noqa: PLR0917
    sandbox.play({"operation": "create", "effect": {"kind": "status", "status": 503, "when": when}})
    with pytest.raises(TwilioRestException) as caught:
        create(sms)
    assert caught.value.status == 503
    with pytest.raises(tweepy.TwitterServerError):
        x.create_tweet(text="Fire.")
    with pytest.raises(facebook.GraphAPIError) as refused:
        graph.put_object("1", "feed", message="Fire.")
    assert refused.value.result["error"]["is_transient"] is True
    counts = sandbox.state()
    assert (counts["texts"], counts["posts"]) == (kept, kept * 2)


@pytest.mark.parametrize(("when", "kept"), [("before", 0), ("after", 1)])
def test_a_connection_is_reset_on_either_side_of_acceptance(sms, sandbox, when, kept):
    sandbox.play({"provider": "twilio", "operation": "create", "effect": {"kind": "reset", "when": when}})
    with pytest.raises(requests.ConnectionError, match="reset"):
        create(sms)
    assert sandbox.state()["texts"] == kept
    seen = sandbox.state("requests")[-1]
    assert (seen["operation"], seen["status"], seen["fault"]) == ("create", None, "rule 0")


def test_a_hang_outlasts_the_client_and_nothing_is_kept(sms, sandbox):
    sandbox.play({"provider": "twilio", "operation": "create", "effect": {"kind": "hang", "seconds": 60}})
    sms.http_client.timeout = 0.2
    with pytest.raises(requests.ReadTimeout):
        create(sms)
    assert sandbox.state()["texts"] == 0


def test_a_hang_after_acceptance_is_a_slow_success(sms, sandbox):
    sandbox.play({"provider": "twilio", "effect": {"kind": "hang", "seconds": 0.2, "when": "after"}})
    began = time.monotonic()
    assert create(sms).sid
    assert time.monotonic() - began >= 0.2


def test_a_hang_before_acceptance_ends_in_silence(sms, sandbox):
    sandbox.play({"provider": "twilio", "effect": {"kind": "hang", "seconds": 0.05}})
    with pytest.raises(requests.ConnectionError):
        create(sms)


def test_a_dripping_answer_is_whole_in_the_end(sms, sandbox):
    sandbox.play({"provider": "twilio", "effect": {"kind": "drip", "seconds": 0.2}})
    began = time.monotonic()
    assert create(sms).status == "queued"
    assert time.monotonic() - began >= 0.15


def test_html_comes_where_json_was_expected(sms, graph, sandbox):
    sandbox.play({"operation": "create", "effect": {"kind": "html", "status": 503}})
    with pytest.raises(TwilioRestException) as caught:
        create(sms)
    assert caught.value.code == 503
    with pytest.raises(facebook.GraphAPIError, match="Maintype"):
        graph.put_object("1", "feed", message="Fire.")


def test_a_body_can_be_empty_or_huge(sms, x, sandbox):
    sandbox.play(
        {"provider": "x", "effect": {"kind": "empty", "status": 503}},
        {"provider": "twilio", "effect": {"kind": "huge", "size_bytes": 300_000}},
    )
    with pytest.raises(tweepy.TwitterServerError):
        x.create_tweet(text="Fire.")
    assert create(sms).sid
    answer = sms.http_client._test_only_last_response
    assert answer is None or len(answer.text) == 300_000


def test_a_body_can_end_before_its_promised_length(sms, sandbox):
    sandbox.play({"provider": "twilio", "operation": "create", "effect": "wrong_length"})
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        create(sms)
    assert sandbox.state()["texts"] == 1


def test_tokens_die_credits_go_and_people_opt_out(sms, x, graph, sandbox):
    sandbox.play(
        {"provider": "x", "match": {"nth": 1}, "effect": "credits_gone"},
        {"provider": "twilio", "match": {"to": "+15550100009"}, "effect": "opted_out"},
        {"effect": "dead_token"},
    )
    with pytest.raises(tweepy.HTTPException) as caught:
        x.create_tweet(text="Fire.")
    assert caught.value.response.status_code == 402
    with pytest.raises(tweepy.Unauthorized):
        x.create_tweet(text="Fire.")
    with pytest.raises(TwilioRestException) as refused:
        create(sms, to="+15550100009")
    assert refused.value.code == 21610
    with pytest.raises(TwilioRestException) as refused:
        create(sms)
    assert refused.value.code == 20003
    with pytest.raises(facebook.GraphAPIError) as dead:
        graph.put_object("1", "feed", message="Fire.")
    assert dead.value.code == 190


def test_a_code_of_the_provider_can_be_scripted(sms, graph, sandbox):
    sandbox.play(
        {"provider": "twilio", "effect": {"kind": "status", "status": 400, "code": 21612}},
        {"provider": "graph", "effect": {"kind": "status", "status": 400, "code": 368}},
    )
    with pytest.raises(TwilioRestException) as caught:
        create(sms)
    assert caught.value.code == 21612
    with pytest.raises(facebook.GraphAPIError) as blocked:
        graph.put_object("1", "feed", message="Fire.")
    assert blocked.value.code == 368


def test_a_body_can_be_scripted_word_for_word(sandbox):
    effect = {"kind": "status", "status": 200, "body": {"errors": None}}
    sandbox.play({"provider": "x", "effect": effect})
    assert requests.get(sandbox.url + "/2/users/me", timeout=5).json() == {"errors": None}


def test_a_connection_survives_a_fault_above_it(sandbox):
    sandbox.play({"provider": "x", "match": {"first": 1}, "effect": {"kind": "status", "status": 503}})
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.box.http_port, timeout=5)
    statuses, ports = [], set()
    for _ in range(2):
        connection.request("GET", "/2/users/me", headers={"Authorization": "Bearer t"})
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
        ports.add(connection.sock.getsockname()[1])
    connection.close()
    assert statuses == [503, 200]
    assert len(ports) == 1


def fires(rule, visits, *, seed=0):
    faults = Faults(Script.parse([{"provider": "twilio", "effect": "reset", **rule}]), seed=seed)
    return [faults.meet("twilio", "create", (to,), lambda: "Fire in Lab 3.") is not None for to in visits]


def test_positions_are_counted_among_the_requests_a_rule_means():
    six = ["+1"] * 6
    assert fires({"match": {"nth": [2, 5]}}, six) == [False, True, False, False, True, False]
    assert fires({"match": {"every": 3}}, six) == [False, False, True, False, False, True]
    assert fires({"match": {"first": 2}}, six) == [True, True, False, False, False, False]
    assert fires({"match": {"every": 2, "times": 1}}, six) == [False, True, False, False, False, False]
    assert fires({"match": {"to": "+2", "nth": 1}}, ["+1", "+2", "+2"]) == [False, True, False]
    assert fires({"match": {"text_contains": "Lab 3"}}, ["+1"]) == [True]
    assert fires({"match": {"text_contains": "Lab 4"}}, ["+1"]) == [False]
    assert fires({"operation": "list"}, ["+1"]) == [False]


def test_chance_depends_on_the_seed_and_recipient_not_on_the_order():
    numbers = [f"+1555{number:07d}" for number in range(2000)]
    forward = fires({"match": {"probability": 0.2}}, numbers, seed=3)
    backward = fires({"match": {"probability": 0.2}}, numbers[::-1], seed=3)
    assert forward == backward[::-1]
    assert 300 < sum(forward) < 500
    assert forward != fires({"match": {"probability": 0.2}}, numbers, seed=4)


def test_a_rule_for_creating_means_replies_too(x, sandbox):
    first = x.create_tweet(text="Fire.").data["id"]
    sandbox.play({"name": "busy", "provider": "x", "operation": "create", "effect": "reset"})
    with pytest.raises(requests.ConnectionError):
        x.create_tweet(text="Update.", in_reply_to_tweet_id=first)
    assert sandbox.state()["fired"] == {"busy": 1}
