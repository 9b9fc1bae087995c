"""Long lists of people, planned from the file that holds them, as tests of a ledger."""

# A number in a test is an example, not a constant in need of a name.
# ruff: noqa: PLR2004

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from alerting.errors import AudienceProblem, UnknownAlert
from alerting.ledger.base import Ledger
from alerting.ledger.rows import Batch, NewList
from alerting.model.delivery import State
from alerting.testing.builders import an_address, some_deliveries
from alerting.testing.ledger_steps import ID, MAIL, SMS, cancel, lease_or_none, plan


def listed(folder: Path, count: int, *, name: str = "list", **more: object) -> NewList:
    """Write a file that lists so many people, and return what to ask it."""
    path = folder / f"{name}.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, address TEXT, recipient TEXT)")
        people = [(n + 1, str(an_address(n)), f"person {n}") for n in range(count)]
        db.executemany("INSERT INTO person VALUES (?, ?, ?)", people)
    question = (
        "SELECT id - 1 AS place, address, recipient, 'email:' || id || '@example.edu' AS fallback FROM person"
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return NewList(path=path, question=question, digest=digest, total=count, **more)  # type: ignore[arg-type]


def leased(ledger: Ledger) -> list[Batch]:
    """Take every batch of texts there is."""
    found: list[Batch] = []
    while batch := lease_or_none(ledger, skip=[taken.id for taken in found]):
        found.append(batch)
    return found


class LedgerLists:
    """What a ledger takes over from a file, one promise a test; see LedgerConformance."""

    def test_a_list_is_planned_in_its_order_and_in_batches(self, ledger: Ledger, tmp_path: Path) -> None:
        """So many a batch; the rows know their person and where else to reach them."""
        with ledger.transaction():
            assert ledger.add_list(ID, SMS, listed(tmp_path, 25, size=10), priority=50) == 25
        rows = list(ledger.deliveries(ID))
        assert [row.address for row in rows] == [str(an_address(n)) for n in range(25)]
        batches = leased(ledger)
        assert [len(batch.rows) for batch in batches] == [10, 10, 5]
        assert [row.id for batch in batches for row in batch.rows] == [row.id for row in rows]
        assert batches[0].rows[0].fallback == "email:1@example.edu"
        planned = next(iter(ledger.recipients(ID, SMS)))
        assert (planned.recipient, planned.fallback) == ("person 0", "email:1@example.edu")

    def test_who_is_planned_already_or_left_out_is_not_planned(self, ledger: Ledger, tmp_path: Path) -> None:
        """A batch of nobody is none, and counts hold."""
        assert plan(ledger, 10) == 10
        without = frozenset(str(an_address(n)) for n in (10, 24))
        with ledger.transaction():
            rows = listed(tmp_path, 25, size=10, without=without)
            assert ledger.add_list(ID, SMS, rows, priority=50) == 13
            assert ledger.add_list(ID, SMS, rows, priority=50) == 0
            assert ledger.add_list(ID, MAIL, rows, priority=50) == 23
        assert ledger.tally(ID)[0].counts[State.PENDING] == 23
        assert [len(batch.rows) for batch in leased(ledger)] == [10, 9, 4]

    def test_several_lists_may_share_a_transaction(self, ledger: Ledger, tmp_path: Path) -> None:
        """Whatever files they come from; what comes after them is numbered after them."""
        with ledger.transaction():
            assert ledger.add_list(ID, SMS, listed(tmp_path, 3), priority=50) == 3
            assert ledger.add_list(ID, SMS, listed(tmp_path, 5, name="other"), priority=50) == 2
            assert ledger.add_batch(ID, SMS, some_deliveries(6), priority=50) == 1
        with ledger.transaction():
            assert ledger.add_list(ID, SMS, listed(tmp_path, 7, name="third"), priority=50) == 1
        assert len({row.id for row in ledger.deliveries(ID)}) == 7
        assert [len(batch.rows) for batch in leased(ledger)] == [3, 2, 1, 1]

    def test_a_list_that_is_gone_is_told_in_a_sentence(self, ledger: Ledger, tmp_path: Path) -> None:
        """Whoever changed it meanwhile: nothing of it was planned."""
        rows = listed(tmp_path, 3)
        rows.path.unlink()
        with pytest.raises(AudienceProblem, match="the list changed while it was being read"):
            _two(ledger, rows, ID, MAIL)
        assert list(ledger.deliveries(ID)) == []

    def test_a_list_of_a_cancelled_alert_is_cancelled(self, ledger: Ledger, tmp_path: Path) -> None:
        """It may have been cancelled while it was read; then nothing of it leaves."""
        cancel(ledger)
        with ledger.transaction():
            assert ledger.add_list(ID, SMS, listed(tmp_path, 5), priority=50) == 5
        assert ledger.tally(ID)[0].counts[State.CANCELLED] == 5
        assert leased(ledger) == []

    def test_a_list_needs_its_lane_and_goes_with_its_transaction(
        self, ledger: Ledger, tmp_path: Path
    ) -> None:
        """What fails leaves nothing behind, and nothing open."""
        rows = listed(tmp_path, 5)
        for alert_id, channel in ((ID, "fax"), ("L-NONE00", SMS)):
            with pytest.raises(UnknownAlert):
                _two(ledger, rows, alert_id, channel)
        assert list(ledger.deliveries(ID)) == []
        with ledger.transaction():
            assert ledger.add_list(ID, SMS, rows, priority=50) == 5


def _two(ledger: Ledger, rows: NewList, alert_id: str, channel: str) -> None:
    with ledger.transaction():
        ledger.add_list(ID, SMS, rows, priority=50)
        ledger.add_list(alert_id, channel, rows, priority=50)
