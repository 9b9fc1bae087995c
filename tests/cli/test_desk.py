"""What the owner keeps of a preview: the plan as it was shown, for as long as it is true."""

import asyncio
import os
import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerting.app import App
from alerting.cli import front
from alerting.cli.desk import Desk
from alerting.cli.face import Face
from alerting.clock import FrozenClock, micros
from alerting.ledger.sqlite import SqliteLedger
from alerting.testing.builders import an_alert, an_opening

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

WORDS = ("send", "gas-leak", "-v", "place=Baker Hall", "--confirm", "baker hall")


class Program:
    """An owner's desk over a campus in a folder, and what it was given to open."""

    def __init__(self, home):
        self.home, self.opened = home, []
        (home / "channels.yaml").write_text(
            "version: 1\n"
            "campus: {name: A, source: A ALERT, time_zone: America/New_York, region: US}\n"
            "state: state\n"
            "templates: templates\n"
            "audiences: {everyone: {csv: people.csv}}\n"
            "defaults: {channels: [mail], audience: everyone}\n"
            "channels:\n"
            "  - {name: mail, kind: email.smtp, host: smtp.example.edu, from: a@example.edu, tls: none}\n"
        )
        (home / "people.csv").write_text("email\nann@example.edu\n")
        (home / "state").mkdir(mode=0o700)
        (home / "templates").mkdir()
        shutil.copy(ROOT / "templates" / "gas-leak.md", home / "templates")
        face = Face(config=home / "channels.yaml", state=None, sandbox=False)
        self.clock = FrozenClock(NOW)
        app = App(face.config, clock=self.clock, environ=os.environ, live=None)
        self.desk = Desk(face, app)

    def ask(self, verb, **told):
        async def open_(order, plan):
            self.opened.append((order, plan))
            raise LookupError("opened")

        return asyncio.run(self.desk.answer({"verb": verb, "actor": "ann", "origin": "pts", **told}, open_))

    def shown(self, *more, before="", **told):
        config = self.home / "channels.yaml"
        seen = config.stat()
        words = [*WORDS, "--json", *more]
        request = {
            "program": front.program(),
            "config": str(config),
            "file": [seen.st_dev, seen.st_ino],
            "state": "",
            "words": words,
            "set": [],
            "interactive": False,
            "colour": False,
            "before": before,
        }
        return self.ask("send.shown", **{**request, **told})

    def confirm(self, plan):
        with pytest.raises(LookupError, match="opened"):
            self.ask("confirmed", plan=plan)
        return self.opened[-1]


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path)


def test_what_was_shown_is_opened_without_being_planned_again(program):
    told = program.shown("--run-key", "k1")
    program.clock.advance(timedelta(seconds=9))

    order, plan = program.confirm(told["plan"])

    assert plan.digest == order.digest == told["digest"]
    assert (order.run_key, order.actor.name) == ("k1", "ann")
    assert order.request.clock == plan.clock
    assert plan.clock["started"] < plan.clock["decided"] == (NOW + timedelta(seconds=9)).isoformat()


@pytest.mark.parametrize(
    "name", ["channels.yaml", "people.csv", "templates/gas-leak.md", "operators.tokens", "state/ledger.db"]
)
def test_when_anything_it_was_made_of_has_changed_it_is_planned_again_and_compared(program, name):
    told = program.shown()
    path = program.home / name
    path.write_bytes((path.read_bytes() if path.exists() else b"") + b"\n")

    order, plan = program.confirm(told["plan"])

    assert plan is None
    assert order.digest == told["digest"]


def test_a_preview_older_than_two_minutes_is_shown_again_and_keeps_when_it_all_began(program):
    told = program.shown()
    program.clock.advance(timedelta(seconds=121))

    assert program.ask("confirmed", plan=told["plan"]) == {"ok": False, "old": True}
    again = program.shown(before=told["plan"])
    _, plan = program.confirm(again["plan"])

    assert told["out"] == ""
    assert "Baker Hall" in again["out"]
    assert plan.clock["started"] == NOW.isoformat()
    assert plan.clock["previewed"] == (NOW + timedelta(seconds=121)).isoformat()


