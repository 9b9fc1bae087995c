"""Exactly once: with two schedulers, through restarts and kills, and when clocks are set."""

import asyncio
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import schedulers
from drill_campus import ACTOR, NOON, ROOT, ZONE, Campus, a_drill, a_programme

from alerting.clock import FrozenClock, SystemClock
from alerting.config import load
from alerting.drills.drill import Schedule
from alerting.ledger.sqlite import SqliteLedger
from alerting.scheduler import run_schedule, scheduling
from alerting.service.opening import open_alert
from alerting.service.planning import Past, Request, make_plan

HERE = Path(__file__).parent


def hourly(jitter=timedelta(), **more):
    return a_drill(
        "hourly",
        schedule=Schedule(
            starts=datetime(2026, 9, 1, 8), zone=ZONE, rule="FREQ=HOURLY", jitter=jitter, **more
        ),
    )


def watched(tmp_path, drill, *, before=timedelta(minutes=30)):
    """A campus whose scheduler has looked once, half an hour before noon."""
    campus = Campus(tmp_path, at=NOON - before)
    programme = a_programme(drill)
    assert campus.fire(programme).opened == []
    return campus, programme


def rows(campus, name="hourly"):
    return campus.reader().occurrences_of(name)


@pytest.fixture
def noon(tmp_path):
    campus, programme = watched(tmp_path, hourly())
    yield campus, programme
    campus.close()


def test_what_was_planned_before_the_schedule_was_known_is_nobodys_promise(noon):
    campus, programme = noon
    campus.clock.advance(timedelta(minutes=30))
    fired = campus.fire(programme)
    assert [name for name, _ in fired.opened] == ["hourly"]
    assert fired.missed == []


def test_a_second_look_and_a_second_scheduler_find_it_taken(noon):
    campus, programme = noon
    campus.clock.advance(timedelta(minutes=31))
    second = Campus(campus.folder, clock=campus.clock)
    assert len(campus.fire(programme).opened) == 1
    assert campus.fire(programme).opened == []
    assert second.fire(programme).opened == []
    assert len(rows(campus)) == 1
    second.close()


def test_within_its_window_it_starts_late_and_after_it_is_missed_and_told_once(noon):
    campus, programme = noon
    campus.clock.advance(timedelta(minutes=44, seconds=59))
    assert len(campus.fire(programme).opened) == 1
    campus.clock.advance(timedelta(minutes=61))
    fired = campus.fire(programme)
    assert fired.opened == []
    assert [m.key for m in fired.missed] == ["2026-09-02T13:00:00"]
    assert campus.fire(programme).missed == []
    assert [row.outcome for row in rows(campus)] == ["missed", "run"]
    [told] = [act for act in campus.reader().audit("hourly") if act.action == "drill.missed"]
    assert "13:00" in told.body


def test_who_stood_still_until_the_window_closed_does_not_start_what_is_missed_by_then(noon):
    """Another scheduler has said so meanwhile, or will: nobody may be surprised by a drill at night."""
    campus, programme = noon
    campus.clock.advance(timedelta(minutes=31))
    plan = campus.house

    def house():
        """Read while the plan is made, behind the look and before the planned time is taken."""
        campus.house = plan
        campus.clock.advance(timedelta(minutes=40))
        return plan()

    campus.house = house
    fired = campus.fire(programme)
    assert (fired.opened, fired.refused) == ([], [])
    again = campus.fire(programme)
    assert (again.opened, [m.key for m in again.missed]) == ([], ["2026-09-02T12:00:00"])


def test_a_clock_that_is_set_back_fires_nothing_twice(noon):
    campus, programme = noon
    campus.clock.advance(timedelta(minutes=31))
    assert len(campus.fire(programme).opened) == 1
    campus.clock.advance(-timedelta(hours=2))
    campus.fire(programme)
    for _ in range(12):
        campus.clock.advance(timedelta(minutes=10))
        campus.fire(programme)
    assert [row.planned_local for row in rows(campus) if row.outcome == "run"].count(
        "2026-09-02T12:00:00"
    ) == 1


def test_a_clock_that_jumped_ahead_and_came_back_costs_no_drill(noon):
    campus, programme = noon
    campus.clock.advance(timedelta(hours=3))  # wrong
    assert len(campus.fire(programme).missed) == 3
    campus.clock.advance(-timedelta(hours=3))  # put right
    for _ in range(24):
        campus.clock.advance(timedelta(minutes=10))
        campus.fire(programme)
    ran = sorted(row.planned_local for row in rows(campus) if row.outcome == "run")
    assert ran == [f"2026-09-02T{hour}:00:00" for hour in (12, 13, 14, 15)]


