"""What can go wrong with one request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class Kind(StrEnum):
    """What goes wrong."""

    STATUS = "status"  #: another status, with the provider's own error body unless one is given
    HANG = "hang"  #: silence; `before`: then the connection closes, `after`: then the normal answer
    DRIP = "drip"  #: the answer arrives in crumbs
    RESET = "reset"  #: the connection is reset
    HTML = "html"  #: a gateway's HTML page where JSON was expected
    EMPTY = "empty"  #: a body of no bytes
    HUGE = "huge"  #: the right answer, followed by megabytes of blanks
    WRONG_LENGTH = "wrong_length"  #: Content-Length promises more than comes
    DEAD_TOKEN = "dead_token"  # noqa: S105  #: 401, code 190, 20003 or 535
    CREDITS_GONE = "credits_gone"  #: X only: 402
    OPTED_OUT = "opted_out"  #: Twilio only: 21610
    RECEIPTS = "receipts"  #: Twilio only: doubled, reordered, failing or missing status callbacks


class When(StrEnum):
    """On which side of the moment of acceptance."""

    BEFORE = "before"  #: the message is not kept
    AFTER = "after"  #: the message is kept, only its answer suffers


#: Effects that only make sense once there is an answer to spoil.
AFTER_BY_DEFAULT: Final = frozenset({Kind.DRIP, Kind.HUGE, Kind.WRONG_LENGTH, Kind.RECEIPTS})
ONLY_FOR: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.CREDITS_GONE: ("x",),
    Kind.OPTED_OUT: ("twilio",),
    Kind.RECEIPTS: ("twilio",),
    Kind.HTML: ("x", "graph", "twilio", "*"),
    Kind.EMPTY: ("x", "graph", "twilio", "*"),
    Kind.HUGE: ("x", "graph", "twilio", "*"),
    Kind.WRONG_LENGTH: ("x", "graph", "twilio", "*"),
}
DEFAULT_STATUS: Final[Mapping[Kind, int]] = {Kind.HTML: 503, Kind.EMPTY: 502}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One thing that goes wrong. Spans are seconds, sizes are bytes."""

    kind: Kind
    when: When = When.BEFORE
    status: int = 0
    body: Any = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    seconds: float = 5.0
    size_bytes: int = 5_000_000
    code: int | None = None
    order: str = "normal"
    copies: int = 1
    outcome: str = "delivered"
