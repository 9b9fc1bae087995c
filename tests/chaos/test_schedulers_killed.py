"""Several ``alert serve`` on one PostgreSQL, killed at random: every drill starts once, and none is missed.

``ALERT_SIEGE_KILLS`` asks for more than the usual number of kills. With ``-s`` the figures are printed.
"""

import json
import os
import random
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from campus import until
from shared_campus import SharedCampus
from siege import received

from alerting.drills.schedule import delay
from alerting.model.delivery import SETTLED, State

KILLS = int(os.environ.get("ALERT_SIEGE_KILLS") or 5)
HOSTS = 3
PEOPLE = 2
#: A drill falls due every second, beginning so long after the schedulers were started.
SOON_S = 3.0
WITHIN_S = 90

DRILL = """
  {name}:
    title: {name}
    template: hazard
    values: {{place: {place}}}
    audience: everyone
    channels: [sms-main]
    schedule: {{starts: {at}, time_zone: UTC, jitter_minutes: 1}}
"""


@pytest.fixture
def hosts(tmp_path, box, fresh_database):
    made = []
    for number in range(HOSTS):
        home = tmp_path / f"host-{number}"
        home.mkdir()
        sms = {"lookup_after_s": 1, "fallback": ""}
        made.append(SharedCampus(home, box, fresh_database, people=PEOPLE, sms=sms))
    yield made
    for one in made:
        one.close()


def named_for(number, due_at):
    """Return the minute and the name of a drill that falls due at a second: its jitter follows from both."""
    minute = due_at.replace(second=0, tzinfo=None)
    wanted = timedelta(seconds=due_at.second)
    names = (f"d-{number}-{n}" for n in range(99_999))
    return minute, next(name for name in names if delay(name, minute, timedelta(minutes=1)) == wanted)


def write_drills(hosts, times):
    planned, text = {}, "version: 1\nallowed_audiences: [everyone]\ndrills:"
    for number, due_at in enumerate(times):
        minute, name = named_for(number, due_at)
        planned[name] = due_at.timestamp()
        text += DRILL.format(name=name, place=f"Hall-{name}", at=f"{minute:%Y-%m-%dT%H:%M}")
    for host in hosts:
        (host.home / "planned.json").write_text(json.dumps(planned))
        (host.home / "drills.yaml").write_text(text)


def serving(host):
    """Start a server, and do not wait for it: the next kill may come while it starts."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        return host.start("serve", stdout=nowhere, stderr=nowhere)


def test_schedulers_killed_at_random_double_no_drill_and_miss_none(hosts, box):
    rng = random.Random(5)
    count = max(9, int(KILLS * 0.8))
    begin = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=SOON_S)
    times = [begin + timedelta(seconds=number) for number in range(count)]
    write_drills(hosts, times)
    running = [serving(host) for host in hosts]
    kills = 0
    until(lambda: len(promised(hosts[0])) > 5, 30, "nobody looks at the schedule")
    while kills < KILLS or datetime.now(UTC) < times[-1]:
        time.sleep(rng.uniform(0.1, 1.5))
        victim = rng.randrange(HOSTS)
        running[victim].kill()
        running[victim].wait(10)
        running[victim] = serving(hosts[victim])
        kills += 1

    rows = until(lambda: all_on_record(hosts[0]), WITHIN_S, "a drill was never started")
    assert {row.outcome for row in rows} == {"run"}, "none is missed"
    alerts = asked(hosts[0], "SELECT id FROM alerting_sandbox.alert")
    assert sorted(row.alert for row in rows) == sorted(alerts), "each has one alert, and no other was opened"
    for row in rows:
        hosts[0].settled(row.alert, within_s=WITHIN_S)
    late = [row.at - row.due_at for row in rows]
    told_twice = sum(told(hosts[0], box, row) for row in rows)
    hosts[0].whole()
    figures = {
        "kills": kills,
        "drills": len(rows),
        "doubled": 0,
        "missed": 0,
        "texts_flagged_twice": told_twice,
    }
    print(json.dumps({**figures, "latest_start_s": round(max(late) / 1e6, 1)}))  # noqa: T201 - for -s


def asked(host, text):
    with psycopg.connect(host.address, autocommit=True) as raw:
        try:
            return [value for (value,) in raw.execute(text)]
        except psycopg.errors.UndefinedTable:
            return []


def promised(host):
    """The drills that fall due after a scheduler first looked at them: those before are nobody's promise."""
    said = "SELECT drill || ' ' || since FROM alerting_sandbox.drill_watch"
    since = dict(line.split() for line in asked(host, said))
    planned = json.loads((host.home / "planned.json").read_text())
    return {name for name, at in planned.items() if name in since and at * 1_000_000 > int(since[name])}


def all_on_record(host):
    wanted = promised(host)
    with host.ledger() as ledger:
        rows = [row for name in ledger.drill_names() for row in ledger.occurrences_of(name, limit=100)]
    return rows if {row.drill for row in rows} == wanted else None


def told(host, box, row):
    """Assert that everybody got a drill once, or that the record says otherwise; return how many got it twice."""
    deliveries = host.deliveries(row.alert)
    got = received(box, f"Hall-{row.drill}")
    assert all(delivery.state in SETTLED for delivery in deliveries)
    copies = [(got[d.channel, d.address], d) for d in deliveries]
    assert len(copies) == PEOPLE
    # A drill is not sent again where nobody can tell: such a message is on record as unresolved.
    open_ends = (number <= 1 and d.state is State.UNRESOLVED for number, d in copies)
    fine = [
        number == 1 or d.maybe_twice or unresolved
        for (number, d), unresolved in zip(copies, open_ends, strict=True)
    ]
    assert all(fine), copies
    return sum(number > 1 for number, _ in copies)
