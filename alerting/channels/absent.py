"""What stands in for a channel that channels.yaml no longer has: it refuses, and says why."""

from __future__ import annotations

from datetime import timedelta

from alerting.channels.base import Capabilities, Envelope
from alerting.model.audience import AddressKind
from alerting.model.message import Shape, Unit
from alerting.model.outcome import Outcome, Reason, Rejected


class AbsentChannel:
    """Refuses every message as a matter of the whole channel, so its lane gives up or hands over."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.capabilities = Capabilities(
            address_kind=AddressKind.FEED,
            shape=Shape(unit=Unit.CHARACTERS, limit=1),
            rate_per_s=100.0,
            in_flight=1,
            deadline=timedelta(seconds=1),
        )

    async def send(self, envelope: Envelope) -> Outcome:
        """Refuse."""
        del envelope
        return Rejected(Reason.FORBIDDEN, f"{self.name} is not in channels.yaml any more")

    async def aclose(self) -> None:
        """Have nothing to give back."""
