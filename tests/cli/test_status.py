"""Looking at alerts needs no tokens, changes nothing it should not, and mends what an upgrade left."""

import json
import sqlite3
from contextlib import closing

import pytest

from alerting.ledger.migrate import latest, steps
from alerting.ledger.reader import APPLICATION_ID


def test_nothing_was_ever_sent_from_here(alert, home):
    done = alert("status")

    assert (done.returncode, done.stdout) == (0, "Nothing has been sent from here yet.\n")
    assert done.stderr.endswith("state/ledger.db.\n"), "a wrong --state is seen at once"
    assert json.loads(alert("status", "--json").stdout)["alerts"] == []
    assert not (home / "state" / "ledger.db").exists()


def test_the_list_names_every_alert_with_its_counts(alert, recorded):
    done = alert("status")

    head, line, *_ = done.stdout.splitlines()
    assert head.split() == ["alert", "when", "what", "accepted", "failed", "state"]
    assert line.startswith(recorded)
    assert "2/3" in line.split()
    assert line.endswith("settled")


def test_an_incident_nobody_closed_is_told_however_many_alerts_came_after_it(alert, home, many):
    shown = alert("status").stdout
    told = json.loads(alert("status", "--json").stdout)

    assert "incident L-0LD000 at Library (lee): OVERDUE, promised by 2026-08-31 22:14" in shown
    assert shown.splitlines()[-1].endswith("-> alert update|all-clear|correct|recall L-0LD000")
    assert "L-0LD000" not in [one["alert"] for one in told["alerts"]]
    (one,) = told["incidents"]
    assert (one["incident"], one["owner"], one["overdue"]) == ("L-0LD000", "lee", True)
    assert told["reviews"] == []
    assert "write one of: L-0LD000 (" in alert("all-clear", env=alert.credentials).stderr


@pytest.mark.parametrize("typed", ["{0}", "{1}"])
def test_one_alert_is_found_however_its_id_is_typed(alert, recorded, typed):
    done = alert("status", typed.format(recorded, recorded.lower()), "--json")

    told = json.loads(done.stdout)
    assert (told["v"], told["kind"], told["alert"]) == (1, "status", recorded)
    assert done.returncode == told["exit"] == 3
    sms = next(channel for channel in told["channels"] if channel["channel"] == "sms-main")
    assert (sms["total"], sms["accepted"]) == (3, 2)


def test_a_title_that_could_steer_a_terminal_or_a_sheet_is_shown_as_text(alert, recorded):
    shown = alert("status", recorded).stdout

    assert "=Gas leak" in shown
    assert "\x1b" not in shown


def test_a_ledger_of_an_older_version_is_brought_up_to_date_by_any_command(alert, home):
    """After an upgrade the first command may be the one that matters."""
    state = home / "state"
    state.mkdir(mode=0o700)
    with closing(sqlite3.connect(state / "ledger.db")) as raw, raw:
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for step in steps()[:-1]:
            for statement in step.statements:
                raw.execute(statement)
        raw.execute("INSERT INTO meta (name, value) VALUES ('schema', ?)", (str(latest() - 1),))

    done = alert("status")

    assert (done.returncode, done.stderr) == (0, "")
    with closing(sqlite3.connect(state / "ledger.db")) as raw:
        assert raw.execute("SELECT value FROM meta WHERE name = 'schema'").fetchall() == [(str(latest()),)]


def test_without_tokens_what_waits_is_left_alone_and_said(alert, home, waiting):
    done = alert("status", waiting)

    assert done.returncode == 8
    assert "run `alert resume` where the credentials are" in done.stderr
    assert not (home / "state" / "sender.log").exists()
