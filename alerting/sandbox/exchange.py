"""One HTTP request as a provider reads it, and the reply it gives."""

import json
from collections.abc import Callable, Iterable
from email.message import Message
from email.parser import BytesParser
from functools import cached_property
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from alerting.named import NamedTuple
from alerting.sandbox.effect import Effect

JSON: Final = "application/json; charset=utf-8"


class Request:
    """Method, path, query, headers and body of one request."""

    def __init__(
        self, method: str, path: str, query: str, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> None:
        self.method = method
        self.path = path
        self._query = query
        self._headers = headers
        self.body = body

    @cached_property
    def headers(self) -> dict[str, str]:
        """Headers by lower-case name."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers}

    @cached_property
    def query(self) -> dict[str, str]:
        """Query parameters; of a repeated one the last."""
        return dict(parse_qsl(self._query, keep_blank_values=True))

    @cached_property
    def form(self) -> dict[str, str]:
        """The form in the body, urlencoded or multipart; of a repeated field the last."""
        if self.headers.get("content-type", "").startswith("multipart/"):
            return _multipart(self.headers["content-type"], self.body)
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @cached_property
    def json(self) -> dict[str, Any]:
        """The JSON object in the body, or an empty one."""
        try:
            found = json.loads(self.body) if self.body else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class Reply(NamedTuple):
    """Status, body and headers; Content-Length is added on the wire."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, data: object, status: int = 200, **headers: str) -> "Reply":
        """A JSON reply; header names are written with underscores."""
        named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        body = json.dumps(data, separators=(",", ":")).encode()
        return cls(status, body, (("content-type", JSON), *named))

    def with_headers(self, *headers: tuple[str, str]) -> "Reply":
        """The same reply with more headers."""
        return self._replace(headers=(*self.headers, *headers))


class Call(NamedTuple):
    """A request understood: what it wants, whom it concerns, and how to answer it.

    `answer` acts: it is called once, or not at all when a fault comes first.
    """

    operation: str
    to: str
    text: str
    answer: Callable[[Effect | None], Reply]


class Front(Protocol):
    """One provider's HTTP face."""

    name: str

    def read(self, request: Request) -> Call:
        """Understand a request without acting on it."""

    def refuse(self, effect: Effect) -> Reply:
        """The provider's own error for a scripted status, dead token, empty account or opt-out."""


def _multipart(content_type: str, body: bytes) -> dict[str, str]:
    parsed = BytesParser().parsebytes(b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body)
    form: dict[str, str] = {}
    for part in parsed.get_payload() if parsed.is_multipart() else ():
        if isinstance(part, Message):
            name = part.get_param("name", header="content-disposition")
            payload = part.get_payload(decode=True)
            if isinstance(name, str) and isinstance(payload, bytes) and not part.get_filename():
                form[name] = payload.decode("utf-8", "replace")
    return form
