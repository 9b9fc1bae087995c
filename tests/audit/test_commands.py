"""The commands as an officer, an auditor and a scheduler run them."""

import json
import re
import shutil
import sqlite3

import pytest

from tests.cli.conftest import alert, home, recorded  # noqa: F401 - fixtures
from tests.publishing.cap_rules import problems


@pytest.fixture
def run(alert):  # noqa: F811
    def go(*words, code=0):
        done = alert(*words, env=alert.credentials)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return go


def test_a_checkpoint_is_made_and_a_copy_elsewhere_is_verified_offline(run, home, recorded):  # noqa: F811
    made = run("audit", "checkpoint", "--to", "second")
    assert "A signing key was made" in made.stderr
    public = run("audit", "key").stdout.strip()
    assert public in made.stderr
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(home / "state" / "ledger.db", elsewhere)

    done = run("audit", "verify", "elsewhere/ledger.db", "--checkpoint", "second", "--public-key", public)
    assert done.stdout.startswith("WHOLE")
    assert "1 checkpoint compared" in done.stdout
    assert "audit.key is not at hand" in done.stdout
    assert oct((home / "state" / "audit-signing.key").stat().st_mode)[-3:] == "600"
    assert oct((home / "state" / "audit.key").stat().st_mode)[-3:] == "600"


def test_a_broken_ledger_exits_3_and_names_the_first_broken_place(run, home, recorded):  # noqa: F811
    run("audit", "checkpoint")
    raw = sqlite3.connect(home / "state" / "ledger.db")
    raw.execute("UPDATE delivery SET state = 'accepted' WHERE state = 'rejected'")
    raw.commit()
    raw.close()

    done = run("audit", "verify", code=3)
    assert done.stdout.startswith("BROKEN")
    assert f"First: {recorded}: delivery" in done.stdout
    told = json.loads(run("audit", "verify", "--json", code=3).stdout)
    assert told["whole"] is False


def test_verifying_writes_nothing(run, home, recorded):  # noqa: F811
    run("audit", "checkpoint")
    before = (home / "state" / "ledger.db").read_bytes()
    run("audit", "verify", "--checkpoint", "state/checkpoints")
    assert (home / "state" / "ledger.db").read_bytes() == before


def test_a_note_goes_into_the_log_and_into_the_report(run, home, recorded):  # noqa: F811
    done = run("note", recorded, "--reported", "2026-08-31 22:10", "--by", "Officer Park")
    assert "Noted as act" in done.stderr
    assert "reported: 2026-08-31 22:10:00 EDT" in done.stdout
    assert "alert.noted" in run("audit", "log", recorded).stdout

    run("report", recorded)
    text = (home / f"{recorded}.html").read_text("utf-8")
    assert "Officer Park" in text
    assert "2026-08-31 22:10:00" in text
    told = json.loads(run("report", recorded, "--format", "json").stdout)
    assert told["clock"]["reported"]["at"] == "2026-08-31T22:10:00-04:00"
    assert "is there already" in run("report", recorded, code=2).stderr


def test_a_note_that_cannot_be_is_refused(run, recorded):  # noqa: F811
    assert "in the future" in run("note", recorded, "--reported", "2099-01-01 00:00", code=2).stderr
    assert "there is no alert L-00000" in run("note", "L-000000", "--by", "x", code=2).stderr


def test_an_alert_is_written_as_cap_and_the_feed_where_it_belongs(run, home, recorded):  # noqa: F811
    text = run("cap", recorded).stdout
    assert problems(text.encode()) == []

    config = home / "channels.yaml"
    config.write_text(
        config.read_text() + "\npublish:\n  feed: public/feed.atom\n  sender: alerts@example.edu\n"
    )
    place = run("cap", "--feed").stdout.strip()
    assert place.endswith("public/feed.atom")
    assert f"{recorded}.cap.xml" in (home / "public" / "feed.atom").read_text()
    assert problems((home / "public" / f"{recorded}.cap.xml").read_bytes()) == []
    assert sorted(path.name for path in (home / "public").iterdir()) == [f"{recorded}.cap.xml", "feed.atom"]

    name = own_name(home / "public" / "feed.atom")
    assert name.startswith("<id>tag:alerts@example.edu,")
    config.write_text(config.read_text().replace("sender: alerts@example.edu", "sender: new.example.edu"))
    run("cap", "--feed")
    assert own_name(home / "public" / "feed.atom") == name


def own_name(feed):
    return re.search("<id>.*</id>", feed.read_text())[0]


def test_people_are_forgotten_by_command_and_the_record_verifies(run, home, recorded):  # noqa: F811
    run("audit", "checkpoint")
    assert "Would be forgotten: the people of" in run("audit", "retain", "--days", "1", "--dry-run").stdout
    assert b"15550000001" in (home / "state" / "ledger.db").read_bytes()
    assert "Forgotten: the people of" in run("audit", "retain", "--days", "1").stdout
    assert b"15550000001" not in (home / "state" / "ledger.db").read_bytes()
    assert "WHOLE" in run("audit", "verify", "--checkpoint", "state/checkpoints").stdout
    assert "Nothing is older" in run("audit", "retain", "--days", "1").stdout


def test_a_broadcast_ends_with_a_signed_checkpoint(alert, home):  # noqa: F811
    words = (
        "--sandbox",
        "send",
        "gas-leak",
        "-v",
        "place=Baker Hall",
        "--confirm",
        "baker hall",
        "--to",
        "everyone",
    )
    alert(*words)
    alert("--sandbox", "sandbox", "stop")
    place = home / "state" / "sandbox"
    found = wait_for(place / "checkpoints")
    assert "north-shore-university/alert-audit-sandbox" in found
    done = alert("--sandbox", "audit", "verify", "--checkpoint", str(place / "checkpoints"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "addresses were not compared" not in done.stdout
    (message,) = place.glob("*.cap.xml")
    assert problems(message.read_bytes()) == []
    assert message.name in (place / "feed.atom").read_text("utf-8")


def wait_for(path):
    import time

    for _ in range(200):
        if path.exists() and path.stat().st_size:
            return path.read_text("utf-8")
        time.sleep(0.1)
    raise AssertionError(f"{path} never came")


def test_taking_addresses_out_is_on_record_and_masked_export_is_not(run, recorded):  # noqa: F811
    run("export", recorded)
    assert "people.exported" not in run("audit", "log", recorded).stdout
    run("export", recorded, "--addresses")
    assert "people.exported" in run("audit", "log", recorded).stdout
