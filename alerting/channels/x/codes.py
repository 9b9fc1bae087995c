"""What X's answers mean.

Sources, read 2026-08: https://docs.x.com/x-api/fundamentals/response-codes-and-errors,
https://docs.x.com/x-api/fundamentals/rate-limits. Bodies as reported by users of the API, 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from alerting.channels.web_answer import Answer, Refusal, Silence, at, entries_at, shown, text_at, wait_of
from alerting.model.outcome import Deferred, Reason, Rejected, Unknown
from alerting.secret import Secret

#: Words of a refusal -> Reason, looked for in this order: most 403 differ in nothing else.
PHRASES: Final[tuple[tuple[str, Reason], ...]] = (
    ("duplicate content", Reason.DUPLICATE),
    ("too long", Reason.TOO_LONG),
    ("suspended", Reason.SUSPENDED),
    ("temporarily locked", Reason.SUSPENDED),
    ("does not have any credits", Reason.NO_CREDIT),
    ("spending limit", Reason.NO_CREDIT),
    ("might be automated", Reason.CONTENT_REFUSED),
)
#: Last word of the problem's ``type`` -> Reason.
TYPES: Final[dict[str, Reason]] = {
    "credits": Reason.NO_CREDIT,
    "usage-capped": Reason.NO_CREDIT,
    "client-forbidden": Reason.FORBIDDEN,
    "not-authorized-for-resource": Reason.FORBIDDEN,
    "oauth1-permissions": Reason.FORBIDDEN,
}
#: Numbers that some of X's layers still answer with -> Reason.
CODES: Final[dict[int, Reason]] = {
    32: Reason.AUTH,
    63: Reason.SUSPENDED,
    64: Reason.SUSPENDED,
    88: Reason.RATE_LIMITED,
    89: Reason.AUTH,
    130: Reason.UNAVAILABLE,
    131: Reason.UNAVAILABLE,
    135: Reason.AUTH,
    185: Reason.RATE_LIMITED,
    186: Reason.TOO_LONG,
    187: Reason.DUPLICATE,
    226: Reason.CONTENT_REFUSED,
    261: Reason.FORBIDDEN,
    326: Reason.SUSPENDED,
    453: Reason.FORBIDDEN,
}
#: Status -> Reason, where words and numbers say nothing. A 404 means the API is not at this address.
STATUSES: Final[dict[int, Reason]] = {
    400: Reason.BAD_REQUEST,
    401: Reason.AUTH,
    402: Reason.NO_CREDIT,
    403: Reason.FORBIDDEN,
    404: Reason.UNAVAILABLE,
    408: Reason.UNAVAILABLE,
    413: Reason.TOO_LONG,
    429: Reason.RATE_LIMITED,
}
#: Surely refused, whatever the body is made of: a gateway's page serves as well as X's own.
_PLAIN: Final = frozenset({401, 402, 403, 404, 408, 429})
_WAITS: Final = frozenset({408, 429})
#: A reply X takes back: not summoned by its author (rule of 2026-02-23), or the post is gone.
REPLY_REFUSED: Final = ("reply to this conversation is not allowed", "deleted or not visible")
#: Header families of the limits: 15 minutes, 24 hours of the app, 24 hours of the user.
WINDOWS: Final = ("x-rate-limit", "x-app-limit-24hour", "x-user-limit-24hour")
#: OAuth 1.0a refuses timestamps that are minutes off; this is when we say so.
SKEW: Final = timedelta(seconds=60)


def refusal(said: Answer | Silence, *, now: datetime, hide: Iterable[Secret]) -> Refusal:
    """Return what anything but a readable success means."""
    if isinstance(said, Silence):
        return said.outcome
    told = words(said)
    detail = shown(f"{said.status} {told}{skewed(said, now)}", hide=hide) if told else said.form
    if said.status >= 500:  # noqa: PLR2004
        return Unknown(Reason.UNAVAILABLE, detail)
    if said.status < 400 or (said.status not in _PLAIN and not said.document):  # noqa: PLR2004
        return Unknown(Reason.UNREADABLE, detail)
    reason = reason_of(said)
    if reason is Reason.RATE_LIMITED or (said.status in _WAITS and reason is Reason.UNAVAILABLE):
        return Deferred(reason, wait(said, now), detail)
    return Rejected(reason, detail)


def reason_of(answer: Answer) -> Reason:
    """Return why X refused: by its words, its type, its number, and last by the status."""
    said = words(answer).lower()
    for phrase, reason in PHRASES:
        if phrase in said:
            return reason
    slug = text_at(answer.document, "type").rpartition("/")[2]
    if slug in TYPES:
        return TYPES[slug]
    numbers = [at(entry, "code") for entry in entries_at(answer.document, "errors")]
    named = next((CODES[n] for n in numbers if isinstance(n, int) and n in CODES), None)
    return named or STATUSES.get(answer.status, Reason.UNRECOGNISED)


def reply_refused(said: Answer | Silence) -> bool:
    """Say whether X refused a post only because it was a reply."""
    if isinstance(said, Silence) or not 400 <= said.status < 500:  # noqa: PLR2004
        return False
    told = words(said).lower()
    return any(phrase in told for phrase in REPLY_REFUSED)


def wait(answer: Answer, now: datetime) -> timedelta | None:
    """Return how long X wants us to wait: until the last of its limits that are used up opens again."""
    told = answer.retry_after(now)
    if told is not None:
        return told
    resets = [
        int(reset)
        for family in WINDOWS
        if answer.headers.get(f"{family}-remaining") == "0"
        and (reset := answer.headers.get(f"{family}-reset", "")[:12]).isdecimal()
    ]
    # Resets are instants of X's clock, and so is the Date header.
    return wait_of(max(resets) - (answer.at or now).timestamp()) if resets else None


def words(answer: Answer) -> str:
    """Return X's own words for an error, from either of its two forms."""
    document = answer.document
    own = ": ".join(filter(None, (text_at(document, "title"), text_at(document, "detail"))))
    others = [
        f"{at(entry, 'code') or ''} {text_at(entry, 'message') or text_at(entry, 'detail')}".strip()
        for entry in entries_at(document, "errors")
    ]
    return "; ".join(filter(None, (own, *others)))


def skewed(answer: Answer, now: datetime) -> str:
    """Return a remark when a refused signature may be the fault of this machine's clock."""
    if answer.status != 401 or answer.at is None or abs(now - answer.at) <= SKEW:  # noqa: PLR2004
        return ""
    return f" (this machine's clock is {(now - answer.at).total_seconds():+.0f} s off)"