def test_a_drill_that_cannot_start_is_tried_again_and_then_missed(noon):
    campus, programme = noon
    good = programme
    broken = a_programme(a_drill("hourly", schedule=good.drills["hourly"].schedule, template="no-such"))
    campus.clock.advance(timedelta(minutes=31))
    [(name, why)] = campus.fire(broken).refused
    assert (name, "no-such" in why) == ("hourly", True)
    assert rows(campus) == []
    campus.clock.advance(timedelta(minutes=5))
    assert len(campus.fire(good).opened) == 1
    campus.clock.advance(timedelta(minutes=60))
    assert campus.fire(broken).refused
    campus.clock.advance(timedelta(minutes=20))
    assert len(campus.fire(broken).missed) == 1


def test_a_drill_waits_for_the_end_of_a_real_alert_and_is_missed_if_that_takes_too_long(noon):
    campus, programme = noon
    request = Request(
        template="gas-leak", values={"place": "Baker Hall"}, audience="staff", channels=("sms-main",)
    )
    plan = make_plan(campus.house(), request, as_of=campus.clock.now(), past=Past())
    at = campus.clock.now()
    alert = campus.do(
        lambda ledger: open_alert(ledger, campus.house(), plan, actor=ACTOR, run_key="r", at=at)
    )
    campus.clock.advance(timedelta(minutes=31))
    [(_, why)] = campus.fire(programme).refused
    assert alert.alert_id in why
    campus.clock.advance(timedelta(minutes=20))
    assert len(campus.fire(programme).missed) == 1


def test_another_rule_is_watched_anew(noon):
    campus, programme = noon
    campus.clock.advance(timedelta(hours=10))
    other = a_programme(hourly(left_out=frozenset({datetime(2030, 1, 1)})))
    fired = campus.fire(other)
    assert (fired.opened, fired.missed) == ([], [])
    assert len(campus.fire(programme).missed) == 0, "the first rule is new again too"


def test_a_year_of_silence_is_told_of_and_not_made_up_for(tmp_path):
    campus, programme = watched(tmp_path, a_drill(), before=timedelta(days=400))
    campus.clock.advance(timedelta(days=401))
    fired = campus.fire(programme)
    assert fired.opened == []
    assert len(fired.missed) == 9  # January, where it begins, to September
    campus.close()


def test_a_killed_transaction_leaves_neither_the_time_taken_nor_an_alert(noon):
    campus, programme = noon
    campus.clock.advance(timedelta(minutes=31))

    def half(ledger):
        from alerting.drills.due import look

        [(drill, occurrence)] = look(ledger, programme, now=campus.clock.now()).ready
        from alerting.drills.exercise import exercise_house, open_exercise, plan_exercise

        plan = plan_exercise(campus.house(), programme, drill, as_of=campus.clock.now(), past=Past())
        open_exercise(
            ledger,
            exercise_house(campus.house(), programme, drill),
            plan,
            drill=drill,
            occurrence=occurrence,
            actor=ACTOR,
            at=campus.clock.now(),
            facts={},
        )
        raise RuntimeError("killed here")

    with pytest.raises(RuntimeError):
        campus.do(half)
    assert (rows(campus), campus.reader().alerts()) == ([], [])
    assert len(campus.fire(programme).opened) == 1


SOON = """version: 1
allowed_audiences: [staff]
drills:
  soon:
    template: drill
    audience: staff
    channels: [sms-main]
    schedule: {starts: %s, time_zone: UTC}
"""


@pytest.fixture
def settled(tmp_path):
    """A campus whose files lie on the disk, with a drill a minute later than its clock shows."""
    shutil.copy(ROOT / "channels.yaml", tmp_path)
    campus = Campus(tmp_path, at=NOON)
    campus.config = load(tmp_path / "channels.yaml", environ={}, sandbox=True, live=None)
    campus.state = tmp_path
    soon = NOON + timedelta(minutes=1)
    (tmp_path / "drills.yaml").write_text(SOON % soon.strftime("%Y-%m-%dT%H:%M"))
    yield campus
    campus.close()


async def test_the_schedule_runs_beside_a_server_until_it_is_told_to_stop(settled):
    stop, nudged = asyncio.Event(), asyncio.Event()

    async def nudge():
        nudged.set()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(run_schedule(settled, stop, writer=settled.writer, nudge=nudge, look_s=0.05))
        while not watched_drills(settled):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.02)
        settled.clock.advance(timedelta(minutes=1))
        await nudged.wait()
        stop.set()
    [row] = settled.reader().occurrences_of("soon")
    assert row.outcome == "run"


