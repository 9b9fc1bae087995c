"""What the provider tells us later."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from alerting.named import NamedTuple


class ReceiptStatus(StrEnum):
    """What became of a delivery, in the provider's own time."""

    QUEUED = "queued"  #: still at the provider
    SENT = "sent"  #: handed to the carrier or the next relay
    DELIVERED = "delivered"  #: on the handset or in the mailbox
    READ = "read"  #: opened
    UNDELIVERED = "undelivered"  #: the provider gave up
    OPTED_OUT = "opted_out"  #: the person asked to stop
    OPTED_IN = "opted_in"  #: the person asked to start again
    COMPLAINED = "complained"  #: marked as unwanted


class Receipt(NamedTuple):
    """One word from a provider about one delivery.

    Matched by our ``key`` where it came back, else by ``provider_id``, else by ``address``.
    ``dedupe`` names the provider's event, so that a repeat changes nothing.
    """

    channel: str
    status: ReceiptStatus
    at: datetime
    key: str = ""
    provider_id: str = ""
    address: str = ""
    reason: str = ""
    detail: str = ""
    dedupe: str = ""
