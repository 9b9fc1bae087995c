"""Taking back what providers still hold: queued texts, and posts where somebody asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from alerting.channels.base import Channel, Retractable
from alerting.model.delivery import Delivery, State
from alerting.model.outcome import Accepted

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.service.incident import Story

#: Calls open at once: taking back must not crowd out the correction on the same account.
_AT_ONCE: Final = 10


@dataclass(slots=True, kw_only=True)
class Retraction:
    """What came of it: messages asked about, taken back while queued, posts deleted."""

    asked: int = 0
    taken_back: int = 0
    deleted: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the counts for scripts."""
        return asdict(self)


def retract(app: App, told: Story, *, delete_posts: bool) -> Retraction:
    """Ask every provider that can take back for what it has accepted and not delivered yet.

    Correct first, delete never silently: this runs after the correction is out, and posts are deleted
    only on request.
    """
    return asyncio.run(_retract(app, told, delete_posts=delete_posts))


async def _retract(app: App, told: Story, *, delete_posts: bool) -> Retraction:
    done = Retraction()
    gate = asyncio.Semaphore(_AT_ONCE)
    for record in told.alerts:
        for lane in record.lanes:
            channel = app.channel(lane.channel)
            public = bool(channel.capabilities.feeds)
            if isinstance(channel, Retractable) and (delete_posts or not public):
                await _from(channel, _held(app, record.alert.id, lane.channel), done, gate, public=public)
            await channel.aclose()
    return done


def _held(app: App, alert_id: str, channel: str) -> Iterator[Delivery]:
    ledger = app.reader()
    if ledger is not None:
        yield from ledger.deliveries(alert_id, channel=channel, states=(State.ACCEPTED,))


async def _from(
    channel: Channel, held: Iterator[Delivery], done: Retraction, gate: asyncio.Semaphore, *, public: bool
) -> None:
    async def one(provider_id: str) -> None:
        async with gate:
            assert isinstance(channel, Retractable)
            outcome = await channel.retract(provider_id)
        if isinstance(outcome, Accepted):
            if public:
                done.deleted += 1
            else:
                done.taken_back += 1

    batch: list[str] = []
    for delivery in held:
        if not delivery.provider_id:
            continue
        done.asked += 1
        batch.append(delivery.provider_id)
        if len(batch) == _AT_ONCE * 10:
            await asyncio.gather(*map(one, batch))
            batch.clear()
    await asyncio.gather(*map(one, batch))
