"""``kill -9`` of the process that sends, anywhere, again and again: nothing is lost, nothing doubled.

``ALERT_CHAOS_ROUNDS`` asks for more than the usual number of rounds; each holds nine kills.
"""

import json
import os
import random
import time
from collections import Counter, defaultdict

import pytest
from campus import CHANNELS, email, phone, rule, slow, until
from reaper import ways

from alerting.model.delivery import State

ROUNDS = int(os.environ.get("ALERT_CHAOS_ROUNDS") or 6)
KILLS = 9
PEOPLE = 40
#: So late that what a dead sender still had on the wire has surely been read by the sandbox.
SETTINGS = {
    "x": {"lookup_after_s": 1},
    "facebook": {"lookup_after_s": 1},
    "sms": {"lookup_after_s": 1, "in_flight": 20, "fallback": ""},
}
FAULTS = (
    rule("twilio", {"kind": "status", "status": 429}, every=11),
    rule("twilio", {"kind": "status", "status": 503, "when": "after"}, every=13),
    rule("twilio", {"kind": "reset", "when": "after"}, every=17),
    rule("smtp", {"kind": "reset", "when": "after"}, every=19),
    rule("x", {"kind": "status", "status": 503, "when": "after"}, nth=[1]),
    rule("graph", {"kind": "hang", "when": "after", "seconds": 0.2}),
    slow(0.05),
    slow(0.02, "smtp"),
)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_whatever_moment_the_sender_is_killed_nothing_is_lost_and_nothing_doubled(build, box, seed):
    rng = random.Random(seed)
    kills = 0
    while kills < KILLS:
        box.fresh()
        box.play(*FAULTS)
        campus = build(people=PEOPLE, **SETTINGS)
        alert_id, channels, deaths = one_alert(campus, rng, most=min(5, KILLS - kills))
        kills += deaths
        assert [record.alert.id for record in campus.alerts()] == [alert_id], "one, however often begun"
        assert taken(campus) == {"x": 1, "graph": 1, **dict.fromkeys(map(phone, range(PEOPLE)), 1)}
        assert_kept(campus, alert_id, channels, deaths)


def taken(campus):
    """How often the providers that can be asked took it: the posts, and the text to each phone."""
    posts = Counter(post["provider"] for post in campus.box.state("posts"))
    return posts + Counter(text["to"] for text in campus.box.state("texts"))


def one_alert(campus, rng, *, most):
    """Send one alert, kill its sender up to so often, let it end; return it, its channels, its deaths."""
    # Nobody can ask a relay, so mails wait some seconds after each death: not every round has the time.
    channels = CHANNELS if rng.random() < 0.3 else CHANNELS[:3]
    alert_id, kills = opened_under_fire(campus, rng, channels)
    while kills < most and rng.random() < 0.9:
        campus("status", code=0)
        if not campus.sender():
            break
        kills += rng.choice(ways())(campus, rng)
        campus.whole()
    done = campus("resume", "--json", timeout=60)
    assert done.returncode in (0, 6), (done.stdout, done.stderr)
    return alert_id, channels, kills


def opened_under_fire(campus, rng, channels):
    """Send; now and then the sender dies while it opens the alert. Return the alert, and the deaths."""
    words = ("send", "hazard", "-v", "place=Hill", "--confirm", "Hill", "--run-key", "once")
    words += ("--channels", ",".join(channels), "--no-wait", "--json")
    deaths = 0
    if rng.random() < 0.4:
        process = campus.start(*words)
        campus.awaited_sender()
        time.sleep(rng.random() * 0.06)
        deaths += bool(campus.kill_sender())
        out, err = process.communicate(timeout=20)
        known = [record.alert.id for record in campus.alerts()]
        if process.returncode == 8:
            assert known == [json.loads(out)["alert"]]
        else:
            # Killed before it could tell; if it was durable by then, the same run key finds it.
            assert process.returncode == 75, err
            assert len(known) <= 1
    done = campus(*words, code=8)
    alert_id = json.loads(done.stdout)["alert"]
    deaths += rng.choice(ways())(campus, rng)
    return alert_id, deaths


def assert_kept(campus, alert_id, channels, deaths):
    """Assert the promises from the ledger's side, and those about mail."""
    campus.whole()
    deliveries = defaultdict(dict)
    for delivery in campus.deliveries(alert_id):
        deliveries[delivery.channel][delivery.address] = delivery
    assert {name: len(rows) for name, rows in deliveries.items()} == {
        name: 1 if name in CHANNELS[:2] else PEOPLE for name in channels
    }
    for name in channels[:3]:
        assert {delivery.state for delivery in deliveries[name].values()} == {State.ACCEPTED}
    if "email-main" in channels:
        assert_mails_kept(campus, deliveries["email-main"], most=2 + deaths)


def assert_mails_kept(campus, deliveries, *, most):
    """A relay cannot be asked: a mail may come twice, if it says so, and may stay uncertain after that.

    Whoever dies with one on its way uses up no resend: the next sends it once more.
    """
    received = defaultdict(list)
    for mail in campus.box.state("mails"):
        [to] = mail["recipients"]
        [message_id] = [value for name, value in mail["headers"] if name.lower() == "message-id"]
        received[f"email:{to}"].append(message_id)
    assert set(received) <= {f"email:{email(n)}" for n in range(PEOPLE)}
    for address, delivery in deliveries.items():
        ids = received[address]
        assert len(set(ids)) <= 1
        assert len(ids) <= most
        if len(ids) > 1:
            assert delivery.maybe_twice
        if delivery.state is State.ACCEPTED:
            assert ids
        else:
            assert delivery.state is State.UNRESOLVED
            assert delivery.maybe_twice


def test_a_sandbox_that_dies_and_comes_back_gets_what_it_had_not_taken(build):
    """A provider that is away for a while: its lane keeps trying, and the alert is completed."""
    from types import SimpleNamespace

    from campus import Box

    from alerting.sandbox.process import start

    with start(seed=1, idle_exit_s=600) as first:
        campus = build(people=PEOPLE, sms={"lookup_after_s": 1, "rate_per_s": 60, "fallback": ""})
        campus.adopt(Box(first))
        alert_id = campus.send_and_leave("--channels", "sms-main")
        until(lambda: campus.box.counts()["texts"] >= 10, 10, "nothing arrives")
        campus.kill_sender()  # it would otherwise notice before the port is free again
        ports = SimpleNamespace(http=int(first.http_url.rpartition(":")[2]), smtp=first.smtp_port)
        taken = {text["to"] for text in campus.box.state("texts")}
    with start(seed=1, idle_exit_s=600, http_port=ports.http, smtp_port=ports.smtp) as second:
        campus.adopt(Box(second))
        campus("resume", "--json", code=0)
        received = Counter(text["to"] for text in campus.box.state("texts"))

    # The second sandbox knows nothing of the first: only what was on the wire may be there twice.
    assert set(received) | taken == set(map(phone, range(PEOPLE)))
    assert max(received.values()) == 1
    with campus.ledger() as ledger:
        attempts = Counter(attempt.address for attempt in ledger.attempts(alert_id))
    assert all(attempts[f"phone:{to}"] > 1 for to in set(received) & taken)
    campus.whole()
