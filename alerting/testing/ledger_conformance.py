"""What every ledger must do, as tests. Inherit, give one fixture, and your store is tested.

::

    class TestPostgres(LedgerConformance):
        @pytest.fixture
        def open_ledger(self): ...           # returns a function that opens the same store, empty at first
        def open_fresh(self, folders): ...   # opens another empty store each time

Each call of the function is another connection, as another process has one.
"""

# A number in a test is an example, not a constant in need of a name.
# ruff: noqa: PLR2004

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from alerting.errors import AlertingError, UnknownAlert
from alerting.ledger.base import Ledger
from alerting.model.delivery import State
from alerting.testing.builders import (
    A_MOMENT,
    a_content,
    a_delivery,
    a_lane,
    accepted,
    an_alert,
    deferred,
    some_deliveries,
    unanswered,
)
from alerting.testing.ledger_answers import LedgerAnswers
from alerting.testing.ledger_lists import LedgerLists
from alerting.testing.ledger_model import LedgerModel
from alerting.testing.ledger_receipts import LedgerReceipts
from alerting.testing.ledger_steps import (
    END,
    ID,
    MAIL,
    NOW,
    SECOND,
    SMS,
    cancel,
    count,
    lease,
    lease_or_none,
    opened,
    plan,
    sent,
    settle,
    settle_alert,
)
from alerting.testing.ledger_work import LedgerWork

OpenLedger = Callable[[], Ledger]
#: Most deliveries a batch may hold.
MOST: Final = 500


