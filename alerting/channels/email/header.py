"""Header fields from people's words, safe whatever the words are.

Python's own header classes read encoded words inside the text they are given, so a subject could bring
a line break along (CVE-2024-6923). Here words only ever become printable ASCII on lines this room broke.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from alerting.audience.normalise import Malformed, email

#: UTF-8 bytes in one encoded word: 48 base64 digits and the frame stay below 76.  RFC 2047 section 2.
_WORD_BYTES: Final = 36
#: ASCII text stays as it is up to here; RFC 5322 section 2.1.1 allows 998 on a line.
_PLAIN_MOST: Final = 200
_BLANKS: Final = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#: RFC 5321 section 4.1.2 without quoted names and address literals.
_MAILBOX: Final = re.compile(
    rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@){_ATEXT}(?:\.{_ATEXT})*@{_LABEL}(?:\.{_LABEL})*"
)


def on_one_line(words: str) -> str:
    """Return words with every run of blanks and control characters as one space."""
    return _BLANKS.sub(" ", words).strip()


def field(name: str, words: str) -> bytes:
    """Return one whole header field of free text, folded where it has to be, with its CRLF."""
    return f"{name}: {_phrase(on_one_line(words))}\r\n".encode("ascii")


def mailbox_field(name: str, mailbox: str, words: str = "") -> bytes:
    """Return one whole header field of a mailbox in wire form, with the name people see."""
    shown = on_one_line(words)
    if not shown:
        return f"{name}: {mailbox}\r\n".encode("ascii")
    quoted = '"' + re.sub(r'(["\\])', r"\\\1", shown) + '"' if _is_plain(shown) else _encoded(shown)
    return f"{name}: {quoted}\r\n <{mailbox}>\r\n".encode("ascii")


def wire_mailbox(mailbox: str) -> bytes | None:
    """Return a mailbox as it may stand in commands and headers: ASCII, nothing to escape; else None.

    Domains in other scripts become their IDNA form. Names in other scripts before the @ would need
    SMTPUTF8 all the way to the mailbox; None.
    """
    if _MAILBOX.fullmatch(mailbox):
        return mailbox.encode("ascii")
    if mailbox.isascii():
        return None
    try:
        return email(mailbox).value.encode("ascii")
    except Malformed:
        return None


def _phrase(words: str) -> str:
    return words if _is_plain(words) else _encoded(words)


def _is_plain(words: str) -> bool:
    return words.isascii() and "=?" not in words and len(words) <= _PLAIN_MOST


def _encoded(words: str) -> str:
    """Return RFC 2047 encoded words, one a line, no character split between two."""
    chunks, chunk = [], b""
    for letter in words:
        piece = letter.encode("utf-8", "replace")
        if len(chunk) + len(piece) > _WORD_BYTES:
            chunks.append(chunk)
            chunk = b""
        chunk += piece
    chunks.append(chunk)
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(chunk).decode()}?=" for chunk in chunks)
