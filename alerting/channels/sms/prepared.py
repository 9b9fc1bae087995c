"""A request the SDK made once for a text, of which only recipient, key and life change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote_plus, urlencode

from alerting.channels.sms.wire import Target

#: Stands where a delivery's key will: 32 hex digits, which no encoding changes.
ANY_KEY: Final = "0" * 32


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """Where a text goes, and its form with three places left open.

    The SDK needs 50 µs and more to build a request and read its answer into a resource; filling in
    three fields takes two.
    """

    target: Target
    pattern: str

    @classmethod
    def of(cls, target: Target, data: Mapping[str, object]) -> Self:
        """Open the places in a form the SDK made for ``ANY_KEY``, keeping its order and encoding."""
        return cls(target, "&".join(_open(name, value) for name, value in data.items()))

    def body(self, *, to: str, key: str, life_s: int) -> bytes:
        """Return the form for one recipient; ``life_s`` is how long Twilio may try."""
        # An E.164 number needs no more than its plus sign encoded; a general look at it costs 3 µs.
        encoded = "%2B" + to[1:] if to[:1] == "+" and to[1:].isdecimal() and to.isascii() else quote_plus(to)
        return (self.pattern % {"to": encoded, "key": key, "life": life_s}).encode()


def _open(name: str, value: object) -> str:
    encoded = urlencode({name: value}, doseq=True).replace("%", "%%")
    match name:
        case "To":
            return "To=%(to)s"
        case "ValidityPeriod":
            return "ValidityPeriod=%(life)d"
        case "StatusCallback":
            return encoded.removesuffix(ANY_KEY) + "%(key)s"
        case _:
            return encoded
