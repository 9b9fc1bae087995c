"""A provider is named in its own folder and one registry line; time is asked for in one place."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "alerting"
PROVIDERS = {
    "tweepy": {"channels/x", "channels/web_session.py"},
    "twilio": {"channels/sms", "channels/registry.py", "sandbox"},
    "facebook": {"channels/facebook", "channels/registry.py", "sandbox"},
    "aiosmtplib": {"channels/email"},
}


def code_without_comments(path):
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[0].value = ast.Constant(value="")
    return ast.unparse(tree).lower()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_is_named_only_in_its_own_rooms(provider):
    leaks = []
    for path in HOUSE.rglob("*.py"):
        where = path.relative_to(HOUSE).as_posix()
        if any(where.startswith(own) for own in PROVIDERS[provider]):
            continue
        if where.startswith(("testing", "cli/doctor.py", "cli/health_machine.py", "cli/sandbox.py")):
            continue
        if provider in code_without_comments(path):
            leaks.append(where)
    assert not leaks


def test_only_the_clock_asks_the_machine_for_the_time():
    asks = re.compile(r"datetime\.now\(|utcnow\(|\btime\.time\(")
    leaks = [
        path.relative_to(HOUSE).as_posix()
        for path in HOUSE.rglob("*.py")
        if path.name != "clock.py"
        and "sandbox" not in path.parts
        and asks.search(code_without_comments(path))
    ]
    assert not leaks


def test_the_tree_names_no_package_index_and_no_private_path():
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    words = re.compile(
        "index" + "-url|find" + "-links|/wo" + "rk/|pypi" + r"\.org|sha" + "red/facts", re.IGNORECASE
    )
    found = []
    for name in files.stdout.split("\n"):
        path = ROOT / name
        if path.is_file() and path.stat().st_size < 2_000_000:
            text = path.read_text("utf-8", errors="ignore")
            found += [f"{name}: {match}" for match in words.findall(text)]
    assert not found
