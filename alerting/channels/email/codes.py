"""What a relay's replies mean.

A reply has three digits (RFC 5321 section 4.2) and often an enhanced status after them (RFC 3463; the
registry "SMTP Enhanced Status Codes" at IANA). The same digits mean different things at different steps:
550 to MAIL is about us, to RCPT about one person, after the text about the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from alerting.model.outcome import Deferred, Reason, Rejected

_SHOWN: Final = 200
_STATUS: Final = re.compile(r"([245])\.([0-9]{1,3}\.[0-9]{1,3})\b")
#: How Postfix, Exim, Exchange, Google and Amazon SES say "slower", beside codes that say it to everybody.
_SLOWER: Final = re.compile(r"too many|too fast|concurrent|exceeded|throttl", re.IGNORECASE)
_MAILBOX: Final = re.compile(r"([A-Za-z0-9])[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]*@")


class Step(StrEnum):
    """What a reply answers."""

    GREETING = "greeting"  #: the connection itself
    HELLO = "EHLO"  #: our name
    LOGIN = "AUTH"  #: our credentials
    SENDER = "MAIL"  #: the envelope sender
    RECIPIENT = "RCPT"  #: one recipient
    DATA = "DATA"  #: leave to send the text
    TEXT = "text"  #: the text, after its final dot


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its three digits (0 when nobody can read it) and its lines, joined with spaces."""

    code: int
    text: str = ""

    @property
    def ok(self) -> bool:
        """Whether it says yes."""
        return 200 <= self.code < 300  # noqa: PLR2004

    @property
    def status(self) -> str:
        """The enhanced status without its class, such as ``1.1``; empty when there is none."""
        found = _STATUS.match(self.text)
        return found[2] if found and int(found[1]) == self.code // 100 else ""


#: Enhanced status of a permanent refusal -> reason, wherever it is said.
#: RFC 3463 section 3; RFC 4954 section 6, 7372, 7504, 7505; Exchange Online NDR list and Google's SMTP
#: error reference for .30, .54, .57, .60, .515 and 4.5 (read 2026-11).
REASONS: Final[Mapping[str, Reason]] = {
    "1.0": Reason.INVALID_ADDRESS,
    "1.1": Reason.INVALID_ADDRESS,
    "1.2": Reason.INVALID_ADDRESS,
    "1.3": Reason.INVALID_ADDRESS,
    "1.4": Reason.INVALID_ADDRESS,
    "1.6": Reason.INVALID_ADDRESS,
    "1.7": Reason.SENDER_INVALID,
    "1.8": Reason.SENDER_INVALID,
    "1.9": Reason.INVALID_ADDRESS,
    "1.10": Reason.INVALID_ADDRESS,
    "2.0": Reason.UNREACHABLE,
    "2.1": Reason.UNREACHABLE,
    "2.2": Reason.UNREACHABLE,
    "2.3": Reason.TOO_LONG,
    "2.4": Reason.UNREACHABLE,
    "3.4": Reason.TOO_LONG,
    "4.1": Reason.UNROUTABLE,
    "4.3": Reason.UNROUTABLE,
    "4.4": Reason.UNROUTABLE,
    "4.5": Reason.RATE_LIMITED,
    "4.6": Reason.UNROUTABLE,
    "4.7": Reason.UNREACHABLE,
    "6.0": Reason.CONTENT_REFUSED,
    "6.1": Reason.CONTENT_REFUSED,
    "6.2": Reason.CONTENT_REFUSED,
    "6.3": Reason.CONTENT_REFUSED,
    "7.2": Reason.BLOCKED,
    "7.8": Reason.AUTH,
    "7.9": Reason.AUTH,
    "7.10": Reason.FORBIDDEN,
    "7.11": Reason.AUTH,
    "7.13": Reason.SUSPENDED,
    "7.14": Reason.AUTH,
    "7.17": Reason.INVALID_ADDRESS,
    "7.18": Reason.INVALID_ADDRESS,
    "7.20": Reason.SENDER_UNREGISTERED,
    "7.21": Reason.SENDER_UNREGISTERED,
    "7.22": Reason.SENDER_UNREGISTERED,
    "7.23": Reason.SENDER_UNREGISTERED,
    "7.25": Reason.SENDER_UNREGISTERED,
    "7.26": Reason.SENDER_UNREGISTERED,
    "7.27": Reason.SENDER_INVALID,
    "7.30": Reason.AUTH,
    "7.54": Reason.UNROUTABLE,
    "7.57": Reason.AUTH,
    "7.60": Reason.SENDER_INVALID,
    "7.515": Reason.SENDER_UNREGISTERED,
}
#: Reply code of a permanent refusal -> reason, where no enhanced status says more.
#: RFC 5321 section 4.2.3; 521 and 556: RFC 7504; 53x: RFC 4954 section 6.
CODES: Final[Mapping[int, Reason]] = {
    500: Reason.BAD_REQUEST,
    502: Reason.BAD_REQUEST,
    503: Reason.BAD_REQUEST,
    504: Reason.BAD_REQUEST,
    521: Reason.FORBIDDEN,
    530: Reason.AUTH,
    534: Reason.AUTH,
    535: Reason.AUTH,
    538: Reason.AUTH,
    552: Reason.TOO_LONG,
    555: Reason.BAD_REQUEST,
    556: Reason.INVALID_ADDRESS,
}
#: What any other permanent refusal at a step means: 550, 551, 553, 554, 5.7.0, 5.7.1 and their like.
BY_STEP: Final[Mapping[Step, Reason]] = {
    Step.GREETING: Reason.FORBIDDEN,
    Step.HELLO: Reason.FORBIDDEN,
    Step.LOGIN: Reason.AUTH,
    Step.SENDER: Reason.SENDER_INVALID,
    Step.RECIPIENT: Reason.BLOCKED,
    Step.DATA: Reason.BAD_REQUEST,
    Step.TEXT: Reason.CONTENT_REFUSED,
}
#: At RCPT, without an enhanced status, these are about the mailbox.  RFC 5321 section 3.3 and 3.4.
NO_MAILBOX: Final = frozenset({501, 550, 551, 553})

