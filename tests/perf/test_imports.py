"""What a command may import before it does its work, counted in modules."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alerting.clock import FrozenClock
from alerting.ledger.sqlite import SqliteLedger

SPY = """
import atexit, json, sys
def ours():
    for name, module in list(sys.modules.items()):
        for found in vars(module).values() if name.startswith("alerting") else ():
            if getattr(found, "__module__", "") == name and hasattr(found, "__dataclass_fields__"):
                yield f"dataclass {name}.{found.__name__}"
atexit.register(lambda: print("\\n" + json.dumps([*sys.modules, *ours()]), file=sys.stderr))
from alerting.cli import main
main()
"""


def imported(*words, cwd, code=0):
    done = subprocess.run(
        [sys.executable, "-c", SPY, *words],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture
def campus(tmp_path):
    (tmp_path / "channels.yaml").write_text(
        "version: 1\n"
        "campus: {name: A, source: A ALERT, time_zone: America/New_York, region: US}\n"
        "state: state\n"
        "templates: templates\n"
        "audiences: {everyone: {csv: people.csv}}\n"
        "defaults: {channels: [mail], audience: everyone}\n"
        "channels:\n"
        "  - {name: mail, kind: email.smtp, host: smtp.example.edu, from: a@example.edu, tls: none}\n"
    )
    (tmp_path / "people.csv").write_text("email\nann@example.edu\n")
    (tmp_path / "templates").mkdir()
    return tmp_path


def test_help_reads_no_room_but_the_command_line(tmp_path):
    ours = {name for name in imported("--help", cwd=tmp_path) if name.startswith("alerting.")}

    assert all(name.startswith("alerting.cli") for name in ours - {"alerting.named"}), ours


def test_status_needs_neither_loop_nor_templates_nor_lanes(campus):
    found = imported("status", cwd=campus)

    unwanted = {"asyncio", "ssl", "jinja2", "alerting.broadcast.lane", "alerting.rendering.store"}
    assert found & unwanted == set()


def test_looking_reads_no_room_that_writes(campus):
    (campus / "state").mkdir(mode=0o700)
    SqliteLedger.open(campus / "state" / "ledger.db", clock=FrozenClock()).close()

    found = imported("status", cwd=campus)

    assert "alerting.ledger.reader" in found
    writing = ("sqlite", "receiving", "settling", "working", "planning", "matching", "ending", "merging")
    assert found & {"alerting.model.receipt", *(f"alerting.ledger.{name}" for name in writing)} == set()


def test_looking_defines_few_dataclasses_and_digests_nothing(campus):
    """Each takes a third of a millisecond to define, and ``hashlib`` four."""
    (campus / "state").mkdir(mode=0o700)
    SqliteLedger.open(campus / "state" / "ledger.db", clock=FrozenClock()).close()
    imported("status", cwd=campus)

    found = imported("status", cwd=campus)

    assert len([name for name in found if name.startswith("dataclass ")]) <= 5
    assert found & {"hashlib", "alerting.digest", "alerting.ledger.audit", "alerting.model.outcome"} == set()


def test_what_was_checked_once_is_neither_parsed_nor_checked_again(campus):
    (campus / "state").mkdir(mode=0o700)
    imported("status", cwd=campus)

    found = imported("status", cwd=campus)

    assert found & {"pydantic", "yaml", "alerting.config.sections", "alerting.rendering.template"} == set()
    # Small ones that add up.
    assert found & {"secrets", "logging", "rich", "alerting.audience.source"} == set()


def test_what_was_checked_for_a_preview_is_not_checked_again_by_who_looks(campus):
    (campus / "state").mkdir(mode=0o700)
    words = (Path(__file__).parents[2] / "templates" / "gas-leak.md").read_text()
    (campus / "templates" / "gas-leak.md").write_text(words)
    imported("preview", "gas-leak", "-v", "place=Hall", cwd=campus)

    assert imported("status", cwd=campus) & {"pydantic", "yaml"} == set()


def test_a_preview_defines_few_dataclasses(campus):
    """What a plan is made of are named tuples: a hundred definitions took as long as three interpreters' start."""
    (campus / "state").mkdir(mode=0o700)
    words = (Path(__file__).parents[2] / "templates" / "gas-leak.md").read_text()
    (campus / "templates" / "gas-leak.md").write_text(words)
    imported("preview", "gas-leak", "-v", "place=Hall", cwd=campus)

    found = imported("preview", "gas-leak", "-v", "place=Hall", cwd=campus)

    # Those of the mail channel.
    defined = sorted(name for name in found if name.startswith("dataclass "))
    assert len(defined) <= 6, defined


