"""Follow-ups belong together wherever people read them: on X, on Facebook, in a mailbox, in CAP."""

import json
import shutil
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from campus import until

TEMPLATES = Path(__file__).parents[2] / "templates"
NEWS = ("-v", "news=Crews on site", "-v", "action=STAY AWAY from it")


@pytest.fixture
def campus(build):
    made = build(people=4)
    for name in ("update", "all-clear", "false-alarm", "sent-in-error"):
        shutil.copy(TEMPLATES / f"{name}.md", made.home / "templates")
    return made


def follow(campus, verb, alert, *args):
    done = campus(verb, alert, *args, "--confirm", "Baker Hall", "--json", code=0)
    return json.loads(done.stdout.splitlines()[-1])["alert"]


def posts(campus, provider):
    return sorted(
        (post for post in campus.box.state("posts") if post["provider"] == provider),
        key=lambda p: p["created_at"],
    )


def header(mail, name):
    return next((value for key, value in mail["headers"] if key.lower() == name), "")


def whole_story(campus):
    first = json.loads(campus.send("--json", code=0).stdout)["alert"]
    second = follow(campus, "update", first, *NEWS)
    third = follow(campus, "all-clear", first)
    return first, second, third


def test_an_incident_is_one_thread_on_every_channel(campus):
    first, second, third = whole_story(campus)

    alert, update, clear = posts(campus, "x")
    assert (update["parent"], clear["parent"]) == (alert["id"], update["id"]), (
        "each replies to the one before"
    )
    assert "#2" in update["text"]
    assert "#3" in clear["text"]

    told = posts(campus, "graph")
    own, comments = [p for p in told if not p["parent"]], [p for p in told if p["parent"]]
    assert [p["text"] for p in own[1:]] == [p["text"] for p in comments], "each also under the first post"
    assert {p["parent"] for p in comments} == {own[0]["id"]}

    for person in range(4):
        mails = [m for m in campus.box.state("mails") if m["recipients"] == [f"p{person}@example.edu"]]
        ids = [header(mail, "message-id") for mail in mails]
        assert header(mails[0], "references") == ""
        assert [header(mail, "in-reply-to") for mail in mails[1:]] == ids[:2]
        assert header(mails[2], "references").split() == ids[:2]

    lines = campus("status", second, code=0).stdout.splitlines()
    assert any(line.startswith(f"so far: #1 {first} ") and f"#3 {third} All clear" in line for line in lines)
    assert any(line.startswith(f"incident {first} at Baker Hall: closed at ") for line in lines)

    cap = ET.fromstring(campus("cap", third, code=0).stdout)
    space = cap.tag.partition("}")[0] + "}"
    cited = [one.split(",")[1] for one in cap.findtext(f"{space}references").split()]
    assert cited == [first, second]


def test_what_cannot_join_its_thread_is_posted_on_its_own_and_says_so(campus):
    channels = ("--channels", "x-campus,facebook-campus")
    first = json.loads(campus.send(*channels, "--json", code=0).stdout)["alert"]
    dead = {"provider": "graph", "operation": "comment", "effect": "dead_token"}
    campus.box.play(dead, switches={"x_replies": "none"})

    second = follow(campus, "update", first, *NEWS)

    for provider in ("x", "graph"):
        assert [post["parent"] for post in posts(campus, provider)] == [None, None]
    told = campus("status", second, code=0).stdout
    assert "x-campus: posted on its own: X refused it as a reply to the one before" in told
    assert "facebook-campus: posted, but not also as a comment under the incident's first post: " in told


@pytest.mark.parametrize(("channel", "provider"), [("x-campus", "x"), ("facebook-campus", "graph")])
def test_two_alerts_with_the_same_words_never_share_a_post(campus, channel, provider):
    campus.template("same-words")
    # An alert says its minute, so words are the same only within one.
    until(lambda: time.time() % 60 < 45, 20, "no minute begins")
    first = campus.send("--channels", channel, "--json", code=0)
    [post] = posts(campus, provider)

    second = json.loads(campus.send("--channels", channel, "--json", template="same-words").stdout)

    assert len(posts(campus, provider)) == 1
    assert second["exit"] == 4, "the second was refused as a repeat, and says so"
    assert [trouble["state"] for trouble in second["troubles"]] == ["rejected"]
    [mine] = campus.deliveries(json.loads(first.stdout)["alert"])
    assert mine.provider_id == post["id"]
