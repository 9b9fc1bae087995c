"""Several senders, one provider: its rate is divided, never exceeded, and nobody's clock counts."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.broadcast.pace import Pace
from alerting.broadcast.share import divided
from alerting.broadcast.turn import Turn, commit
from alerting.clock import FrozenClock, SystemClock, micros
from alerting.errors import LedgerBusy
from alerting.ledger.postgres.clock import ServerClock
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.rows import Share
from alerting.ledger.sharing import Sharing
from alerting.ledger.sqlite import SqliteLedger

LANES = ("a", "b", "c")


@given(
    rate=st.one_of(st.floats(0.05, 3), st.floats(1, 2000), st.integers(1, 500).map(float)),
    most=st.integers(1, 300),
    speakers=st.integers(1, 12),
)
def test_the_parts_are_never_more_than_the_whole(rate, most, speakers):
    parts = [divided(rate, most, Share(place, speakers)) for place in range(speakers)]
    assert sum(part for part, _ in parts) <= rate
    assert sum(calls for _, calls in parts) <= most
    assert parts[0][0] > 0, "somebody can always speak"
    assert all(calls > 0 for part, calls in parts if part)
    if rate >= speakers <= most:
        assert sum(part for part, _ in parts) > rate - 1 - rate % 1, "and nearly all of it is used"


def test_a_pace_that_is_changed_still_counts_its_last_second():
    pace, now = Pace(100.0), 50.0
    sent = []
    for step in range(4000):
        if step == 1000:
            pace.change(50.0)
        now = 50.0 + step / 1000
        if pace.wait(1, now) == 0:
            sent.append(now)
    later = [at for at in sent if at >= 51.0]
    assert all(sum(at <= other < at + 1 for other in sent) <= 100 for at in sent)
    assert all(sum(at <= other < at + 1 for other in later) <= 50 for at in later)
    assert len(later) > 120


@pytest.fixture
def hosts(fresh_place):
    place, made = fresh_place(), []

    def host(clock=None):
        made.append(PostgresLedger.open(place, clock=clock or FrozenClock()))
        return made[-1]

    yield host
    for one in made:
        one.close()


def speak(ledger, owner, *, renew=True, until_s=6.0, channel="sms-main", over=False):
    with ledger.transaction():
        return ledger.speak(channel, owner=owner, until_s=until_s, renew=renew, over=over)


def test_the_first_begins_at_once_and_who_joins_waits_for_the_others_to_slow_down(hosts):
    one, two = hosts(), hosts()
    assert speak(one, "a") == Share(0, 1, 0.0)
    joined = speak(two, "b")
    assert (joined.place, joined.speakers) == (1, 2)
    assert 2.0 < joined.wait_s <= 2.5
    assert speak(one, "a", renew=False) == Share(0, 2, 0.0), "seen in the very next claim"
    assert speak(two, "b").wait_s < joined.wait_s, "it waits once, not anew each time"
    assert speak(two, "x", channel="email-main") == Share(0, 1, 0.0)


def test_who_joins_waits_on_while_one_who_was_there_has_more_calls_open_than_its_part(hosts, eventually):
    one, two, three = hosts(), hosts(), hosts()
    speak(one, "a")
    joined = speak(two, "b")
    eventually(lambda: speak(two, "b").wait_s < joined.wait_s - 0.2)
    speak(three, "c", over=True)
    assert speak(two, "b").wait_s < joined.wait_s - 0.2, "who came later holds up nobody"
    speak(two, "x", channel="email-main")
    speak(one, "a", over=True, channel="email-main")
    assert speak(two, "b").wait_s < joined.wait_s - 0.2, "nor does anybody on another channel"
    speak(one, "a", over=True)
    assert speak(two, "b").wait_s > joined.wait_s - 0.2
    assert speak(three, "c").wait_s > joined.wait_s - 0.2
    assert speak(one, "a").wait_s == 0


def test_who_goes_on_speaking_waits_for_nobody_and_who_joins_for_all_who_do(hosts):
    one, two = hosts(), hosts()
    speak(one, "a")
    speak(two, "b")
    two._connection.do("SET lock_timeout = '300ms'")
    with one.transaction():
        assert one.speak("sms-main", owner="a", until_s=6.0, renew=True).speakers == 2
        assert speak(two, "b").speakers == 2
        one.speak("sms-main", owner="c", until_s=6.0, renew=True)
        assert speak(two, "b").speakers == 2, "not there before its commit"
        with pytest.raises(LedgerBusy):
            speak(two, "d")
    assert speak(two, "d").speakers == 4


def test_who_leaves_counts_for_a_last_second_and_who_is_silent_for_a_lease(hosts, eventually):
    one, two = hosts(), hosts()
    speak(one, "a")
    speak(two, "b", until_s=0.3)
    with one.transaction():
        one.fall_silent("sms-main", owner="a")
    assert speak(two, "b", renew=True, until_s=0.3).speakers == 2
    eventually(lambda: speak(two, "b", until_s=3.0).speakers == 1)
    assert speak(two, "b").place == 0
    with two.transaction():
        two.fall_silent("sms-main", owner="b")
    eventually(lambda: speak(two, "b", renew=False) is None)
    assert speak(two, "b").speakers == 1, "it may join again"


def test_a_lane_with_nothing_left_to_do_leaves_its_part_to_the_others_a_second_later(hosts):
    ledger = hosts()
    speak(ledger, "a")
    with ledger.transaction():
        commit(ledger, Turn("sms-main", "a", now=0, lease_until=6_000_000, leaves=True))
    left = "SELECT until - (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM speaker"
    assert ledger._connection.do(left)[0][0] < 1_300_000


def test_who_was_counted_out_joins_anew_behind_the_others(hosts, eventually):
    one, two = hosts(), hosts()
    speak(one, "first", until_s=0.2)
    speak(two, "second")
    eventually(lambda: speak(two, "second", renew=False).speakers == 1)
    again = speak(one, "first")
    assert (again.place, again.speakers) == (1, 2)
    assert 2.0 < again.wait_s <= 2.5, "the other sends at the whole rate meanwhile"


def test_who_was_late_and_not_counted_out_keeps_its_place_and_waits_for_nobody(hosts):
    one, two = hosts(), hosts()
    speak(one, "first", until_s=1.5)
    speak(two, "second")
    assert speak(one, "first", until_s=6.0) == Share(0, 2, 0.0), "more than half of its time was over"
    assert speak(two, "second", renew=False).place == 1


@pytest.fixture
def eventually():
    import time

    def wait(look):
        until = time.monotonic() + 5
        while not look():
            assert time.monotonic() < until
            time.sleep(0.02)

    return wait


def test_a_file_is_not_shared(tmp_path):
    ledger = SqliteLedger.open(tmp_path / "ledger.db", clock=FrozenClock())
    assert not isinstance(ledger, Sharing)
    ledger.close()


def test_who_stood_still_between_the_server_s_clock_and_its_own_is_not_behind_afterwards(hosts):
    """By a clock that was set back, a lease would be over before its owner stops sending by it."""
    own = FrozenClock()
    clock = ServerClock(own)
    ledger = hosts(clock)
    ask = ledger._connection.all

    def late(name, params=()):
        rows = ask(name, params)
        own.advance(timedelta(seconds=8 if name == "speakers" else 0))
        return rows

    ledger._connection.all = late
    before = clock.now()
    speak(ledger, "a")
    assert clock.now() - before >= timedelta(seconds=8)


def test_who_stands_still_while_it_connects_asks_the_server_for_the_time_again(hosts):
    class Frozen(FrozenClock):
        """Stands still for half a minute behind the first question."""

        looks = 0

        def monotonic(self):
            self.looks += 1
            return super().monotonic() + (30 if self.looks > 1 else 0)

    own = Frozen()
    hosts(ServerClock(own))
    assert own.looks == 4, "one look before each question, and one behind its answer"


def test_a_late_answer_counts_where_it_says_later_or_nothing_better_is_known():
    own = FrozenClock()
    clock, start = ServerClock(own), own.now()

    def learn(seconds, *, late_s):
        asked = own.monotonic()
        own.advance(timedelta(seconds=late_s))
        clock.learn(micros(start + timedelta(seconds=seconds)), asked=asked)
        return (clock.now() - start).total_seconds()

    assert learn(100, late_s=5) == 100
    assert learn(103, late_s=5) == 105
    assert learn(200, late_s=5) == 200
    assert learn(50, late_s=0.1) == 50, "the server's clock was set, or another server took over"


def test_every_host_goes_by_the_server_s_clock(hosts):
    wrong = ServerClock(FrozenClock())
    right = SystemClock()
    assert abs(wrong.now() - right.now()) > timedelta(hours=1), "a clock nobody has set"
    hosts(wrong)
    assert abs(wrong.now() - right.now()) < timedelta(seconds=5)
    assert abs(wrong.micros() - right.micros()) < 5_000_000
    assert abs(wrong.ahead) > timedelta(hours=1)
