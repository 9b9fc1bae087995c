"""Who may import whom. The house stands because rooms below know nothing of rooms above."""

import ast
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2] / "alerting"

#: Layers from the bottom; a module may import its own layer's listed names and everything below.
PURE = {"errors", "clock", "digest", "keys", "named", "secret", "model"}
PORTS = {
    "rendering",
    "audience",
    "telemetry",
    "channels.base",
    "ledger.base",
    "ledger.rolling",
    "ledger.rows",
    "ledger.sharing",
    "engine.base",
}
CORE = {"broadcast"}


def modules():
    return sorted(HOUSE.rglob("*.py"))


def name_of(path):
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path):
    """Names inside the house that a module imports, TYPE_CHECKING blocks left out."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("alerting."):
                yield name.removeprefix("alerting.")


def room(name, rooms):
    return any(name == r or name.startswith(r + ".") for r in rooms)


def allowed(name):  # noqa: C901, PLR0911 - a table read from the top
    """The rooms a module may import from."""
    if room(name, PURE):
        return PURE
    if name == "channels.settings":
        return PURE | {"audience"}
    if name.startswith("channels.web_"):
        return PURE | {"channels"}
    if room(name, PORTS):
        return PURE | PORTS
    if room(name, CORE):
        return PURE | PORTS | CORE
    if name.startswith("channels.") and name != "channels.registry":
        kind = name.split(".")[1]
        shared = {f"channels.{name}" for name in ("settings", "web_answer", "web_feed", "web_session")}
        return PURE | PORTS | shared | {f"channels.{kind}"}
    if name.startswith("ledger."):
        return PURE | PORTS | {"ledger"}
    if name.startswith("engine."):
        return PURE | PORTS | CORE | {"engine"}
    if room(name, {"service", "drills", "oncall", "authority"}):
        own = {"oncall"} if room(name, {"oncall"}) else set()
        return PURE | PORTS | CORE | {"service", "drills", "authority"} | own
    if room(name, {"audit", "publishing"}):
        # They prove and tell what the ledger's own form holds, so they know it.
        return (
            PURE
            | PORTS
            | CORE
            | {
                "ledger",
                "service",
                "authority",
                "config",
                "gate",
                "handover",
                "audit",
                "publishing",
                "engine",
                "runner",
            }
        )
    if room(name, {"sandbox"}):
        return PURE | {"sandbox"}
    if room(name, {"testing"}):
        return PURE | PORTS | CORE | {"channels", "ledger", "engine", "testing"}
    return None  # config, app, archive, runner, registry, cli: everything below


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_imports_only_from_rooms_below_it(path):
    name = name_of(path)
    may = allowed(name)
    if may is None:
        forbidden = [i for i in imports_of(path) if room(i, {"cli"}) and not room(name, {"cli"})]
        assert not forbidden
        return
    wrong = sorted(
        {i for i in imports_of(path) if not room(i, may) and not any(m.startswith(i + ".") for m in may)}
    )
    assert not wrong, f"alerting.{name} may not import {wrong}"


def test_the_command_line_speaks_to_no_concrete_ledger_or_channel():
    wrong = {
        (name_of(path), i)
        for path in modules()
        if room(name_of(path), {"cli"})
        and not name_of(path).startswith(("cli.health", "cli.complete", "cli.place", "cli.sandbox"))
        for i in imports_of(path)
        if room(
            i,
            {
                "ledger.sqlite",
                "ledger.postgres",
                "channels.x",
                "channels.facebook",
                "channels.sms",
                "channels.email",
            },
        )
    }
    assert not wrong
