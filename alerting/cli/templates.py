"""``alert templates``: list them, look them over, begin and review one. Nothing here can send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alerting.cli import complete
from alerting.cli.face import emit, note, say
from alerting.cli.family import family
from alerting.cli.options import Json
from alerting.cli.review import marks, review, words
from alerting.cli.unplugged import channels_of, config_of
from alerting.cli.words import columns, plural, span
from alerting.errors import Exit, Problem, TemplateProblem

if TYPE_CHECKING:
    from alerting.authority.reviews import Mark
    from alerting.rendering.template import Template, Variable

Name = Annotated[str, typer.Argument(help="Template, for example `gas-leak`.")]
Known = Annotated[
    str,
    typer.Argument(help="Template, for example `gas-leak`.", autocompletion=complete.templates),
]


def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the templates, and what each asks for."""
    from alerting.rendering.store import TemplateStore

    store = TemplateStore(config_of(ctx.obj).templates)
    found: list[Template] = []
    broken: list[Problem] = []
    for name in store.names():
        try:
            found.append(store.find(name))
        except TemplateProblem as error:
            broken += error.problems
    seen = marks(ctx.obj, found)
    if json:
        listed = [{**as_json(t), "reviewed_by": mark.by if (mark := seen[t.name]) else None} for t in found]
        emit("templates", templates=listed, problems=[told(p) for p in broken])
    else:
        for line in _listing(found, seen):
            say(line)
        for problem in broken:
            note(f"! {problem}")
    if broken:
        raise typer.Exit(Exit.USAGE)


def _listing(found: Sequence[Template], seen: Mapping[str, Mark | None]) -> list[str]:
    kinds = ["DRILL" if t.drill else str(t.alert_class) for t in found]
    heads = columns(
        [(t.name, t.id, kind, words(seen[t.name]), t.title) for t, kind in zip(found, kinds, strict=True)]
    )
    asked = columns([(f"  {v.name}", _asks(v)) for t in found for v in t.variables.values()])
    rows = iter(asked)
    told: list[str] = []
    for head, template in zip(heads, found, strict=True):
        told += [head, *(next(rows) for _ in template.variables)]
    return told or ["There are no templates yet. Begin one with: alert templates new NAME"]


def _asks(variable: Variable) -> str:
    """Return what a variable asks for, and what may be answered, in words."""
    parts = [variable.prompt or str(variable.type)]
    if variable.choices:
        parts.append(f"one of: {' | '.join(variable.choices)}")
    if variable.max_length:
        parts.append(f"at most {variable.max_length}")
    if variable.default:
        parts.append(f"else {variable.default}")
    elif not variable.required:
        parts.append("may be left out")
    return "; ".join(parts)


def as_json(template: Template) -> dict[str, Any]:
    """Return what a template declares, for scripts."""
    return {
        "name": template.name,
        "id": template.id or None,
        "path": template.path,
        "title": template.title,
        "class": str(template.alert_class),
        "drill": template.drill,
        "status": str(template.status),
        "msg_type": str(template.msg_type),
        "category": str(template.category),
        "severity": str(template.severity),
        "urgency": str(template.urgency),
        "certainty": str(template.certainty),
        "response_type": str(template.response_type),
        "hazard": template.hazard or None,
        "lifetime_s": int(template.lifetime.total_seconds()),
        "channels": list(template.channels),
        "variables": [
            {
                "name": variable.name,
                "type": str(variable.type),
                "prompt": variable.prompt,
                "choices": list(variable.choices),
                "default": variable.default or None,
                "max_length": variable.max_length,
                "required": variable.required,
            }
            for variable in template.variables.values()
        ],
    }


def told(problem: Problem) -> dict[str, str]:
    """Return a problem for scripts."""
    return {"where": problem.where, "what": problem.what, "fix": problem.fix}


