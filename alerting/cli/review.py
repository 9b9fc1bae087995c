"""``alert templates review``: putting one's name under a template as it is now. It sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from alerting.cli import complete
from alerting.cli.face import Face, emit, heard_or_not, interactive, say
from alerting.cli.keyboard import asked
from alerting.cli.options import Json
from alerting.errors import NotConfirmed, Problem

if TYPE_CHECKING:
    from alerting.authority.reviews import Mark
    from alerting.rendering.template import Template

Known = Annotated[
    str,
    typer.Argument(help="Template, for example `gas-leak`.", autocompletion=complete.templates),
]


def review(
    ctx: typer.Context,
    name: Known,
    confirm: Annotated[
        str, typer.Option("--confirm", help="The template's name, as the prompt would ask (scripts).")
    ] = "",
    json: Json = False,
) -> None:
    """Show a template on every channel and record that you have read it and found it good.

    Editing the file takes the mark away: then it is not what you have read.
    """
    from alerting.audit.acts import Act
    from alerting.authority.reviews import REVIEWED, body_of, subject_of
    from alerting.cli.unplugged import config_of
    from alerting.gate import check
    from alerting.rendering.store import TemplateStore

    face: Face = ctx.obj
    check(face.view.config, REVIEWED, face.token)
    template = TemplateStore(config_of(face).templates).find(name)
    if not json:
        with heard_or_not():
            for line in _shown(face, template):
                say(line)
    _typed(template, confirm)
    act = Act(REVIEWED, subject_of(template.name), body_of(template.digest))
    face.view.let_go()
    face.view.record(act, actor=face.actor)
    if json:
        emit("template_reviewed", name=template.name, sha256=template.digest)
    else:
        say(f"{template.name} is reviewed as it is now. Editing it takes the mark away.")


def _shown(face: Face, template: Template) -> list[str]:
    from alerting.cli.specimen import specimens
    from alerting.cli.unplugged import channels_of, config_of

    config = config_of(face)
    shapes = {
        name: channel.capabilities.shape
        for name, channel in channels_of(config).items()
        if not template.channels or name in template.channels
    }
    texts = specimens(config, template, shapes)
    return [f"{template.path}  {template.title}", *(line for one in texts for line in ("", *one.lines())), ""]


def _typed(template: Template, given: str) -> None:
    fix = f'--confirm "{template.name}"'
    if not given and not interactive():
        what = "nobody is at the terminal to say so; nothing was recorded"
        raise NotConfirmed(Problem(where=template.path, what=what, fix=fix))
    if not given:
        given = asked(f"You have read every text above, and it may go out. Type {template.name}: ")
    if given.strip() != template.name:
        what = f"{given.strip()[:60]!r} is not {template.name!r}; nothing was recorded"
        raise NotConfirmed(Problem(where=template.path, what=what, fix=fix))


def marks(face: Face, templates: list[Template]) -> dict[str, Mark | None]:
    """Return for each template who has reviewed it as it is now."""
    from alerting.authority.reviews import mark_of

    ledger = face.view.reader()
    return {template.name: mark_of(ledger, template.name, template.digest) for template in templates}


def words(mark: Mark | None) -> str:
    """Return a mark in words."""
    if mark is None:
        return "NOT REVIEWED"
    return f"reviewed by {mark.by}" + (f" {mark.at:%Y-%m-%d}" if mark.at else "")
