"""Write ``reference.md`` from the code, so that it cannot say anything else than the code does.

Run ``python docs/make_reference.py`` after a change of a command, a code, an event or a key of
channels.yaml. The tests fail while the page is older than the code.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, Final

from alerting.channels.base import BatchChannel, Channel, Lookup, Probe, ReceiptReader, Retractable
from alerting.channels.registry import BUILT_IN, Registry
from alerting.channels.settings import ChannelSettings
from alerting.cli.group import COMMANDS, build
from alerting.cli.unplugged import channels_of
from alerting.config import load
from alerting.config.sections import File
from alerting.errors import Exit
from alerting.model.delivery import SETTLED, State
from alerting.model.outcome import Reason
from alerting.telemetry import EVENTS

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs/reference.md"
#: A member of an enum with the comment that explains it.
_EXPLAINED: Final = re.compile(r"^\s+([A-Z_]+) = [^#\n]*#: (.+)$", re.MULTILINE)
_POWERS: Final[Mapping[str, type]] = {
    "look-up": Lookup,
    "check": Probe,
    "take back": Retractable,
    "batches": BatchChannel,
    "reads receipts": ReceiptReader,
}
#: A type of JSON Schema, in the words of this page.
_KINDS: Final = {
    "array": "list",
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
    "object": "section",
    "string": "text",
}
#: Variables of the environment that are read, and what for.
VARIABLES: Final[Mapping[str, str]] = {
    "ALERT_CONFIG": "the configuration file, instead of `channels.yaml` in the current folder",
    "ALERT_STATE": "the state directory, instead of `state:` in the configuration",
    "ALERT_TOKEN": "your token, where `operators.yaml` does not know you by your account",
    "NO_COLOR": "set to anything: no colour and no redrawing",
    "TERM": "`dumb` does the same",
    "REQUESTS_CA_BUNDLE": "a file of trusted certificates, for every channel",
    "CURL_CA_BUNDLE": "the same, read when the first is not set",
    "SSL_CERT_FILE": "the same, read after these two",
    "SSL_CERT_DIR": "a folder of trusted certificates",
    "NOTIFY_SOCKET": "set by systemd: where `alert serve` says that it is ready",
    "HTTPS_PROXY": "the proxy for X, Facebook and Twilio; also `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`",
}
_INTRODUCTION: Final = """\
# Reference

This page is written by `docs/make_reference.py` from the code. Do not edit it.

