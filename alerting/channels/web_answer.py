"""What came back from a provider over HTTP, or did not. Light: no library is imported for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NoReturn

from alerting.model.outcome import Deferred, Reason, Rejected, Unknown
from alerting.named import NamedTuple
from alerting.secret import Secret

#: No provider's wait is believed beyond this: no alert lives longer.
LONGEST_WAIT: Final = timedelta(days=1)
_SHOWN: Final = 200
#: Anything shorter is no credential, and taking it out would only garble the words.
_SHORTEST_SECRET: Final = 8

#: Every outcome but acceptance.
Refusal = Rejected | Deferred | Unknown


class Answer(NamedTuple):
    """One HTTP answer, read to its end or to the most that is kept.

    ``headers`` are by lower-case name. ``whole`` is False when the body was longer than is kept.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return 200 <= self.status < 300  # noqa: PLR2004

    @property
    def form(self) -> str:
        """What the body is, for people who look for the cause: ``503, text/html, 190 bytes``."""
        kind = self.headers.get("content-type", "no type").partition(";")[0]
        return shown(f"{self.status}, {kind}, {len(self.body)}{'' if self.whole else ' and more'} bytes")

    @property
    def at(self) -> datetime | None:
        """The provider's own time from its Date header, aware UTC, if it can be read."""
        return _instant(self.headers.get("date", ""))

    @property
    def document(self) -> Mapping[str, object]:
        """The JSON object in the body; empty when it is anything else, or not strict JSON."""
        if not self.whole:
            return {}
        try:
            found = json.loads(self.body, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def retry_after(self, now: datetime) -> timedelta | None:
        """Return the wait of the Retry-After header (seconds or a date), or None without a readable one.

        Source: RFC 9110 section 10.2.3.
        """
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return wait_of(int(value[:9]))
        until = _instant(value)
        return None if until is None else wait_of((until - (self.at or now)).total_seconds())


class Silence(NamedTuple):
    """No readable answer came.

    ``sent`` is False only when surely no byte of the request left; ``late`` when the deadline cut it.
    ``detail`` names the cause without any part of the request.
    """

    sent: bool
    late: bool = False
    detail: str = ""

    @property
    def outcome(self) -> Deferred | Unknown:
        """Surely not done if nothing left, else nobody knows."""
        if not self.sent:
            return Deferred(Reason.UNCONNECTED, None, self.detail)
        return Unknown(Reason.TIMEOUT if self.late else Reason.UNREADABLE, self.detail)


def wait_of(seconds: float) -> timedelta:
    """Return a wait between nothing and ``LONGEST_WAIT``."""
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_WAIT.total_seconds()))


def at(document: object, *path: str) -> object:
    """Return what lies at a path of field names, or None."""
    for name in path:
        if not isinstance(document, Mapping):
            return None
        document = document.get(name)
    return document


def text_at(document: object, *path: str) -> str:
    """Return the text at a path of field names, or an empty text."""
    found = at(document, *path)
    return found if isinstance(found, str) else ""


def entries_at(document: object, *path: str) -> list[Mapping[str, object]]:
    """Return the objects of the list at a path of field names; anything else is left out."""
    found = at(document, *path)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def shown(text: str, *, hide: Iterable[Secret] = ()) -> str:
    """Return a provider's words as they may be kept: one short printable line without our secrets.

    Providers do repeat credentials; Graph answers "Malformed access token" with the token.
    """
    for secret in hide:
        if len(secret.reveal()) >= _SHORTEST_SECRET:
            text = text.replace(secret.reveal(), "***")
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _SHOWN]).split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _instant(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
