"""Lists that an alert is accepted with, and whose rows are written later: tests of a ledger with that power.

Inherit beside ``LedgerConformance`` when the store is a ``Rolling`` one.
"""

# A number in a test is an example, not a constant in need of a name.
# ruff: noqa: PLR2004

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from alerting.ledger.base import Ledger
from alerting.ledger.rolling import Rolling
from alerting.ledger.rows import NewDelivery
from alerting.model.delivery import State
from alerting.testing.builders import an_address, some_deliveries
from alerting.testing.ledger_lists import leased, listed
from alerting.testing.ledger_steps import END, ID, MAIL, NOW, SMS, cancel, lease_or_none

COUNT = 25


def rolls(ledger: Ledger) -> Rolling:
    """Return the power to keep lists."""
    assert isinstance(ledger, Rolling)
    return ledger


def accept(ledger: Ledger, folder: Path, *channels: str, without: frozenset[str] = frozenset()) -> int:
    """Accept a list on channels, by default on two; return how many deliveries that makes."""
    rows = listed(folder, COUNT, size=10, without=without)
    with ledger.transaction():
        return rolls(ledger).roll(ID, dict.fromkeys(channels or (SMS, MAIL), rows), priority=50)


def unroll(ledger: Ledger) -> list[str]:
    """Write all that waits, one transaction after the other; return the channels in turn."""
    found: list[str] = []
    while True:
        with ledger.transaction():
            channel = rolls(ledger).unroll()
        if channel is None:
            return found
        found.append(channel)


def told(ledger: Ledger) -> tuple[Any, ...]:
    """Return everything a ledger answers about people, besides what a batch is leased with."""
    rows = (ledger.deliveries(ID), ledger.deliveries(ID, address=str(an_address(7))))
    return (
        [(tally.channel, tally.counts) for tally in ledger.tally(ID)],
        ledger.failures(ID),
        ledger.unsettled(),
        *(sorted((row.channel, row.id, row.address, row.state, row.reason) for row in some) for some in rows),
        *(
            list(ledger.recipients(ID, name, reached_only=only))
            for name in (SMS, MAIL)
            for only in (True, False)
        ),
    )


class LedgerRolls:
    """What such a ledger promises, one promise a test. ``ledger`` holds an open alert on two channels."""

    def test_an_alert_reads_before_its_rows_are_written_as_it_does_afterwards(
        self, ledger: Ledger, tmp_path: Path
    ) -> None:
        """And as if they had been written at once: counts, people, order."""
        assert accept(ledger, tmp_path) == 2 * COUNT
        assert set(rolls(ledger).rolled()) == {SMS, MAIL}
        before = told(ledger)
        assert sorted(unroll(ledger)) == sorted([SMS, MAIL])
        assert told(ledger) == before
        assert rolls(ledger).rolled() == {}
        assert [row.address for row in ledger.deliveries(ID, channel=SMS)] == [
            str(an_address(n)) for n in range(COUNT)
        ]
        assert [len(batch.rows) for batch in leased(ledger)] == [10, 10, 5]

    def test_nothing_is_leased_before_its_rows_are_there(self, ledger: Ledger, tmp_path: Path) -> None:
        """A lane meets people, never an empty batch."""
        accept(ledger, tmp_path)
        assert lease_or_none(ledger) is None
        due = ledger.next_due(SMS)
        assert due is not None
        assert due > END
        assert not rolls(ledger).rolled()[SMS]
        unroll(ledger)
        assert lease_or_none(ledger) is not None

    def test_who_is_left_out_or_planned_already_has_no_row_and_is_not_counted(
        self, ledger: Ledger, tmp_path: Path
    ) -> None:
        """Whoever asked to stop, and whoever another channel has handed over."""
        with ledger.transaction():
            people = [*some_deliveries(1, 5), NewDelivery("phone:+14135559999")]
            ledger.add_batch(ID, SMS, people, priority=50)
        without = frozenset(str(an_address(n)) for n in (0, 24, 99))
        assert accept(ledger, tmp_path, SMS, without=without) == COUNT - 3
        before = told(ledger)
        assert ledger.tally(ID)[0].counts[State.PENDING] == COUNT - 1
        unroll(ledger)
        assert told(ledger) == before

    def test_a_list_nobody_of_which_is_left_is_written_like_any_other(
        self, ledger: Ledger, tmp_path: Path
    ) -> None:
        """It must not wait for ever."""
        assert accept(ledger, tmp_path, without=frozenset(str(an_address(n)) for n in range(COUNT))) == 0
        unroll(ledger)
        assert rolls(ledger).rolled() == {}

    def test_a_list_that_changes_or_goes_afterwards_changes_nothing(
        self, ledger: Ledger, tmp_path: Path
    ) -> None:
        """What was accepted is in the record."""
        accept(ledger, tmp_path)
        before = told(ledger)
        with closing(sqlite3.connect(tmp_path / "list.sqlite")) as raw, raw:
            raw.execute("UPDATE person SET address = 'phone:+14135550666'")
        assert told(ledger) == before
        (tmp_path / "list.sqlite").unlink()
        unroll(ledger)
        assert told(ledger) == before

    def test_another_owner_goes_on_where_the_last_one_ended(
        self, ledger: Ledger, open_ledger: Callable[[], Ledger], tmp_path: Path
    ) -> None:
        """Whoever opens the store for writing finds, or writes, every row."""
        accept(ledger, tmp_path)
        before = told(ledger)
        ledger.close()
        again = open_ledger()
        unroll(again)
        assert told(again) == before

    def test_cancelling_stops_all_at_once_and_the_rows_come_cancelled(
        self, ledger: Ledger, tmp_path: Path
    ) -> None:
        """Nobody waits for rows to be written that nobody will send."""
        accept(ledger, tmp_path)
        assert cancel(ledger).stopped == 2 * COUNT
        before = told(ledger)
        with ledger.transaction():
            assert not ledger.settle_alert(ID, at=NOW), "not before every row is on record"
        unroll(ledger)
        assert told(ledger) == before
        record = ledger.alert(ID)
        assert record is not None
        assert record.settled_at is not None
        assert leased(ledger) == []

    def test_an_alert_whose_life_ends_before_expires_whole(self, ledger: Ledger, tmp_path: Path) -> None:
        """And says of how many."""
        accept(ledger, tmp_path)
        with ledger.transaction():
            assert ledger.expire(ID, at=END) == 2 * COUNT
        before = told(ledger)
        assert sum(count for *_, count in ledger.failures(ID)) == 2 * COUNT
        unroll(ledger)
        assert told(ledger) == before

    def test_one_person_who_is_withdrawn_is_never_told(self, ledger: Ledger, tmp_path: Path) -> None:
        """A word to one person needs their row."""
        accept(ledger, tmp_path)
        address = str(an_address(7))
        with ledger.transaction():
            assert ledger.withdraw(ID, SMS, address, reason="superseded", at=NOW) == 1
        unroll(ledger)
        assert [row.state for row in ledger.deliveries(ID, channel=SMS, address=address)] == [State.CANCELLED]

    def test_who_is_handed_over_from_another_channel_is_not_planned_twice(
        self, ledger: Ledger, tmp_path: Path
    ) -> None:
        """The list has them already."""
        accept(ledger, tmp_path, SMS)
        with ledger.transaction():
            assert ledger.add_batch(ID, SMS, some_deliveries(30), priority=50) == 5
        unroll(ledger)
        assert len({row.address for row in ledger.deliveries(ID)}) == 30
        assert ledger.tally(ID)[0].total == 30