[Commands](#commands) · [Exit codes](#exit-codes) · [channels.yaml](#channelsyaml) · [Channels](#channels) ·
[States](#states-of-a-delivery) · [Reasons](#reasons) · [Events](#events) · [Environment](#environment)
"""


def text() -> str:
    """Return the whole page."""
    parts: list[Iterable[str]] = [
        [_INTRODUCTION],
        commands(),
        exit_codes(),
        config_keys(),
        capabilities(),
        states(),
        reasons(),
        events(),
        environment(),
    ]
    return "\n".join(line for part in parts for line in part).rstrip("\n") + "\n"


def commands() -> Iterator[str]:
    """Yield every command with its options."""
    group = build()
    yield "## Commands\n"
    yield "These options belong to the whole program. They may stand anywhere on the line.\n"
    yield from _parameters(group)
    for name in COMMANDS:
        command = group.get_command(None, name)
        yield from _command(f"alert {name}", command)
        for word, member in getattr(command, "commands", {}).items():
            yield from _command(f"alert {name} {word}", member)


def _command(words: str, command: Any) -> Iterator[str]:
    arguments = " ".join(_slot(one) for one in command.params if _is_argument(one))
    yield f"### `{' '.join(part for part in (words, arguments) if part)}`\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    yield from _parameters(command)


def _parameters(command: Any) -> Iterator[str]:
    rows = [(_spelled(one), one.help or "", _default(one)) for one in command.params if not one.hidden]
    if rows:
        yield from table(("option", "what it does", "without it"), rows)


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _slot(argument: Any) -> str:
    word = (argument.metavar or argument.name).upper()
    return word if argument.required else f"[{word}]"


def _spelled(parameter: Any) -> str:
    if _is_argument(parameter):
        return f"`{(parameter.metavar or parameter.name).upper()}`"
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    return names if parameter.is_flag else f"{names} {parameter.name.upper()}"


def _default(parameter: Any) -> str:
    default = parameter.default
    if isinstance(default, Enum):
        default = default.value
    if parameter.required:
        return "required"
    if default is None or default is False or default == "":
        return ""
    if default is True:
        return f"`{parameter.opts[0]}`"
    return f"`{default}`"


def exit_codes() -> Iterator[str]:
    """Yield what the command answers to its caller."""
    yield "## Exit codes\n"
    told = _explained(Exit)
    yield from table(("code", "name", "meaning"), [(str(int(c)), c.name, told[c.name]) for c in Exit])


def config_keys() -> Iterator[str]:
    """Yield every key of the configuration file."""
    yield "## channels.yaml\n"
    yield "Keys not listed here are refused. Paths are relative to the file's folder. A secret is a"
    yield "reference: `{env: NAME_OF_A_VARIABLE}`, `{file: PATH}`, or `{credential: NAME}` for what systemd's"
    yield "`LoadCredential=` hands over; nobody but such a file's owner (mode 600), or its group (640), may"
    yield "read it.\n"
    whole = File.model_json_schema(by_alias=True)
    yield "### The file\n"
    yield from _keys(_properties(whole))
    for name, found in whole["properties"].items():
        if section := _section(found, whole["$defs"]):
            yield f"### {name}{'.NAME' if 'patternProperties' in found else ''}\n"
            yield from _keys(_properties(section))
    yield "### channels[]: every kind\n"
    shared = _properties(ChannelSettings.model_json_schema(by_alias=True))
    yield from _keys(shared)
    registry = Registry(lambda: ())
    for kind in BUILT_IN:
        model = registry.settings_class(kind)
        yield f"### channels[]: kind `{kind}`\n"
        yield inspect.cleandoc(model.__doc__ or "").replace("``", "`") + "\n"
        schema = model.model_json_schema(by_alias=True)
        own = {name: found for name, found in _properties(schema).items() if shared.get(name) != found}
        yield from _keys(own)
        for name, (_, found) in own.items():
            if section := _section(found, schema.get("$defs", {})):
                yield f"### channels[]: kind `{kind}`, {name}\n"
                yield from _keys(_properties(section))


def _section(found: Mapping[str, Any], models: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the schema of the section a key holds, or of each of its named sections; None for plain keys."""
    inside = [found, *found.get("anyOf", ()), *found.get("patternProperties", {}).values()]
    for one in inside:
        if "$ref" in one:
            return dict(models[one["$ref"].rpartition("/")[2]])
    return None


def _keys(properties: Mapping[str, tuple[bool, dict[str, Any]]]) -> Iterator[str]:
    rows = [
        (
            f"`{name}`",
            _type(found),
            "required" if needed else _value(found.get("default")),
            found.get("description", ""),
        )
        for name, (needed, found) in properties.items()
        if name != "kind"
    ]
    yield from table(("key", "value", "without it", "meaning"), rows)


def _properties(schema: Mapping[str, Any]) -> dict[str, tuple[bool, dict[str, Any]]]:
    """Return the keys of a section: whether each is required, and its schema."""
    needed = schema.get("required", [])
    return {name: (name in needed, found) for name, found in schema["properties"].items()}


def _type(found: Mapping[str, Any]) -> str:
    choices = [one for one in found.get("anyOf", ()) if one.get("type") != "null" and one.get("const") != ""]
    if choices:
        return _type(choices[0])
    if "oneOf" in found:
        return "secret"
    words = found.get("enum") or ([found["const"]] if "const" in found else [])
    if words:
        return ", ".join(f"`{word}`" for word in words)
    kind = found.get("type", "object")
    return _range(_KINDS[kind], found) if kind in ("integer", "number") else _KINDS[kind]


def _range(word: str, found: Mapping[str, Any]) -> str:
    least, most = found.get("minimum"), found.get("maximum")
    if least is not None and most is not None:
        return f"{word}, {least:g} to {most:g}"
    if least is not None:
        return f"{word}, at least {least:g}"
    if "exclusiveMinimum" in found:
        upper = f", at most {most:g}" if most is not None else ""
        return f"{word} above {found['exclusiveMinimum']:g}{upper}"
    return word


def _value(default: Any) -> str:
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{default}`" if default not in (None, "", [], {}) else ""


def capabilities() -> Iterator[str]:
    """Yield what the channels of the shipped configuration can do."""
    yield "## Channels\n"
    yield "As in the shipped `channels.yaml`. A look-up asks what became of a message when no answer came.\n"
    config = load(ROOT / "channels.yaml", environ={}, sandbox=True)
    built = channels_of(config)
    rows = [(f"`{one.kind}`", *_can(built[one.name])) for one in config.channels]
    yield from table(
        ("kind", "reaches", "longest text", "subject", "HTML", "at once", "look-up after", "can"), rows
    )


def _can(channel: Channel) -> tuple[str, ...]:
    can = channel.capabilities
    yes = {True: "yes", False: "no"}
    return (
        str(can.address_kind),
        f"{can.shape.limit:,} {can.shape.unit}",
        yes[can.shape.subject],
        yes[bool(can.shape.html)],
        f"{can.in_flight} calls, {can.max_batch} in each",
        f"{can.quarantine.total_seconds():g} s" if isinstance(channel, Lookup) else "never",
        ", ".join(word for word, power in _POWERS.items() if isinstance(channel, power)),
    )


def states() -> Iterator[str]:
    """Yield the states of a delivery."""
    yield "## States of a delivery\n"
    told = _explained(State)
    rows = [(f"`{one}`", told[one.name], "yes" if one in SETTLED else "") for one in State]
    yield from table(("state", "meaning", "final"), rows)


def reasons() -> Iterator[str]:
    """Yield why a provider did not take a message."""
    yield "## Reasons\n"
    yield "How far a reason reaches: this `address` only, this `message` for everybody on the channel, or the"
    yield "whole `channel`.\n"
    rows = [(f"`{one.code}`", str(one.scope), one.words, one.advice) for one in Reason]
    yield from table(("code", "reaches", "meaning", "what to do"), rows)


def events() -> Iterator[str]:
    """Yield what the log tells."""
    yield "## Events\n"
    yield "One JSON object a line in `engine.log` of the state directory. None holds an address or a text.\n"
    yield from table(("event", "meaning"), [(f"`{name}`", meaning) for name, meaning in EVENTS.items()])


def environment() -> Iterator[str]:
    """Yield the variables that are read."""
    yield "## Environment\n"
    yield "Besides the variables that `channels.yaml` names for its secrets:\n"
    yield from table(("variable", "what for"), [(f"`{name}`", what) for name, what in VARIABLES.items()])


def _explained(members: type[Exit | StrEnum]) -> dict[str, str]:
    """Return the ``#:`` comment of each member of an enum."""
    return dict(_EXPLAINED.findall(inspect.getsource(members)))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a table in Markdown, and an empty line."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' for _ in head)}|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
