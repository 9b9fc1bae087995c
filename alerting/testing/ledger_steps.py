"""Steps that the tests of every ledger share: open, plan, lease, claim, settle, each in a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alerting.ledger.base import Ledger
from alerting.ledger.rows import AuditRow, Batch, Cancelled, Lane, Settled
from alerting.model.alert import Alert
from alerting.model.delivery import SETTLED, State
from alerting.testing.builders import A_MOMENT_US, an_actor, an_alert, an_opening, some_deliveries

#: The alert, its two channels, and the moment at which everything happens, in microseconds.
ID: Final = an_alert().id
SMS, MAIL = "sms-main", "email-main"
NOW: Final = A_MOMENT_US
SECOND: Final = 1_000_000
LEASE: Final = 15 * SECOND
#: When the alert's life ends.
END: Final = NOW + 15 * 60 * SECOND


def opened(ledger: Ledger, *lanes: Lane | str, alert: Alert | None = None) -> None:
    """Open an alert on these lanes, by default on two."""
    opening = an_opening(*(lanes or (SMS, MAIL)), alert=alert)
    with ledger.transaction():
        ledger.open_alert(opening, at=NOW)


def plan(ledger: Ledger, count: int, start: int = 0, alert_id: str = ID) -> int:
    """Plan people's text messages as one batch; return how many were new."""
    with ledger.transaction():
        return ledger.add_batch(alert_id, SMS, some_deliveries(count, start), priority=50)


def lease_or_none(
    ledger: Ledger, *, channel: str = SMS, owner: str = "a", at: int = NOW, skip: Sequence[int] = ()
) -> Batch | None:
    """Take a batch for a quarter of a minute, if there is one."""
    with ledger.transaction():
        return ledger.lease(channel, owner=owner, at=at, until=at + LEASE, skip=skip)


def lease(
    ledger: Ledger, *, channel: str = SMS, owner: str = "a", at: int = NOW, skip: Sequence[int] = ()
) -> Batch:
    """Take a batch for a quarter of a minute."""
    batch = lease_or_none(ledger, channel=channel, owner=owner, at=at, skip=skip)
    assert batch is not None
    return batch


def sent(
    ledger: Ledger,
    count: int,
    *,
    alert: Alert | None = None,
    claim: slice = slice(None),
    skip: Sequence[int] = (),
) -> Batch:
    """Plan rows, lease them (none of the batches in ``skip``), and claim some: they are on their way."""
    assert plan(ledger, count, alert_id=(alert or an_alert()).id) == count
    batch = lease(ledger, skip=skip)
    ids = [row.id for row in batch.rows][claim]
    with ledger.transaction():
        assert list(ledger.claim(batch, ids, at=NOW)) == ids
    return batch


def settle(ledger: Ledger, batch: Batch, *results: Settled) -> int:
    """Tell results; return how many rows they changed."""
    with ledger.transaction():
        return ledger.settle(batch, results)


def cancel(ledger: Ledger, alert_id: str = ID) -> Cancelled:
    """Cancel an alert at the usual moment."""
    with ledger.transaction():
        return ledger.cancel(alert_id, actor=an_actor(), at=NOW)


def settle_alert(ledger: Ledger, at: int = NOW) -> bool:
    """Ask for the stamp; return whether the alert is settled."""
    with ledger.transaction():
        return ledger.settle_alert(ID, at=at)


def count(ledger: Ledger, channel: str, state: State) -> int:
    """Return a state's count, after checking that counters and rows agree."""
    (tally,) = (t for t in ledger.tally(ID) if t.channel == channel)
    assert tally.counts[state] == sum(1 for _ in ledger.deliveries(ID, channel=channel, states=[state]))
    assert (state in SETTLED) or not tally.counts[state] or (ID, channel) in ledger.unsettled()
    return tally.counts[state]


def mentions(rows: Sequence[AuditRow], text: str) -> bool:
    """Say whether any audit row holds a text."""
    return any(text in row.body for row in rows)
