"""A template as its readers would see it, with samples where an officer will write."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from alerting.cli.lint import core_words
from alerting.errors import PlanRefused, TemplateProblem
from alerting.model.alert import MsgType, Status
from alerting.rendering.compiled import mistakes
from alerting.rendering.fit import fit
from alerting.rendering.render import fill
from alerting.rendering.template import Template, Variable, VariableType

if TYPE_CHECKING:
    from alerting.config import Config
    from alerting.model.message import Content, Shape

_WIDTH: Final = 88
_INDENT: Final = "    "
_SAMPLES: Final = {VariableType.TIME: "3:20pm", VariableType.NUMBER: "3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """One channel's text of a template; ``problem`` says why there is none."""

    channel: str
    content: Content | None = None
    problem: str = ""

    def lines(self) -> list[str]:
        """Return it for people."""
        if self.content is None:
            return [f"{self.channel}  DOES NOT FIT: {self.problem}"]
        told = [f"{self.channel}  {'; '.join(self.content.notes)}"]
        if self.content.subject:
            told.append(f"{_INDENT}Subject: {self.content.subject}")
        for paragraph in self.content.text.splitlines():
            told += textwrap.wrap(paragraph, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT) or [
                ""
            ]
        return told

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        content = self.content
        return {
            "channel": self.channel,
            "problem": self.problem or None,
            "subject": content.subject or None if content else None,
            "text": content.text if content else None,
            "html": content.html or None if content else None,
            "size": content.size if content else None,
            "limit": content.limit if content else None,
            "unit": str(content.unit) if content else None,
            "notes": list(content.notes) if content else [],
        }


def specimens(config: Config, template: Template, shapes: Mapping[str, Shape]) -> list[Specimen]:
    """Return the text of a template on each channel.

    Raises:
        TemplateProblem: the template has mistakes.
    """
    if found_wrong := list(mistakes(template)):
        raise TemplateProblem(*found_wrong)
    number = "" if template.msg_type is MsgType.ALERT else "#2"
    status = template.status
    if template.drill and status is Status.ACTUAL:
        status = Status.EXERCISE
    core = core_words(config, number=number)._replace(status=status)
    values = {name: _sample(variable) for name, variable in template.variables.items()}
    message = fill(template, values, core=core)
    found = []
    for channel, shape in shapes.items():
        try:
            found.append(Specimen(channel=channel, content=fit(message, shape, title=template.title)))
        except PlanRefused as refused:
            found.append(Specimen(channel=channel, problem="; ".join(map(str, refused.problems))))
    return found


def _sample(variable: Variable) -> str:
    """Return what stands where the officer will write: a choice, a time, or the prompt itself."""
    if variable.choices:
        return variable.default or variable.choices[0]
    if variable.default or variable.type in _SAMPLES:
        return variable.default or _SAMPLES[variable.type]
    words = " ".join((variable.prompt or variable.name).split())
    return words[: variable.max_length].rstrip()