def test_a_plain_line_of_send_needs_no_typer(campus):
    (campus / "state").mkdir(mode=0o700)
    words = (Path(__file__).parents[2] / "templates" / "gas-leak.md").read_text()
    (campus / "templates" / "gas-leak.md").write_text(words)
    line = ("send", "gas-leak", "-v", "place=Hall", "--confirm", "another word")

    found = imported(*line, cwd=campus, code=5)

    assert "alerting.service.planning" in found
    assert found & {"typer", "alerting.cli.group", "alerting.cli.complete"} == set()


def test_a_list_that_has_not_changed_costs_a_preview_no_reader_of_lists(campus):
    (campus / "state").mkdir(mode=0o700)
    words = (Path(__file__).parents[2] / "templates" / "gas-leak.md").read_text()
    (campus / "templates" / "gas-leak.md").write_text(words)
    first = imported("preview", "gas-leak", "-v", "place=Hall", cwd=campus)

    found = imported("preview", "gas-leak", "-v", "place=Hall", cwd=campus)

    reader = {"alerting.audience.csvfile", "alerting.audience.clean", "alerting.audience.columns"}
    assert first & reader == reader
    assert found & reader == set()


def test_asking_the_owner_takes_no_more_than_this_file_and_json(tmp_path):
    (tmp_path / "engine.sock").touch()  # nobody listens there, which is found out by asking
    code = (
        "import sys; from alerting.cli.front import through_owner;"
        f" print(through_owner(['--state', {str(tmp_path)!r}, 'send', 'gas-leak']), *sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
    )

    told, *modules = done.stdout.split()
    assert told == "None"
    assert "json" in modules
    assert (
        set(modules) & {"socket", "selectors", "typing", "pathlib", "dataclasses", "alerting.errors"} == set()
    )
    assert {name for name in modules if name.startswith("alerting.")} == {
        "alerting.cli",
        "alerting.cli.front",
        "alerting.cli.keyboard",
    }


def test_what_hands_an_alert_over_reads_neither_lanes_nor_loop_nor_a_reader_of_lists(tmp_path):
    code = "import sys, alerting.cli.launch, alerting.cli.dispatch; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
    )

    unwanted = {"asyncio", "alerting.runner", "alerting.broadcast.lane", "alerting.audience.clean"}
    assert set(done.stdout.split()) & unwanted == set()


def test_the_logging_library_waits_until_there_is_time_and_comes_without_its_colours(tmp_path):
    code = (
        "import os, sys; from alerting.telemetry import LazyLog as L; l = L('e'); l.info('x', why='y');"
        " print('structlog' in sys.modules, os.path.exists('e')); l.flush(); l.error('z');"
        " print('structlog' in sys.modules, 'rich' in sys.modules); import rich"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
    )

    assert done.stdout.split() == ["False", "False", "True", "False"]
    first, second = map(json.loads, (tmp_path / "e").read_text().splitlines())
    assert (first["event"], first["level"], first["why"]) == ("x", "info", "y")
    assert (second["event"], second["level"]) == ("z", "error")


def test_a_plan_that_was_made_before_reads_no_yaml_no_jinja2_and_nothing_that_only_sends(campus):
    """The template is kept as data, and a channel that is planned with has no sockets."""
    (campus / "state").mkdir(mode=0o700)
    words = (Path(__file__).parents[2] / "templates" / "gas-leak.md").read_text()
    (campus / "templates" / "gas-leak.md").write_text(words)
    people = "version: 1\npeople: {kim: {roles: [sender, approver], os_user: [root, '0']}}\n"
    (campus / "operators.yaml").write_text(people)
    texts = (
        "  - {name: texts, kind: sms.twilio, account_sid: AC00000000000000000000000000000000,"
        ' auth_token: {env: PATH}, from: "+14135550199"}\n'
    )
    file = campus / "channels.yaml"
    head, _, _ = file.read_text().replace("[mail]", "[texts]").partition("  - {name: mail")
    file.write_text(head + texts)
    (campus / "people.csv").write_text("phone\n+14135550100\n")
    line = ("send", "gas-leak", "-v", "place=Hall", "--confirm", "another word")
    assert {"yaml", "jinja2"} <= imported(*line, cwd=campus, code=5)

    found = imported(*line, cwd=campus, code=5)

    assert found & {"jinja2", "dataclasses", "inspect", "glob"} == set()
    unread = {"yaml", "pydantic", "asyncio", "html.parser", "uuid", "difflib", "alerting.rendering.parse"}
    assert found & {*unread, "alerting.channels.sms.transport", "alerting.channels.sms.pool"} == set()
    assert not [name for name in found if name.startswith("dataclass ")]
