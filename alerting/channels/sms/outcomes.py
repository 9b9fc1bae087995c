"""What an answer of Twilio's means for a message."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any, Final

from alerting.channels.sms.codes import OWN_STATUSES, PASSING, REASONS, STATUSES
from alerting.channels.sms.wire import Reply
from alerting.channels.web_answer import Answer, Refusal, Silence, shown, text_at
from alerting.clock import Clock
from alerting.model.outcome import Accepted, Deferred, Outcome, Reason, Rejected, Unknown

#: Twilio's codes have five digits. The SDK puts the HTTP status where there is none.
_FIRST_CODE: Final = 10_000
_DECODER: Final = json.JSONDecoder()
#: The name of a message as it stands in an answer. Quotes inside a text are escaped in JSON, so this cannot
#: be a part of the message's own words.  https://www.twilio.com/docs/glossary/what-is-a-sid (read 2026-11)
_SID: Final = b'"sid":'
_PAST_SID: Final = len(_SID)
#: Looked for by ``find``: ``in`` first takes it for a number, which takes as long again.
_FAILED: Final = b"failed"
_BACKSLASH, _OPEN, _CLOSE = b"\\{}"
_NAME: Final = re.compile(rb' ?"((?:SM|MM)[0-9a-f]{32})"')
_NUMBER: Final = r"(?<![0-9A-Za-z])\+?[0-9]{7,15}(?![0-9A-Za-z])"


def outcome_of(end: Reply | Silence, clock: Clock) -> Outcome:
    """Return what the end of a create means."""
    if isinstance(end, Silence):
        return unanswered(end)
    if 200 <= end.status < 300:  # noqa: PLR2004
        return taken(end.body)
    return refusal(end.full(), clock.now())


def unanswered(silence: Silence) -> Deferred | Unknown:
    """Nothing left: surely not done. Something left: nobody knows."""
    if not silence.sent:
        return Deferred(Reason.UNCONNECTED, detail=silence.detail)
    return Unknown(Reason.TIMEOUT if silence.late else Reason.UNREADABLE, silence.detail)


def refusal(answer: Answer, now: datetime | None = None) -> Refusal:
    """Return what an answer other than success means; without ``now`` no wait is read from it."""
    document = answer.document
    words = next((w for name in ("message", "detail", "title") if (w := text_at(document, name))), "")
    after = None if now is None else answer.retry_after(now)
    # Every error of Twilio's own, of either form, repeats the status; no gateway's page does.
    own = bool(words) and document.get("status") == answer.status
    return refused(answer.status, code_in(document.get("code")), words, own=own, after=after)


def refused(
    status: int, code: int, words: str, *, own: bool = False, after: timedelta | None = None
) -> Refusal:
    """Return what an HTTP status and a Twilio code (0 for none) mean.

    A 4xx of Twilio's own, which ``own`` or any code shows, was not accepted, whatever its code is: one
    that no table has is refused by its status, 404 as the account's resource that is not there. Other
    people's 4xx leave it open whether Twilio heard of the message.
    A 5xx is never taken for a refusal, 20503 included: Twilio says of 20500 that the message may have
    been made, and a gateway's 503 looks the same. Asking Twilio afterwards costs one call.
    A redirect is not followed and not believed either: Twilio sends none, and after a POST a 303
    means that it was done. Both are settled by look-up.

    Source: https://www.twilio.com/docs/api/errors/20500 and RFC 9110 section 15.4.4 (read 2026-11)
    """
    detail = shown(f"{code or f'HTTP {status}'} {re.sub(_NUMBER, _mask, words)}".strip())
    if not 400 <= status < 500:  # noqa: PLR2004
        return Unknown(Reason.UNAVAILABLE if status >= 500 else Reason.UNREADABLE, detail)  # noqa: PLR2004
    known = STATUSES.get(status)
    reason = REASONS.get(code, known)
    if reason in PASSING:
        return Deferred(reason, after, detail)
    if known in PASSING or known is Reason.UNCONNECTED:
        return Deferred(known, after, detail)
    if reason is None and not (code or own):
        return Unknown(Reason.UNREADABLE, detail)
    return Rejected(reason or OWN_STATUSES.get(status, Reason.UNRECOGNISED), detail)


def code_in(value: object) -> int:
    """Return a Twilio error code from wherever it stood, 0 for none."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:9])
    return value if isinstance(value, int) and value >= _FIRST_CODE else 0


def taken(body: bytes) -> Outcome:
    """Return what the body of an answer of success means."""
    if sid := _usual(body):
        return Accepted(sid)
    try:
        found = _document(body)
        sid, status = found["sid"], found.get("status")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Unknown(Reason.UNREADABLE, "an answer of success that names no message")
    if not isinstance(sid, str) or not sid or not sid.isascii():
        return Unknown(Reason.UNREADABLE, "an answer of success that names no message")
    if status == "failed" and (code := code_in(found.get("error_code"))) in REASONS:
        return refused(400, code, text_at(found, "error_message"))
    return Accepted(sid)


def _usual(body: bytes) -> str:
    """Return the name in an answer as nearly all are, found without reading all of it: a third of the work.

    Empty for whatever may be otherwise: another form of a name, one that stands in an object inside the
    object, or a word of failure anywhere.
    """
    at = body.find(_SID)
    if at < 1 or body[at - 1] == _BACKSLASH or body.find(b"{", 1, at) > 0:
        return ""
    if body[0] != _OPEN or body[-1] != _CLOSE or body.find(_FAILED) > 0:
        return ""
    name = _NAME.match(body, at + _PAST_SID)
    return name[1].decode() if name else ""


def _document(body: bytes) -> Any:
    """Read JSON as ``json.loads`` does, without its looks at encoding and white space where there is none."""
    try:
        text = body.decode()
        found, end = _DECODER.raw_decode(text)
        if end == len(text):
            return found
    except ValueError:
        pass  # white space before it, another encoding, or no JSON
    return json.loads(body)


def _mask(number: re.Match[str]) -> str:
    text = number.group()
    return f"{text[:3]}***{text[-4:]}"