def test_a_plan_that_is_not_known_is_left_to_the_command(program):
    assert program.ask("confirmed", plan="of another owner") == {"ok": False, "gone": True}
    assert program.opened == []


@pytest.mark.parametrize(
    "other",
    [
        {"program": "another version"},
        {"file": [0, 0]},
        {"config": "/etc/channels.yaml"},
        {"state": "/tmp"},
        {"words": ["send", "gas-leak"]},
        {
            "words": [
                "send",
                "gas-leak",
                "-v",
                "place=Baker Hall",
                "--confirm",
                "baker hall",
                "--incident",
                "L-7K2QXD",
            ]
        },
        {
            "words": [
                "send",
                "gas-leak",
                "-v",
                "place=Baker Hall",
                "--confirm",
                "baker hall",
                "--break-glass",
                "x" * 30,
            ]
        },
        {
            "words": [
                "send",
                "gas-leak",
                "-v",
                "place=Baker Hall",
                "--confirm",
                "baker hall",
                "--reported",
                "02:03",
            ]
        },
        {"words": ["send", "gas-leak", "-v", "place=Baker Hall"]},
        {"words": ["send", "gas-leak", "-v", "place=Baker Hall", "--confirm", "mary hall"]},
    ],
    ids=str,
)
def test_whatever_is_not_the_plain_way_is_left_to_the_command(program, other):
    assert program.shown()["ok"]
    assert program.shown(**other) == {"ok": False}


def test_what_channels_yaml_says_now_is_shown_and_not_what_it_said_when_the_owner_began(program):
    path = program.home / "channels.yaml"
    before = program.shown(words=WORDS)["out"]
    path.write_text(path.read_text().replace("A ALERT", "NEW NAME ALERT"))

    assert "NEW NAME ALERT" not in before
    assert "NEW NAME ALERT" in program.shown(words=WORDS)["out"]


def test_a_command_that_lacks_a_credential_is_left_to_say_so(program, monkeypatch):
    """The owner has it, and would send; but who may send is whoever holds the credentials."""
    monkeypatch.setenv("SMTP_PASSWORD", "known to the owner")
    monkeypatch.setenv("SMTP_OTHER", "known to the owner")
    path = program.home / "channels.yaml"
    path.write_text(path.read_text().replace("tls: none", "username: u, password: {env: SMTP_PASSWORD}"))

    assert program.shown() == {"ok": False}
    assert program.shown(set=["SMTP_PASSWORD"])["ok"]
    path.write_text(path.read_text().replace("SMTP_PASSWORD", "SMTP_OTHER"))
    assert program.shown(set=["SMTP_PASSWORD"]) == {"ok": False}
    assert program.shown(set=["SMTP_OTHER"])["ok"]


def test_what_needs_a_second_person_is_left_to_the_command_where_there_are_two(program):
    """A template that was edited is reviewed by nobody."""
    path = program.home / "templates" / "gas-leak.md"
    path.write_bytes(path.read_bytes() + b"\n")
    assert program.shown()["ok"]
    (program.home / "operators.yaml").write_text(
        "version: 1\npeople:\n  rivera: {name: R. Rivera, os_user: one, roles: [sender, approver, admin]}\n"
        "  lee: {name: L. Lee, os_user: two, roles: [approver]}\n"
    )
    (program.home / "operators.yaml").chmod(0o600)
    assert program.shown() == {"ok": False}


def test_one_alert_too_many_is_asked_about_by_the_command_itself(program):
    with closing(SqliteLedger.open(program.home / "state" / "ledger.db", clock=program.clock)) as ledger:
        for number in range(3):
            assert program.shown()["ok"], number
            alert = an_alert(id=f"L-FL00D{number}", run_key=str(number), created_at=NOW)
            with ledger.transaction():
                ledger.open_alert(an_opening("mail", alert=alert), at=micros(NOW))
    assert program.shown() == {"ok": False}
    assert program.shown("--one-more")["ok"]


def test_only_so_many_plans_are_kept(program):
    first = program.shown()
    others = [program.shown() for _ in range(50)]
    assert program.ask("confirmed", plan=first["plan"]) == {"ok": False, "gone": True}
    assert program.confirm(others[0]["plan"])
