"""People who replied STOP: left out of the channel they said it to, told by another, and counted aloud."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from alerting.audience.roster import Entry
from alerting.broadcast.plan import LanePlan, Plan
from alerting.ledger.base import Ledger, LedgerReader
from alerting.ledger.rows import NewDelivery
from alerting.named import NamedTuple
from alerting.service.house import House

_BATCH: Final = 500


def willing(
    rows: Iterable[NewDelivery], stopped: frozenset[str], held: list[NewDelivery]
) -> Iterator[NewDelivery]:
    """Return the rows of those who did not say stop; the others are added to ``held`` as it is read."""
    return _willing(rows, stopped, held) if stopped else iter(rows)


def _willing(
    rows: Iterable[NewDelivery], stopped: frozenset[str], held: list[NewDelivery]
) -> Iterator[NewDelivery]:
    for row in rows:
        if row.address in stopped:
            held.append(row)
        else:
            yield row


def tell_elsewhere(
    ledger: Ledger, alert_id: str, lane: LanePlan, held: Sequence[NewDelivery], *, priority: int
) -> int:
    """Plan those who said stop on the lane's fallback, at once; return how many were new there.

    A fallback that would use the same address is no other way to reach them.
    """
    rows = (NewDelivery(row.fallback, row.recipient) for row in held if row.fallback not in ("", row.address))
    planned = 0
    while lane.fallback and (batch := list(islice(rows, _BATCH))):
        planned += ledger.add_batch(alert_id, lane.fallback, batch, priority=priority)
    return planned


class _Missed(NamedTuple):
    """How many of an audience one channel leaves out, and how many of them nothing else reaches."""

    people: int
    nobody: int


def without_stopped(plan: Plan, house: House, ledger: LedgerReader | None) -> Plan:
    """Return the plan with those who said stop counted out of their channel, and told as warnings."""
    if ledger is None:
        return plan
    lanes, told = [], []
    for lane in plan.lanes:
        stopped = frozenset[str]() if lane.capabilities.feeds else ledger.opted_out(lane.channel)
        missed = _missed(plan, lane, house, ledger, stopped) if stopped else _Missed(0, 0)
        lanes.append(lane._replace(deliveries=max(0, lane.deliveries - missed.people)))
        if missed.people:
            told.append(_sentence(lane, missed))
    return plan._replace(lanes=tuple(lanes), warnings=(*plan.warnings, *told)) if told else plan


def _missed(
    plan: Plan, lane: LanePlan, house: House, ledger: LedgerReader, stopped: frozenset[str]
) -> _Missed:
    if lane.fallback_only:
        return _Missed(0, 0)
    kind = lane.capabilities.address_kind
    if plan.supersedes:
        rows = ledger.recipients(plan.supersedes[0], lane.channel, reached_only=plan.reached_only)
        return _Missed(sum(row.address in stopped for row in rows), 0)
    entries = list(house.roster(plan.crowd.audience).entries(kind, among=stopped))
    return _Missed(len(entries), sum(not _reached_otherwise(entry, plan, lane) for entry in entries))


def _reached_otherwise(entry: Entry, plan: Plan, lane: LanePlan) -> bool:
    kind = lane.capabilities.address_kind
    others = {
        other.capabilities.address_kind
        for other in plan.lanes
        if not other.fallback_only or other.channel == lane.fallback
    }
    return any(entry.mate(other) for other in others - {kind})


def _sentence(lane: LanePlan, missed: _Missed) -> str:
    people = "1 person" if missed.people == 1 else f"{missed.people:,} people"
    text = f"{people} replied STOP to {lane.channel}: left out there, told by other channels"
    return f"{text}; {missed.nobody:,} of them WILL NOT BE REACHED by any" if missed.nobody else text
