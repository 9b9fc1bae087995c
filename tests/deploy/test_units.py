"""The units start commands that exist, and stay locked down."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alerting.clock import SystemClock
from alerting.ledger.sqlite import SqliteLedger

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
TIMERS = sorted((DEPLOY / "systemd").glob("*.timer"))
CRON = DEPLOY / "cron" / "alerting"
ALERT = Path(sys.executable).with_name("alert")
LOCKED = {
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateDevices=yes",
    "RestrictSUIDSGID=yes",
    "CapabilityBoundingSet=",
    "SystemCallArchitectures=native",
    "MemoryDenyWriteExecute=yes",
    "UMask=0077",
    "StateDirectoryMode=0700",
}


def test_there_are_units():
    assert {unit.stem for unit in UNITS} >= {"alert-serve", "alert-resume", *(t.stem for t in TIMERS)}
    assert {timer.stem for timer in TIMERS} >= {"alert-drill", "alert-audit-checkpoint", "alert-audit-retain"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.name)
def test_a_unit_is_locked_down(unit):
    assert set(unit.read_text("utf-8").splitlines()) >= LOCKED


def test_units_that_send_real_alerts_are_handed_the_same_credentials():
    """So that one channels.yaml with {credential: NAME} serves each of them."""
    handed = {
        unit.stem: set(re.findall(r"^LoadCredential=([^:]+):", unit.read_text("utf-8"), re.MULTILINE))
        for unit in UNITS
    }
    assert handed["alert-serve"]
    assert handed["alert-worker"] == handed["alert-resume"] == handed["alert-serve"]


def settings(file):
    return [
        line.partition("=") for line in file.read_text("utf-8").splitlines() if "=" in line and line[0] != "#"
    ]


def test_a_drop_in_lets_those_reach_a_shared_record_that_reach_no_network():
    network = settings(UNITS[0].with_name("shared-ledger-network.conf"))
    shut_in = [unit for unit in UNITS if ("PrivateNetwork", "=", "yes") in settings(unit)]
    assert {unit.stem for unit in shut_in} == {"alert-audit-checkpoint", "alert-audit-retain"}
    for unit in shut_in:
        for name, _, value in network:
            [shut] = [there for known, _, there in settings(unit) if known == name]
            assert shut != value, "it changes what the unit says, and nothing else"


def test_the_credential_of_the_shared_record_is_the_one_the_pages_name():
    told = settings(UNITS[0].with_name("shared-ledger.conf"))
    assert [(name, value.partition(":")[0]) for name, _, value in told] == [("LoadCredential", "ledger")]
    assert "{credential: ledger}" in (DEPLOY.parent / "docs" / "operations.md").read_text("utf-8")


def started_by(unit):
    """The words a unit starts the program with."""
    [start] = [line for line in unit.read_text("utf-8").splitlines() if line.startswith("ExecStart=")]
    return start.partition("=")[2].split()


def in_cron():
    """The fields and the words of each line of the cron file, its own variable filled in."""
    lines = CRON.read_text("utf-8").splitlines()
    [alert] = [line.partition("=")[2] for line in lines if line.startswith("ALERT=")]
    for line in lines:
        if line and line[0] != "#" and "=" not in line.split()[0]:
            *when, user, command = line.split(maxsplit=6)
            yield when, user, command.replace("$ALERT", alert).partition(" > ")[0].split()


def asked_for_help(words):
    """What the program itself says about a command line: does it know every word of it?"""
    begun = next(place for place, word in enumerate(words) if word.endswith("/bin/alert"))
    run = [str(ALERT), *words[begun + 1 :], "--help"]
    return subprocess.run(run, check=False, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.name)
def test_a_unit_starts_a_command_that_exists_with_options_it_knows(unit):
    words = started_by(unit)
    assert words[0] == "/opt/alerting/.venv/bin/alert"
    done = asked_for_help(words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("timer", TIMERS, ids=lambda p: p.name)
def test_a_timer_has_a_time_that_systemd_can_read(timer):
    [when] = re.findall(r"^OnCalendar=(.+)$", timer.read_text("utf-8"), re.MULTILINE)
    judge, told = shutil.which("systemd-analyze"), "Next elapse: "
    if judge:
        words = [judge, "calendar", when]
        told = subprocess.run(words, check=False, capture_output=True, text=True, timeout=30).stdout
    assert "Next elapse: " in told
    assert "Next elapse: never" not in told


def test_the_cron_file_does_what_the_timers_do_as_the_same_user():
    found = list(in_cron())
    commands = [
        words[words.index("/var/lib/alerting", words.index("--state")) + 1 :] for _, _, words in found
    ]
    timed = [started_by(timer.with_suffix(".service"))[5:] for timer in TIMERS]
    assert sorted(commands) == sorted(timed)
    assert {user for _, user, _ in found} == {"alerting"}
    assert all(re.fullmatch(r"[\d*/,-]+", field) for when, _, _ in found for field in when)
    assert [asked_for_help(words).returncode for _, _, words in found] == [0] * len(found)


CHANNELS = """version: 1
campus: {name: North Shore, source: NSU, time_zone: America/New_York}
state: state
channels:
  - {name: mail, kind: email.smtp, host: smtp.example.edu, from: a@example.edu, tls: none}
"""
OPERATORS = """version: 1
people:
  kim: {roles: [sender, approver], os_user: "4000000"}
  timer: {name: Timers of this host, roles: admin}
"""


def test_what_the_timers_run_needs_a_role_only_to_forget_people_and_the_token_of_its_own_gives_it(tmp_path):
    (tmp_path / "channels.yaml").write_text(CHANNELS)
    (tmp_path / "operators.yaml").write_text(OPERATORS)
    (tmp_path / "drills.yaml").write_text("version: 1\ndrills: {}\n")
    (tmp_path / "state").mkdir(mode=0o700)
    SqliteLedger.open(tmp_path / "state/ledger.db", clock=SystemClock()).close()
    kept = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    def run(words, **environ):
        command = [str(ALERT), *words]
        return subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env={**kept, **environ},
        )

    commands = {timer.stem: started_by(timer.with_suffix(".service"))[5:] for timer in TIMERS}
    ended = {name: run(words) for name, words in commands.items()}
    assert {name: done.returncode for name, done in ended.items()} == {
        "alert-audit-checkpoint": 0,
        "alert-audit-retain": 7,
        "alert-drill": 0,
    }
    assert "may not delete people's data; nothing was done" in ended["alert-audit-retain"].stderr
    token = run(["operators", "token", "timer"]).stdout.strip()
    unit = (DEPLOY / "systemd/alert-audit-retain.service").read_text("utf-8")
    assert "\nEnvironmentFile=-/etc/alerting/retain.env\n" in unit
    assert run(commands["alert-audit-retain"], ALERT_TOKEN=token).returncode == 0
    (tmp_path / "retain.token").write_text(token)
    (tmp_path / "retain.token").chmod(0o600)
    assert run(["--token-file", "retain.token", *commands["alert-audit-retain"]]).returncode == 0


@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.name)
def test_the_exposure_of_a_unit_is_rated_at_most_one_and_a_half(unit):
    """Where systemd's own judge is at hand it is asked; the list above holds everywhere."""
    judge = shutil.which("systemd-analyze")
    rated = 0.0
    if judge:
        run = subprocess.run(
            [judge, "security", "--offline=yes", "--no-pager", str(unit)],
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
        [line] = [row for row in run.stdout.splitlines() if "Overall exposure level" in row]
        rated = float(line.split(":")[1].split()[0])
    assert rated <= 1.5
