"""Stopping what has not left: the same words whoever owns the ledger, and no tokens needed."""

import json

from alerting.ledger.lock import RunnerLock


def test_what_waits_is_stopped_and_counted(alert, waiting):
    done = alert("cancel", waiting)

    assert done.returncode == 0
    assert done.stdout == f"{waiting}: stopped 2 messages; 0 were leaving, 0 had left.\n"
    told = json.loads(alert("status", waiting, "--json").stdout)
    assert told["settled"]
    assert told["settled_at"]
    assert told["cancelled_at"]
    assert told["channels"][0]["cancelled"] == 2


def test_in_json_the_counts_are_numbers(alert, waiting):
    told = json.loads(alert("cancel", waiting, "--json").stdout)

    assert told == {"v": 1, "kind": "cancel", "alert": waiting, "stopped": 2, "in_flight": 0, "gone": 0}


def test_a_second_cancel_stops_nothing_more(alert, waiting):
    alert("cancel", waiting)

    told = json.loads(alert("cancel", waiting, "--json").stdout)

    assert (told["stopped"], told["in_flight"], told["gone"]) == (0, 0, 0)


def test_what_people_have_read_is_said_to_need_a_correction(alert, recorded):
    done = alert("cancel", recorded)

    assert "2 had left" in done.stdout
    assert "correction" in done.stdout


def test_an_owner_that_does_not_answer_is_told_in_words(alert, home, waiting):
    with RunnerLock(home / "state"):
        done = alert("cancel", waiting)

    assert done.returncode == 75
    assert "another process owns this ledger and does not answer" in done.stderr
