"""Lanes over a real ledger: everything ends somewhere, nothing is lost, nothing doubled unsaid."""

import asyncio
import contextlib
import sqlite3
import time
from datetime import timedelta

import pytest
from stage import Scripted, Searchable, only, rules

from alerting.broadcast.retry import Policy
from alerting.channels.base import Absent, CannotTell, Found
from alerting.clock import SystemClock, micros
from alerting.digest import delivery_key
from alerting.errors import LedgerUnavailable
from alerting.ledger.rows import Settled
from alerting.model.delivery import State
from alerting.model.outcome import Accepted, Deferred, Reason, Rejected, Unknown
from alerting.testing.builders import some_deliveries


async def test_everyone_is_told_exactly_once(stage):
    channel = Scripted("sms")
    play = stage(channel)
    play.open(1200)
    await play.play()
    assert play.counts() == only("accepted", 1200)
    assert set(channel.calls.values()) == {1}
    assert len(channel.calls) == 1200


async def test_no_more_calls_are_open_than_the_account_allows(stage):
    channel = Scripted("sms", in_flight=7)
    channel.delay = 0.005
    play = stage(channel)
    play.open(200)
    await play.play()
    assert channel.most_open == 7


async def test_an_attempt_is_on_disk_before_the_provider_is_called(stage):
    seen = []

    def answer(envelope, nth):
        [row] = [a for a in play.reader().attempts(play.alert.id) if a.address == str(envelope.address)]
        seen.append((row.attempt, row.outcome))
        return Accepted("1")

    play = stage(Scripted("sms", answer, in_flight=3))
    play.open(5)
    await play.play()
    assert seen == [(1, "")] * 5


async def test_what_is_surely_not_done_is_tried_again_with_the_same_key(stage):
    channel = Scripted("sms", lambda e, n: Accepted("1") if n > 2 else Deferred(Reason.UNAVAILABLE))
    play = stage(channel)
    play.open(3)
    await play.play()
    assert play.counts() == only("accepted", 3)
    assert set(channel.calls.values()) == {3}
    assert len({e.key for e in channel.envelopes}) == 3
    for key in {e.key for e in channel.envelopes}:
        tries = [e.attempt for e in channel.envelopes if e.key == key]
        assert tries == sorted(set(tries))


async def test_a_provider_that_asks_for_time_is_given_it_and_the_lane_waits_too(stage):
    at = []

    def answer(envelope, nth):
        at.append(time.monotonic())
        throttled = len(at) == 1
        return Deferred(Reason.RATE_LIMITED, timedelta(seconds=0.5)) if throttled else Accepted("1")

    play = stage(Scripted("sms", answer, in_flight=1))
    play.open(10)
    await play.play()
    assert play.counts() == only("accepted", 10)
    assert at[1] - at[0] >= 0.5


async def test_nothing_is_claimed_while_a_channel_in_trouble_was_told_to_wait_as_well(stage):
    """Every claim is an attempt on record, and a message has only so many of them."""

    refusals = [Deferred(Reason.UNCONNECTED)] * 5 + [Deferred(Reason.RATE_LIMITED, timedelta(seconds=2.5))]

    def answer(envelope, nth):
        return refusals.pop() if refusals else Accepted("1")

    channel = Scripted("sms", answer, in_flight=6)
    channel.delay = 0.01
    play = stage(channel)
    play.open(20)
    await play.play()
    assert play.counts() == only("accepted", 20)
    assert max(attempt.attempt for attempt in play.reader().attempts(play.alert.id)) == 2


async def test_who_waits_for_a_provider_that_wants_an_hour_is_told_by_the_fallback(stage):
    sms = Scripted("sms", lambda e, n: Deferred(Reason.RATE_LIMITED, timedelta(hours=1), "429"))
    mail = Scripted("mail")
    play = stage(sms, mail, rules=rules(fallback_after=0.3))
    play.open(5, life=7200.0, fallback="mail")
    await play.play()
    assert play.counts("sms") == only("rejected", 5)
    assert play.counts("mail") == only("accepted", 5)
    [trouble] = play.reader().failures(play.alert.id)
    assert (trouble.reason, trouble.detail) == ("rate_limited", "429")


