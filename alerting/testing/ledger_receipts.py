"""What every ledger must do with what providers tell later, as tests."""

# A number in a test is an example, not a constant in need of a name.
# ruff: noqa: PLR2004

from __future__ import annotations

from datetime import timedelta

import pytest

from alerting.digest import delivery_key
from alerting.ledger.base import Ledger
from alerting.ledger.rows import Applied, Batch, ReplyRow
from alerting.model.delivery import State
from alerting.model.receipt import Receipt, ReceiptStatus
from alerting.testing.builders import A_MOMENT, accepted, an_address, an_alert, deferred, unanswered
from alerting.testing.ledger_steps import ID, NOW, SECOND, SMS, cancel, count, lease, opened, sent, settle

_S = ReceiptStatus
_DAY = 24 * 3600 * SECOND


def a_receipt(
    row: int, status: ReceiptStatus = _S.DELIVERED, *, person: int = 0, **overrides: object
) -> Receipt:
    """Return a receipt of the default alert's text to a person, named by its row."""
    key = delivery_key(ID, SMS, str(an_address(person)))
    made: dict[str, object] = {"key": f"{key}.{row}", "provider_id": f"SM{row}.1", "at": A_MOMENT}
    return Receipt(channel=SMS, status=status, **{**made, **overrides})  # type: ignore[arg-type]


def apply(ledger: Ledger, *receipts: Receipt, at: int = NOW) -> Applied:
    """Apply receipts in a transaction of their own."""
    with ledger.transaction():
        return ledger.apply(receipts, at=at)


def _taken(ledger: Ledger, rows: int = 1) -> Batch:
    batch = sent(ledger, rows)
    settle(ledger, batch, *(accepted(row) for row in batch.rows))
    return batch


