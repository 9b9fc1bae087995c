"""Digests: the key of a delivery, and what proves that what was previewed is what is sent.

Apart from ``keys``, since who only looks at alerts needs no ``hashlib``, which takes 4 ms to import.
"""

from __future__ import annotations

import hashlib
from typing import Final

_KEY_HEX: Final = 32


def delivery_key(alert_id: str, channel: str, address: str) -> str:
    """Return the idempotency key of one delivery: 32 hex digits, the same for every attempt."""
    whole = f"{alert_id}|{channel}|{address}".encode()
    return hashlib.sha256(whole).hexdigest()[:_KEY_HEX]


def text_digest(*parts: str) -> str:
    """Return the SHA-256 of texts in order, in hex; what was previewed is what is sent."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.hexdigest()