async def test_who_waits_for_such_a_provider_alone_is_told_for_how_long(stage):
    stop = asyncio.Event()

    def answer(envelope, nth):
        stop.set()
        return Deferred(Reason.RATE_LIMITED, timedelta(hours=1), "429")

    play = stage(Scripted("sms", answer))
    play.open(1, life=7200.0)
    await play.play(stop=stop)
    [attempt] = play.reader().attempts(play.alert.id)
    assert attempt.detail == "429; asks for 60 min"


async def test_an_address_that_is_refused_is_not_tried_again_and_holds_up_nobody(stage):
    def answer(envelope, nth):
        bad = str(envelope.address).endswith("3")
        return Rejected(Reason.INVALID_ADDRESS, "21211") if bad else Accepted("1")

    channel = Scripted("sms", answer)
    play = stage(channel)
    play.open(20)
    await play.play()
    assert play.counts() == {"accepted": 18, "rejected": 2}
    assert set(channel.calls.values()) == {1}


async def test_an_answer_that_never_came_is_looked_up_and_adopted(stage):
    def answer(envelope, nth):
        channel.took(envelope)
        return Unknown(Reason.TIMEOUT)

    channel = Searchable("x", answer)
    play = stage(channel)
    play.open(4)
    await play.play()
    assert play.counts() == only("accepted", 4)
    assert set(channel.calls.values()) == {1}
    assert all(d.provider_id.startswith("found-") for d in play.reader().deliveries(play.alert.id))


async def test_two_posts_of_the_same_words_never_adopt_the_same_post(stage):
    both = asyncio.Barrier(2)

    class Page(Searchable):
        async def find(self, envelope, since):
            self.asked[str(envelope.address)] += 1
            if not envelope.others:
                await both.wait()
            return Found("2" if "1" in envelope.others else "1")

    channel = Page("page", lambda e, n: Unknown(Reason.TIMEOUT))
    play = stage(channel)
    alerts = [play.open(1, id=name) for name in ("L-FIRST0", "L-SECOND")]
    await play.play()
    found = [d for alert in alerts for d in play.reader().deliveries(alert)]
    assert sorted(d.provider_id for d in found) == ["1", "2"]
    assert not any(d.maybe_twice for d in found)
    # Both were looked for at once, and one of them once more; nothing was sent again.
    assert (sum(channel.asked.values()), sum(channel.calls.values())) == (3, 2)


async def test_what_the_provider_surely_does_not_have_goes_out_again_unmarked(stage):
    channel = Searchable("x", lambda e, n: Unknown(Reason.TIMEOUT) if n == 1 else Accepted("2"))
    play = stage(channel)
    play.open(4)
    await play.play()
    assert play.counts() == only("accepted", 4)
    assert not any(d.maybe_twice for d in play.reader().deliveries(play.alert.id))


@pytest.mark.parametrize("live", [True, False])
async def test_when_nobody_can_tell_a_live_message_is_sent_again_and_marked_a_drill_is_not(stage, live):
    channel = Scripted("mail", lambda e, n: Unknown(Reason.TIMEOUT) if n == 1 else Accepted("2"))
    play = stage(channel)
    play.open(1, live=live)
    await play.play()
    if live:
        assert play.counts() == only("accepted", 1)
        assert play.delivery().maybe_twice
    else:
        assert play.counts() == only("unresolved", 1)
        assert set(channel.calls.values()) == {1}


async def test_a_relay_that_never_answers_gets_each_message_twice_at_most(stage):
    channel = Scripted("mail", lambda e, n: Unknown(Reason.TIMEOUT))
    play = stage(channel)
    play.open(3)
    await play.play()
    assert play.counts() == only("unresolved", 3)
    assert set(channel.calls.values()) == {2}


