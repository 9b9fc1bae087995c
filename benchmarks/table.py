"""What was measured, as a table: printed, written to RESULTS.md, and put into the README."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_OPENS, _CLOSES = "<!-- benchmarks -->", "<!-- /benchmarks -->"
_PACKAGES = (
    "alerting",
    "pycurl",
    "twilio",
    "aiosmtplib",
    "aiohttp",
    "apprise",
    "jinja2",
    "pydantic",
    "typer",
)
_SHORT = (
    "10,000 texts and 10,000 mails",
    "the same people by ",
    "SMS, plain HTTP: CPU a text",
    "SMS, TLS: CPU a text",
    "100 ms latency, 1,000 in flight",
    "durable ledger",
    "three healthy channels beside one that hangs",
    "Enter to the first request",
    "the libraries of others that this takes",
    "the same handed over",
    "peak memory",
    "recall of",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row: what, what was wanted, what came out; ``met`` is None where there is no target."""

    what: str
    target: str
    measured: str
    met: bool | None

    @property
    def verdict(self) -> str:
        return {True: "met", False: "below target", None: "-"}[self.met]


def at_most(what: str, value: float, most: float, *, unit: str = "x", note: str = "") -> Line:
    """Return a row whose figure may not be above a limit."""
    return _line(what, value, most, unit, note, met=value <= most, sign="≤")


def at_least(what: str, value: float, least: float, *, unit: str = "x", note: str = "") -> Line:
    """Return a row whose figure may not be below a limit."""
    return _line(what, value, least, unit, note, met=value >= least, sign="≥")


def _line(what: str, value: float, limit: float, unit: str, note: str, *, met: bool, sign: str) -> Line:
    told = f"{_number(value)}{unit}" + (f" ({note})" if note else "")
    return Line(what=what, target=f"{sign} {_number(limit)}{unit}", measured=told, met=met)


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4f}"


def markdown(lines: Sequence[Line]) -> str:
    head = "| what | target | measured | |\n|---|---|---|---|\n"
    rows = (f"| {line.what} | {line.target} | {line.measured} | {line.verdict} |\n" for line in lines)
    return head + "".join(rows)


def write(lines: Sequence[Line], *, pairs: int, quick: bool) -> None:
    """Write RESULTS.md, and the rows a newcomer asks for into the README's block where it has one."""
    table, around = markdown(lines), conditions(pairs=pairs, quick=quick)
    short = markdown([line for line in lines if line.what.startswith(_SHORT)])
    text = f"# What was measured\n\n{around}\n\n{table}\nA ratio below 1 means that ours took less.\n"
    (_ROOT / "benchmarks" / "RESULTS.md").write_text(text, encoding="utf-8")
    readme = _ROOT / "README.md"
    whole = readme.read_text(encoding="utf-8") if readme.exists() else ""
    if _OPENS in whole and _CLOSES in whole:
        missed = sum(line.met is False for line in lines)
        rest = f"{len(lines)} rows, {missed} of them below their target: [RESULTS.md](benchmarks/RESULTS.md)."
        block = f"{_OPENS}\n{short}\nAll {rest} {around}\n{_CLOSES}"
        pattern = re.escape(_OPENS) + ".*?" + re.escape(_CLOSES)
        readme.write_text(re.sub(pattern, lambda _: block, whole, flags=re.DOTALL), encoding="utf-8")


def conditions(*, pairs: int, quick: bool) -> str:
    """Return machine, versions and date in a few lines."""
    libraries = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    kind = "quick run, figures vary by a third" if quick else "full run"
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {kind}, medians of {pairs} rounds in turn. "
        f"{_processor()}, {os.cpu_count()} cores (load {load:.1f} at the end), {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{libraries}. "
        "CPU is user and system time of the whole process, start-up included, unless a row says otherwise; "
        "lists of people and channels.yaml were checked before, except where checking is what is measured."
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _processor() -> str:
    try:
        words = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        words = None
    return words[1] if words else platform.processor() or platform.machine()
