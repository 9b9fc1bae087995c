"""What a ledger that several senders share says of them: a power of its own, asked by type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from alerting.ledger.rows import Share


@runtime_checkable
class Sharing(Protocol):
    """A ledger that several senders share, and that knows who of them is at work."""

    def speak(
        self, channel: str, *, owner: str, until_s: float, renew: bool, over: bool = False
    ) -> Share | None:
        """Return this owner's share of a channel; None when it was not heard of for too long.

        ``renew`` says that it is there, from now on or still, for ``until_s`` seconds more; ``over``, that it
        has more calls open than its part, so that who has just joined must wait on.
        """
        ...

    def fall_silent(self, channel: str, *, owner: str) -> None:
        """Leave: the others may take this owner's part a moment later."""
        ...
