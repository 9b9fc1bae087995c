"""Twilio's words in ours: error codes, and the HTTP statuses that come without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alerting.model.outcome import Reason

#: Twilio error code -> Reason.  https://www.twilio.com/docs/api/errors (read 2026-11)
#: 2xxxx refuse a request; 30xxx and 63xxx come later, with a receipt.
REASONS: Final[Mapping[int, Reason]] = {
    20001: Reason.BAD_REQUEST,
    20002: Reason.BAD_REQUEST,
    20003: Reason.AUTH,
    20004: Reason.FORBIDDEN,
    20005: Reason.SUSPENDED,
    20006: Reason.FORBIDDEN,
    20008: Reason.FORBIDDEN,  # test credentials where live ones are needed
    20403: Reason.FORBIDDEN,
    20404: Reason.AUTH,  # on a create: no such account for these credentials
    20429: Reason.RATE_LIMITED,
    21211: Reason.INVALID_ADDRESS,
    21212: Reason.SENDER_INVALID,
    21217: Reason.INVALID_ADDRESS,
    21265: Reason.INVALID_ADDRESS,  # a short code as recipient
    21266: Reason.INVALID_ADDRESS,  # recipient and sender are the same
    21268: Reason.INVALID_ADDRESS,  # premium number
    21408: Reason.UNROUTABLE,
    21602: Reason.BAD_REQUEST,
    21603: Reason.SENDER_INVALID,
    21604: Reason.INVALID_ADDRESS,
    21605: Reason.TOO_LONG,
    21606: Reason.SENDER_INVALID,
    21608: Reason.UNROUTABLE,  # a trial account texts verified numbers only
    21609: Reason.BAD_REQUEST,
    21610: Reason.OPTED_OUT,
    21611: Reason.QUEUE_FULL,
    21612: Reason.UNROUTABLE,
    21614: Reason.NOT_MOBILE,
    21617: Reason.TOO_LONG,
    21659: Reason.SENDER_INVALID,
    21660: Reason.SENDER_INVALID,
    21661: Reason.SENDER_INVALID,
    21703: Reason.SENDER_INVALID,
    21704: Reason.SENDER_INVALID,
    21705: Reason.SENDER_INVALID,
    21730: Reason.UNAVAILABLE,  # maintenance
    30001: Reason.QUEUE_FULL,
    30002: Reason.SUSPENDED,
    30003: Reason.UNREACHABLE,
    30004: Reason.BLOCKED,
    30005: Reason.UNREACHABLE,
    30006: Reason.NOT_MOBILE,
    30007: Reason.FILTERED,
    30008: Reason.UNREACHABLE,
    30032: Reason.SENDER_UNREGISTERED,
    30034: Reason.SENDER_UNREGISTERED,
    30036: Reason.EXPIRED,
    30410: Reason.UNREACHABLE,
    30500: Reason.UNAVAILABLE,
    63003: Reason.INVALID_ADDRESS,
    63016: Reason.CONTENT_REFUSED,
    63017: Reason.RATE_LIMITED,
    63018: Reason.RATE_LIMITED,
    63024: Reason.INVALID_ADDRESS,
}

#: These pass by themselves: refused now, worth another try later.
PASSING: Final = frozenset({Reason.RATE_LIMITED, Reason.QUEUE_FULL, Reason.UNAVAILABLE})

#: HTTP status -> Reason, where the body has no code of Twilio's.  RFC 9110, section 15.5.
STATUSES: Final[Mapping[int, Reason]] = {
    401: Reason.AUTH,
    402: Reason.NO_CREDIT,
    403: Reason.FORBIDDEN,
    407: Reason.UNCONNECTED,  # a proxy on the way wants a password
    408: Reason.UNAVAILABLE,
    429: Reason.RATE_LIMITED,
}

#: The same, where the answer is surely Twilio's own.
OWN_STATUSES: Final[Mapping[int, Reason]] = {404: Reason.AUTH}


def reason_for(code: int) -> Reason:
    """Return the reason of a Twilio error code; unknown ones are UNRECOGNISED."""
    return REASONS.get(code, Reason.UNRECOGNISED)
