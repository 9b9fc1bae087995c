"""Several hosts, one queue: it says who works when, and is never believed for what was sent."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "broadcast"))

from shared_stage import SharedStage, until
from stage import Scripted

from alerting.clock import micros
from alerting.engine.distributed import News, queue_of
from alerting.engine.queue import LaneJobs, LedgerConnector
from alerting.testing.builders import an_actor

SMS = "sms-main"


async def deaf(heard):
    """Listen to nothing."""
    await asyncio.Event().wait()


@pytest.fixture
def stage(fresh_place):
    made = SharedStage(fresh_place())
    yield made
    made.close()


async def test_a_host_that_does_nothing_is_woken_by_what_another_opens(stage):
    """It looks at nothing by itself for an hour here: only the notification can have told it."""
    sms = Scripted(SMS)
    async with stage.host("one", sms).working() as one:
        await until(lambda: one.engine.hears)
        alert = stage.open(3, SMS)
        await until(lambda: stage.counts(alert) == {"accepted": 3})
        await until(lambda: not stage.jobs())
    assert one.log.events == []


async def test_a_host_that_hears_nothing_looks_by_itself(stage):
    sms = Scripted(SMS)
    async with stage.host("one", sms, listen=deaf, look_s=0.05).working():
        alert = stage.open(1200, SMS)
        await until(lambda: stage.counts(alert) == {"accepted": 1200})
    assert set(sms.calls.values()) == {1}
    assert len(sms.calls) == 1200


async def test_without_the_queue_s_library_everything_still_goes_out(stage):
    sms = Scripted(SMS)
    stage.do("DROP FUNCTION procrastinate_fetch_job_v2")
    async with stage.host("one", sms, look_s=0.05).working() as one:
        await until(lambda: one.log.events)
        first = stage.open(700, SMS, batch=100)
        await until(lambda: stage.counts(first) == {"accepted": 700})
        await until(lambda: not one.engine.lanes)
        second = stage.open(700, SMS, batch=100, start=1000, id="L-0THER1")
        await until(lambda: stage.counts(second) == {"accepted": 700})
    assert {event for event, _ in one.log.events} == {"queue.failed"}
    assert set(sms.calls.values()) == {1}


async def test_hosts_share_what_is_to_do_and_nobody_is_told_twice(stage):
    one_sms, two_sms = Scripted(SMS, in_flight=5), Scripted(SMS, in_flight=5)
    one_sms.delay = two_sms.delay = 0.002
    one, two = stage.host("one", one_sms), stage.host("two", two_sms)
    async with one.working(), two.working():
        await until(lambda: one.engine.hears and two.engine.hears)
        alert = stage.open(1500, SMS, batch=100)
        await until(lambda: stage.counts(alert) == {"accepted": 1500})
        await until(lambda: not stage.jobs())
    assert one_sms.calls, "the first took nothing"
    assert two_sms.calls, "the second took nothing"
    assert set((one_sms.calls + two_sms.calls).values()) == {1}
    assert one.log.events == two.log.events == []


async def test_a_lane_with_enough_in_hand_leaves_the_rest_to_others(stage):
    sms = Scripted(SMS, rate_per_s=50, in_flight=5)
    async with stage.host("one", sms).working() as one:
        await until(lambda: one.engine.hears)
        alert = stage.open(5000, SMS)
        await until(lambda: sms.calls.total() > 20)
        held = [batch for batch in stage.batches() if batch["state"] == "leased"]
        assert len(held) == len(stage.jobs("doing")) == 1
        assert len(stage.jobs("todo")) == 9
        with stage.ledger.transaction():
            stage.ledger.cancel(alert, actor=an_actor(), at=micros(stage.clock.now()))
        assert not stage.jobs("todo")


async def test_a_correction_goes_before_what_is_in_hand(stage):
    sms = Scripted(SMS, rate_per_s=50, in_flight=5)
    async with stage.host("one", sms).working() as one:
        await until(lambda: one.engine.hears)
        stage.open(5000, SMS)
        await until(lambda: sms.calls.total() > 20)
        urgent = stage.open(5, SMS, priority=80, start=9000, id="L-N0WN0W")
        await until(lambda: stage.counts(urgent) == {"accepted": 5})
        assert sms.calls.total() < 400, "it did not wait for the batch in hand"
        assert len(stage.jobs("todo")) == 9, "and nothing else was taken"


async def test_a_job_whose_batch_somebody_has_ends_quietly(stage):
    sms = Scripted(SMS)
    alert = stage.open(3, SMS)
    now = micros(stage.clock.now())
    with stage.ledger.transaction():
        batch = stage.ledger.lease(SMS, owner="another", at=now, until=now + 60 * 10**6)
    async with stage.host("one", sms).working() as one:
        await until(lambda: not stage.jobs())
        assert one.log.events == []
    assert not sms.calls
    [left] = stage.batches()
    assert (left["owner"], left["epoch"]) == ("another", batch.epoch)
    assert stage.counts(alert) == {"pending": 3}


async def test_what_a_dead_worker_fetched_and_never_leased_is_queued_again(stage):
    """It died between the two: only the queue knew that it had the batch."""
    sms = Scripted(SMS)
    alert = stage.open(3, SMS)
    stage.do("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 minute')")
    stage.do("SELECT procrastinate_fetch_job_v2(NULL, (SELECT max(id) FROM procrastinate_workers))")
    [dead] = stage.jobs("doing")
    with stage.ledger.transaction():
        assert stage.ledger.jobs.mend(silent_s=15, all_of_it=False) == 1
    [again] = stage.jobs()
    assert (again["status"], again["args"]) == ("todo", dead["args"])
    async with stage.host("one", sms).working():
        await until(lambda: stage.counts(alert) == {"accepted": 3})


async def test_a_batch_that_has_lost_its_job_gets_another(stage):
    """From a backup, from a file that was copied, or from a host of an older version."""
    stage.open(3, SMS)
    stage.do("DELETE FROM procrastinate_jobs")
    stage.open(3, SMS, start=10, id="L-0THER1")
    with stage.ledger.transaction():
        assert stage.ledger.jobs.mend(silent_s=15, all_of_it=True) == 1
    assert len(stage.jobs("todo")) == 2
    with stage.ledger.transaction():
        assert stage.ledger.jobs.mend(silent_s=15, all_of_it=True) == 0


async def test_only_one_mends_at_a_time(stage):
    stage.open(3, SMS)
    stage.do("DELETE FROM procrastinate_jobs")
    other = stage.host("other")
    with stage.ledger.transaction():
        assert stage.ledger.jobs.mend(silent_s=15, all_of_it=True) == 1
        told = await other.writer.do(lambda ledger: ledger.jobs.mend(silent_s=15, all_of_it=True))
        assert told == 0
    assert len(stage.jobs()) == 1


async def test_a_lease_that_ended_is_taken_over_without_the_queue(stage):
    sms = Scripted(SMS)
    alert = stage.open(3, SMS)
    now = micros(stage.clock.now())
    with stage.ledger.transaction():
        batch = stage.ledger.lease(SMS, owner="dead", at=now, until=now + 300_000)
        stage.ledger.claim(batch, [batch.rows[0].id], at=now)
    stage.do("DELETE FROM procrastinate_jobs")
    async with stage.host("one", sms, look_s=0.05).working():
        await until(lambda: stage.counts(alert).get("accepted") == 3)
    assert sms.calls.total() == 3, "the provider could not be asked: it is sent once more, and marked"
    assert [d.maybe_twice for d in stage.ledger.deliveries(alert)].count(True) == 1


async def test_who_stops_gives_everything_back_at_once_and_another_goes_on(stage):
    slow, fast = Scripted(SMS, rate_per_s=50, in_flight=5), Scripted(SMS)
    async with stage.host("one", slow).working() as one:
        await until(lambda: one.engine.hears)
        alert = stage.open(1500, SMS)
        await until(lambda: slow.calls.total() > 20)
    assert not stage.jobs("doing")
    waiting = [batch["id"] for batch in stage.batches() if batch["state"] == "ready"]
    assert len(waiting) == 3
    assert {job["args"]["batch"] for job in stage.jobs("todo")} == set(waiting)
    async with stage.host("two", fast).working():
        await until(lambda: stage.counts(alert) == {"accepted": 1500})
        await until(lambda: not stage.jobs())
    assert set((slow.calls + fast.calls).values()) == {1}


async def test_a_lost_connection_is_heard_from_again(stage):
    sms = Scripted(SMS)
    async with stage.host("one", sms).working() as one:
        await until(lambda: one.engine.hears)
        heard = one.engine.hears
        stage.do(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%%' AND datname = current_database()"
        )
        await until(lambda: one.engine.hears > heard)
        alert = stage.open(3, SMS)
        await until(lambda: stage.counts(alert) == {"accepted": 3})
        await until(lambda: not stage.jobs())
    assert set(sms.calls.values()) == {1}


async def test_a_host_at_work_needs_two_connections(stage):
    """Said in docs/operations.md: somebody counts with it."""

    def connected():
        told = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name ~ '^alert'"
        return stage.do(told).fetchone()["n"]

    before = connected()
    async with stage.host("one", Scripted(SMS)).working() as one:
        await until(lambda: one.engine.hears)
        alert = stage.open(3, SMS)
        await until(lambda: stage.counts(alert) == {"accepted": 3})
        assert connected() == before + 2


async def test_a_job_that_is_gone_when_its_batch_is_through_is_told_and_hurts_nobody(stage):
    sms = Scripted(SMS)
    sms.delay = 0.2
    async with stage.host("one", sms).working() as one:
        await until(lambda: one.engine.hears)
        first = stage.open(3, SMS)
        await until(lambda: stage.jobs("doing") and sms.open)
        stage.do("DELETE FROM procrastinate_jobs")
        await until(lambda: stage.counts(first) == {"accepted": 3})
        await until(lambda: one.log.events)
        second = stage.open(3, SMS, start=10, id="L-0THER1")
        await until(lambda: stage.counts(second) == {"accepted": 3})
        await until(lambda: not stage.jobs())
    [(event, said)] = one.log.events
    assert event == "queue.said"
    assert said["words"].startswith("job ")
    assert set(sms.calls.values()) == {1}


class Fetching:
    """An engine that is told something at the moment its worker asks for jobs, and not again."""

    def __init__(self, news, *, told=False):
        self.news, self.told, self.offered, self.dry = news, told, [], set()

    async def wanted(self):
        free = [SMS] if SMS not in self.dry and not self.offered else []
        if self.told:
            self.told = False
            self.news.ask()
            return []
        return free

    def nothing_for(self, channels):
        self.dry.update(channels)

    def offer(self, channel, batch):
        self.offered.append((channel, batch))


async def fetched(stage, engine, news, writer=None):
    """Return the job a worker of this engine gets, if it gets one."""
    host = stage.host("fetching")
    jobs = LaneJobs(LedgerConnector(writer or host.writer, news), engine, news, host.log)
    stage.do("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")
    worker = stage.do("SELECT max(id) AS n FROM procrastinate_workers").fetchone()["n"]
    return await asyncio.wait_for(jobs.fetch_job(None, worker), 10)


async def test_what_is_told_while_the_worker_looks_is_looked_at_before_it_sleeps(stage):
    """The library forgets what it hears while it fetches: the job would wait for the next news."""
    stage.open(3, SMS)
    news = News()
    engine = Fetching(news, told=True)

    job = await fetched(stage, engine, news)

    assert job is not None
    [batch] = stage.batches()
    assert engine.offered == [(SMS, batch["id"])], "the next look must know of it already"
    assert await fetched(stage, engine, news) is None


async def test_a_queue_that_was_empty_while_something_was_heard_is_not_taken_for_dry(stage):
    news = News()
    engine = Fetching(news)
    host = stage.host("writing")

    class Hearing:
        async def do(self, change):
            answer = await host.writer.do(change)
            if not engine.offered and not stage.batches():
                stage.open(3, SMS)
                news.hear()
            return answer

    assert await fetched(stage, engine, news, Hearing()) is not None
    assert not engine.dry


async def test_what_is_offered_to_a_host_that_has_stopped_is_given_back_at_once(stage):
    """Nobody is left to take it: whoever waited for its end would hold up the end of the process."""
    host = stage.host("one", Scripted(SMS))
    assert await host.engine.wanted() == []
    async with host.working():
        await until(lambda: host.engine.hears)
        host.stop.set()
        last = host.engine.offer(SMS, 1)
    assert await asyncio.wait_for(last, 5) is False
    assert await asyncio.wait_for(host.engine.offer(SMS, 1), 5) is False
    assert await host.engine.wanted() == []


async def test_a_batch_that_somebody_holds_locked_for_a_moment_is_asked_for_again(stage):
    """Its job ends each time, and nothing else tells of it here for an hour."""
    sms, names = Scripted(SMS), []
    async with stage.host("one", sms, on=lambda: names).working() as one:
        await until(lambda: one.engine.hears)
        alert = stage.open(3, SMS)
        with stage.locked():
            names.append(SMS)
            stage.do("NOTIFY procrastinate_any_queue_v1")
            await until(lambda: stage.jobs_ever() >= 3)
            before = stage.jobs_ever()
            await asyncio.sleep(0.5)
            assert stage.jobs_ever() < before + 10, "it rests in between"
        await until(lambda: stage.counts(alert) == {"accepted": 3})
        await until(lambda: not stage.jobs())
    assert set(sms.calls.values()) == {1}


async def test_a_batch_that_somebody_holds_locked_keeps_no_host_busy(stage):
    """Who holds it may stand still for ten seconds; until then the others ask, but do little else."""
    sms, names, asked = Scripted(SMS), [], []
    async with stage.host("one", sms, on=lambda: names).working() as one:
        do = one.writer.do

        async def counted(work):
            asked.append(work)
            return await do(work)

        one.writer.do = counted
        await until(lambda: one.engine.hears)
        alert = stage.open(3, SMS)
        with stage.locked():
            names.append(SMS)
            stage.do("NOTIFY procrastinate_any_queue_v1")
            await until(lambda: one.engine.lanes)
            before = len(asked)
            await asyncio.sleep(0.5)
            assert len(asked) < before + 40
        await until(lambda: stage.counts(alert) == {"accepted": 3})
    assert set(sms.calls.values()) == {1}


@pytest.mark.parametrize("lost", ["its worker", "its job"])
async def test_a_host_mends_beside_its_work_what_the_queue_has_lost(stage, lost):
    sms, names = Scripted(SMS), []
    async with stage.host("one", sms, on=lambda: names, look_s=0.02).working() as one:
        await until(lambda: one.engine.hears)
        alert = stage.open(3, SMS)
        if lost == "its job":
            stage.do("DELETE FROM procrastinate_jobs")
        else:
            stage.do("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '30 s')")
            stage.do("SELECT procrastinate_fetch_job_v2(NULL, (SELECT max(id) FROM procrastinate_workers))")
        names.append(SMS)
        await until(lambda: stage.counts(alert) == {"accepted": 3})
    assert set(sms.calls.values()) == {1}


async def test_a_host_sends_on_no_channel_that_is_not_its_own(stage):
    """Two processes may share a configuration and divide its channels between them."""
    sms, mail = Scripted(SMS), Scripted("email-main")
    both = stage.host("one", sms, mail, mine=lambda name: name != SMS, look_s=0.02)
    texts = stage.open(3, SMS)
    now = micros(stage.clock.now())
    with stage.ledger.transaction():
        stage.ledger.lease(SMS, owner="dead", at=now, until=now - 1)
    more = stage.open(3, SMS, start=20, id="L-0THER2")
    async with both.working() as one:
        await until(lambda: one.engine.hears)
        mails = stage.open(3, "email-main", start=10, id="L-0THER1")
        await until(lambda: stage.counts(mails) == {"accepted": 3})
        await asyncio.sleep(0.1)
    assert stage.counts(texts) == stage.counts(more) == {"pending": 3}
    assert not sms.calls
    assert [(job["queue_name"], job["status"]) for job in stage.jobs()] == [(SMS, "todo")] * 2
    assert stage.jobs_ever() == 3


async def test_a_host_leaves_the_jobs_of_channels_it_does_not_have(stage):
    mail = Scripted("email-main")
    async with stage.host("one", mail).working() as one:
        await until(lambda: one.engine.hears)
        texts = stage.open(3, SMS)
        mails = stage.open(3, "email-main", start=10, id="L-0THER1")
        await until(lambda: stage.counts(mails) == {"accepted": 3})
    assert stage.counts(texts) == {"pending": 3}
    [left] = stage.jobs()
    assert (left["queue_name"], left["status"]) == (SMS, "todo")
    assert stage.jobs_ever() == 2, "it was never taken, and given back"


async def test_a_channel_with_a_long_name_is_woken_too(stage):
    name = "ü" * 60
    channel = Scripted(name)
    async with stage.host("one", channel).working() as one:
        await until(lambda: one.engine.hears)
        alert = stage.open(3, name)
        await until(lambda: stage.counts(alert) == {"accepted": 3})
    assert len(queue_of(name)) == 32
