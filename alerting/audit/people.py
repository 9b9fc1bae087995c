"""Stand-ins for personal data: what a seal is made over, and what retention leaves in its place.

A stand-in is a keyed hash. The seal of an alert is made over stand-ins only, so replacing an address by
its stand-in later changes nothing that was sealed. The alert's id is hashed too: the same person has
another stand-in in each alert, and nobody without the key can link or guess them.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from alerting.ledger.scrutiny import DeliveryRow

#: How a column begins that holds a stand-in instead of what was there.
ERASED: Final = "erased-"
_HEX: Final = 32
_FEED: Final = "feed:"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIns:
    """Makes the stand-ins of one alert. ``key`` is the secret of this installation."""

    key: bytes
    alert_id: str

    def person(self, row: DeliveryRow) -> str:
        """Return the stand-in of a delivery's address, recipient and fallback together."""
        kind, _, value = row.address.partition(":")
        if value.startswith(ERASED):
            # What is left besides the stand-in must be nothing; anything written there is part of it.
            return value.removeprefix(ERASED) + row.recipient + row.fallback
        return self._hash("person", kind, str(row.channel), value, row.recipient, row.fallback)

    def words(self, detail: str) -> str:
        """Return the stand-in of a provider's words, which like to repeat addresses."""
        if not detail or detail.startswith(ERASED):
            return detail.removeprefix(ERASED)
        return self._hash("words", detail)

    def reply(self, address: str, text: str) -> str:
        """Return the stand-in of what somebody wrote, and from where."""
        if address.startswith(ERASED):
            return address.removeprefix(ERASED) + text
        return self._hash("reply", address, text)

    def sought(self, part: str) -> str:
        """Return the stand-in of what somebody looked for in addresses: digits, or lower-case text."""
        return self._hash("sought", part)

    def erased_reply(self, address: str, text: str) -> str:
        """Return what stands in the address column of a reply after retention."""
        return ERASED + self.reply(address, text)

    def _hash(self, *parts: str) -> str:
        text = "\x1f".join((self.alert_id, *parts)).encode()
        return hmac.digest(self.key, text, "sha256").hex()[:_HEX]


def erased_address(address: str, stand_in: str) -> str:
    """Return what stands in the address column after retention; its kind stays."""
    kind = address.partition(":")[0]
    return f"{kind}:{ERASED}{stand_in}"


def is_person(address: str) -> bool:
    """Say whether an address belongs to somebody, and has not been erased."""
    return not address.startswith(_FEED) and not address.partition(":")[2].startswith(ERASED)
