import json
import os
import resource
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest

from alerting.ledger.lock import RunnerLock
from alerting.ledger.migrate import latest


@pytest.fixture
def doctor(alert):
    """Run the doctor with credentials and return (exit code, findings by what they are about)."""

    def run(*options, env=None, before=()):
        done = alert(*before, "doctor", "--json", *options, env={**alert.credentials, **(env or {})})
        told = json.loads(done.stdout)
        assert told["exit"] == done.returncode
        assert told["ok"] is (done.returncode == 0)
        assert not any(secret in done.stdout for secret in alert.credentials.values())
        found = {}
        for finding in told["findings"]:
            found.setdefault(finding["what"], []).append(finding)
        return done.returncode, found

    return run


def levels(findings):
    return [finding["level"] for finding in findings]


def test_an_installation_that_could_send_is_fine_and_is_left_as_it_was(doctor, home):
    before = sorted(home.rglob("*"))

    code, found = doctor()

    assert code == 0
    assert set(found) >= {"config", "credentials", "templates", "audiences", "state", "disk", "ledger"}
    assert set(found) >= {"sqlite", "clock", "time zone", "python", "libraries", "certificates"}
    assert sorted(home.rglob("*")) == before


def test_for_people_it_is_a_table_with_a_sentence_at_the_end(alert):
    done = alert("doctor", "--quick", env=alert.credentials)

    assert done.returncode == 0
    assert done.stdout.startswith("ok    config ")
    assert done.stdout.splitlines()[-1].startswith("0 failures")


def test_missing_credentials_are_named_but_do_not_stop_the_other_looks(doctor):
    code, found = doctor("--quick", env={"TWILIO_AUTH_TOKEN": ""})

    assert code == 2
    [credential] = found["credentials"]
    assert "TWILIO_AUTH_TOKEN" in credential["detail"]
    assert levels(found["config"]) == ["ok"]
    assert levels(found["templates"]) == ["ok"]


def test_a_configuration_that_cannot_be_read_is_told_line_by_line(doctor, home):
    text = (home / "channels.yaml").read_text()
    (home / "channels.yaml").write_text(
        text.replace("New_York", "New_Yrok").replace("tls: starttls", "tls: ssl")
    )

    code, found = doctor()

    assert code == 2
    assert levels(found["config"]) == ["fail", "fail"]
    assert all(finding["detail"].startswith("channels.yaml:") for finding in found["config"])


def test_a_template_with_a_mistake_is_found_unless_the_look_is_quick(doctor, home):
    (home / "templates" / "broken.md").write_text("nothing\n")

    code, found = doctor()
    assert code == 2
    assert "templates/broken.md" in found["templates"][0]["detail"]
    assert doctor("--quick")[0] == 0


def test_a_ledger_in_use_is_read_and_checked(doctor, recorded, home):
    code, found = doctor()

    assert code == 0
    for what in ("ledger", "integrity", "audit"):
        assert levels(found[what]) == ["ok"]
    assert f"schema {latest()}" in found["ledger"][0]["detail"]


def test_what_waits_for_nobody_is_told_with_the_command_that_goes_on(doctor, waiting):
    code, found = doctor("--quick")

    assert code == 0
    assert levels(found["sender"]) == ["warn"]
    assert waiting in found["sender"][0]["detail"]
    assert found["sender"][0]["fix"] == "alert resume"


def test_who_is_sending_is_told_by_process(doctor, waiting, home):
    with RunnerLock(home / "state"):
        _, found = doctor("--quick")

    assert levels(found["sender"]) == ["ok"]
    assert f"process {os.getpid()} is sending" in found["sender"][0]["detail"]


