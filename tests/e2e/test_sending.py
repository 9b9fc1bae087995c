"""One command, four providers: what is shown is what arrives."""

import json
import re
from datetime import datetime

import pytest
from campus import CHANNELS, email, phone

from alerting.digest import delivery_key

SEND_KEYS = {
    "v": int,
    "kind": str,
    "alert": str,
    "incident": str,
    "live": bool,
    "status": str,
    "template": str,
    "title": str,
    "settled": bool,
    "exit": int,
    "accepted_at": str,
    "settled_at": str,
    "cancelled_at": type(None),
    "expires_at": str,
    "channels": list,
    "troubles": list,
    "clock": dict,
}
CHANNEL_KEYS = [
    "channel",
    "kind",
    "total",
    "accepted",
    "delivered",
    "receipts",
    "failed",
    "uncertain",
    "waiting",
    "cancelled",
    "first_s",
    "half_s",
    "most_s",
    "arrived_first_s",
    "arrived_half_s",
    "arrived_most_s",
    "permalink",
    "note",
]
PREVIEW_KEYS = [
    "v",
    "kind",
    "digest",
    "live",
    "status",
    "template",
    "title",
    "confirm",
    "as_of",
    "incident",
    "number",
    "reviewed",
    "second_person",
    "lifetime_s",
    "audience",
    "channels",
    "warnings",
    "follow_ups",
]


def sent_within_one_minute(campus):
    """Preview and send so that both say the same time; return the preview and the send."""
    for _ in range(2):
        shown = json.loads(campus("preview", "hazard", "-v", "place=Baker Hall", "--json", code=0).stdout)
        done = campus.send("--json", code=0)
        told = json.loads(done.stdout)
        if shown["as_of"][:16] == told["accepted_at"][:16]:
            return shown, told
        campus.box.fresh()
    raise AssertionError("two minutes ended at once")


def test_every_provider_receives_byte_for_byte_what_the_preview_showed(campus):
    shown, told = sent_within_one_minute(campus)

    lanes = {lane["channel"]: lane for lane in shown["channels"]}
    posts = {post["provider"]: post["text"] for post in campus.box.state("posts")}
    assert posts == {"x": lanes["x-campus"]["text"], "graph": lanes["facebook-campus"]["text"]}
    texts = campus.box.state("texts")
    assert sorted(text["to"] for text in texts) == [phone(n) for n in range(3)]
    assert {text["body"] for text in texts} == {lanes["sms-main"]["text"]}
    mails = campus.box.state("mails")
    assert sorted(mail["recipients"] for mail in mails) == [[email(n)] for n in range(3)]
    assert {mail["subject"] for mail in mails} == {lanes["email-main"]["subject"]}
    assert {mail["text"].replace("\r\n", "\n").rstrip("\n") for mail in mails} == {
        lanes["email-main"]["text"]
    }
    with campus.ledger() as ledger:
        assert ledger.alert(told["alert"]).digest == shown["digest"]


def test_a_mail_has_one_to_and_the_message_id_of_its_delivery(campus):
    alert_id = json.loads(campus.send("--json", "--channels", "email-main", code=0).stdout)["alert"]

    for mail in campus.box.state("mails"):
        headers = [(name.lower(), value) for name, value in mail["headers"]]
        [to] = [value for name, value in headers if name == "to"]
        [message_id] = [value for name, value in headers if name == "message-id"]
        assert [to] == mail["recipients"]
        key = delivery_key(alert_id, "email-main", f"email:{to}")
        assert re.fullmatch(rf"<{key}[.0-9]*@example\.edu>", message_id)


def test_the_counts_of_the_report_the_ledger_and_the_sandbox_agree(campus):
    told = json.loads(campus.send("--json", code=0).stdout)

    assert [(c["channel"], c["accepted"], c["total"]) for c in told["channels"]] == [
        ("x-campus", 1, 1),
        ("facebook-campus", 1, 1),
        ("sms-main", 3, 3),
        ("email-main", 3, 3),
    ]
    counts = campus.box.counts()
    assert (counts["posts"], counts["texts"], counts["mails"]) == (2, 3, 3)
    assert counts["requests"] == {"x": 1, "graph": 1, "twilio": 3, "smtp": 3}
    campus.whole()