async def test_a_provider_that_cannot_answer_the_look_up_is_asked_again_before_the_message_is(stage):
    def verdict(envelope, nth):
        return CannotTell() if nth == 1 else Absent(certain=True)

    channel = Searchable(
        "x", lambda e, n: Unknown(Reason.TIMEOUT) if n == 1 else Accepted("2"), verdict=verdict
    )
    play = stage(channel)
    play.open(1)
    await play.play()
    assert set(channel.asked.values()) == {2}
    assert not play.delivery().maybe_twice


async def test_our_own_repeat_that_the_provider_refuses_counts_as_accepted(stage):
    def answer(envelope, nth):
        return Unknown(Reason.TIMEOUT) if nth == 1 else Rejected(Reason.DUPLICATE, "403")

    channel = Searchable("x", answer, verdict=lambda e, n: Absent(certain=False))
    play = stage(channel)
    play.open(1)
    await play.play()
    assert play.counts() == only("accepted", 1)


async def test_a_dead_token_is_believed_on_the_second_refusal_and_rejects_the_rest(stage):
    channel = Scripted("x", lambda e, n: Rejected(Reason.AUTH, "401"), in_flight=10)
    play = stage(channel)
    play.open(2000)
    began = time.monotonic()
    await play.play()
    assert play.counts() == only("rejected", 2000)
    assert sum(channel.calls.values()) <= 10 + 1
    assert 1.0 <= time.monotonic() - began < 6
    assert {d.reason for d in play.reader().deliveries(play.alert.id)} == {"auth"}


async def test_one_bad_answer_of_a_token_that_works_rejects_nobody(stage):
    first = []

    def answer(envelope, nth):
        first.append(1)
        return Rejected(Reason.AUTH, "401") if len(first) == 1 else Accepted("1")

    play = stage(Scripted("sms", answer, in_flight=5))
    play.open(300)
    await play.play()
    assert play.counts() == only("accepted", 300)


async def test_people_a_dead_channel_cannot_reach_are_reached_by_its_fallback(stage):
    sms = Scripted("sms", lambda e, n: Rejected(Reason.NO_CREDIT, "402"), in_flight=3)
    mail = Scripted("mail")
    play = stage(sms, mail)
    play.open(40, fallback="mail")
    await play.play()
    assert play.counts("sms") == only("rejected", 40)
    assert play.counts("mail") == only("accepted", 40)
    assert {str(e.address) for e in mail.envelopes} == {f"email:person{n}@example.edu" for n in range(40)}


@pytest.mark.parametrize("reason", [Reason.NOT_MOBILE, Reason.UNRECOGNISED])
async def test_an_address_that_cannot_be_reached_is_reached_by_the_fallback_once(stage, reason):
    def answer(envelope, nth):
        return Rejected(reason) if str(envelope.address).endswith("7") else Accepted("1")

    mail = Scripted("mail")
    play = stage(Scripted("sms", answer), mail)
    play.open(30, fallback="mail")
    await play.play()
    assert play.counts("sms") == {"accepted": 27, "rejected": 3}
    assert play.counts("mail") == only("accepted", 3)


async def test_whoever_was_tried_for_the_last_time_is_told_by_the_fallback(stage):
    """A provider that is busy for ever is no trouble of the channel, and still the person must be told."""
    sms = Scripted("sms", lambda e, n: Deferred(Reason.QUEUE_FULL), in_flight=5)
    mail = Scripted("mail")
    play = stage(sms, mail, rules=rules(policy=Policy(attempts=2)))
    play.open(3, fallback="mail")
    await play.play()
    assert play.counts("sms") == only("rejected", 3)
    assert play.counts("mail") == only("accepted", 3)