async def test_the_schedule_beside_a_server_ends_with_it(settled):
    async with asyncio.timeout(20):
        async with scheduling(settled, settled.writer):
            [schedule] = asyncio.all_tasks() - {asyncio.current_task()}
            while not watched_drills(settled):  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.02)
            assert not schedule.done()
    assert schedule.done()
    assert schedule.exception() is None


async def test_an_error_of_the_schedule_ends_nothing_that_runs_beside_it(settled):
    stop, tries = asyncio.Event(), []

    def rehearse(due):
        tries.append(due)
        if len(tries) > 2:
            stop.set()
        raise KeyError("nobody thought of it")

    async with asyncio.timeout(20):
        await run_schedule(settled, stop, writer=settled.writer, rehearse=rehearse, look_s=0.01)
    assert len(tries) == 3


def watched_drills(campus):
    """The drills a scheduler has looked at: it has begun."""
    if not campus.path.exists():
        return []
    with closing(sqlite3.connect(f"file:{campus.path}?mode=ro", uri=True)) as ledger:
        return ledger.execute("SELECT drill FROM drill_watch").fetchall()


# -- two processes, killed at random ------------------------------------------------------------------

KILLS = 6
HOUR = timedelta(hours=1)
#: Far longer than anything here takes; a scheduler that stands still is an error, not a longer wait.
WITHIN_S = 60


def test_two_schedulers_killed_at_random_double_nothing_and_miss_nothing(tmp_path):
    """Each kill hits one of two processes in the middle of whatever it does; the other goes on."""
    rng = random.Random(27)
    Campus(tmp_path).close()  # writes the list of people
    zero = time.time()
    clock = schedulers.FastClock(zero)
    running = [looking(tmp_path, zero), looking(tmp_path, zero)]
    begun = clock.now()
    try:
        for _ in range(KILLS):
            time.sleep(rng.uniform(0.05, 0.8))
            victim = rng.randrange(2)
            end(running[victim])
            running[victim] = looking(tmp_path, zero)
        hours = (clock.now() - begun) // HOUR + 1
        due = promised(begun, hours)
        await_record_of(tmp_path, max(due, key=lambda pair: pair[1]))
    finally:
        for process in running:
            end(process)
    ran = kept(tmp_path)
    assert len(due) == hours * len(schedulers.MINUTES), "a whole hour holds each drill once"
    assert sorted(pair for pair in ran if pair in due) == sorted(due)
    assert len(ran) == len(set(ran))


def promised(begun, hours):
    """What so many whole hours of that clock hold, counted on the fingers, not by the schedule."""
    first = begun.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
    hour = first.replace(minute=0, second=0, microsecond=0)
    times = [
        (f"at-{minute:02d}", hour + number * HOUR + timedelta(minutes=minute))
        for number in range(hours + 1)
        for minute in schedulers.MINUTES
    ]
    return {
        (name, at.isoformat(timespec="seconds")) for name, at in times if first <= at < first + hours * HOUR
    }


def await_record_of(folder, last):
    """Wait until the last promised time is on record; it is looked for in order, so the others are too."""
    name, planned = last
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        with closing(SqliteLedger.open(folder / "ledger.db", write=False, clock=SystemClock())) as ledger:
            if planned in {row.planned_local for row in ledger.occurrences_of(name, limit=1000)}:
                return
        time.sleep(0.05)


def kept(folder):
    """Every run on record, once for each row and each alert; nothing else may be there."""
    with closing(SqliteLedger.open(folder / "ledger.db", write=False, clock=SystemClock())) as ledger:
        rows = [row for name in ledger.drill_names() for row in ledger.occurrences_of(name, limit=1000)]
        alerts = [record.alert.id for record in ledger.alerts(limit=1000)]
    assert {row.outcome for row in rows} == {"run"}
    assert sorted(row.alert for row in rows) == sorted(alerts)
    return [(row.drill, row.planned_local) for row in rows]


def looking(folder, zero):
    """Start a scheduler and wait until it has looked once."""
    words = [sys.executable, str(HERE / "schedulers.py"), str(folder), str(zero)]
    process = subprocess.Popen(words, cwd=HERE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "looking\n"
    return process


def end(process):
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()


def test_the_frozen_clock_can_be_set_back():
    clock = FrozenClock(NOON)
    clock.advance(-timedelta(hours=1))
    assert clock.now() == NOON - timedelta(hours=1)
