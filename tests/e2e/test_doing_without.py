"""An alert goes by the channels that are left, and so do the messages that follow it."""

import shutil
from pathlib import Path

from campus import slow

TEMPLATES = Path(__file__).parents[2] / "templates"


def newest(campus):
    return campus.alerts()[0].alert.id


def test_an_alert_and_its_follow_up_leave_out_what_they_were_told_to(campus):
    shutil.copy(TEMPLATES / "all-clear.md", campus.home / "templates")
    campus.send("--without", "x-campus,facebook-campus", code=0)
    alert_id = newest(campus)
    first = campus.status(alert_id)["channels"]

    campus("all-clear", alert_id, "--without", "email-main", "--confirm", "Baker Hall", code=0)
    second = campus.status(newest(campus))["channels"]

    assert [channel["channel"] for channel in first] == ["sms-main", "email-main"]
    assert [channel["channel"] for channel in second] == ["sms-main"]


def test_an_order_handed_over_to_a_sender_that_left_a_channel_out_has_it_all_the_same(campus):
    campus.template("other", words="ANOTHER HAZARD")
    campus.box.play(slow(0.5))
    campus.send_and_leave("--without", "x-campus")
    campus.awaited_sender()

    second = campus.send_and_leave(template="other")
    campus.settled(second)

    told = {channel["channel"]: channel["accepted"] for channel in campus.status(second)["channels"]}
    assert told == {"x-campus": 1, "facebook-campus": 1, "sms-main": 3, "email-main": 3}


def test_what_waits_for_a_channel_that_is_left_out_is_refused_and_says_why(campus):
    campus.box.play(slow(5, provider="x"))
    first = campus.send_and_leave()
    campus.kill_sender()

    campus.send("--without", "x-campus", place="Elm Hall", code=0)
    campus.settled(first)
    told = campus.status(first)

    [post] = [channel for channel in told["channels"] if channel["channel"] == "x-campus"]
    assert (post["accepted"], post["failed"]) == (0, 1)
    assert any("x-campus is left out (--without)" in str(trouble) for trouble in told["troubles"])
