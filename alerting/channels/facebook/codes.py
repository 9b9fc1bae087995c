"""What the Graph API's answers mean.

Sources, read 2026-11: https://developers.facebook.com/docs/graph-api/guides/error-handling,
https://developers.facebook.com/docs/graph-api/overview/rate-limiting,
https://developers.facebook.com/docs/graph-api/changelog/versions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Final

from alerting.channels.web_answer import Answer, Refusal, Silence, at, shown, text_at, wait_of
from alerting.model.outcome import Deferred, Reason, Rejected, Unknown
from alerting.secret import Secret

#: Downtime, in the middle of which the post may have been made.
UNSURE: Final = frozenset({1, 2})
#: Limits of the app, the user, the page, its feed, an endpoint, and the page again (page tokens).
LIMITS: Final = frozenset({4, 17, 32, 341, 613, 80001})
#: Error code -> Reason. 200 to 299 are all permissions.
CODES: Final[dict[int, Reason]] = {
    3: Reason.FORBIDDEN,
    10: Reason.FORBIDDEN,
    100: Reason.BAD_REQUEST,
    102: Reason.AUTH,
    104: Reason.AUTH,
    190: Reason.AUTH,
    368: Reason.SUSPENDED,
    506: Reason.DUPLICATE,
    1609005: Reason.CONTENT_REFUSED,
} | dict.fromkeys(range(200, 300), Reason.FORBIDDEN)
#: No such object, or not for this token.
_UNSEEN: Final = (100, 33)
#: (code, subcode) -> Reason, where the subcode says more.
SUBCODES: Final[dict[tuple[int, int], Reason]] = {
    _UNSEEN: Reason.SENDER_INVALID,
    (190, 459): Reason.SUSPENDED,
    (190, 464): Reason.SUSPENDED,
    (190, 492): Reason.FORBIDDEN,
}
#: A wrong proof answers as a bad parameter (code 100), but no post will get through.
_PROOF: Final = "appsecret_proof"
#: HTTP status -> Reason, for answers without Graph's error object: something stands before Graph.
STATUSES: Final[dict[int, Reason]] = {
    401: Reason.AUTH,
    403: Reason.FORBIDDEN,
    404: Reason.UNAVAILABLE,
    413: Reason.TOO_LONG,
}
_WAITS: Final[dict[int, Reason]] = {408: Reason.UNAVAILABLE, 429: Reason.RATE_LIMITED}
#: Version -> its last day. After it Graph answers as the oldest version alive would.
LAST_DAYS: Final[dict[str, date]] = {
    "v20.0": date(2026, 9, 24),
    "v21.0": date(2027, 1, 21),
    "v22.0": date(2027, 5, 20),
    "v23.0": date(2027, 10, 8),
    "v24.0": date(2028, 2, 18),
    "v25.0": date(2028, 7, 29),
}
#: The newest version when this table was made; its end was not announced yet.
NEWEST: Final = "v26.0"
#: How long before a version, or a token, ends a probe complains.
NOTICE: Final = timedelta(days=30)


def refusal(said: Answer | Silence, *, now: datetime, hide: Iterable[Secret]) -> Refusal:
    """Return what anything but a readable success means."""
    if isinstance(said, Silence):
        return said.outcome
    error = at(said.document, "error")
    if not isinstance(error, dict):
        return _without_words(said, now)
    code, detail = _number(error, "code"), shown(words(error), hide=hide)
    if code in UNSURE:
        return Unknown(Reason.UNAVAILABLE, detail)
    if code in LIMITS or said.status == 429:  # noqa: PLR2004
        return Deferred(Reason.RATE_LIMITED, wait(said, now), detail)
    reason = _reason(error, code)
    if reason is Reason.UNRECOGNISED and (error.get("is_transient") is True or said.status >= 500):  # noqa: PLR2004
        return Unknown(Reason.UNAVAILABLE, detail)
    return Rejected(reason, detail)


def unseen(said: Answer | Silence) -> bool:
    """Say whether Graph has no such object, or not for this token: it makes no difference between them."""
    error = at(said.document, "error") if isinstance(said, Answer) else None
    return isinstance(error, dict) and (_number(error, "code"), _number(error, "error_subcode")) == _UNSEEN


def wait(answer: Answer, now: datetime) -> timedelta | None:
    """Return how long Graph wants us to wait: its own estimate, in minutes, from the usage header."""
    told = answer.retry_after(now)
    if told is not None:
        return told
    try:
        usage = json.loads(answer.headers.get("x-business-use-case-usage", ""))
    except (ValueError, RecursionError):
        return None
    groups = usage.values() if isinstance(usage, dict) else ()
    entries = [entry for group in groups if isinstance(group, list) for entry in group]
    minutes = [
        _number(entry, "estimated_time_to_regain_access") for entry in entries if isinstance(entry, dict)
    ]
    longest = max(minutes, default=0)
    return wait_of(60.0 * min(longest, 10_000)) if longest > 0 else None


def words(error: Mapping[str, object]) -> str:
    """Return Graph's own words for an error: code, subcode, message, and its trace for their support."""
    code, subcode = _number(error, "code"), _number(error, "error_subcode")
    trace = text_at(error, "fbtrace_id")
    number = f"{code}/{subcode}" if subcode else str(code)
    return f"{number} {text_at(error, 'message')}" + (f" (fbtrace {trace})" if trace else "")


def _without_words(answer: Answer, now: datetime) -> Refusal:
    if answer.status in _WAITS:
        return Deferred(_WAITS[answer.status], wait(answer, now), answer.form)
    if answer.status in STATUSES:
        return Rejected(STATUSES[answer.status], answer.form)
    broken = answer.status >= 500  # noqa: PLR2004
    return Unknown(Reason.UNAVAILABLE if broken else Reason.UNREADABLE, answer.form)


def _reason(error: Mapping[str, object], code: int) -> Reason:
    if _PROOF in text_at(error, "message"):
        return Reason.AUTH
    finer = SUBCODES.get((code, _number(error, "error_subcode")))
    return finer or CODES.get(code, Reason.UNRECOGNISED)


def _number(error: Mapping[str, object], name: str) -> int:
    found = error.get(name)
    return found if isinstance(found, int) else 0
