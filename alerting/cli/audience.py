"""``alert audience``: who would be told, and who would not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from alerting.cli import complete
from alerting.cli.face import Face, emit, say
from alerting.cli.family import family
from alerting.cli.options import Json
from alerting.cli.unplugged import config_of
from alerting.cli.words import columns, plural
from alerting.errors import ConfigProblem, Exit, Problem, UsageProblem

if TYPE_CHECKING:
    from alerting.audience.check import AudienceReport
    from alerting.audience.csvfile import CsvAudience

_EXAMPLES: Final = 20
#: Where numbers without a country code are from when no configuration says so.
_REGION: Final = "US"


def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the audiences and their files; nothing is read."""
    config = config_of(ctx.obj)
    default = config.defaults.audience
    listed = [
        {
            "name": name,
            "file": str(audience.csv),
            "there": audience.csv.is_file(),
            "groups": list(audience.groups),
            "region": audience.region,
            "default": name == default,
        }
        for name, audience in config.audiences.items()
    ]
    if json:
        emit("audiences", audiences=listed)
        return
    rows = [(str(one["name"]), *_words(one)) for one in listed]
    for line in columns(rows) or ["There are no audiences in channels.yaml."]:
        say(line)


def _words(one: dict[str, Any]) -> tuple[str, str]:
    notes = [] if one["there"] else ["THE FILE IS NOT THERE"]
    notes += [f"only {', '.join(one['groups'])}"] if one["groups"] else []
    notes += ["default"] if one["default"] else []
    return str(one["file"]), "; ".join(notes)


def check(
    ctx: typer.Context,
    list_name: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME", help="A CSV file, or an audience.", autocompletion=complete.audiences
        ),
    ],
    every: Annotated[bool, typer.Option("--all", help="Show every row refused, not the first 20.")] = False,
    json: Json = False,
) -> None:
    """Read a list of people and say what it would reach, and which cells reach nobody and why."""
    from alerting.audience.check import check as checked

    report = checked(_source(ctx.obj, list_name), most=sys.maxsize if every else _EXAMPLES)
    if json:
        emit("audience_check", **_as_json(report))
    else:
        for line in _lines(report):
            say(line)
    if not report.recipients:
        raise typer.Exit(Exit.USAGE)


def _source(face: Face, name: str) -> CsvAudience:
    """Return the list meant: an audience of the configuration, else a file.

    Raises:
        ConfigProblem: the configuration cannot be used, and no file of that name is there either.
        UsageProblem: neither an audience nor a file.
    """
    from alerting.audience.csvfile import CsvAudience

    path = Path(name)
    try:
        config = config_of(face)
    except ConfigProblem:
        if path.is_file():
            return CsvAudience(path, region=_REGION)
        if path.suffix or len(path.parts) > 1:
            fix = "name a CSV file that is there"
            raise UsageProblem(Problem(where=name, what="no such file", fix=fix)) from None
        raise
    if name not in config.audiences and path.exists():
        return CsvAudience(path, region=config.campus.region)
    try:
        audience = config.audience(name)
    except UsageProblem as error:
        fix = error.problems[0].fix
        what = f"no file and no audience is called {name!r}"
        raise UsageProblem(Problem(where="", what=what, fix=fix)) from error
    return CsvAudience(audience.csv, region=audience.region, groups=audience.groups)


def _lines(report: AudienceReport) -> list[str]:
    reached = plural(report.recipients, "person", "people")
    told = [f"{report.name}: {reached} of {plural(report.rows, 'row')} can be reached"]
    figures = [
        ("phones", f"{report.phones:,}"),
        ("mailboxes", f"{report.emails:,}"),
        ("refused", f"{report.refused_total:,}"),
        ("repeated", f"{report.duplicates_total:,}"),
    ]
    told += columns([(f"  {word}", figure) for word, figure in figures], right=(1,))
    for word, counts in (("groups", report.groups), ("languages", report.languages)):
        named = {name or "not given": count for name, count in counts.items()}
        if set(named) - {"not given"}:
            told.append(f"  {word}: {', '.join(f'{name} {count:,}' for name, count in named.items())}")
    told += [str(refused.problem(report.name)) for refused in report.refused]
    told += _more(len(report.refused), report.refused_total, "refused")
    told += [
        f"{report.name}:{one.line}: {one.address} is in line {one.first_line} too; it is told once"
        for one in report.duplicates
    ]
    return told + _more(len(report.duplicates), report.duplicates_total, "repeated")


def _more(shown: int, total: int, word: str) -> list[str]:
    return [f"… {total - shown:,} more {word}; --all shows them"] if total > shown else []


def _as_json(report: AudienceReport) -> dict[str, Any]:
    return {
        "name": report.name,
        "rows": report.rows,
        "recipients": report.recipients,
        "phones": report.phones,
        "emails": report.emails,
        "refused_total": report.refused_total,
        "refused": [
            {"line": r.line, "field": r.field, "value": r.value, "reason": r.reason, "fix": r.fix or None}
            for r in report.refused
        ],
        "duplicates_total": report.duplicates_total,
        "duplicates": [
            {"address": d.address, "line": d.line, "first_line": d.first_line} for d in report.duplicates
        ],
        "languages": dict(report.languages),
        "groups": dict(report.groups),
    }


def _first(ctx: typer.Context) -> None:
    list_(ctx)


def commands(name: str) -> typer.Typer:
    """Return the commands of this room."""
    members: dict[str, Any] = {"list": list_, "check": check}
    return family(name, "List audiences, check lists of people.", members, first=_first)