def test_send_in_json_is_one_line_of_a_known_shape(campus):
    done = campus.send("--json", code=0)

    [line] = done.stdout.splitlines()
    told = json.loads(line)
    assert {name: type(value) for name, value in told.items()} == SEND_KEYS
    assert (told["v"], told["kind"], told["exit"], told["settled"], told["live"]) == (
        1,
        "send",
        0,
        True,
        True,
    )
    assert re.fullmatch(r"L-[0-9A-Z]{6}", told["alert"])
    assert all(list(channel) == CHANNEL_KEYS for channel in told["channels"])
    for name in ("accepted_at", "settled_at", "expires_at"):
        assert datetime.fromisoformat(told[name]).utcoffset() is not None


def test_status_in_json_says_what_send_said(campus):
    told = json.loads(campus.send("--json", code=0).stdout)

    status = campus.status(told["alert"])

    assert {name: status[name] for name in told} == {**told, "kind": "status"}
    [listed] = json.loads(campus("status", "--json", code=0).stdout)["alerts"]
    assert listed == {name: told[name] for name in told if name not in ("v", "kind", "clock")}


def test_preview_in_json_is_of_a_known_shape_and_opens_nothing(campus):
    done = campus("preview", "hazard", "-v", "place=Baker Hall", "--json", code=0)

    told = json.loads(done.stdout)
    assert list(told) == PREVIEW_KEYS
    assert (told["v"], told["kind"], told["confirm"]) == (1, "preview", "Baker Hall")
    assert [lane["channel"] for lane in told["channels"]] == list(CHANNELS)
    assert not (campus.state / "ledger.db").exists()
    assert campus.box.counts()["requests"] == {"x": 0, "graph": 0, "twilio": 0, "smtp": 0}


def test_the_plain_words_name_every_channel_and_say_that_all_was_accepted(campus):
    done = campus.send(code=0)

    assert done.stdout.startswith("LIVE  Hazard, Baker Hall\n")
    assert "NSU ALERT" in done.stdout
    assert re.search(r"^L-\w{6}  LIVE  Hazard  done: all accepted in \d", done.stdout, re.MULTILINE)
    for channel in CHANNELS:
        assert re.search(rf"^{channel} +(1/1|3/3) ", done.stdout, re.MULTILINE)
    assert "\x1b" not in done.stdout


def test_an_update_answers_the_first_post_and_carries_its_number(campus):
    first = json.loads(campus.send("--json", "--channels", "x-campus,email-main", code=0).stdout)["alert"]

    done = campus.send(
        "--json", "--incident", first, "--channels", "x-campus,email-main", place="Hill House", code=0
    )

    assert json.loads(done.stdout)["incident"] == first
    old, new = campus.box.state("posts")
    assert new["parent"] == old["id"]
    with campus.ledger() as ledger:
        assert ledger.alert(json.loads(done.stdout)["alert"]).alert.number == 2


@pytest.mark.parametrize("status", ["exercise", "test"])
def test_practice_cannot_be_sent_by_the_verb_for_real_alerts(campus, status):
    campus.template("practice", title="Fire drill", status=status)

    done = campus.send("--json", template="practice", code=7)

    assert "alert drill run" in done.stderr
    assert not (campus.state / "ledger.db").exists()


def test_a_landline_gets_a_mail_although_mail_was_not_among_the_channels(campus):
    campus.box.play(numbers={phone(1): "landline"})

    done = campus.send("--json", "--channels", "sms-main", code=3)

    told = {channel["channel"]: channel for channel in json.loads(done.stdout)["channels"]}
    assert (told["sms-main"]["accepted"], told["sms-main"]["failed"]) == (2, 1)
    assert (told["email-main"]["accepted"], told["email-main"]["total"]) == (1, 1)
    [mail] = campus.box.state("mails")
    assert mail["recipients"] == [email(1)]


def test_a_run_key_used_again_sends_nothing_twice_and_says_so(campus):
    first = campus.send("--run-key", "shift-7", "--json", code=0)
    before = campus.box.counts()["requests"]

    again = campus.send("--run-key", "shift-7", "--json", code=0)

    assert json.loads(again.stdout)["alert"] == json.loads(first.stdout)["alert"]
    assert "nothing is sent twice" in again.stderr
    assert campus.box.counts()["requests"] == before
    assert len(campus.alerts()) == 1


def test_the_first_alert_of_a_new_machine_needs_no_state_directory(build):
    campus = build(sandbox=False, x={"base_url": "http://127.0.0.1:9"})

    done = campus.send("--channels", "x-campus", "--no-wait", "--json", code=8)

    assert json.loads(done.stdout)["kind"] == "accepted"
