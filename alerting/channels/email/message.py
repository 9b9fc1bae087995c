"""A mail: built once per content, addressed per person by joining bytes.

Building MIME costs a hundred times what sending does, so it happens once. What differs between people
(To, Message-ID, thread) is a short head of checked ASCII in front of the bytes they share.

What the headers say, and why:

- ``Auto-Submitted: auto-generated`` (RFC 3834) and ``X-Auto-Response-Suppress: All`` (Exchange) keep
  out-of-office replies away. No ``Precedence``: it adds nothing to these two, and filters rank bulk
  mail down, which an alert must not be.
- ``Importance: high`` and ``X-Priority: 1`` on live alerts only; a drill does not cry wolf.
- No ``List-Unsubscribe``: one click would let people leave life-safety mail for good.
- The text is sent as quoted-printable or base64 where it is not plain ASCII, never as 8bit, so every
  relay takes it (8BITMIME or not) and no relay rewrites it under a signature.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from alerting.channels.email.header import field, mailbox_field, on_one_line
from alerting.digest import text_digest
from alerting.model.message import Content

_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINE_ENDS: Final = re.compile("\r\n?")
_DOT_FIRST: Final = re.compile(rb"(?m)^\.")
_ID: Final = re.compile(r"<[A-Za-z0-9.=_+-]{1,100}@[A-Za-z0-9.\[\]:-]{1,255}>")
#: References may be cut to the first and the newest.  RFC 5322 section 3.6.4.
_REFERENCES_MOST: Final = 10
_SUBJECT_MOST: Final = 78


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """What all mails of one channel share. Mailboxes in wire form."""

    mailbox: str
    from_name: str = ""
    reply_to: str = ""
    list_id: str = ""


def compose(content: Content, *, letterhead: Letterhead, date: datetime, live: bool) -> bytes:
    """Return everything of a mail but its head, ready for the wire: CRLF, dots stuffed.

    The same arguments give the same bytes: the boundary is made from the content.
    """
    subject = on_one_line(content.subject) or _first_line(content.text)
    fields = [
        mailbox_field("From", letterhead.mailbox, letterhead.from_name),
        field("Subject", subject),
        *([mailbox_field("Reply-To", letterhead.reply_to)] if letterhead.reply_to else []),
        *([field("List-Id", f"<{letterhead.list_id}>")] if letterhead.list_id else []),
        _mime(content, date=date, live=live),
    ]
    return _DOT_FIRST.sub(b"..", b"".join(fields))


def head(*, message_id: str, to: bytes, thread: Sequence[str] = ()) -> bytes:
    """Return the first lines of one person's mail.

    ``to`` is a mailbox in wire form, or a group. Ids of ``thread`` that are not ours are left out.
    No line begins with a dot, so nothing needs stuffing.
    """
    lines = b"Message-ID: %b\r\nTo: %b\r\n" % (message_id.encode("ascii"), to)
    return lines + _threading(thread) if thread else lines


def _threading(thread: Sequence[str]) -> bytes:
    ids = [each for each in thread if _ID.fullmatch(each)]
    if not ids:
        return b""
    if len(ids) > _REFERENCES_MOST:
        ids = [ids[0], *ids[1 - _REFERENCES_MOST :]]
    return "In-Reply-To: {}\r\nReferences: {}\r\n".format(ids[-1], "\r\n ".join(ids)).encode("ascii")


def _mime(content: Content, *, date: datetime, live: bool) -> bytes:
    from email.message import EmailMessage
    from email.policy import SMTP
    from email.utils import format_datetime

    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    message["Date"] = format_datetime(date)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    if live:
        message["Importance"] = "high"
        message["X-Priority"] = "1"
    message.set_content(_clean(content.text))
    if content.html:
        message.add_alternative(_clean(content.html), subtype="html")
        # "=_" can stand in no encoded part (RFC 2045 section 6.7), and a text cannot hold its own digest.
        message.set_boundary(f"=_{text_digest(content.text, content.html)[:32]}")
    return message.as_bytes()


def _clean(text: str) -> str:
    """Return text with plain line ends and without what mail may not carry.  RFC 5322 section 2.2."""
    plain = _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))
    return plain.encode("utf-8", "replace").decode()


def _first_line(text: str) -> str:
    line = next((line for line in text.splitlines() if line.strip()), "")
    return on_one_line(line)[:_SUBJECT_MOST]
