"""A wrong alert recalled while half of it is out: stopped, taken back, corrected to those it reached."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from campus import phone, rule, until
from shared_campus import SharedCampus

from alerting.model.delivery import State
from alerting.service.recall import outcome_of_recall

TEMPLATES = Path(__file__).parents[2] / "templates"
ON_X_AND_TEXTS = ("--channels", "x-campus,facebook-campus,sms-main")


#: The first ten get the wrong text; then the account is told to wait, for as long as it says such things.
REACHED, PEOPLE = 10, 30
BUSY = rule(
    "twilio",
    {"kind": "status", "status": 429, "retry_after": 1},
    to=[phone(n) for n in range(REACHED, PEOPLE)],
    text_contains="HAZARD",
)
QUEUED = {"sent_after_s": 600, "delivered_after_s": 900}


@pytest.fixture
def campus(build):
    """The provider queues what it has for longer than a test takes."""
    made = build(people=PEOPLE, sms={"fallback": ""})
    for name in ("update", "all-clear", "false-alarm", "sent-in-error"):
        shutil.copy(TEMPLATES / f"{name}.md", made.home / "templates")
    made.box.play(BUSY, switches=QUEUED)
    return made


def half_sent(campus):
    alert = campus.send_and_leave(*ON_X_AND_TEXTS)
    until(lambda: campus.box.counts()["texts"] == REACHED, 20, "texts do not leave")
    until(lambda: len(campus.box.state("posts")) == 2, 20, "posts do not leave")
    return alert


def recall(campus, alert, *args):
    done = campus("recall", alert, "--confirm", "sent-in-error", "--json", *args)
    told = json.loads(done.stdout)
    assert told["kind"] == "recall"
    return {"alert": told["alert"], **told["recalled"]}


def bodies(campus):
    """Return by number the words of every text that was not taken back."""
    words = {}
    for text in campus.box.state("texts"):
        if text["status"] != "canceled":
            words.setdefault(text["to"], []).append("IGNORE" if "IGNORE" in text["body"] else "HAZARD")
    return words


def test_nobody_is_left_with_the_wrong_text_and_nobody_else_hears_of_it(campus):
    wrong = half_sent(campus)
    told = recall(campus, wrong)

    sent = Counter(d.state for d in campus.deliveries(wrong) if d.channel == "sms-main")
    assert sent[State.CANCELLED] == PEOPLE - REACHED, "what had not left was stopped"
    assert told["taken_back"] == sent[State.UNDELIVERED] == REACHED, "what the provider queued was taken back"
    kept = bodies(campus)
    assert all(words == ["IGNORE"] for words in kept.values()), kept
    assert len(kept) == told["taken_back"] - told["spared"]
    assert told["first_post_s"] <= told["most_s"]
    status = campus.status(told["alert"])
    assert status["taken_back"]["taken_back"] == told["taken_back"]
    assert "queued messages" in campus("status", told["alert"]).stdout
    campus.whole()
    campus("audit", "verify", code=0)


def test_posts_are_corrected_and_stay_unless_asked(campus):
    wrong = half_sent(campus)
    told = recall(campus, wrong)
    posts = campus.box.state("posts")
    assert [post for post in posts if post["deleted"]] == []
    assert sum("IGNORE" in post["text"] for post in posts) == 3, (
        "a reply, a post, and a comment under the old"
    )
    assert (told["deleted"], told["kept"]) == (0, 0)


def test_posts_go_on_request_and_only_after_their_correction(campus):
    wrong = half_sent(campus)
    told = recall(campus, wrong, "--delete-posts")
    posts = campus.box.state("posts")
    gone = [post for post in posts if post["deleted"]]
    assert {(post["provider"], "IGNORE" in post["text"]) for post in gone if not post["parent"]} == {
        ("x", False),
        ("graph", False),
    }
    assert told["deleted"] == 2
    for provider, correction in (("x", "reply"), ("graph", "create")):
        asked = [r["operation"] for r in campus.box.state("requests") if r["provider"] == provider]
        assert asked.index("delete") > len(asked) - 1 - asked[::-1].index(correction)


def test_a_post_without_its_correction_is_not_deleted(campus):
    wrong = half_sent(campus)
    campus.box.play(BUSY, rule("x", {"kind": "status", "status": 402}), switches=QUEUED)
    campus.box.credentials(provider="x", dead="*")
    told = recall(campus, wrong, "--delete-posts")
    [post] = [p for p in campus.box.state("posts") if p["provider"] == "x"]
    assert not post["deleted"]
    assert (told["deleted"], told["kept"]) == (1, 1)


@pytest.mark.parametrize("command", [("status",), ("resume", "--foreground")])
def test_a_sender_killed_while_it_takes_back_is_followed_by_one_that_goes_on(campus, command):
    wrong = half_sent(campus)
    slow = rule("twilio", {"kind": "hang", "seconds": 30}, operation="cancel")
    campus.box.play(BUSY, slow, switches=QUEUED)
    told = json.loads(
        campus("recall", wrong, "--confirm", "sent-in-error", "--json", "--no-wait", code=8).stdout
    )
    assert not told["recalled"]["done"]
    until(lambda: campus.status(told["alert"])["settled"], 20, "the correction does not leave")
    assert campus.kill_sender()
    campus.box.play(switches=QUEUED)

    campus(*command, code=0)

    until(lambda: campus.status(told["alert"])["taken_back"], 20, "nobody goes on")
    assert campus.status(told["alert"])["taken_back"]["taken_back"] == REACHED


def test_a_worker_that_lives_finishes_the_recall_of_a_host_that_died(tmp_path, box, fresh_database):
    hosts = []
    for name in ("desk", "worker"):
        home = tmp_path / name
        home.mkdir()
        hosts.append(SharedCampus(home, box, fresh_database, people=PEOPLE, sms={"fallback": ""}))
        shutil.copy(TEMPLATES / "sent-in-error.md", home / "templates")
    desk, other = hosts
    box.play(BUSY, switches=QUEUED)
    worker = other.start("worker", "--json")
    try:
        assert json.loads(worker.stdout.readline())["kind"] == "worker"
        wrong = half_sent(desk)
        box.play(BUSY, rule("twilio", {"kind": "hang", "seconds": 30}, operation="cancel"), switches=QUEUED)
        told = json.loads(
            desk("recall", wrong, "--confirm", "sent-in-error", "--json", "--no-wait", code=8).stdout
        )
        until(lambda: len(box.state("posts")) == 5, 20, "the correction does not leave")
        assert desk.kill_sender()
        box.play(switches=QUEUED)
        with desk.ledger() as ledger:  # looking by `alert status` would start another owner
            until(lambda: outcome_of_recall(ledger, told["alert"]), 20, "nobody goes on")
            assert outcome_of_recall(ledger, told["alert"])["taken_back"] == REACHED
    finally:
        for one in hosts:
            one.close()


def test_a_recalled_alert_cannot_be_recalled_again(campus):
    wrong = half_sent(campus)
    recall(campus, wrong)
    before = campus.box.counts()["texts"]
    done = campus("recall", wrong, "--confirm", "sent-in-error", code=2)
    assert "this incident was closed at" in done.stderr
    assert campus.box.counts()["texts"] == before
