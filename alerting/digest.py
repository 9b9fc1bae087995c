"""Digests: the key of a delivery, and what proves that what was previewed is what is sent.

Apart from ``keys``, since who only looks at alerts needs no ``hashlib``, which takes 4 ms to import.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

_KEY_HEX: Final = 32


def delivery_key(alert_id: str, channel: str, address: str) -> str:
    """Return the idempotency key of one delivery: 32 hex digits, the same for every attempt."""
    return delivery_keys(alert_id, channel)(address)


def delivery_keys(alert_id: str, channel: str) -> Callable[[str], str]:
    """Return what gives the keys of one alert's deliveries on a channel by their addresses.

    What they have in common is digested once.
    """
    begun = hashlib.sha256(f"{alert_id}|{channel}|".encode())

    def key(address: str) -> str:
        digest = begun.copy()
        digest.update(address.encode())
        return digest.hexdigest()[:_KEY_HEX]

    return key


def text_digest(*parts: str) -> str:
    """Return the SHA-256 of texts in order, in hex; what was previewed is what is sent."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.hexdigest()
