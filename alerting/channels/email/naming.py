"""How a mail names its delivery, so that a bounce can name it again.

The Message-ID is ``<key.row@domain>``. With VERP the envelope sender is ``local+tag@domain``, whose tag
holds the row and as much of the key as a local part of 64 octets leaves room for (RFC 5321 section
4.5.3.1.1): nobody who does not know it can guess it.
"""

from __future__ import annotations

import re
from typing import Final

from alerting.channels.base import Envelope

_KEY: Final = 32
_KEY_IN_TAG: Final = 20
_TAG: Final = re.compile(r"[0-9a-f]{20,32}(?:\.[0-9]{1,19})?")


def message_id(envelope: Envelope, domain: str) -> str:
    """Return the Message-ID of a mail to one person, the same on every attempt."""
    return f"<{envelope.handle}@{domain}>"


def tag(envelope: Envelope) -> str:
    """Return what VERP puts after the plus sign: at most 32 characters."""
    short = f"{envelope.key[:_KEY_IN_TAG]}.{envelope.ref}"
    return short if envelope.ref and len(short) <= _KEY else envelope.key


def tag_of(address: str, sender: str) -> str:
    """Return the tag of an address that VERP made of ``sender``; nothing for any other address."""
    local, _, domain = sender.lower().rpartition("@")
    found, _, at = address.strip().strip("<>").lower().rpartition("@")
    head, _, told = found.partition(f"{local}+")
    return told if at == domain and not head and _TAG.fullmatch(told) else ""


def handle_of(identifier: str, domain: str) -> str:
    """Return the handle in a Message-ID of a mail of its own; nothing for one that is shared, or not ours."""
    found, _, at = identifier.strip().strip("<>").rpartition("@")
    return found if at.lower() == domain.lower() and "." in found and _TAG.fullmatch(found) else ""
