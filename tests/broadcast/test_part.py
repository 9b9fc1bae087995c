"""What a lane believes of its part of a shared channel, however late the ledger's answers come."""

from stage import Scripted

from alerting.broadcast.pace import Pace
from alerting.broadcast.part import Part
from alerting.broadcast.turn import Answer, Turn
from alerting.broadcast.window import Window
from alerting.ledger.rows import Share

SECOND = 1_000_000
LEASE_S = 6.0


def a_part():
    can = Scripted("sms", rate_per_s=40, in_flight=10).capabilities
    return Part(can, Pace(40), Window(10), alone=False)


def asks(part, *, at, open_calls=0):
    turn = Turn("sms", "one", now=0, lease_until=int(LEASE_S * SECOND), asked=at, open_calls=open_calls)
    part.ask(turn, busy=True, mono=at)
    return turn


def test_a_lane_says_that_it_is_there_a_second_after_it_last_asked_to_however_late_the_answer_came():
    part = a_part()
    first = asks(part, at=100.0)
    assert first.word
    part.heard(first, Answer(share=Share(0, 2, 0.0)), 105.5)
    assert asks(part, at=100.9).word is False
    assert asks(part, at=105.5).word, "the others count it out at 106"


def test_who_was_counted_out_sends_nothing_of_what_it_has_claimed_already():
    pace = Pace(40)
    part = Part(Scripted("sms", rate_per_s=40).capabilities, pace, Window(10), alone=False)
    part.heard(asks(part, at=100.0), Answer(share=None), 100.1)
    assert not part.known
    assert pace.ready_in(1, 100.1) > 0


def test_nothing_is_sent_longer_than_the_others_count_a_lane_in():
    part, renewed_at = a_part(), 101.0
    word = asks(part, at=100.0)
    part.heard(word, Answer(share=Share(0, 2, 0.0)), 103.0)
    renewal = Turn("sms", "one", now=0, lease_until=int(LEASE_S * SECOND), asked=renewed_at)
    assert renewal.ours_until < 100.0 + LEASE_S, "renewed without another word, a second later at most"
    assert asks(part, at=renewed_at).word


def test_who_has_more_calls_open_than_its_part_says_so_at_once_and_for_as_long_as_they_are():
    part = a_part()
    part.heard(asks(part, at=100.0), Answer(share=Share(0, 1, 0.0)), 100.0)
    joined = asks(part, at=101.0, open_calls=10)
    assert not joined.over
    part.heard(joined, Answer(share=Share(0, 2, 0.0)), 101.0)
    for at in (101.1, 102.1):
        slow = asks(part, at=at, open_calls=6)
        assert slow.word
        assert slow.over
        part.heard(slow, Answer(share=Share(0, 2, 0.0)), at)
    assert not asks(part, at=103.1, open_calls=5).over