async def test_whoever_is_surely_not_sent_to_again_and_again_is_told_by_the_fallback(stage):
    """Something on the way answers every call in the provider's place, but lets it be asked."""
    sms = Searchable("sms", lambda e, n: Unknown(Reason.UNREADABLE, "HTTP 404"))
    mail = Scripted("mail")
    play = stage(sms, mail)
    play.open(3, fallback="mail", life=10.0)
    await play.play()
    assert play.counts("sms") == only("rejected", 3)
    assert play.counts("mail") == only("accepted", 3)
    assert set(sms.calls.values()) == {2}


async def test_calls_nobody_answers_are_trouble_of_the_channel_though_it_can_be_asked(stage):
    stop, lanes = asyncio.Event(), set()

    def answer(envelope, nth):
        lanes.update(engine.lanes.values())
        if nth == 5:
            stop.set()
        return Unknown(Reason.UNREADABLE, "HTTP 404")

    play = stage(Searchable("sms", answer))
    play.open(1, life=10.0)
    engine = play.engine()
    await engine.run(stop=stop)
    assert [lane.trouble for lane in lanes] == [(Reason.UNREADABLE, "HTTP 404")]


class Settable(SystemClock):
    """A clock that can be set, and a steady one beside it that cannot."""

    off = timedelta(0)

    def now(self):
        return super().now() + self.off

    def micros(self):
        return micros(self.now())


@pytest.mark.parametrize("count", [1, 3])
async def test_a_clock_that_is_set_back_an_hour_delays_nobody_who_waits_for_a_retry(stage, count):
    def answer(envelope, nth):
        if nth == 1:
            asyncio.get_running_loop().call_later(0.3, setattr, play.clock, "off", -timedelta(hours=1))
            return Deferred(Reason.RATE_LIMITED, timedelta(seconds=1))
        return Accepted("1")

    play = stage(Scripted("sms", answer))
    play.clock = Settable()
    play.open(count, life=7200.0)
    await play.play()
    assert play.counts() == only("accepted", count)
    assert play.clock.off


async def test_lasting_trouble_hands_over_what_waits(stage):
    sms = Scripted("sms", lambda e, n: Deferred(Reason.UNCONNECTED), in_flight=5)
    mail = Scripted("mail")
    play = stage(sms, mail, rules=rules(fallback_after=0.5))
    play.open(25, fallback="mail")
    await play.play()
    assert play.counts("mail") == only("accepted", 25)
    assert play.counts("sms") == only("rejected", 25)


async def test_when_the_fallback_is_in_trouble_too_everybody_waits_for_the_network(stage):
    """A cable that is out for a moment must not cost a campus its texts: no channel would take over."""
    mended, all_told = set(), asyncio.Event()

    def text(*_):
        if "sms" not in mended:
            return Deferred(Reason.UNCONNECTED)
        if sms.calls.total() >= 25 + failed:
            all_told.set()
        return Accepted("1")

    def letter(*_):
        return Accepted("1") if "mail" in mended else Deferred(Reason.UNCONNECTED)

    sms, mail = Scripted("sms", text, in_flight=5), Scripted("mail", letter, in_flight=5)
    play = stage(sms, mail, rules=rules(fallback_after=1.5))
    play.open(25, fallback="mail")
    await play.writer.do(
        lambda ledger: ledger.add_batch(play.alert.id, "mail", some_deliveries(9, 100), priority=50)
    )
    running = asyncio.create_task(play.play())
    await asyncio.sleep(2.5)
    # Were the other mended first, it would take over, and rightly.
    failed = sms.calls.total()
    mended.add("sms")
    await asyncio.wait_for(all_told.wait(), 20)
    mended.add("mail")
    await running
    assert play.counts("sms") == only("accepted", 25)
    assert play.counts("mail") == only("accepted", 9)


async def test_what_outlives_its_alert_expires_instead_of_going_out(stage):
    channel = Scripted("sms", lambda e, n: Deferred(Reason.UNAVAILABLE))
    play = stage(channel)
    play.open(300, life=1.0)
    await play.play()
    assert play.counts() == only("expired", 300)


