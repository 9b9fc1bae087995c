"""How an alert can end, and what the command answers then."""

import json
import socket
import time
from contextlib import closing

import pytest
from campus import phone, rule, until

from alerting.clock import SystemClock
from alerting.testing.builders import an_alert


def channel(told, name):
    return next(channel for channel in told["channels"] if channel["channel"] == name)


@pytest.mark.parametrize(
    ("play", "words"),
    [
        ({"rules": [rule("x", "credits_gone")]}, "no credit left"),
        ({"rules": [rule("x", "dead_token")]}, "credentials refused"),
    ],
    ids=["402", "401"],
)
def test_an_account_that_is_refused_ends_in_3_and_says_why_and_what_to_do(campus, play, words):
    campus.box.play(*play["rules"])

    done = campus.send("--channels", "x-campus,sms-main", code=3)

    assert f"x-campus: 1 message rejected: {words}" in done.stdout
    assert "->" in done.stdout
    assert campus.box.counts()["texts"] == 3


def test_nothing_going_out_at_all_ends_in_4(campus):
    for provider in ("x", "graph", "twilio"):
        campus.box.credentials(provider=provider, dead="*")

    done = campus.send("--channels", "x-campus,facebook-campus", code=4)

    assert "NOTHING WENT OUT" in done.stdout


def test_a_dead_channel_hands_its_people_to_the_fallback(campus):
    campus.box.credentials(provider="twilio", dead="*")

    told = json.loads(campus.send("--channels", "sms-main", "--json", code=3).stdout)

    assert channel(told, "sms-main")["failed"] == 3
    assert channel(told, "email-main")["accepted"] == 3
    assert campus.box.counts()["mails"] == 3


def test_a_wrong_word_ends_in_5_and_opens_nothing(campus):
    done = campus("send", "hazard", "-v", "place=Baker Hall", "--confirm", "baker", code=5)

    assert '--confirm "Baker Hall"' in done.stderr
    _nothing_happened(campus)


def test_without_a_terminal_and_without_confirm_it_ends_in_5_and_opens_nothing(campus):
    done = campus("send", "hazard", "-v", "place=Baker Hall", code=5)

    assert "nobody is at the terminal" in done.stderr
    _nothing_happened(campus)


def _nothing_happened(campus):
    assert not (campus.state / "ledger.db").exists()
    assert sum(campus.box.counts()["requests"].values()) == 0


def test_a_refused_number_is_a_failure_of_its_own_and_ends_in_3(build):
    campus = build(sms={"fallback": ""})
    campus.box.play(numbers={phone(1): "opted_out"})

    told = json.loads(campus.send("--channels", "sms-main", "--json", code=3).stdout)

    assert (channel(told, "sms-main")["accepted"], channel(told, "sms-main")["failed"]) == (2, 1)
    [trouble] = told["troubles"]
    assert (trouble["channel"], trouble["state"], trouble["count"]) == ("sms-main", "rejected", 1)


def test_what_cannot_be_told_of_a_drill_stays_uncertain_and_ends_in_6(campus):
    """An answer that never comes, from a relay nobody can ask: a drill is not repeated for that."""
    campus.box.play(rule("smtp", {"kind": "reset", "when": "after"}, nth=[1]))
    alert_id = open_alert(campus, an_alert(id="D-DR1LL1"), "email-main", "email:p0@example.edu", life_s=3600)

    done = campus("resume", "--json", code=6)

    [told] = json.loads(done.stdout)["alerts"]
    assert (told["alert"], told["exit"]) == (alert_id, 6)
    assert channel(told, "email-main")["uncertain"] == 1
    assert campus.box.counts()["mails"] == 1


