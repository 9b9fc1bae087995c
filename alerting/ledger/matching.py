"""Which delivery a receipt is about.

A receipt that brings our key back names its row: ``<key>.<row>``, both checked against each other, so
that a ledger restored from a backup is not moved by receipts of another life. Without a key there is
the provider's own name for the message, and last the address: the newest message that went there.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from alerting.digest import delivery_key
from alerting.ledger.keeping import Keeping
from alerting.ledger.reading import STATES
from alerting.ledger.rows import ReplyRow
from alerting.model.delivery import State
from alerting.model.receipt import Receipt
from alerting.named import NamedTuple

#: Least digits of a key that are taken for one. Mail leaves room for 20 of the 32 beside the row.
_SHORTEST_KEY: Final = 16
_LARGEST_ROW: Final = 1 << 62
#: Digits of the largest. Python refuses to read very long numbers, and a key comes from outside.
_DIGITS: Final = 19
_MARK_BYTES: Final = 16
#: How long after an alert a receipt may still name only an address: relays give up within five days
#: (RFC 5321 section 4.5.4.1), plus one for their reports.
_RECENT: Final = 6 * 24 * 3600 * 1_000_000
#: A message that may have left. An address alone says nothing about others.
_LEFT: Final = frozenset(
    {
        State.SENDING,
        State.UNCERTAIN,
        State.ACCEPTED,
        State.DELIVERED,
        State.UNDELIVERED,
        State.UNRESOLVED,
    }
)


class Target(NamedTuple):
    """A row as a receipt finds it, with what its counters are kept under."""

    id: int
    state: State
    attempt: int
    told: int
    decided: int
    reason: str
    address: str
    alert: int
    channel: int
    alert_id: str
    channel_name: str
    accepted_at: int
    provider_id: str
    permalink: str


def mark_of(receipt: Receipt) -> bytes:
    """Return what names a receipt's event: 16 bytes, equal for its repeats."""
    told = (receipt.key, receipt.provider_id, receipt.address, receipt.status, receipt.reason)
    return _mark(receipt.channel, receipt.dedupe or "|".join(told))


def mark_of_reply(reply: ReplyRow) -> bytes:
    """Return what names a reply: its provider's name, else its words and their moment."""
    return _mark(reply.channel, reply.provider_id or f"{reply.address}|{reply.at}|{reply.text}")


def _mark(channel: str, event: str) -> bytes:
    whole = f"{channel}|{event}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(whole).digest()[:_MARK_BYTES]


class Matching(Keeping):
    """Finds rows."""

    def _target(self, delivery: int) -> Target:
        row = self._look(delivery)
        assert row is not None, f"delivery {delivery} is not there"
        return _target_of(row)

    def _look(self, delivery: int) -> tuple[Any, ...] | None:
        return self._db.one("target", (delivery,))

    def _find(self, channel: str, *, key: str, provider_id: str, address: str, at: int) -> Target | None:
        head, _, row = key.partition(".")
        if row:
            return self._named(head, row)
        if address:
            return self._by_address(channel, head, provider_id, address, at)
        return self._by_provider(provider_id, at) if provider_id else None

    def _named(self, key: str, row: str) -> Target | None:
        number = row_named(row)
        found = None if number is None else self._look(number)
        if found is None:
            return None
        target = _target_of(found)
        return target if _fits(key, target.alert_id, target.channel_name, target.address) else None

    def _by_provider(self, provider_id: str, at: int) -> Target | None:
        named = self._db.all("named_by", (provider_id, at - _RECENT))
        # Mails of one transaction share an id: it alone names nobody.
        return self._target(named[0][0]) if len(named) == 1 else None

    def _by_address(self, channel: str, key: str, provider_id: str, address: str, at: int) -> Target | None:
        for delivery, alert_id, known, state in self._db.all("lately_to", (channel, address, at - _RECENT)):
            if key:
                fits = _fits(key, alert_id, channel, address)
            elif provider_id:
                fits = known == provider_id
            else:
                fits = STATES[state] in _LEFT
            if fits:
                return self._target(delivery)
        return None


def row_named(row: str) -> int | None:
    """Return the row that the end of a key names; None when there can be none of that name."""
    if not (row.isascii() and row.isdigit()) or len(row) > _DIGITS:
        return None
    number = int(row)
    return number if number < _LARGEST_ROW else None


def _fits(key: str, alert_id: str, channel: str, address: str) -> bool:
    return len(key) >= _SHORTEST_KEY and delivery_key(alert_id, channel, address).startswith(key)


def _target_of(row: tuple[object, ...]) -> Target:
    number, state, *rest = row
    return Target(number, STATES[state], *rest)  # type: ignore[arg-type,index]
