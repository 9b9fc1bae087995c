"""Whatever order receipts come in, and wherever our own record falls between them: one end."""

import itertools
import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerting.audit.verify import verify_file
from alerting.clock import FrozenClock
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.delivery import State
from alerting.model.receipt import ReceiptStatus
from alerting.testing.builders import accepted, rejected, unanswered
from alerting.testing.ledger_receipts import a_receipt, apply
from alerting.testing.ledger_steps import ID, NOW, SECOND, opened, sent, settle

S = ReceiptStatus
#: Sequences tried; 50,000 on demand: ALERT_RECEIPT_ORDERS=50000.
ORDERS = int(os.environ.get("ALERT_RECEIPT_ORDERS", "300"))
WORDS = (S.QUEUED, S.SENT, S.DELIVERED, S.READ, S.UNDELIVERED, S.COMPLAINED)
ARRIVED = {S.DELIVERED, S.READ, S.COMPLAINED}
ANSWER, LOSS, VAIN = "answer", "loss", "looked up in vain"
#: Ways in which we give a row up ourselves, and where it stays unless a receipt knows better.
GIVEN_UP = {"refusal": State.REJECTED, "expiry": State.EXPIRED, "stop": State.CANCELLED}


class Bench:
    """One row a sequence, many sequences a ledger."""

    def __init__(self, path):
        self.path = path
        self.ledger = SqliteLedger.open(path, clock=FrozenClock())
        opened(self.ledger)
        self.used = 0
        self.batch = None

    def row(self):
        if self.batch is None or self.used == len(self.batch.rows):
            start = int(self.batch.rows[-1].address[-7:]) + 1 if self.batch else 0
            self.batch, self.used = self._fresh(start), 0
        self.used += 1
        return self.batch.rows[self.used - 1]

    def _fresh(self, start):
        from alerting.testing.ledger_steps import lease, plan

        plan(self.ledger, 200, start)
        batch = lease(self.ledger, owner=f"o{start}", at=NOW)
        with self.ledger.transaction():
            self.ledger.claim(batch, [row.id for row in batch.rows], at=NOW)
        return batch

    def play(self, events):
        """Let one row live through a sequence of receipts and answers; return where it ends."""
        row = self.row()
        person = int(row.address[-7:])
        for event in events:
            if event == ANSWER:
                settle(self.ledger, self.batch, accepted(row))
            elif event == LOSS:
                settle(self.ledger, self.batch, unanswered(row))
            elif event == VAIN:
                given_up = unanswered(row, state=State.UNRESOLVED, outcome="unresolved")
                settle(self.ledger, self.batch, given_up)
            elif event in GIVEN_UP:
                state = GIVEN_UP[event]
                settle(self.ledger, self.batch, rejected(row, state=state, outcome=str(state)))
            else:
                reason = "unreachable" if event is S.UNDELIVERED else ""
                apply(self.ledger, a_receipt(row.id, event, person=person, reason=reason))
        (found,) = self.ledger.deliveries(ID, address=row.address)
        assert not found.maybe_twice
        return found


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    made = Bench(tmp_path_factory.mktemp("receipts") / "ledger.db")
    yield made
    counted = {}
    for delivery in made.ledger.deliveries(ID, channel="sms-main"):
        counted[delivery.state] = counted.get(delivery.state, 0) + 1
    (tally,) = (tally for tally in made.ledger.tally(ID) if tally.channel == "sms-main")
    assert {state: n for state, n in tally.counts.items() if n} == counted
    arrived = sum(n for _, n in made.ledger.arrivals(ID)["sms-main"])
    assert arrived == counted[State.DELIVERED]
    unresolved = sum(f.deliveries for f in made.ledger.failures(ID) if f.state is State.UNRESOLVED)
    assert unresolved == counted.get(State.UNRESOLVED, 0)
    failed = sum(f.deliveries for f in made.ledger.failures(ID) if f.state is State.UNDELIVERED)
    assert failed == counted[State.UNDELIVERED]
    made.ledger.close()
    # An auditor who folds every attempt and receipt anew comes to the same states.
    verdict = verify_file(made.path)
    assert (verdict.broken, verdict.deliveries) == ([], sum(counted.values()))


