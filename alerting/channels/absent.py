"""What stands in for a channel that is gone or cannot work: it refuses, and says why."""

from __future__ import annotations

from datetime import timedelta

from alerting.channels.base import Capabilities, Envelope
from alerting.model.audience import AddressKind
from alerting.model.message import Shape, Unit
from alerting.model.outcome import Outcome, Reason, Rejected


class AbsentChannel:
    """Refuses every message as a matter of the whole channel, so its lane gives up or hands over.

    ``why`` is what the report says of it; without one, that the configuration has no such channel.
    """

    def __init__(self, name: str, why: str = "") -> None:
        self.name = name
        self._why = why or f"{name} is not in channels.yaml any more"
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
        return Rejected(Reason.FORBIDDEN, self._why)

    async def aclose(self) -> None:
        """Have nothing to give back."""
