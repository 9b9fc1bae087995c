"""A template as it is read from its file: what it declares, and its blocks as source."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from alerting.model.alert import (
    AlertClass,
    Category,
    Certainty,
    MsgType,
    ResponseType,
    Severity,
    Status,
    Urgency,
)
from alerting.named import NamedTuple
from alerting.rendering.pieces import Pieces

#: The blocks a template may have, in the order a plain text is taken from when ``message`` is not there.
BLOCKS: Final = ("message", "sms", "post", "email", "subject", "email_html")
#: Characters of a note; a text variable with room for more is free text.
NOTE: Final = 80
#: Names the core fills; no variable may take one.
CORE_NAMES: Final = ("source", "time", "number", "link", "next_update", "evidence")


class VariableType(StrEnum):
    """What a value is, and so how it is checked."""

    TEXT = "text"  #: words, one line
    PLACE = "place"  #: words that say where
    CHOICE = "choice"  #: one of the listed choices
    TIME = "time"  #: a time of day: 3:05pm
    NUMBER = "number"  #: digits


class Variable(NamedTuple):
    """One thing the officer fills in. ``max_length`` counts characters; None when nobody said."""

    name: str
    type: VariableType = VariableType.TEXT
    prompt: str = ""
    choices: tuple[str, ...] = ()
    default: str = ""
    max_length: int | None = None
    required: bool = True
    line: int = 0

    @property
    def free_text(self) -> bool:
        """Whether an officer may write more than a note here."""
        return self.type is VariableType.TEXT and (self.max_length is None or self.max_length > NOTE)


class Block(NamedTuple):
    """One text of a template, as written. ``line`` is where its first line stands in the file.

    ``pieces`` is what Jinja2 has read, where that was looked at before and no engine is needed to fill it.
    """

    name: str
    source: str
    line: int
    pieces: Pieces | None = None


class Template(NamedTuple):
    """A named file: what it declares, with the defaults filled in, and its blocks.

    ``path`` is shown to people, as ``templates/tornado.md``. ``drill`` means it can never be sent as
    a real alert. ``lifetime`` is how long the alert stays true. ``lines`` says where each key stands.
    """

    name: str
    path: str
    title: str
    blocks: Mapping[str, Block]
    id: str = ""
    alert_class: AlertClass = AlertClass.STANDARD
    category: Category = Category.SAFETY
    severity: Severity = Severity.UNKNOWN
    urgency: Urgency = Urgency.UNKNOWN
    certainty: Certainty = Certainty.UNKNOWN
    status: Status = Status.ACTUAL
    msg_type: MsgType = MsgType.ALERT
    response_type: ResponseType = ResponseType.NONE
    hazard: str = ""
    lifetime: timedelta = timedelta(hours=1)
    languages: tuple[str, ...] = ("en",)
    channels: tuple[str, ...] = ()
    drill: bool = False
    variables: Mapping[str, Variable] = MappingProxyType({})
    lines: Mapping[str, int] = MappingProxyType({})
    digest: str = ""  #: SHA-256 of its text, in hex; how line ends are written does not count
    sound: bool = False  #: its blocks were looked through before, and no mistake is in them

    def at(self, key: str) -> str:
        """Return where a front matter key stands, as ``templates/tornado.md:4``."""
        return f"{self.path}:{self.lines.get(key, 1)}"
