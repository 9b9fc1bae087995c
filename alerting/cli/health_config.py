"""The doctor's look at what people wrote: configuration, credentials, templates, lists."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from alerting.cli.finding import Area, Finding, Level, failures
from alerting.cli.unplugged import channels_of, config_of
from alerting.cli.words import plural
from alerting.errors import ConfigProblem, TemplateProblem

if TYPE_CHECKING:
    from alerting.cli.face import Face
    from alerting.config import Config

#: Mistakes named one by one; `alert templates check` names them all.
_SHOWN: Final = 5


def file(face: Face) -> Iterator[Finding]:
    """Look at channels.yaml, and at the credentials it names; none of them is shown."""
    from alerting.config import load

    try:
        config = config_of(face)
    except ConfigProblem as error:
        yield from failures("config", Area.CONFIG, error.problems)
        return
    channels = plural(len(config.channels), "channel")
    detail = f"{face.config}: {channels}, {plural(len(config.audiences), 'audience')}"
    yield Finding(what="config", area=Area.CONFIG, detail=detail)
    for warning in config.warnings:
        detail = f"{warning.where}: {warning.what}"
        yield Finding(what="config", level=Level.WARN, area=Area.CONFIG, detail=detail, fix=warning.fix)
    if face.sandbox:
        yield Finding(what="credentials", area=Area.CONFIG, detail="none needed with --sandbox")
        return
    try:
        live = load(face.config, environ=os.environ)
    except ConfigProblem as error:
        # The file itself was fine a moment ago, so only its references can be the matter.
        yield from failures("credentials", Area.CONFIG, error.problems)
    else:
        detail = f"all there for {plural(len(live.channels), 'channel')} of real alerts"
        yield Finding(what="credentials", area=Area.CONFIG, detail=detail)


def templates(config: Config, *, quick: bool) -> Iterator[Finding]:
    """Look at the template folder; unless ``quick``, at every template on every channel."""
    from alerting.cli.lint import lint
    from alerting.rendering.store import TemplateStore

    try:
        names = TemplateStore(config.templates).names()
        if quick or not names:
            yield _counted(len(names), f"in {config.templates}")
            return
        shapes = {name: channel.capabilities.shape for name, channel in channels_of(config).items()}
        found = lint(config, shapes, ())
    except (TemplateProblem, ConfigProblem) as error:
        yield from failures("templates", Area.CONFIG, error.problems)
        return
    errors = [problem for findings in found.values() for problem in findings.errors]
    advice = sum(len(findings.warnings) for findings in found.values())
    if not errors:
        yield _counted(len(names), f"without mistakes, {advice:,} pieces of advice")
        return
    yield from failures("templates", Area.CONFIG, errors[:_SHOWN])
    if len(errors) > _SHOWN:
        detail = f"{len(errors) - _SHOWN} more mistakes"
        fix = "alert templates check"
        yield Finding(what="templates", level=Level.FAIL, area=Area.CONFIG, detail=detail, fix=fix)


def _counted(count: int, detail: str) -> Finding:
    if count:
        return Finding(what="templates", area=Area.CONFIG, detail=f"{plural(count, 'template')} {detail}")
    fix = "write one: alert templates new NAME"
    return Finding(what="templates", level=Level.FAIL, area=Area.CONFIG, detail="there are none", fix=fix)


def audiences(config: Config) -> Iterator[Finding]:
    """Look whether every list is there and may be read; the default one must."""
    missing = 0
    for name, audience in config.audiences.items():
        if audience.csv.is_file() and os.access(audience.csv, os.R_OK):
            continue
        missing += 1
        needed = name == config.defaults.audience
        yield Finding(
            what="audiences",
            level=Level.FAIL if needed else Level.WARN,
            detail=f"{name}{' (the default)' if needed else ''}: {audience.csv} cannot be read",
            fix="put the list there, and let this user read it",
        )
    there = len(config.audiences) - missing
    if there:
        yield Finding(what="audiences", detail=f"{plural(there, 'list')} there; not read here")


def on_call(config: Config, state: Path, now: datetime) -> Iterator[Finding]:
    """Look who is on duty; the calendar's last copy must do, for nobody is asked here."""
    from alerting.cli.duty_words import on_duty
    from alerting.duty import duty_of

    try:
        duty = duty_of(config, state=state, environ=os.environ, now=now, ask=False)
    except ConfigProblem as error:
        yield from failures("on call", Area.CONFIG, error.problems)
        return
    if duty is None:
        detail = "nobody is told when this system itself is in trouble"
        fix = "add on_call: {roster: roster.yaml} to channels.yaml"
        yield Finding(what="on call", level=Level.WARN, area=Area.CONFIG, detail=detail, fix=fix)
        return
    there, words = on_duty(duty, ZoneInfo(config.campus.time_zone), now)
    level = Level.OK if there else Level.WARN
    fix = "" if there else f"give somebody this time in {duty.source}"
    yield Finding(what="on call", level=level, detail=words, fix=fix)
    for trouble in duty.troubles(now):
        detail = f"{trouble.where}: {trouble.what}"
        yield Finding(what="on call", level=Level.WARN, detail=detail, fix=trouble.fix)


def ready(face: Face) -> Iterator[Finding]:
    """Look whether somebody could send right now, in one line; `alert ready` has the others."""
    from alerting.cli.readiness import answer_of

    answer = answer_of(face.view)
    if answer.ready:
        yield Finding(what="ready", detail="somebody can send right now")
        return
    detail = f"no, for {plural(len(answer.reasons), 'reason')}; the first: {answer.reasons[0].detail}"
    yield Finding(what="ready", level=Level.WARN, detail=detail, fix="alert ready names them all")
