"""What the sandbox remembers: posts, texts, mails and the requests that made them."""

from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default as modern
from enum import StrEnum
from functools import cached_property
from typing import Final

from alerting.named import NamedTuple


class Provider(StrEnum):
    """Who is being imitated."""

    X = "x"  #: X API v2, below /2/
    GRAPH = "graph"  #: Facebook Graph API, below /vNN.N/
    TWILIO = "twilio"  #: Twilio REST API, below /2010-04-01/
    SMTP = "smtp"  #: a mail submission server, on a port of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A public post, a reply to one, or a comment under one."""

    id: str
    provider: Provider
    account: str
    text: str
    created_at: datetime
    parent: str | None = None
    author: str | None = None
    edited_at: datetime | None = None
    deleted_at: datetime | None = None


class Step(NamedTuple):
    """A status a text reaches, and when: seconds since the epoch."""

    at: float
    status: str


#: A text may still be withdrawn in these. Twilio itself says: only while scheduled (error 30409, 2026-11).
CANCELABLE: Final = frozenset({"accepted", "queued", "scheduled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One SMS. Its status is a function of time: the last of `steps` that has come."""

    sid: str
    account: str
    to: str
    sender: str
    service: str | None
    body: str
    segments: int
    created_at: datetime
    steps: tuple[Step, ...]
    error_code: int | None = None
    status_callback: str | None = None

    def status(self, now: float) -> str:
        """The status at an instant, in seconds since the epoch."""
        reached = self.steps[0].status
        for step in self.steps[1:]:
            if step.at > now:
                break
            reached = step.status
        return reached

    def settled_error(self, now: float) -> int | None:
        """The provider's error code, once the text has failed."""
        return self.error_code if self.status(now) in {"undelivered", "failed"} else None


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One accepted message with its envelope; parsed only when somebody looks."""

    number: int
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    received_at: datetime
    options: tuple[str, ...] = ()

    @cached_property
    def message(self) -> EmailMessage:
        """The parsed message."""
        return BytesParser(policy=modern).parsebytes(self.raw)

    @property
    def subject(self) -> str:
        """The decoded subject, or an empty string."""
        return str(self.message.get("Subject", ""))

    @cached_property
    def text(self) -> str:
        """The plain part, or an empty string."""
        return self._part("plain")

    @cached_property
    def html(self) -> str:
        """The HTML part, or an empty string."""
        return self._part("html")

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Every header in order, decoded, repeated ones included."""
        return [(name, str(value)) for name, value in self.message.items()]

    def _part(self, kind: str) -> str:
        part = self.message.get_body(preferencelist=(kind,))
        if part is None:
            return ""
        try:
            return str(part.get_content())
        except (LookupError, UnicodeError, ValueError):
            payload = part.get_payload(decode=True)
            return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


class Seen(NamedTuple):
    """One request as it arrived. Never holds a credential."""

    provider: str
    operation: str
    at: float
    monotonic_s: float
    to: str
    text: str
    status: int | None
    fault: str | None