def check(
    ctx: typer.Context,
    name: Annotated[
        list[str] | None,
        typer.Argument(help="Templates; all of them without.", autocompletion=complete.templates),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Advice fails too.")] = False,
    json: Json = False,
) -> None:
    """Look templates over: mistakes, lengths at the longest values on every channel, and wording."""
    from alerting.cli.lint import lint

    config = config_of(ctx.obj)
    shapes = {name: channel.capabilities.shape for name, channel in channels_of(config).items()}
    found = lint(config, shapes, name or [])
    errors = sum(len(findings.errors) for findings in found.values())
    warnings = sum(len(findings.warnings) for findings in found.values())
    if json:
        emit(
            "templates_check",
            errors=errors,
            warnings=warnings,
            templates=[
                {"name": name, "errors": [*map(told, f.errors)], "warnings": [*map(told, f.warnings)]}
                for name, f in found.items()
            ],
        )
    else:
        for findings in found.values():
            for word, problems in (("error ", findings.errors), ("advice", findings.warnings)):
                for problem in problems:
                    say(f"{word}  {problem}")
        advice = plural(warnings, "piece of advice", "pieces of advice")
        say(f"{plural(len(found), 'template')}: {plural(errors, 'error')}, {advice}")
    if errors or (strict and warnings):
        raise typer.Exit(Exit.USAGE)


def new(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """Begin a new template in the template folder. It sends nothing, and replaces nothing."""
    from alerting.rendering.new import starter

    text = starter(name)
    directory = config_of(ctx.obj).templates
    path = _written(directory, name, text)
    if json:
        emit("template_new", name=name, path=str(path))
        return
    say(f"Wrote {path}: every line of it is explained inside. Now")
    say("  1. fill in what is in square brackets")
    say(f"  2. alert templates check {name}")
    say(f"  3. alert templates show {name}")
    say(f"  4. have it read by others, then: alert templates review {name}")


def _written(directory: Path, name: str, text: str) -> Path:
    """Write a new file; what is there already stays as it is.

    Raises:
        TemplateProblem: a template of that name is there, or the folder cannot be written.
    """
    from alerting.rendering.store import TemplateStore

    path = directory / f"{name}.md"
    if directory.is_dir() and name in TemplateStore(directory).names():
        raise _taken(path)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        fix = "make the folder, or correct `templates:` in channels.yaml"
        what = f"cannot be written ({error.strerror})"
        raise TemplateProblem(Problem(where=str(path), what=what, fix=fix)) from error
    return path


def _taken(path: Path) -> TemplateProblem:
    what = "a template of that name is there already; it stays as it is"
    return TemplateProblem(Problem(where=str(path), what=what, fix="use another name"))


def show(ctx: typer.Context, name: Known, json: Json = False) -> None:
    """Show what a template looks like on every channel, with its own prompts as samples."""
    from alerting.cli.specimen import specimens
    from alerting.rendering.store import TemplateStore

    config = config_of(ctx.obj)
    template = TemplateStore(config.templates).find(name)
    channels = {
        name: channel.capabilities.shape
        for name, channel in channels_of(config).items()
        if not template.channels or name in template.channels
    }
    texts = specimens(config, template, channels)
    if json:
        emit("template", **as_json(template), texts=[text.as_json() for text in texts])
        return
    say(f"{template.path}  {template.title}  ({_kind(template)}, true for {span(template.lifetime)})")
    for line in _listing([template], {template.name: None})[1:]:
        say(line)
    for text in texts:
        for line in ("", *text.lines()):
            say(line)


def _kind(template: Template) -> str:
    return f"{template.status}, for practice only" if template.drill else f"{template.alert_class}"


def _first(ctx: typer.Context) -> None:
    list_(ctx)


def commands(name: str) -> typer.Typer:
    """Return the commands of this room."""
    members: dict[str, Any] = {"list": list_, "check": check, "new": new, "show": show, "review": review}
    return family(name, "List, check, make and review templates.", members, first=_first)