def end_of(events):
    """Where a row ends that hears everything in order."""
    if ARRIVED & set(events):
        return State.DELIVERED
    if ended := [GIVEN_UP[event] for event in events if event in GIVEN_UP]:
        return ended[0]
    if S.UNDELIVERED in events:
        return State.UNDELIVERED
    if ANSWER in events or {S.QUEUED, S.SENT} & set(events):
        return State.ACCEPTED
    return State.UNCERTAIN


@pytest.mark.parametrize(
    "words",
    [
        (S.SENT, S.DELIVERED),
        (S.SENT, S.UNDELIVERED),
        (S.QUEUED, S.SENT, S.DELIVERED, S.READ),
        (S.SENT, S.UNDELIVERED, S.DELIVERED),
    ],
    ids="-".join,
)
def test_every_order_of_a_story_ends_the_same(bench, words):
    for order in itertools.permutations((*words, ANSWER)):
        found = bench.play(order)
        assert (found.state, found.provider_id) == (end_of(order), f"SM{found.id}.1"), order


@pytest.mark.parametrize(
    ("words", "end"),
    [
        ((S.QUEUED, S.SENT), State.ACCEPTED),
        ((S.SENT, S.UNDELIVERED), State.UNDELIVERED),
        ((S.SENT, S.UNDELIVERED, S.DELIVERED), State.DELIVERED),
        ((), State.UNRESOLVED),
    ],
)
def test_what_nobody_could_tell_a_receipt_tells_before_or_after_we_gave_up_asking(bench, words, end):
    for order in itertools.permutations((*words, VAIN)):
        assert bench.play((LOSS, *order)).state is end, order


@pytest.mark.parametrize("end", GIVEN_UP)
def test_a_receipt_that_a_person_has_it_wins_over_our_own_giving_up(bench, end):
    for order in itertools.permutations((S.SENT, S.DELIVERED, S.UNDELIVERED, end)):
        found = bench.play(order)
        assert (found.state, found.reason) == (State.DELIVERED, ""), order
    for order in itertools.permutations((S.SENT, S.UNDELIVERED, end)):
        assert bench.play(order).state is GIVEN_UP[end], order


def test_every_order_of_six_receipts_ends_the_same(bench):
    orders = list(itertools.permutations(WORDS))
    for order in random.Random(6).sample(orders, min(ORDERS, len(orders))):
        assert bench.play((ANSWER, *order)).state is State.DELIVERED


EVENTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).flatmap(
    lambda words: st.tuples(
        st.permutations([*words, *words[:2]]), st.integers(0, 14), st.sampled_from([ANSWER, LOSS, *GIVEN_UP])
    )
)


@settings(
    max_examples=ORDERS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=True,
)
@given(EVENTS)
def test_random_orders_with_repeats_and_an_answer_or_an_end_anywhere_end_the_same(bench, drawn):
    words, place, answer = drawn
    order = [*words[:place], answer, *words[place:]]
    found = bench.play(order)
    assert found.state is end_of(order)
    if found.state is State.UNDELIVERED:
        assert found.reason == "unreachable"


def test_receipts_of_a_ledger_are_never_changed(tmp_path):
    ledger = SqliteLedger.open(tmp_path / "l.db", clock=FrozenClock())
    opened(ledger)
    batch = sent(ledger, 1)
    apply(ledger, a_receipt(batch.rows[0].id), at=NOW + SECOND)
    for change in ("UPDATE receipt SET status = 'read'", "DELETE FROM receipt"):
        with pytest.raises(Exception, match="append-only"):
            ledger._connection.do(change)
    ledger.close()
