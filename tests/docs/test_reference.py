"""The reference says what the code says: nothing is missing from it, and it is never older."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from alerting.channels.registry import BUILT_IN
from alerting.cli.group import COMMANDS, build
from alerting.errors import Exit
from alerting.model.delivery import State
from alerting.model.outcome import Reason
from alerting.telemetry import EVENTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
#: Read by shells' completion, or between this program's own processes: nobody sets them by hand.
INTERNAL = {"COMP_WORDS", "COMP_CWORD"}


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs/make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def section(title: str) -> str:
    """Return a part of the page, from its heading to the next of its rank."""
    rank = "#" * (3 if f"\n### {title}" in PAGE else 2)
    found = re.search(
        rf"^{rank} {re.escape(title)}$(.*?)(?=^#{{2,{len(rank)}}} |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    assert found, f"there is no part called {title}"
    return found[1]


def all_commands():
    group = build()
    for name in COMMANDS:
        command = group.get_command(None, name)
        yield name, command
        for word, member in getattr(command, "commands", {}).items():
            yield f"{name} {word}", member


def test_the_page_is_as_new_as_the_code(maker):
    assert maker.text() == PAGE, "run: python docs/make_reference.py"


@pytest.mark.parametrize(
    ("name", "command"), list(all_commands()), ids=lambda one: one if isinstance(one, str) else ""
)
def test_every_command_is_there_with_its_words_and_options(name, command):
    heading = next(
        line for line in PAGE.splitlines() if re.match(rf"### `alert {name}( [A-Z\[|]+.*)?`$", line)
    )
    part = section(heading.removeprefix("### "))
    assert command.help
    assert command.help.splitlines()[0] in part
    for option in (word for one in command.params for word in one.opts if word.startswith("-")):
        assert f"`{option}`" in part
        assert all(one.help for one in command.params), f"an option of {name} says nothing about itself"


@pytest.mark.parametrize("code", Exit)
def test_every_exit_code_is_there_with_its_meaning(code):
    assert re.search(rf"^\| {int(code)} \| {code.name} \| \S.+ \|$", section("Exit codes"), re.MULTILINE)


@pytest.mark.parametrize("word", [*(one.code for one in Reason), *State, *EVENTS])
def test_every_reason_state_and_event_is_there(word):
    assert re.search(rf"^\| `{re.escape(word)}` \| \S", PAGE, re.MULTILINE)


def keys_of_the_schema():
    """Yield every key the schema for editors knows, read from that file: another source than the page's."""
    schema = json.loads((ROOT / "docs/channels.schema.json").read_text(encoding="utf-8"))
    yield from ((name, "The file") for name in schema["properties"])
    for model in schema["$defs"].values():
        yield from ((name, "channels.yaml") for name in model.get("properties", {}))


@pytest.mark.parametrize(("key", "part"), sorted(set(keys_of_the_schema())))
def test_every_key_of_the_configuration_is_there(key, part):
    if key != "kind":  # each kind has a table of its own, which names it
        assert f"| `{key}` |" in section(part)


@pytest.mark.parametrize("kind", BUILT_IN)
def test_every_kind_of_channel_has_its_keys_and_its_powers(kind):
    assert section(f"channels[]: kind `{kind}`")
    assert f"| `{kind}` |" in section("Channels")


def test_every_variable_that_is_read_is_there():
    asked = re.compile(r"(?:environ\.get\(|environ\[|envvar=)\"([A-Z][A-Z_]+)\"")
    read = {
        name for path in (ROOT / "alerting").rglob("*.py") for name in asked.findall(path.read_text("utf-8"))
    }
    assert {"ALERT_STATE", "NO_COLOR"} <= read
    assert not [name for name in read - INTERNAL if f"| `{name}` |" not in section("Environment")]