#: Enhanced status of a temporary refusal -> reason.  4.5.3 is too many recipients, 4.7.28 Google's rate.
REASONS_FOR_NOW: Final[Mapping[str, Reason]] = {
    "2.1": Reason.UNREACHABLE,
    "2.2": Reason.UNREACHABLE,
    "3.1": Reason.QUEUE_FULL,
    "3.2": Reason.UNAVAILABLE,
    "4.5": Reason.QUEUE_FULL,
    "5.3": Reason.RATE_LIMITED,
    "7.28": Reason.RATE_LIMITED,
}
#: Reply code of a temporary refusal -> reason.  454 is Amazon SES's throttling, which sends no status.
CODES_FOR_NOW: Final[Mapping[int, Reason]] = {452: Reason.QUEUE_FULL, 454: Reason.RATE_LIMITED}


def refusal(step: Step, reply: Reply) -> Rejected | Deferred:
    """Return what a reply that is not a yes means at a step.

    Temporary refusals, and replies nobody can read, defer: before the final dot nothing was done.
    """
    detail = described(step, reply)
    match reply.code // 100:
        case 5 if _is_too_many(step, reply):
            return Deferred(Reason.RATE_LIMITED, detail=detail)
        case 5:
            return Rejected(_for_good(step, reply), detail)
        case 4:
            return Deferred(_for_now(step, reply), detail=detail)
        case _:
            return Deferred(Reason.UNREADABLE, detail=detail)


def described(step: Step, reply: Reply) -> str:
    """Return step, code and the relay's own words, on one line, mailboxes masked."""
    words = "".join(letter if letter.isprintable() else " " for letter in reply.text)
    masked = _MAILBOX.sub(r"\1***@", words)
    return f"{step}: {reply.code or 'not a reply'} {masked}".strip()[:_SHOWN]


def _is_too_many(step: Step, reply: Reply) -> bool:
    """RFC 5321 section 4.5.3.1.10: 552 to RCPT is an old way to say "in another transaction"."""
    if step is not Step.RECIPIENT:
        return False
    return reply.status == "5.3" or (reply.code == 552 and not reply.status)  # noqa: PLR2004


def _for_good(step: Step, reply: Reply) -> Reason:
    if step is Step.LOGIN:
        return Reason.AUTH
    # Postfix, Exim, sendmail and Exchange all say "relay"; others of the campus may still be reached,
    # so the lane goes on.
    if step is Step.RECIPIENT and "relay" in reply.text.lower():
        return Reason.UNROUTABLE
    known = REASONS.get(reply.status) or CODES.get(reply.code)
    if known is not None:
        return known
    if step is Step.RECIPIENT and not reply.status and reply.code in NO_MAILBOX:
        return Reason.INVALID_ADDRESS
    return BY_STEP[step]


def _for_now(step: Step, reply: Reply) -> Reason:
    if reply.status in REASONS_FOR_NOW:
        return REASONS_FOR_NOW[reply.status]
    if step is not Step.RECIPIENT and _SLOWER.search(reply.text):
        return Reason.RATE_LIMITED
    if step is Step.RECIPIENT and not reply.status.startswith("3") and reply.code in (450, 451):
        return Reason.UNREACHABLE  # one mailbox, greylisted or busy: no trouble of the channel
    if step is Step.RECIPIENT and reply.code == 452 and not reply.status:  # noqa: PLR2004
        return Reason.RATE_LIMITED  # RFC 5321 section 4.5.3.1.10: too many recipients
    return CODES_FOR_NOW.get(reply.code, Reason.UNAVAILABLE)
