"""What follows an alert at the real command: the newest word first, to the same people, or a sentence why not."""

import json
import os
import pty
import select
import shutil
import subprocess
from pathlib import Path

import pytest
from campus import phone, rule, until

from alerting.model.delivery import State

TEMPLATES = Path(__file__).parents[2] / "templates"


#: The first six get it; the others wait for as long as the provider asks for time.
SOME, ALL = 6, 30
BUSY = rule(
    "twilio",
    {"kind": "status", "status": 429, "retry_after": 1},
    to=[phone(n) for n in range(SOME, ALL)],
    text_contains="HAZARD",
)


@pytest.fixture
def campus(build):
    made = build(people=ALL, sms={"fallback": ""})
    for name in ("update", "all-clear", "false-alarm", "sent-in-error", "drill"):
        shutil.copy(TEMPLATES / f"{name}.md", made.home / "templates")
    return made


def test_after_an_all_clear_nobody_hears_the_old_message_and_everybody_the_new_one(campus):
    campus.box.play(BUSY)
    first = campus.send_and_leave("--channels", "sms-main")
    until(lambda: campus.box.counts()["texts"] == SOME, 20, "texts do not leave")

    campus("all-clear", first, "--confirm", "Baker Hall", "--json", code=0)
    campus.box.play()
    campus.sender_gone(20)

    texts = campus.box.state("texts")
    assert sorted(text["to"] for text in texts if "CLEAR" in text["body"]) == [phone(n) for n in range(ALL)]
    assert sorted(text["to"] for text in texts if "HAZARD" in text["body"]) == [phone(n) for n in range(SOME)]
    states = {d.state for d in campus.deliveries(first) if d.channel == "sms-main"}
    assert states == {State.ACCEPTED, State.CANCELLED}


def test_an_incident_nobody_knows_is_said_and_nothing_is_sent(campus):
    done = campus("update", "L-000000", "-v", "action=STAY AWAY from it", "--confirm", "x", code=2)
    assert "there is no incident L-000000" in done.stderr
    campus.send("--channels", "x-campus", code=0)
    for verb in ("update", "all-clear", "correct", "recall"):
        done = campus(verb, "L-000000", "--confirm", "x", code=2)
        assert "there is no incident L-000000" in done.stderr
    done = campus("close", "L-000000", "--reason", "nothing was there", code=2)
    assert "there is no incident L-000000" in done.stderr
    assert campus.box.counts()["posts"] == 1


def test_a_live_command_follows_a_drill_only_as_a_drill_and_says_so(campus):
    campus.home.joinpath("drills.yaml").write_text(
        "version: 1\nallowed_audiences: [everyone]\ndrills:\n  monthly:\n    title: Monthly\n    template: drill\n"
        "    values: {place: Baker Hall}\n    audience: everyone\n    channels: [x-campus]\n"
        "    schedule: {starts: 2026-09-02T12:00, rule: FREQ=MONTHLY;BYDAY=1WE}\n"
    )
    ran = campus("drill", "run", "monthly", "--confirm", "DRILL monthly", "--json")
    drill = next((json.loads(line)["alert"] for line in ran.stdout.splitlines() if '"alert"' in line), None)
    assert drill, ran.stdout + ran.stderr

    done = campus("all-clear", drill, "--confirm", "DRILL Baker Hall", code=0)

    assert done.stdout.startswith("DRILL  All clear")
    assert all(post["text"].startswith("DRILL") for post in campus.box.state("posts"))
    refused = campus("update", json.loads(campus.send("--channels", "x-campus", "--json").stdout)["alert"],
                     "--template", "drill", "--confirm", "Baker Hall", code=2)  # fmt: skip
    assert "it cannot follow one" in refused.stderr


def test_a_list_that_changed_between_preview_and_confirmation_is_told(campus):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        campus.words("send", "hazard", "-v", "place=Hill", "--channels", "sms-main", "--no-wait"),
        cwd=campus.home,
        env=campus.environment({"TERM": "dumb"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        heard = read_until(ours, b"Type Hill to send")
        assert b"30 people" in heard
        campus.people(33)
        os.write(ours, b"hill\n")
        read_until(ours, b"Type hazard too")
        os.write(ours, b"hazard\n")
        heard = read_until(ours, b"Accepted ")
    finally:
        process.terminate()
        process.wait(20)
        os.close(ours)
    assert b"30 people were shown, 33 are told" in heard
    [record] = campus.alerts()
    assert len(campus.deliveries(record.alert.id)) == 33


def read_until(terminal, words):
    heard = b""
    while words not in heard:
        assert select.select([terminal], [], [], 20)[0], heard
        more = os.read(terminal, 4096)
        assert more, heard
        heard += more
    return heard