async def test_an_alert_found_after_its_life_sends_nothing(stage):
    channel = Scripted("sms")
    play = stage(channel)
    play.open(700, life=-1.0)
    await play.play()
    assert play.counts() == only("expired", 700)
    assert not channel.calls


async def test_a_cancelled_alert_stops_within_a_second(stage):
    channel = Scripted("sms", in_flight=5)
    channel.delay = 0.05
    play = stage(channel)
    play.open(2000)
    running = asyncio.create_task(play.play())
    await asyncio.sleep(0.4)
    done = await play.cancel()
    at_cancel = sum(channel.calls.values())
    began = time.monotonic()
    await running
    assert time.monotonic() - began < 1.0
    assert done.stopped > 1000
    assert done.stopped + done.in_flight + done.gone == 2000
    assert sum(channel.calls.values()) - at_cancel <= done.in_flight
    assert play.counts() == {"cancelled": done.stopped, "accepted": 2000 - done.stopped}


async def test_a_slow_few_do_not_hold_up_the_many(stage):
    """The window slides: 3 of every 500 hang for a second, the rest goes on behind them."""

    async def answer_slowly():
        await asyncio.sleep(1.0)
        return Accepted("slow")

    def answer(envelope, nth):
        return answer_slowly() if str(envelope.address).endswith("99") else Accepted("quick")

    channel = Scripted("sms", answer, in_flight=40)
    play = stage(channel)
    play.open(1500)
    began = time.monotonic()
    await play.play()
    assert play.counts() == only("accepted", 1500)
    assert time.monotonic() - began < 4.0  # one after the other would take 15 s


async def test_the_rate_of_the_account_is_kept_in_every_second(stage):
    at = []

    def answer(envelope, nth):
        at.append(time.monotonic())
        return Accepted("1")

    play = stage(Scripted("sms", answer, rate_per_s=80, in_flight=50))
    play.open(200)
    await play.play()
    assert len(at) == 200
    assert all(at[i + 80] - at[i] >= 0.98 for i in range(120))


async def test_an_adapter_that_fails_loses_nothing(stage):
    class Careless(Searchable):
        async def send(self, envelope):
            if self.calls[str(envelope.address)] == 0:
                self.calls[str(envelope.address)] += 1
                raise RuntimeError("a bug, with a secret in it: hunter2")
            return await super().send(envelope)

    play = stage(Careless("x"))
    play.open(5)
    await play.play()
    assert play.counts() == only("accepted", 5)
    assert "hunter2" not in play.path.read_bytes().decode("latin-1")


