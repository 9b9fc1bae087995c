"""The deliveries a lane holds in its hands: leased batches, and what is due in them."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from alerting.broadcast.retry import Life
from alerting.channels.base import Envelope
from alerting.clock import instant, micros
from alerting.digest import delivery_keys
from alerting.ledger.rows import AlertRecord, Batch, Row
from alerting.model.audience import Address, AddressKind
from alerting.model.delivery import State
from alerting.model.message import Content
from alerting.named import NamedTuple

_UNCERTAIN: Final = State.UNCERTAIN
_SENDING: Final = State.SENDING
_KINDS: Final = {kind.value: kind for kind in AddressKind}


class Facts(NamedTuple):
    """What a lane needs to know of an alert to send it on one channel."""

    alert_id: str
    content: Content
    life: Life
    expires_at: datetime
    fallback: str = ""

    @classmethod
    def of(cls, record: AlertRecord, channel: str) -> Facts:
        """Take them from an alert's record."""
        alert, lane = record.alert, next(lane for lane in record.lanes if lane.channel == channel)
        return cls(
            alert_id=alert.id,
            content=lane.content,
            life=Life(expires_at=micros(alert.expires_at), live=alert.in_earnest),
            expires_at=alert.expires_at,
            fallback=lane.fallback,
        )


def _address(text: str) -> Address:
    """Return a planned address; unlike ``Address.parse`` it asks no enum."""
    kind, _, value = text.partition(":")
    return Address(_KINDS[kind], value)


class Item:
    """One delivery in hand.

    ``asks`` counts look-ups, ``absent`` the attempts that surely came to nothing; ``duplicate`` says that the
    provider called it a repeat; ``trial`` that it goes alone, to see whether the channel works again;
    ``inherited`` that an earlier sender left it. ``others`` are ids of other messages to its address, known
    when it is looked up.
    """

    __slots__ = "absent", "asks", "claimed_at", "duplicate", "hold", "inherited", "others", "row", "trial"

    def __init__(self, row: Row, hold: Hold, *, claimed_at: float = 0.0) -> None:
        self.row, self.hold, self.claimed_at = row, hold, claimed_at
        self.asks = self.absent = 0
        self.duplicate = self.trial = self.inherited = False
        self.others: tuple[str, ...] = ()

    @property
    def lookup(self) -> bool:
        """Whether this is to be looked up rather than sent."""
        return self.row.state is _UNCERTAIN

    @property
    def has_fallback(self) -> bool:
        """Whether another channel can take the person over."""
        return bool(self.hold.facts.fallback and self.row.fallback)

    @property
    def since(self) -> datetime:
        """When the attempt in question began."""
        return instant(self.row.sent_at)


class Hold:
    """A leased batch: rows to send in order, rows that wait for a time, and how many are out.

    ``threads`` holds by address the ids of the incident's earlier messages. ``short`` says that the ledger
    did not take every result: when the batch is given back, there may be more to do in it. ``lost`` says
    that somebody else has the batch: nothing of it may be sent here any more.
    """

    def __init__(
        self, batch: Batch, facts: Facts, *, threads: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    ) -> None:
        self.batch, self.facts, self.threads = batch, facts, threads
        self.fresh: deque[Item] = deque()
        self.later: list[tuple[int, int, Item]] = []
        self.out = 0
        self.short = self.lost = False
        self._order = 0
        self._key = delivery_keys(batch.alert_id, batch.channel)

    @classmethod
    def of(
        cls, batch: Batch, facts: Facts, *, quarantine: int, threads: Mapping[str, tuple[str, ...]]
    ) -> Hold:
        """Take up a batch; uncertain rows wait until the provider can be asked (microseconds)."""
        # Its rows live on as items, which go as they end; a batch with one straggler keeps no others.
        hold = cls(batch=batch._replace(rows=()), facts=facts, threads=threads)
        for row in batch.rows:
            item = Item(row, hold)
            if row.state is _UNCERTAIN:
                item.inherited = True
                hold.put(item, due_at=row.sent_at + quarantine)
            elif row.due_at:
                hold.put(item, due_at=row.due_at)
            else:
                hold.fresh.append(item)
        return hold

    def envelope(self, item: Item) -> Envelope:
        """Return an item as the adapter takes it."""
        facts, row = self.facts, item.row
        address = row.address
        return Envelope(
            self._key(address),
            _address(address),
            facts.content,
            row.attempt,
            facts.expires_at,
            self.threads.get(address, ()) if self.threads else (),
            item.others,
            facts.life.live,
            str(row.id),
        )

    def put(self, item: Item, *, due_at: int) -> None:
        """Let an item wait until an instant."""
        self._order += 1
        heapq.heappush(self.later, (due_at, self._order, item))

    def redate(self, by: int) -> None:
        """Move every instant that is waited for, by microseconds."""
        self.later = [(due_at + by, order, item) for due_at, order, item in self.later]
        for due_at, _, item in self.later:
            item.row = item.row._replace(due_at=due_at)

    def take(self, most: int, *, now: int) -> Iterator[Item]:
        """Give up to this many items that are due: those that waited first, then the fresh ones."""
        taken = 0
        while taken < most and self.later and self.later[0][0] <= now:
            yield heapq.heappop(self.later)[2]
            taken += 1
        while taken < most and self.fresh:
            yield self.fresh.popleft()
            taken += 1

    def drain(self) -> list[Item]:
        """Give every item that is not out, in any order; look-ups stay."""
        items = [item for item in self.fresh if not item.lookup]
        items += [item for _, _, item in self.later if not item.lookup]
        self.fresh.clear()
        self.later = [entry for entry in self.later if entry[2].lookup]
        heapq.heapify(self.later)
        return items

    @property
    def next_due(self) -> int | None:
        """When the first waiting item is due."""
        return self.later[0][0] if self.later else None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do here."""
        return not (self.fresh or self.later or self.out)


def begun(row: Row, at: int) -> Row:
    """Return a row whose next attempt is committed; ``_replace`` would take three times as long."""
    return Row(row.id, row.address, _SENDING, row.attempt + 1, row.due_at, at, row.maybe_twice, row.fallback)