def test_a_clock_before_the_last_act_on_record_is_a_warning(doctor, recorded, home):
    with closing(sqlite3.connect(home / "state" / "ledger.db")) as raw:
        for (trigger,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {trigger}")
        raw.execute("UPDATE audit SET at = ?", (int((time.time() + 3700) * 1_000_000),))
        raw.commit()

    _, found = doctor("--quick")

    assert "warn" in levels(found["clock"])
    assert any("before the last act on record" in finding["detail"] for finding in found["clock"])


@pytest.mark.parametrize("damage", [b"", b"this is no database at all" * 100])
def test_a_ledger_that_cannot_be_used_is_its_own_exit_code(doctor, recorded, home, damage):
    (home / "state" / "ledger.db").write_bytes(damage)

    code, found = doctor()

    assert code == 75
    assert levels(found["ledger"]) == ["fail"]
    assert found["ledger"][0]["fix"]


def test_damage_where_nobody_else_looks_is_found(doctor, recorded, home):
    path = home / "state" / "ledger.db"
    with closing(sqlite3.connect(path)) as raw:
        [(root,)] = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'attempt'").fetchall()
        [(size,)] = raw.execute("PRAGMA page_size").fetchall()
    pages = bytearray(path.read_bytes())
    pages[(root - 1) * size : (root - 1) * size + 100] = b"\xff" * 100
    path.write_bytes(pages)

    code, found = doctor()

    assert code == 75
    assert levels(found["ledger"]) == ["ok"]
    assert levels(found["integrity"]) == ["fail"]
    assert doctor("--quick")[0] == 0


def test_a_changed_act_breaks_the_chain(doctor, recorded, home):
    with closing(sqlite3.connect(home / "state" / "ledger.db")) as raw:
        for (trigger,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {trigger}")
        assert raw.execute("UPDATE audit SET actor = 'somebody else'").rowcount
        raw.commit()

    code, found = doctor()

    assert code == 0
    assert levels(found["audit"]) == ["warn"]


def test_a_state_directory_others_can_read_is_a_warning(doctor, recorded, home):
    (home / "state").chmod(0o755)

    code, found = doctor("--quick")

    assert code == 0
    assert levels(found["state"]) == ["warn"]
    assert "chmod 700" in found["state"][0]["fix"]


def test_a_state_directory_that_is_a_file_cannot_keep_a_record(doctor, home):
    (home / "state").write_text("")

    code, found = doctor("--quick")

    assert code == 75
    assert "is not a directory" in found["state"][0]["detail"]


def test_files_from_the_future_make_the_clock_doubtful(doctor, home):
    later = time.time() + 7230
    os.utime(home / "channels.yaml", (later, later))

    code, found = doctor("--quick")

    assert code == 0
    assert levels(found["clock"]) == ["warn"]
    assert "2 h 0 min after now" in found["clock"][0]["detail"]


def test_certificates_that_are_not_there_would_stop_a_send(doctor):
    code, found = doctor("--quick", env={"SSL_CERT_FILE": "/nowhere/ca.pem"})

    assert code == 3
    assert "SSL_CERT_FILE" in found["certificates"][0]["detail"]


def test_a_missing_default_list_would_stop_a_send(doctor, home):
    (home / "demo" / "people.csv").unlink()

    code, found = doctor("--quick")

    assert code == 3
    assert sorted(levels(found["audiences"])) == ["fail", "warn", "warn"]


def test_the_password_of_a_proxy_is_not_shown(alert):
    env = {**alert.credentials, "HTTPS_PROXY": "http://me:not-a-real-password@proxy.example.edu"}

    done = alert("doctor", "--quick", env=env)

    assert "HTTPS_PROXY" in done.stdout
    assert "not-a-real-password@" not in done.stdout


def test_fewer_open_files_than_the_channels_may_take_is_a_warning_and_too_few_to_send_a_failure(alert):
    def looked(limit):
        def limited():
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

        words = ("doctor", "--quick", "--json")
        env = {**alert.credentials}
        with alert.start(*words, env=env, stdout=subprocess.PIPE, preexec_fn=limited) as process:
            found = json.loads(process.communicate(timeout=30)[0])["findings"]
        [one] = [finding for finding in found if finding["what"] == "open files"]
        return one

    assert looked(4096)["level"] == "ok"
    assert looked(100)["level"] == "warn"
    assert looked(40)["level"] == "fail"
    assert "LimitNOFILE" in looked(40)["fix"]
