import json
import subprocess
import sys

import pytest

from alerting.cli.group import COMMANDS, build

#: Each costs more than the whole start may take.
HEAVY = {
    "aiosmtplib",
    "facebook",
    "jinja2",
    "phonenumbers",
    "pycurl",
    "requests",
    "rich",
    "starlette",
    "structlog",
    "tenacity",
    "tweepy",
    "twilio",
    "uvicorn",
}
SPY = """
import atexit, json, sys
atexit.register(lambda: print("\\n" + json.dumps(sorted({m.split(".")[0] for m in sys.modules})), file=sys.stderr))
from alerting.cli import main
main()
"""


@pytest.fixture
def imported(alert, home):
    """Run a command and return what it imported by its end."""

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-c", SPY, *words],
            cwd=home,
            env=alert.environment(alert.credentials),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return set(json.loads(done.stderr.splitlines()[-1]))

    return run


@pytest.mark.parametrize("words", [("--help",), ("measure", "x"), ("status",), ("--version",)])
def test_a_command_that_sends_nothing_imports_nothing_heavy(imported, words):
    assert imported(*words) & HEAVY == set()


def test_status_of_a_recorded_alert_imports_nothing_heavy(imported, recorded):
    assert imported("status") & HEAVY == set()


@pytest.mark.parametrize("words", [("--help",), ("measure", "x")])
def test_help_and_measure_need_neither_loop_nor_database_nor_yaml(imported, words):
    assert imported(*words) & {"asyncio", "pydantic", "sqlite3", "ssl", "yaml"} == set()


def test_the_list_of_commands_is_complete_without_reading_one(imported, alert):
    done = alert("--help")

    assert all(f"  {name} " in done.stdout for name in COMMANDS)


def leaves(group, words=()):
    """Yield (words, command) for everything that can be typed."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if hasattr(command, "list_commands"):
            yield from leaves(command, (*words, name))
        if command.callback and (not hasattr(command, "list_commands") or command.params):
            yield (*words, name), command


def test_every_command_explains_itself_and_its_options_and_has_json():
    found = dict(leaves(build()))

    assert {("templates", "check"), ("sandbox",), ("sandbox", "stop"), ("send",)} <= set(found)
    for words, command in found.items():
        assert command.help, words
        named = [option for param in command.params for option in param.opts]
        assert "--json" in named, words
        assert all(getattr(param, "help", "") for param in command.params), words
