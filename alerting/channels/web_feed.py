"""One public page spoken to over HTTP: what X and Facebook have in common.

A feed is an address of one. It is looked through page by page for words of ours whose answer was lost,
and its provider's calls are read on a path of their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from alerting.channels.base import (
    Absent,
    Callback,
    CannotTell,
    Capabilities,
    Envelope,
    Forged,
    Found,
    Reading,
    Surroundings,
    Verdict,
)
from alerting.channels.web_answer import text_at
from alerting.model.audience import Address, AddressKind
from alerting.model.message import Shape
from alerting.named import NamedTuple

if TYPE_CHECKING:
    from alerting.channels.settings import ChannelSettings

#: How far the provider's clock and ours may differ in a look-up.
MARGIN: Final = timedelta(seconds=60)
#: Posts asked for at once, and how many times.
PAGE: Final = 100
_MOST_PAGES: Final = 5


class CallbackReader(Protocol):
    """Who verifies and reads the calls of one provider."""

    @property
    def paths(self) -> Sequence[str]:
        """Where the provider calls; none where nothing could be verified."""
        ...

    def read(self, callback: Callback) -> Reading | Forged:
        """Verify first, over the raw bytes; parse only what is genuine."""
        ...


class Posts(NamedTuple):
    """One page of a feed, and where the next one begins; empty at the end."""

    posts: Sequence[Mapping[str, object]]
    after: str


def feed_capabilities(
    settings: ChannelSettings, *, feed: str, shape: Shape, lookup_after_s: float, cost: float = 0.0
) -> Capabilities:
    """Return what a channel with one public page can do; ``feed`` is like ``x/campus``."""
    return Capabilities(
        address_kind=AddressKind.FEED,
        shape=shape,
        rate_per_s=settings.rate_per_s,
        in_flight=settings.in_flight,
        deadline=timedelta(seconds=settings.deadline_s),
        feeds=(Address(AddressKind.FEED, feed),),
        cost_per_unit=cost,
        quarantine=timedelta(seconds=lookup_after_s),
        threads=True,
    )


class WebFeed:
    """The frame of a channel that posts to one page."""

    def __init__(
        self,
        settings: ChannelSettings,
        surroundings: Surroundings,
        *,
        capabilities: Capabilities,
        receipts: CallbackReader,
    ) -> None:
        self.name, self.capabilities = settings.name, capabilities
        self.paths: Sequence[str] = receipts.paths if surroundings.callback_url else ()
        self._clock, self._receipts = surroundings.clock, receipts
        self._base_url = surroundings.base_url or settings.base_url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def read(self, path: str, callback: Callback) -> Reading | Forged:  # noqa: ARG002  # there is one path
        """Verify and read one of the provider's calls to us."""
        return self._receipts.read(callback)

    async def aclose(self) -> None:
        """Do nothing: a connection lives as long as its call."""

    def _until(self) -> float:
        return self._clock.monotonic() + self.capabilities.deadline.total_seconds()

    @staticmethod
    async def _search(
        envelope: Envelope,
        page: Callable[[str], Awaitable[Posts | CannotTell]],
        is_ours: Callable[[Mapping[str, object]], bool],
        permalink: Callable[[str], str],
    ) -> Verdict:
        """Look through a feed for an envelope's post, but not among those of other deliveries."""
        after = ""
        for _ in range(_MOST_PAGES):
            found = await page(after)
            if isinstance(found, CannotTell):
                return found
            for post in found.posts:
                provider_id = text_at(post, "id")
                if provider_id not in envelope.others and is_ours(post):
                    return Found(provider_id, permalink(provider_id))
            after = found.after
            if not after:
                # A post can take a while to show, so this is never certain.
                return Absent(certain=False)
        return CannotTell("more posts since then than are read")