async def test_an_attempt_cut_by_a_crash_is_looked_up_not_repeated(stage):
    """The process dies with calls open: what had arrived is adopted, what had not goes out."""
    gate = asyncio.Event()

    async def never(envelope):
        if int(str(envelope.address)[-1]) % 2:
            channel.took(envelope)
        await gate.wait()

    channel = Searchable("x", lambda e, n: never(e) if not gate.is_set() else Accepted("again"), in_flight=6)
    play = stage(channel)
    play.open(30)
    running = asyncio.create_task(play.play())
    await asyncio.sleep(0.3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert play.counts()["sending"] >= 6
    gate.set()
    await play.play()
    assert play.counts() == only("accepted", 30)
    assert set(channel.has.values()) == {1}


async def test_a_lane_takes_no_more_than_it_sends_in_the_next_moments(stage):
    """What it took it keeps from other workers, and in its own memory, whatever the size of the audience."""
    channel = Scripted("sms", in_flight=5, rate_per_s=100)
    play = stage(channel)
    play.open(5_000)
    stop = asyncio.Event()
    running = asyncio.create_task(play.play(stop=stop))
    taken = []
    for _ in range(5):
        await asyncio.sleep(0.1)
        taken.append(play.leased())
    stop.set()
    await running
    assert max(taken) == 1
    assert channel.calls


async def test_being_told_to_stop_finishes_open_calls_and_keeps_the_rest(stage):
    channel = Scripted("sms", in_flight=5)
    channel.delay = 0.05
    play = stage(channel)
    play.open(300)
    stop = asyncio.Event()
    running = asyncio.create_task(play.play(stop=stop))
    await asyncio.sleep(0.3)
    stop.set()
    await running
    counts = play.counts()
    assert set(counts) == {"accepted", "pending"}
    assert counts["accepted"] == sum(channel.calls.values())
    await play.play()
    assert play.counts() == only("accepted", 300)
    assert set(channel.calls.values()) == {1}


async def test_a_dead_channel_costs_the_others_nothing(stage):
    async def hang():
        await asyncio.sleep(30)

    dead = Scripted("a-dead", lambda e, n: hang())
    well = Scripted("b-well")
    play = stage(dead, well)
    play.open(50, lanes=["a-dead"])
    first = play.alert
    play.open(500, lanes=["b-well"], id="L-AAAAAA")
    running = asyncio.create_task(play.play())
    began = time.monotonic()
    while sum(well.calls.values()) < 500:
        await asyncio.sleep(0.01)
        assert time.monotonic() - began < 5
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert first.id != play.alert.id


async def test_a_ledger_that_cannot_be_written_stops_the_sending(stage, tmp_path):
    channel = Scripted("sms", in_flight=2)
    channel.delay = 0.02
    play = stage(channel)
    play.open(500)
    running = asyncio.create_task(play.play())
    await asyncio.sleep(0.2)
    play.writer.close()
    with pytest.raises(LedgerUnavailable):
        await running
    said = sum(channel.calls.values())
    await asyncio.sleep(0.2)
    assert sum(channel.calls.values()) == said


async def test_tries_are_bounded_by_the_policy(stage):
    channel = Scripted("sms", lambda e, n: Deferred(Reason.FILTERED))
    play = stage(channel, rules=rules(policy=Policy(attempts=3)))
    play.open(2)
    await play.play()
    assert play.counts() == only("rejected", 2)
    assert set(channel.calls.values()) == {3}


async def test_the_most_urgent_alert_goes_first(stage):
    channel = Scripted("sms", in_flight=1)
    play = stage(channel)
    play.open(50, id="L-AAAAAA")

    def urgent(ledger):
        from alerting.clock import micros
        from alerting.testing.builders import a_lane, an_alert, an_opening, some_deliveries

        alert = an_alert(id="L-BBBBBB", created_at=play.alert.created_at, expires_at=play.alert.expires_at)
        ledger.open_alert(an_opening(a_lane("sms"), alert=alert), at=micros(play.alert.created_at))
        ledger.add_batch(alert.id, "sms", some_deliveries(3), priority=80)
        ledger.planned(alert.id, recipients=3, notes={})

    play.writer.submit(urgent).result(5)
    await play.play()

    keys = {delivery_key("L-BBBBBB", "sms", str(e.address)) for e in channel.envelopes[:3]}
    assert {e.key for e in channel.envelopes[:3]} == keys


async def test_a_correction_that_comes_later_overtakes_all_that_waits(stage):
    """However much of the older alert is in hand, and however many batches the newer one has."""
    channel = Scripted("sms", in_flight=5, rate_per_s=2_000)
    play = stage(channel)
    play.open(3_000, id="L-AAAAAA")
    engine, stop = play.engine(), asyncio.Event()
    running = asyncio.create_task(engine.run(stop=stop))
    await asyncio.sleep(0.3)
    play.open(900, id="L-BBBBBB", priority=80, batch=100)
    engine.look("sms")
    async with asyncio.timeout(20):
        await running

    newer = {delivery_key("L-BBBBBB", "sms", str(e.address)) for e in channel.envelopes}
    places = [place for place, e in enumerate(channel.envelopes) if e.key in newer]
    assert len(places) == 900
    between = places[-1] - places[0] + 1 - len(places)
    assert between <= 100, "older messages went out among the newer"
    assert places[0] < 1_500


async def test_an_error_of_this_program_restarts_the_lane_and_loses_nothing(stage):
    class Outlandish(Searchable):
        """Answers, once, what is no outcome at all."""

        async def send(self, envelope):
            answer = await super().send(envelope)
            return answer if sum(self.calls.values()) > 1 else object()

    channel = Outlandish("x", in_flight=2)
    play = stage(channel)
    play.open(4)
    await play.play()
    assert play.counts() == only("accepted", 4)
    assert set(channel.has.values()) == {1}


async def test_a_lane_in_trouble_rests_between_its_trials(stage):
    """It does not look at the clock a thousand times a second while nothing may go."""
    channel = Scripted("sms", lambda e, n: Deferred(Reason.UNCONNECTED), in_flight=5)
    play = stage(channel)
    play.open(50, life=3.0)
    looks = 0

    class Watched(type(play.clock)):
        def now(self):
            nonlocal looks
            looks += 1
            return super().now()

        def micros(self):
            nonlocal looks
            looks += 1
            return super().micros()

    play.clock = Watched()
    await play.play()
    assert play.counts() == only("expired", 50)
    assert looks < 1500


@pytest.mark.parametrize("renewed", [False, True])
async def test_what_was_claimed_before_the_process_stood_still_does_not_leave_after_it(
    stage, monkeypatch, renewed
):
    """The claim is on disk, its answer comes when the lease is over: others may have taken everything over."""
    # Busy enough that a lease is nearly always renewed in a turn that claims something, too.
    channel, claimed = Scripted("sms", rate_per_s=400), []
    play = stage(channel, rules=rules(lease=1.0))
    play.open(400)
    ask = play.writer.do

    async def late(fn):
        answer = await ask(fn)
        if not claimed and getattr(answer, "claimed", None) and (answer.ours is not None) == renewed:
            claimed.extend(str(row) for rows in answer.claimed.values() for row in rows)
            time.sleep(1.1)  # noqa: ASYNC251 - as a process that is stopped
        return answer

    monkeypatch.setattr(play.writer, "do", late)
    await play.play()
    assert claimed
    anew = {e.handle.rpartition(".")[2] for e in channel.envelopes if e.attempt > 1}
    assert anew >= set(claimed)
    assert play.counts() == only("accepted", 400)
    assert set(channel.calls.values()) == {1}


async def test_a_ledger_that_answers_later_than_a_lease_lasts_still_lets_everybody_be_told(
    stage, monkeypatch
):
    """As a database does whose disk fails over, perhaps for as long as the alert lives."""
    channel = Scripted("sms")
    play = stage(channel, rules=rules(lease=0.2))
    play.open(60)
    ask = play.writer.do

    async def late(fn):
        answer = await ask(fn)
        await asyncio.sleep(0.3)
        return answer

    monkeypatch.setattr(play.writer, "do", late)
    await play.play()
    assert play.counts() == only("accepted", 60)
    assert set(channel.calls.values()) == {1}


def slow_channel():
    """A channel with two calls at once, none of which is answered before a gate is opened; and the gate."""
    gate = asyncio.Event()

    async def held(envelope):
        await gate.wait()
        return Accepted(envelope.key)

    return Searchable("sms", lambda envelope, _: held(envelope), in_flight=2), gate


async def test_who_stood_still_for_an_hour_asks_for_no_lease_of_hours(stage, monkeypatch):
    """Killed a moment later it would keep its batch from everybody else for as long."""
    channel, gate = slow_channel()
    play = stage(channel, rules=rules(lease=1.0))
    leases = []

    class Jumping(type(play.clock)):
        jumped = 0.0

        def monotonic(self):
            return time.monotonic() + self.jumped

    play.clock = clock = Jumping()
    play.open(3)
    ask = play.writer.do

    async def do(fn):
        answer = await ask(fn)
        if clock.jumped and getattr(answer, "ours", None):
            with contextlib.closing(sqlite3.connect(play.path)) as file:
                [(until,)] = file.execute("SELECT lease_until FROM batch").fetchall()
            leases.append(until / 1e6 - time.time())
            gate.set()
        elif getattr(answer, "claimed", None):
            clock.jumped = 3600.0
        return answer

    monkeypatch.setattr(play.writer, "do", do)
    await play.play()
    assert 1 < leases[0] < 31
    assert play.counts() == only("accepted", 3)


async def test_what_waited_for_room_while_another_took_its_batch_does_not_leave(stage, monkeypatch):
    """The next lease is asked for after the thaw, and granted for other batches at most."""
    channel, gate = slow_channel()
    play = stage(channel, rules=rules(lease=1.0))
    play.open(3)
    ask, claimed, took_over = play.writer.do, [], []

    def take_over(ledger):
        now = micros(play.clock.now())
        batch = ledger.lease("sms", owner="another", at=now, until=now + 60_000_000)
        found = [
            Settled(row.id, row.attempt, State.ACCEPTED, "found", now, 0, f"theirs-{row.id}")
            for row in batch.rows
        ]
        took_over.append(ledger.settle(batch, found))
        ledger.release(batch, not_before=now)

    async def do(fn):
        if len(claimed) == 3 and not took_over:
            time.sleep(1.1)  # noqa: ASYNC251 - as a process that is stopped
            await ask(take_over)
        answer = await ask(fn)
        claimed.extend(row for rows in getattr(answer, "claimed", {}).values() for row in rows)
        if took_over and getattr(answer, "ours", None) is not None:
            asyncio.get_running_loop().call_later(0.01, gate.set)
        return answer

    monkeypatch.setattr(play.writer, "do", do)
    await play.play()
    assert took_over == [3]
    assert len(channel.envelopes) == 2
    assert play.counts() == only("accepted", 3)


async def test_who_asks_for_a_shorter_lease_goes_by_it_before_the_answer(stage, monkeypatch):
    """The longer one was for a slow ledger; the shorter is on disk when the process is stopped."""
    channel, gate = slow_channel()
    play = stage(channel, rules=rules(lease=1.0))
    play.open(3)
    ask, claimed, renewals, left = play.writer.do, [], [], []

    async def do(fn):
        answer = await ask(fn)
        claimed.extend(row for rows in getattr(answer, "claimed", {}).values() for row in rows)
        if len(claimed) == 3 and getattr(answer, "ours", None):
            renewals.append(answer)
            if len(renewals) == 1:
                await asyncio.sleep(1.0)
            if len(renewals) == 3:
                time.sleep(1.1)  # noqa: ASYNC251 - as a process that is stopped
                gate.set()
                await asyncio.sleep(0.05)
                left.append(len(channel.envelopes))
        return answer

    monkeypatch.setattr(play.writer, "do", do)
    await play.play()
    assert left == [2]
    assert play.counts() == only("accepted", 3)


class Batching(Scripted):
    """A channel that takes several messages in one call, and answers as ``many`` says."""

    def __init__(self, many):
        super().__init__("mail", max_batch=5)
        self.many = many

    async def send_many(self, envelopes):
        for envelope in envelopes:
            self.calls[str(envelope.address)] += 1
        return await self.many(envelopes)


async def one_short(envelopes):
    return [Accepted("1")] * (len(envelopes) - 1)


async def given_up(envelopes):
    """What a library does whose own connection task was cancelled."""
    lost = asyncio.get_running_loop().create_future()
    lost.cancel()
    return await lost


@pytest.mark.parametrize("many", [one_short, given_up])
async def test_a_batch_answered_in_no_way_that_can_be_read_is_uncertain_and_ends(stage, many):
    play = stage(Batching(many))
    play.open(5, live=False)
    await play.play()
    assert play.counts() == only("unresolved", 5)
