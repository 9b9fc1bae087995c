"""Every pair of state and event, decided here once more and compared with the table."""

import itertools

import pytest

from alerting.model.delivery import FAILED, SETTLED, TAKEN, TRANSITIONS, Event, State, after
from alerting.model.outcome import Accepted, Deferred, Reason, Rejected, Scope, Unknown, event_of

S, E = State, Event
#: What may happen to a delivery, read as sentences: in this state, these events lead there.
EXPECTED = {
    S.PENDING: {
        E.CLAIM: S.SENDING,
        E.EXPIRE: S.EXPIRED,
        E.CANCEL: S.CANCELLED,
        E.REJECT: S.REJECTED,
        E.ARRIVE: S.DELIVERED,
    },
    S.SENDING: {
        E.ACCEPT: S.ACCEPTED,
        E.DEFER: S.PENDING,
        E.REJECT: S.REJECTED,
        E.LOSE: S.UNCERTAIN,
        E.ARRIVE: S.DELIVERED,
    },
    S.UNCERTAIN: {
        E.FIND: S.ACCEPTED,
        E.ACCEPT: S.ACCEPTED,
        E.MISS: S.PENDING,
        E.GIVE_UP: S.UNRESOLVED,
        E.REJECT: S.REJECTED,
        E.ARRIVE: S.DELIVERED,
        E.FAIL: S.UNDELIVERED,
    },
    S.ACCEPTED: {E.ARRIVE: S.DELIVERED, E.FAIL: S.UNDELIVERED},
    S.UNDELIVERED: {E.ARRIVE: S.DELIVERED},
    S.UNRESOLVED: {E.FIND: S.ACCEPTED, E.ARRIVE: S.DELIVERED, E.FAIL: S.UNDELIVERED},
    S.DELIVERED: {},
    S.REJECTED: {E.ARRIVE: S.DELIVERED},
    S.EXPIRED: {E.ARRIVE: S.DELIVERED},
    S.CANCELLED: {E.ARRIVE: S.DELIVERED},
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_event_in_every_state_leads_where_the_table_says(state, event):
    assert after(state, event) is EXPECTED[state].get(event, state)


def test_the_table_holds_no_pair_that_is_not_expected():
    assert set(TRANSITIONS) == {(s, e) for s, events in EXPECTED.items() for e in events}


@pytest.mark.parametrize("event", Event)
def test_what_arrived_is_never_taken_back(event):
    assert after(State.DELIVERED, event) is State.DELIVERED


@pytest.mark.parametrize("state", State)
def test_a_receipt_that_says_a_person_has_it_wins_over_every_state(state):
    assert after(state, Event.ARRIVE) is State.DELIVERED


def test_settled_failed_and_taken_states_do_not_contradict_each_other():
    assert SETTLED >= TAKEN
    assert SETTLED >= FAILED
    assert not {State.PENDING, State.SENDING, State.UNCERTAIN} & SETTLED


@pytest.mark.parametrize("state", [s for s in State if s in SETTLED])
def test_only_a_receipt_moves_a_settled_delivery(state):
    moved = {event for event in Event if after(state, event) is not state}
    # "Found" is what a receipt of "sent" does; no result of ours moves what is settled.
    assert moved <= {Event.ARRIVE, Event.FAIL} | ({Event.FIND} if state is State.UNRESOLVED else set())


@pytest.mark.parametrize("reason", Reason)
def test_a_rejection_of_the_whole_channel_never_rejects_one_delivery(reason):
    event = event_of(Rejected(reason))
    if reason is Reason.DUPLICATE:
        assert event is Event.LOSE
    elif reason.scope is Scope.CHANNEL:
        assert event is Event.DEFER
    else:
        assert event is Event.REJECT


def test_outcomes_are_told_apart():
    assert event_of(Accepted("id")) is Event.ACCEPT
    assert event_of(Deferred(Reason.RATE_LIMITED)) is Event.DEFER
    assert event_of(Unknown(Reason.TIMEOUT)) is Event.LOSE


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_found_again_by_its_stored_code(reason):
    assert Reason.of(reason.code) is reason


def test_codes_of_reasons_are_unique_and_an_unknown_one_is_said_to_be_unknown():
    assert len({reason.code for reason in Reason}) == len(Reason)
    assert Reason.of("code from next year") is Reason.UNRECOGNISED