class LedgerReceipts:
    """Promises about receipts, one a test."""

    def test_a_receipt_moves_its_row_once(self, ledger: Ledger) -> None:
        """Delivered is not accepted any more; counters, curve and record follow; a repeat does nothing."""
        row = _taken(ledger, 2).rows[0]
        receipt = a_receipt(row.id, at=A_MOMENT + timedelta(seconds=3))
        assert apply(ledger, receipt, at=NOW + 4 * SECOND) == Applied(1, 0, 0)
        assert apply(ledger, receipt, receipt, at=NOW + 9 * SECOND) == Applied(0, 2, 0)
        assert (count(ledger, SMS, State.DELIVERED), count(ledger, SMS, State.ACCEPTED)) == (1, 1)
        assert ledger.arrivals(ID) == {SMS: [(3, 1)]}
        assert ledger.tally(ID)[0].arrived == {"first": 3.0, "50": 3.0}, "one of two that may arrive"
        assert ledger.progress(ID) == {SMS: [(0, 2)]}, "an arrival is no second acceptance"
        (kept,) = ledger.receipts(ID)
        assert (kept.delivery, kept.status, kept.at) == (row.id, "delivered", NOW + 3 * SECOND)
        (delivery,) = ledger.deliveries(ID, states=[State.DELIVERED])
        assert (delivery.provider_id, delivery.reason) == (f"SM{row.id}.1", "")

    def test_a_failure_is_told_with_its_reason(self, ledger: Ledger) -> None:
        """And taken back when it arrived after all; an arrival never is."""
        row = _taken(ledger).rows[0]
        failed = a_receipt(row.id, _S.UNDELIVERED, reason="unreachable", detail="30003")
        apply(ledger, failed)
        assert [tuple(f) for f in ledger.failures(ID)] == [
            (SMS, State.UNDELIVERED, "unreachable", "30003", 1)
        ]
        (delivery,) = ledger.deliveries(ID)
        assert (delivery.detail, delivery.provider_id) == ("30003", f"SM{row.id}.1")
        apply(ledger, a_receipt(row.id))
        apply(ledger, a_receipt(row.id, _S.UNDELIVERED, reason="blocked"))
        assert count(ledger, SMS, State.DELIVERED) == 1
        assert ledger.failures(ID) == []

    @pytest.mark.parametrize("status", [_S.DELIVERED, _S.UNDELIVERED, _S.SENT])
    def test_a_receipt_may_overtake_our_own_record(self, ledger: Ledger, status: ReceiptStatus) -> None:
        """Before the answer is recorded, and the answer is no second message."""
        batch = sent(ledger, 1)
        row = batch.rows[0]
        apply(ledger, a_receipt(row.id, status, reason="blocked"))
        settle(ledger, batch, accepted(row))
        (delivery,) = ledger.deliveries(ID)
        ends = {_S.DELIVERED: State.DELIVERED, _S.UNDELIVERED: State.UNDELIVERED}
        assert delivery.state is ends.get(status, State.ACCEPTED)
        assert (delivery.provider_id, delivery.maybe_twice) == (f"SM{row.id}.1", False)
        assert count(ledger, SMS, delivery.state) == 1
        assert sum(n for _, n in ledger.progress(ID)[SMS]) == 1

    @pytest.mark.parametrize("status", [_S.QUEUED, _S.SENT])
    def test_sent_proves_that_a_lost_answer_was_a_yes(self, ledger: Ledger, status: ReceiptStatus) -> None:
        """So it is neither looked up nor sent again."""
        batch = sent(ledger, 1)
        settle(ledger, batch, unanswered(batch.rows[0]))
        assert apply(ledger, a_receipt(batch.rows[0].id, status)).changed == 1
        (delivery,) = ledger.deliveries(ID)
        assert (delivery.state, delivery.provider_id) == (State.ACCEPTED, f"SM{batch.rows[0].id}.1")

    def test_a_failure_of_another_message_is_not_this_one_s(self, ledger: Ledger) -> None:
        """A row sent twice stands for one of its messages; the other's end is kept, and moves nothing."""
        row = _taken(ledger).rows[0]
        stray = a_receipt(row.id, _S.UNDELIVERED, provider_id="SMother", reason="blocked")
        assert apply(ledger, stray) == Applied(0, 0, 0)
        assert count(ledger, SMS, State.ACCEPTED) == 1
        assert len(list(ledger.receipts(ID))) == 1

    def test_a_receipt_for_a_row_that_waits_again_counts_when_it_arrived(self, ledger: Ledger) -> None:
        """Nobody is told twice what is proved to have arrived."""
        batch = sent(ledger, 1)
        settle(ledger, batch, deferred(batch.rows[0]))
        apply(ledger, a_receipt(batch.rows[0].id))
        with ledger.transaction():
            assert list(ledger.claim(batch, [batch.rows[0].id], at=NOW + SECOND)) == []
        assert count(ledger, SMS, State.DELIVERED) == 1
        assert ledger.unsettled() == []

    def test_what_we_gave_up_and_a_person_has_counts_as_delivered(self, ledger: Ledger) -> None:
        """Stopped or expired while it waited for its next try: a receipt knows better than we do."""
        batch = sent(ledger, 2)
        settle(ledger, batch, *(deferred(row) for row in batch.rows))
        apply(ledger, a_receipt(batch.rows[0].id), at=NOW + SECOND)
        cancel(ledger)
        assert apply(ledger, a_receipt(batch.rows[1].id, person=1)) == Applied(1, 0, 0)
        assert (count(ledger, SMS, State.DELIVERED), count(ledger, SMS, State.CANCELLED)) == (2, 0)
        assert ledger.failures(ID) == []
        assert sum(n for _, n in ledger.progress(ID)[SMS]) == 2

    def test_a_message_is_found_by_its_provider_s_name_or_its_address(self, ledger: Ledger) -> None:
        """Where no key of ours came back."""
        first, second, third = _taken(ledger, 3).rows
        apply(ledger, a_receipt(first.id, key=""))
        apply(ledger, a_receipt(second.id, key="", address=str(an_address(1))))
        apply(ledger, a_receipt(third.id, key="", provider_id="", address=str(an_address(2))))
        assert count(ledger, SMS, State.DELIVERED) == 3
        wrong = a_receipt(first.id, _S.UNDELIVERED, key="", provider_id="SMx", address=str(an_address(0)))
        assert apply(ledger, wrong).orphaned == 1, "an address with another message's name is not it"

    @pytest.mark.parametrize(
        "key", ["0" * 32 + ".{row}", "{good}.{next}", "{good}.x", "{short}.{row}", "x.1"]
    )
    def test_a_key_and_its_row_must_agree(self, ledger: Ledger, key: str) -> None:
        """A receipt of another ledger's life moves nothing here."""
        rows = _taken(ledger, 2).rows
        good = delivery_key(ID, SMS, str(an_address(0)))
        told = key.format(row=rows[0].id, next=rows[1].id, good=good, short=good[:8])
        assert apply(ledger, a_receipt(rows[0].id, key=told)) == Applied(0, 0, 1)
        assert count(ledger, SMS, State.ACCEPTED) == 2
        cut = a_receipt(rows[0].id, key=f"{good[:20]}.{rows[0].id}")
        assert apply(ledger, cut).changed == 1, "mail has room for less than the whole key"

    def test_a_row_that_cannot_be_is_nobodys(self, ledger: Ledger) -> None:
        """A key comes from outside: whoever can reach a callback may write anything behind its dot."""
        _taken(ledger)
        rows = (
            "9" * 20,
            "9" * 5000,
            str(1 << 62),
            str((1 << 63) - 1),
            "-5",
            "\N{ARABIC-INDIC DIGIT ONE}",
            "x",
        )
        wrong = [a_receipt(1, key=f"{'0' * 32}.{row}") for row in rows]
        done = apply(ledger, *wrong)
        assert (done.changed, done.orphaned) == (0, len(rows))

    def test_orphans_wait_for_their_row(self, ledger: Ledger) -> None:
        """They are adopted once the row is known by that name."""
        batch = sent(ledger, 1)
        early = a_receipt(batch.rows[0].id, key="")
        assert apply(ledger, early) == Applied(0, 0, 1)
        assert apply(ledger, early) == Applied(0, 1, 0)
        with ledger.transaction():
            assert ledger.adopt(at=NOW + SECOND) == Applied(0, 0, 1)
        settle(ledger, batch, accepted(batch.rows[0]))
        with ledger.transaction():
            assert ledger.adopt(at=NOW + 3 * SECOND) == Applied(1, 0, 0)
        assert (ledger.orphans(), count(ledger, SMS, State.DELIVERED)) == (0, 1)

    def test_orphans_are_dropped_after_a_day(self, ledger: Ledger) -> None:
        """Not before."""
        apply(ledger, a_receipt(1, key="", provider_id="SMnobody"))
        with ledger.transaction():
            ledger.adopt(at=NOW + _DAY - SECOND)
            assert ledger.orphans() == 1
            ledger.adopt(at=NOW + 3 * _DAY)
        assert ledger.orphans() == 0

    def test_the_last_row_settled_by_a_receipt_settles_its_alert(self, ledger: Ledger) -> None:
        """Nobody else would come to stamp it."""
        batch = sent(ledger, 1)
        with ledger.transaction():
            ledger.planned(ID, recipients=1, notes={})
        settle(ledger, batch, unanswered(batch.rows[0]))
        apply(ledger, a_receipt(batch.rows[0].id), at=NOW + SECOND)
        record = ledger.alert(ID)
        assert record is not None
        assert record.settled_at == A_MOMENT + timedelta(seconds=1)

    def test_who_said_stop_is_known_until_they_say_start(self, ledger: Ledger) -> None:
        """The newest word counts, whatever order they are heard in; the history stays."""
        person = str(an_address(0))

        def word(status: ReceiptStatus, minute: int) -> Receipt:
            at = A_MOMENT + timedelta(minutes=minute)
            return Receipt(channel=SMS, status=status, at=at, address=person, dedupe=f"{minute}")

        later = NOW + 600 * SECOND
        assert apply(ledger, word(_S.OPTED_OUT, 1), at=later) == Applied(1, 0, 0)
        assert apply(ledger, word(_S.OPTED_OUT, 1), at=later) == Applied(0, 1, 0)
        assert ledger.opted_out(SMS) == {person}
        assert not ledger.opted_out("other")
        apply(ledger, word(_S.OPTED_OUT, 3), at=later)
        apply(ledger, word(_S.OPTED_IN, 2), at=later)
        assert ledger.opted_out(SMS) == {person}
        apply(ledger, word(_S.OPTED_IN, 4), at=later)
        assert ledger.opted_out(SMS) == frozenset()
        assert [opt.status for opt in ledger.opts()] == ["opted_out", "opted_out", "opted_in", "opted_in"]

    def test_replies_are_kept_as_they_came(self, ledger: Ledger) -> None:
        """Once each."""
        reply = ReplyRow(
            channel=SMS, address=str(an_address(0)), text="I am \x1b[31msafe", at=NOW, provider_id="SM9"
        )
        with ledger.transaction():
            assert ledger.keep_replies([reply]) == 1
            assert ledger.keep_replies([reply]) == 0
        assert list(ledger.replies()) == [reply]

    def test_receipts_of_many_alerts_find_their_own(self, ledger: Ledger) -> None:
        """One call may hold receipts of several batches and alerts."""
        first = _taken(ledger).rows[0]
        other = an_alert(id="L-UPDATE")
        opened(ledger, SMS, alert=other)
        batch = sent(ledger, 1, alert=other)
        settle(ledger, batch, accepted(batch.rows[0]))
        key = delivery_key(other.id, SMS, str(an_address(0)))
        second = a_receipt(batch.rows[0].id, key=f"{key}.{batch.rows[0].id}")
        assert apply(ledger, a_receipt(first.id), second).changed == 2
        assert [
            t.counts[State.DELIVERED] for t in (*ledger.tally(ID), *ledger.tally(other.id)) if t.total
        ] == [1, 1]

    def test_a_batch_whose_rows_receipts_settled_is_not_taken_up_again(self, ledger: Ledger) -> None:
        """There is nothing left to do in it."""
        batch = sent(ledger, 1)
        apply(ledger, a_receipt(batch.rows[0].id))
        with ledger.transaction():
            ledger.release(batch, not_before=0)
            assert ledger.lease(SMS, owner="b", at=NOW + SECOND, until=NOW + 9 * SECOND) is None
        opened(ledger, SMS, alert=an_alert(id="L-UPDATE"))
        sent(ledger, 1, alert=an_alert(id="L-UPDATE"))
        assert lease(ledger, owner="b", at=NOW + 60 * SECOND).alert_id == "L-UPDATE"