def test_the_same_of_a_real_alert_is_sent_again_and_flagged(build):
    campus = build(people=1)
    campus.box.play(rule("smtp", {"kind": "reset", "when": "after"}, nth=[1]))

    alert_id = json.loads(campus.send("--channels", "email-main", "--json", code=0).stdout)["alert"]

    [delivery] = campus.deliveries(alert_id)
    assert delivery.maybe_twice
    mails = campus.box.state("mails")
    ids = {value for mail in mails for name, value in mail["headers"] if name.lower() == "message-id"}
    assert (len(mails), len(ids)) == (2, 1)


def test_an_alert_whose_life_is_over_expires_instead_of_going_out(campus):
    alert_id = open_alert(campus, an_alert(id="L-0LD0LD"), "sms-main", f"phone:{phone(0)}", life_s=-1)

    done = campus("resume", code=4)

    assert f"{alert_id}  LIVE" in done.stdout
    assert "the alert's life ended first" in done.stdout
    assert campus.box.counts()["texts"] == 0


def test_a_provider_that_is_away_is_tried_until_the_alert_ends(build):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        closed = taken.getsockname()[1]
    campus = build(sandbox=False, sms={"base_url": f"http://127.0.0.1:{closed}", "fallback": ""})
    alert_id = open_alert(campus, an_alert(id="L-AWAY01"), "sms-main", f"phone:{phone(0)}", life_s=4)

    began = time.monotonic()
    done = campus("resume", "--json", code=4)

    assert 2 < time.monotonic() - began < 10
    assert json.loads(done.stdout)["alerts"][0]["troubles"][0]["state"] == "expired"
    with campus.ledger() as ledger:
        assert len(list(ledger.attempts(alert_id))) >= 2


def test_a_provider_that_comes_back_gets_everything(campus):
    campus.people(20)
    campus.box.play(rule("twilio", {"kind": "reset"}))
    alert_id = campus.send_and_leave("--channels", "sms-main")
    until(lambda: campus.box.counts()["requests"]["twilio"] >= 5, 10, "nothing is tried")
    assert campus.box.counts()["texts"] == 0

    campus.box.play()

    campus.settled(alert_id, 30)
    assert campus.box.counts()["texts"] == 20
    assert campus.status(alert_id)["exit"] == 0


def test_a_burst_of_refusals_and_broken_answers_loses_and_doubles_nothing(build):
    campus = build(people=60)
    campus.box.play(
        rule("twilio", {"kind": "status", "status": 429, "retry_after": 1}, nth=list(range(10, 20))),
        rule("twilio", {"kind": "status", "status": 503, "when": "after"}, every=7),
        rule("twilio", {"kind": "reset", "when": "after"}, every=11),
        rule("x", {"kind": "status", "status": 503, "when": "after"}, nth=[1]),
        rule("graph", {"kind": "reset", "when": "after"}, nth=[1]),
    )

    done = campus.send("--channels", "x-campus,facebook-campus,sms-main", "--json", code=0)

    assert {channel["accepted"] for channel in json.loads(done.stdout)["channels"]} == {1, 60}
    texts = [text["to"] for text in campus.box.state("texts")]
    assert len(texts) == len(set(texts)) == 60
    assert sorted(post["provider"] for post in campus.box.state("posts")) == ["graph", "x"]
    campus.whole()


def open_alert(campus, alert, channel_name, address, *, life_s):
    """Put an alert into the ledger as a sender that died at once would have left it."""
    from datetime import timedelta

    from alerting.clock import micros
    from alerting.ledger.rows import NewDelivery
    from alerting.ledger.sqlite import SqliteLedger
    from alerting.testing.builders import a_lane, an_opening

    campus.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = SystemClock().now()
    alert = alert._replace(created_at=now, expires_at=now + timedelta(seconds=life_s))
    ledger = SqliteLedger.open(campus.state / "ledger.db", clock=SystemClock())
    with ledger.transaction():
        ledger.open_alert(an_opening(a_lane(channel_name), alert=alert), at=micros(now))
        ledger.add_batch(alert.id, channel_name, [NewDelivery(address)], priority=50)
        ledger.planned(alert.id, recipients=1, notes={})
    ledger.close()
    return alert.id
