"""Mail that tells what became of mail: delivery reports (RFC 3464) and complaints (RFC 5965).

Anybody can write such a mail. What names the key of a delivery (in the recipient VERP made, or in the
Message-ID of the mail that came back) was told by somebody who has it; what names only an address is
believed for the newest mail to that address.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.message import Message
from typing import TYPE_CHECKING, Final

from alerting.channels.email.codes import REASONS, REASONS_FOR_NOW, Reply, Step, described
from alerting.channels.email.mailbox import LARGEST_MAIL
from alerting.channels.email.naming import handle_of, tag_of
from alerting.model.outcome import Reason
from alerting.model.receipt import Receipt, ReceiptStatus

if TYPE_CHECKING:
    from alerting.channels.email.config import SmtpConfig

#: RFC 3464 section 2.3.3: what an action says. ``delayed`` is no end; it is still being tried.
ACTIONS: Final[Mapping[str, ReceiptStatus]] = {
    "failed": ReceiptStatus.UNDELIVERED,
    "delayed": ReceiptStatus.QUEUED,
    "delivered": ReceiptStatus.DELIVERED,
    "relayed": ReceiptStatus.SENT,
    "expanded": ReceiptStatus.SENT,
}
#: The class of a status (RFC 3463 section 3.1), where the action is missing or unknown.
_CLASSES: Final = {"2": "delivered", "4": "delayed", "5": "failed"}
_STATUS: Final = re.compile(r"([245])\.([0-9]{1,3}\.[0-9]{1,3})")
_MAILBOX: Final = re.compile(r"[^@\s<>;\"]{1,64}@[^@\s<>;\"]{1,255}")
_MESSAGE_ID: Final = re.compile(r"<[^<>\s]{1,250}>")
#: Where a mail server says whom a mail came for.
_CAME_FOR: Final = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
#: RFC 5965 section 7.3 and the registry "Feedback Report Type Values": what is a complaint.
_COMPLAINTS: Final = frozenset({"abuse", "fraud", "virus", "other", "opt-out"})
_MOST_RECIPIENTS: Final = 100


def read_mail(raw: bytes, *, settings: SmtpConfig, at: datetime) -> Sequence[Receipt]:
    """Return what a mail says about mails of ours; nothing when it is no report."""
    from email import message_from_bytes
    from email.errors import MessageError

    try:
        return tuple(_Report(message_from_bytes(raw[:LARGEST_MAIL]), raw, settings, at).receipts())
    except (MessageError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        # The parser of the standard library gives up on some malformed mails in these ways.
        return ()


class _Report:
    """One mail, taken apart."""

    def __init__(self, mail: Message, raw: bytes, settings: SmtpConfig, at: datetime) -> None:
        self._mail, self._raw, self._settings, self._at = mail, raw, settings, at
        self._parts = list(mail.walk())
        told = [self._first("message/rfc822"), self._first("text/rfc822-headers")]
        self._original = next((part for part in told if part is not None), None)

    def receipts(self) -> Iterator[Receipt]:
        """Yield what the report says."""
        if (status := self._first("message/delivery-status")) is not None:
            yield from self._deliveries(status)
        elif (feedback := self._first("message/feedback-report")) is not None:
            yield from self._complaint(feedback)

    def _first(self, kind: str) -> Message | None:
        return next((part for part in self._parts if part.get_content_type() == kind), None)

    def _deliveries(self, part: Message) -> Iterator[Receipt]:
        held = part.get_payload()
        # Blocks without a recipient are about the report as a whole (RFC 3464 section 2.2), or empty lines.
        blocks = [
            block
            for block in (held if isinstance(held, list) else ())
            if isinstance(block, Message) and "Final-Recipient" in block
        ]
        for block in blocks[:_MOST_RECIPIENTS]:
            if receipt := self._delivery(block, alone=len(blocks) == 1):
                yield receipt

    def _delivery(self, block: Message, *, alone: bool) -> Receipt | None:
        found = _STATUS.search(_text(block, "Status"))
        level, subject = (found[1], found[2]) if found else ("", "")
        action = _text(block, "Action").strip().lower()
        if action not in ACTIONS:
            action = _CLASSES.get(level, "")
        address = _mailbox(_text(block, "Original-Recipient")) or _mailbox(_text(block, "Final-Recipient"))
        if not action:
            return None
        status = ACTIONS[action]
        failed = status is ReceiptStatus.UNDELIVERED
        return self._receipt(
            status,
            address,
            reason=_reason(level, subject).code if failed else "",
            detail=_detail(block, found[0] if found else "") if failed or action == "delayed" else "",
            name=f"{address}:{action}:{level}.{subject}",
            alone=alone,
        )

    def _complaint(self, part: Message) -> Iterator[Receipt]:
        fields = _inner(part)
        if _text(fields, "Feedback-Type").strip().lower() in _COMPLAINTS:
            address = _mailbox(_text(fields, "Original-Rcpt-To"))
            yield self._receipt(ReceiptStatus.COMPLAINED, address, name=address, alone=True)

    def _receipt(
        self,
        status: ReceiptStatus,
        address: str,
        *,
        name: str,
        alone: bool,
        reason: str = "",
        detail: str = "",
    ) -> Receipt:
        identifier = self._message_id()
        return Receipt(
            channel=self._settings.name,
            status=status,
            at=self._at,
            key=self._key(identifier) if alone else "",
            provider_id=identifier,
            address=f"email:{address}" if address else "",
            reason=reason,
            detail=detail,
            dedupe=f"{self._name()}:{name}",
        )

    def _key(self, identifier: str) -> str:
        """Return the handle of the mail meant, from whom the report came for or from what came back."""
        sender = self._settings.sender
        came_for = (box for name in _CAME_FOR for box in _MAILBOX.findall(_text(self._mail, name)))
        return next((tag for box in came_for if (tag := tag_of(box, sender))), "") or handle_of(
            identifier, self._settings.domain
        )

    def _message_id(self) -> str:
        """Return the Message-ID of the mail that came back."""
        found = None
        if self._original is not None:
            found = _MESSAGE_ID.search(_text(_inner(self._original), "Message-ID"))
        return found[0] if found else ""

    def _name(self) -> str:
        """Return what names the report itself: servers that try twice send the same one."""
        own = _MESSAGE_ID.search(_text(self._mail, "Message-ID"))
        return own[0] if own else hashlib.sha256(self._raw).hexdigest()


def _inner(part: Message) -> Message:
    """Return what a part holds as a message of its own: the parser makes one of some kinds, not of all."""
    held = part.get_payload()
    if isinstance(held, list):
        first = held[0] if held else part
        return first if isinstance(first, Message) else part
    from email import message_from_string

    return message_from_string(str(held))


def _text(message: Message, name: str) -> str:
    return " ".join(str(value) for value in message.get_all(name, []))


def _mailbox(field: str) -> str:
    """Return the mailbox of a field such as ``rfc822; ann@example.edu``, as audiences write it."""
    from alerting.audience.normalise import Malformed, email

    found = _MAILBOX.search(field.rpartition(";")[2])
    if not found:
        return ""
    try:
        return email(found[0]).value
    except Malformed:
        return ""


def _reason(level: str, subject: str) -> Reason:
    """Hard and soft failures by the class of their status; a soft one was given up after days of trying."""
    if level == "4":
        return REASONS_FOR_NOW.get(subject, Reason.UNREACHABLE)
    return REASONS.get(subject, Reason.UNREACHABLE)


def _detail(block: Message, status: str) -> str:
    words = " ".join(_text(block, "Diagnostic-Code").partition(";")[2].split())
    code = int(words[:3]) if words[:3].isascii() and words[:3].isdigit() else 0
    return described(Step.RECIPIENT, Reply(code, words[3:].strip())) if code else status