class LedgerConformance(LedgerWork, LedgerLists, LedgerAnswers, LedgerReceipts):
    """Promises of the port, one a test."""

    @pytest.fixture
    def open_ledger(self) -> OpenLedger:
        """Return a function that opens the store under test."""
        raise NotImplementedError

    @pytest.fixture
    def ledger(self, open_ledger: OpenLedger) -> Iterator[Ledger]:
        """Return the store with one alert on two channels, still without deliveries."""
        ledger = open_ledger()
        opened(ledger)
        yield ledger
        ledger.close()

    # Opening and planning

    def test_an_alert_comes_back_as_it_was_opened(self, ledger: Ledger) -> None:
        """Every field survives, the lanes in their order."""
        alert = an_alert(
            id="D-000001",
            variables={"place": "Łódź \U0001f6a8", "note": 'a"b\nc'},
            references=("D-000000",),
            clock={"confirmed": "2026-09-01T02:13:00+00:00"},
            created_at=A_MOMENT + timedelta(microseconds=1),
        )
        lanes = (a_lane("z", content=a_content(extra={"k": "v"})), a_lane("a", fallback="z"))
        opened(ledger, *lanes, alert=alert)
        record = ledger.alert("D-000001")
        assert record is not None
        assert (record.alert, record.lanes, record.digest) == (alert, lanes, "0" * 64)
        assert (record.accepted_at, record.settled_at, record.cancelled_at) == (A_MOMENT, None, None)
        assert [r.alert.id for r in ledger.alerts()] == ["D-000001", ID]
        assert [r.alert.id for r in ledger.alerts(limit=1)] == ["D-000001"]
        assert ledger.alert("L-NONE00") is None

    def test_a_notice_is_in_no_list_of_alerts(self, ledger: Ledger) -> None:
        """Notices to the people on call are asked for by themselves, and sent like anything else."""
        opened(ledger, alert=an_alert(id="N-000001"))
        assert [r.alert.id for r in ledger.alerts()] == [ID]
        assert [r.alert.id for r in ledger.notices()] == ["N-000001"]
        last = [act.seq for act in ledger.audit()][-1]
        assert [act.subject for act in ledger.audit(after=last - 1)] == ["N-000001"]

    def test_a_run_key_opens_one_alert(self, ledger: Ledger) -> None:
        """A repeated command finds what it opened; it cannot open it again."""
        key = an_alert().run_key
        assert ledger.alert_of_run(key) == ID
        assert ledger.alert_of_run("other") is None
        with pytest.raises(AlertingError, match=ID):
            opened(ledger, alert=an_alert(id="L-OTHER0", run_key=key))
        with pytest.raises(AlertingError, match="already"):
            opened(ledger, alert=an_alert(run_key="fresh"))
        assert len(ledger.alerts()) == 1

    def test_an_address_is_planned_once_on_a_channel(self, ledger: Ledger) -> None:
        """Repeats within a batch, between batches and after sending add nothing."""
        assert plan(ledger, 3) == 3
        with ledger.transaction():
            again = [*some_deliveries(3), a_delivery(9), a_delivery(9)]
            assert ledger.add_batch(ID, SMS, again, priority=50) == 1
            assert ledger.add_batch(ID, SMS, some_deliveries(3), priority=50) == 0
            assert ledger.add_batch(ID, MAIL, some_deliveries(3), priority=50) == 3
        assert count(ledger, SMS, State.PENDING) == 4

    def test_a_batch_is_limited_and_needs_its_lane(self, ledger: Ledger) -> None:
        """Too many rows, an unknown alert or channel: refused, and nothing is left behind."""
        with pytest.raises(ValueError, match="500"), ledger.transaction():
            ledger.add_batch(ID, SMS, some_deliveries(MOST + 1), priority=50)
        for alert_id, channel in ((ID, "fax"), ("L-NONE00", SMS)):
            with pytest.raises(UnknownAlert), ledger.transaction():
                ledger.add_batch(alert_id, channel, some_deliveries(1), priority=50)
        assert plan(ledger, MOST) == MOST

    def test_what_fails_is_rolled_back_whole(self, ledger: Ledger) -> None:
        """An error inside a transaction leaves nothing of it; a nested one only its own part."""
        with pytest.raises(ZeroDivisionError):
            _fail_half_way(ledger)
        assert list(ledger.deliveries(ID)) == []
        with ledger.transaction():
            ledger.add_batch(ID, SMS, some_deliveries(1), priority=50)
            with pytest.raises(ZeroDivisionError):
                _fail_half_way(ledger)
        assert len(list(ledger.deliveries(ID))) == 1

    def test_nothing_is_seen_before_its_commit_and_everything_after(self, open_ledger: OpenLedger) -> None:
        """Another connection sees whole transactions only."""
        ledger, other = open_ledger(), open_ledger()
        opened(ledger)
        with ledger.transaction():
            ledger.add_batch(ID, SMS, some_deliveries(2), priority=50)
            assert list(other.deliveries(ID)) == []
        assert len(list(other.deliveries(ID))) == 2
        ledger.close()
        other.close()
        other.close()
        again = open_ledger()
        assert count(again, SMS, State.PENDING) == 2
        again.close()

    # Endings

    def test_cancel_stops_what_has_not_left(self, ledger: Ledger) -> None:
        """No claim succeeds from then on; what is in flight keeps its true result."""
        batch = sent(ledger, 5, claim=slice(1, None))
        waits, flies, lost, gone, again = batch.rows
        settle(ledger, batch, accepted(gone), unanswered(lost))
        done = cancel(ledger)
        assert (done.stopped, done.in_flight, done.gone) == (1, 3, 1)
        with ledger.transaction():
            assert list(ledger.claim(batch, [waits.id], at=NOW)) == []
            assert ledger.settle(batch, [accepted(flies), deferred(again)]) == 2
        states = [d.state for d in ledger.deliveries(ID)]
        ended = State.CANCELLED
        assert states == [ended, State.ACCEPTED, State.UNCERTAIN, State.ACCEPTED, ended]
        record = ledger.alert(ID)
        assert record is not None
        assert record.cancelled_at == A_MOMENT
        assert cancel(ledger).stopped == 0

    def test_one_address_is_withdrawn_where_it_waits_untried(self, ledger: Ledger) -> None:
        """What left, what was tried, and everybody else stay as they are."""
        batch = sent(ledger, 4, claim=slice(1, 3))
        waits, tried, flies, other = batch.rows
        settle(ledger, batch, deferred(tried))
        with ledger.transaction():
            done = [
                ledger.withdraw(ID, SMS, row.address, reason="superseded", at=NOW)
                for row in (waits, tried, flies)
            ]
            assert list(ledger.claim(batch, [waits.id, other.id], at=NOW)) == [other.id]
        assert done == [1, 0, 0]
        assert (count(ledger, SMS, State.CANCELLED), count(ledger, SMS, State.PENDING)) == (1, 1)
        (row,) = ledger.deliveries(ID, address=waits.address)
        assert (row.state, row.reason) == (State.CANCELLED, "superseded")
        with pytest.raises(UnknownAlert), ledger.transaction():
            ledger.withdraw(ID, "nowhere", waits.address, reason="superseded", at=NOW)

    def test_what_is_planned_after_a_cancel_never_leaves(self, ledger: Ledger) -> None:
        """It is on record, as cancelled."""
        cancel(ledger)
        assert plan(ledger, 2) == 2
        assert (count(ledger, SMS, State.CANCELLED), lease_or_none(ledger)) == (2, None)

    @pytest.mark.parametrize("end", ["cancel", "expire"])
    def test_ending_an_alert_does_not_lose_what_is_in_flight(self, ledger: Ledger, end: str) -> None:
        """A batch given back while rows were out comes again, to look for them."""
        batch = sent(ledger, 2, claim=slice(1))
        with ledger.transaction():
            ledger.release(batch, not_before=0)
            assert (cancel(ledger).stopped if end == "cancel" else ledger.expire(ID, at=END)) == 1
        assert ledger.unsettled() == [(ID, SMS)]
        assert [row.state for row in lease(ledger, at=END).rows] == [State.UNCERTAIN]

    def test_expire_ends_what_waits_when_the_life_is_over(self, ledger: Ledger) -> None:
        """Not a moment earlier."""
        batch = sent(ledger, 3, claim=slice(2))
        settle(ledger, batch, deferred(batch.rows[0]))
        with ledger.transaction():
            assert ledger.expire(ID, at=END - 1) == 0
            assert ledger.expire(ID, at=END) == 2
            assert ledger.expire(ID, at=END) == 0
        assert [(f.state, f.reason, f.deliveries) for f in ledger.failures(ID)] == [
            (State.EXPIRED, "expired", 2)
        ]

    def test_an_alert_is_settled_when_all_its_rows_are(self, ledger: Ledger) -> None:
        """And its planning is closed; the stamp is set once."""
        batch = sent(ledger, 1)
        assert not settle_alert(ledger)
        settle(ledger, batch, accepted(batch.rows[0]))
        assert not settle_alert(ledger), "more rows may be planned"
        with ledger.transaction():
            ledger.planned(ID, recipients=1, notes={"no_phone": 4})
        assert settle_alert(ledger, at=NOW + SECOND)
        assert settle_alert(ledger, at=NOW + 2 * SECOND)
        record = ledger.alert(ID)
        assert record is not None
        assert record.settled_at == A_MOMENT + timedelta(seconds=1)
        plan(ledger, 1, start=1)
        record = ledger.alert(ID)
        assert record is not None
        assert record.settled_at is None, "there is something to send again"
        with pytest.raises(UnknownAlert):
            cancel(ledger, "L-NONE00")

    def test_fallbacks_are_planned_once(self, ledger: Ledger) -> None:
        """On the other channel, at the address the row carries; a row without one adds nothing."""
        with ledger.transaction():
            ledger.add_batch(ID, SMS, [a_delivery(0), a_delivery(1), a_delivery(2, fallback="")], priority=9)
        batch = lease(ledger)
        ids = [row.id for row in batch.rows]
        with ledger.transaction():
            assert ledger.hand_over(batch, ids, to=MAIL, priority=70, at=NOW) == 2
            assert ledger.hand_over(batch, ids, to=MAIL, priority=70, at=NOW) == 0
        handed = lease(ledger, channel=MAIL)
        assert [row.address for row in handed.rows] == [a_delivery(n).fallback for n in (0, 1)]
        assert handed.priority == 70
        with pytest.raises(UnknownAlert), ledger.transaction():
            ledger.hand_over(batch, ids, to="fax", priority=70, at=NOW)

    def test_a_stream_does_not_hold_the_writer_up(self, ledger: Ledger, open_ledger: OpenLedger) -> None:
        """Changes commit while somebody is still reading, and the reader comes to its end."""
        for start in range(0, 1500, 500):
            plan(ledger, 500, start=start)
        reader = open_ledger()
        stream = reader.deliveries(ID)
        first = next(stream)
        assert cancel(ledger).stopped == 1500
        assert 1 + sum(1 for _ in stream) == 1500
        assert first.state is State.PENDING
        reader.close()

    def test_counters_are_the_fold_of_the_rows(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """Whatever happens, in whatever order: compared step by step with a model."""
        fresh = self.open_fresh

        class History(LedgerModel):
            def __init__(self) -> None:
                super().__init__(lambda: fresh(tmp_path_factory))

        run_state_machine_as_test(
            History,
            settings=settings(
                max_examples=40,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                database=None,
            ),
        )

    def open_fresh(self, folders: pytest.TempPathFactory) -> Ledger:
        """Return a new, empty store; called once for each random history."""
        raise NotImplementedError


def _fail_half_way(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.add_batch(ID, SMS, some_deliveries(3), priority=50)
        raise ZeroDivisionError
