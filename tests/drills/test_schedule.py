"""When drills happen, against two other ways to say it, and at every edge of the clocks."""

import warnings
from calendar import monthrange
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.drills.drill import Break, Drill, Programme, Schedule
from alerting.drills.due import overlaps
from alerting.drills.rule import BadRule, parse
from alerting.drills.schedule import is_restless, is_silent, occurrences
from alerting.drills.zones import Edge, resolve

CAMPUS = "America/New_York"
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
#: Ten zones with clocks that change: both hemispheres, half an hour, midnight, and odd ones.
ZONES = (
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "America/Santiago",
    "Europe/London",
    "Europe/Berlin",
    "Asia/Beirut",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
)
YEARS = range(2007, 2027)


def a_schedule(rule="", starts=datetime(2026, 1, 7, 12), **more):
    return Schedule(**{"starts": starts, "zone": CAMPUS, "rule": rule, **more})


def a_drill(schedule, name="monthly-test"):
    return Drill(name=name, title="T", template="test", schedule=schedule)


def between(drill, first, last):
    return list(occurrences(drill, first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)))


def planned(drill, first, last):
    return [o.planned_local for o in between(drill, first, last)]


def edges(zone, year):
    """The changes of a zone's clocks in a year, found hour by hour: (instant, minutes gained)."""
    at, found = datetime(year, 1, 1, tzinfo=UTC), []
    while at.year == year:
        here, after = at.astimezone(zone), (at + timedelta(hours=1)).astimezone(zone)
        gained = after.utcoffset() - here.utcoffset()
        if gained:
            found.append((at, gained))
        at += timedelta(hours=1)
    return found


# -- the edges of the clocks --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ZONES)
def test_every_edge_of_twenty_years_gives_one_instant_and_never_a_wrong_minute(name):
    zone, looked_at = ZoneInfo(name), 0
    for year in YEARS:
        for at, gained in edges(zone, year):
            # Walk every ten local minutes around the edge.
            middle = at.astimezone(zone).replace(tzinfo=None, minute=0, second=0)
            for step in range(-18, 19):
                local = middle + timedelta(minutes=10 * step)
                instant, edge = resolve(local, zone)
                looked_at += 1
                check_edge(zone, local, instant, edge, gained)
    assert looked_at >= 37 * 2 * 15


def check_edge(zone, local, instant, edge, gained):
    shown = instant.astimezone(zone).replace(tzinfo=None)
    before = (instant - timedelta(minutes=1)).astimezone(zone).replace(tzinfo=None)
    if edge is Edge.GAP:
        assert gained > timedelta()
        assert shown > local, "after the gap, not before it"
        assert before < local, "the first valid minute: one earlier was before the planned time"
        assert shown - before > timedelta(minutes=1), "the clocks jumped right there"
        return
    assert shown == local
    earlier = [instant - timedelta(minutes=minutes) for minutes in range(10, 190, 10)]
    assert local not in [e.astimezone(zone).replace(tzinfo=None) for e in earlier], "the first of the two"


def test_a_nightly_drill_comes_once_each_night_through_every_edge_of_twenty_years():
    for name in ZONES:
        drill = a_drill(a_schedule("FREQ=DAILY", datetime(2007, 1, 1, 2, 30), zone=name))
        found = between(drill, datetime(2007, 1, 2), datetime(2026, 12, 30))
        keys = [o.key for o in found]
        assert len(keys) == len(set(keys)) == (date(2026, 12, 30) - date(2007, 1, 2)).days
        gaps = [b.due_at - a.due_at for a, b in pairwise(found)]
        assert timedelta(hours=22, minutes=30) <= min(gaps)
        assert max(gaps) <= timedelta(hours=25)


def test_half_past_two_on_the_night_without_it_goes_off_at_three():
    drill = a_drill(a_schedule("FREQ=DAILY", datetime(2026, 3, 1, 2, 30)))
    [night] = between(drill, datetime(2026, 3, 8, 5), datetime(2026, 3, 9, 5))
    assert night.edge is Edge.GAP
    assert night.due_at.astimezone(ZoneInfo(CAMPUS)).strftime("%H:%M %Z") == "03:00 EDT"
    assert night.key == "2026-03-08T02:30:00"


def test_half_past_one_on_the_night_with_two_of_them_goes_off_at_the_first_only():
    drill = a_drill(a_schedule("FREQ=DAILY", datetime(2026, 10, 1, 1, 30)))
    [night] = between(drill, datetime(2026, 11, 1, 4), datetime(2026, 11, 2, 4))
    assert night.edge is Edge.FOLD
    assert night.due_at.astimezone(ZoneInfo(CAMPUS)).strftime("%H:%M %Z") == "01:30 EDT"


def test_a_day_a_country_skipped_gives_its_first_minute_after():
    instant, edge = resolve(datetime(2011, 12, 30, 12), ZoneInfo("Pacific/Apia"))
    assert edge is Edge.GAP
    assert instant.astimezone(ZoneInfo("Pacific/Apia")).strftime("%Y-%m-%d %H:%M") == "2011-12-31 00:00"


# -- the rule, said another way -----------------------------------------------------------------------

rules = st.one_of(
    st.builds(
        lambda days, interval: (
            f"FREQ=WEEKLY;BYDAY={','.join(days)};INTERVAL={interval}",
            "weekly",
            days,
            interval,
        ),
        st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True),
        st.integers(1, 4),
    ),
    st.builds(
        lambda nth, day, months: (
            f"FREQ=MONTHLY;BYDAY={nth}{day};BYMONTH={','.join(map(str, months))}",
            "nth",
            (nth, day),
            months,
        ),
        st.sampled_from((1, 2, 3, 4, -1, -2)),
        st.sampled_from(DAYS),
        st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True).map(sorted),
    ),
    st.builds(
        lambda days: (f"FREQ=MONTHLY;BYMONTHDAY={','.join(map(str, days))}", "monthday", days, None),
        st.lists(st.sampled_from((1, 5, 15, 28, 29, 30, 31, -1, -3)), min_size=1, max_size=3, unique=True),
    ),
    st.builds(
        lambda month, day: (f"FREQ=YEARLY;BYMONTH={month};BYMONTHDAY={day}", "yearly", (month, day), None),
        st.integers(1, 12),
        st.integers(1, 28),
    ),
)


def by_hand(spec, starts, last):
    """The same rule decided day by day, without any library."""
    _, form, first, second = spec
    day = starts.date()
    while day <= last:
        length = monthrange(day.year, day.month)[1]
        if form == "weekly":
            monday = starts.date() - timedelta(days=starts.weekday())
            weeks = (day - monday).days // 7
            fits = DAYS[day.weekday()] in first and weeks % second == 0
        elif form == "nth":
            nth, name = first
            place = (day.day - 1) // 7 + 1 if nth > 0 else -((length - day.day) // 7 + 1)
            fits = DAYS[day.weekday()] == name and place == nth and day.month in second
        elif form == "monthday":
            fits = day.day in first or day.day - length - 1 in first
        else:
            fits = (day.month, day.day) == first
        if fits:
            yield datetime.combine(day, starts.time())
        day += timedelta(days=1)


@settings(deadline=None, max_examples=60)
@given(
    rules,
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)).map(
        lambda d: d.replace(second=0, microsecond=0)
    ),
)
def test_a_rule_counts_as_a_person_would_day_by_day(spec, starts):
    last = starts + timedelta(days=800)
    drill = a_drill(a_schedule(spec[0], starts))
    found = {at for at in planned(drill, starts - timedelta(days=2), last) if at < last - timedelta(days=2)}
    assert found == {at for at in by_hand(spec, starts, last.date()) if at < last - timedelta(days=2)}


@settings(deadline=None, max_examples=40)
@given(rules, st.integers(0, 23), st.sampled_from(ZONES), st.sets(st.integers(0, 5)))
def test_another_calendar_library_finds_the_same_times(spec, hour, zone_name, left_out):
    import recurring_ical_events
    from icalendar import Calendar

    zone, last = ZoneInfo(zone_name), datetime(2027, 6, 1)
    base = datetime.combine(date(2026, 1, 1), time(hour, 30))
    starts = next(iter(by_hand(spec, base, date(2030, 1, 1))), base)
    if spec[1] == "weekly" and spec[3] > 1:
        starts = next(at for at in by_hand((spec[0], "weekly", spec[2], 1), base, date(2030, 1, 1)))
    drill = a_drill(a_schedule(spec[0], starts, zone=zone_name))
    every = planned(drill, starts - timedelta(days=2), last)
    gone = [at for place, at in enumerate(every) if place in left_out]
    drill = a_drill(a_schedule(spec[0], starts, zone=zone_name, left_out=frozenset(gone)))

    exdates = "".join(f"EXDATE;TZID={zone_name}:{at:%Y%m%dT%H%M%S}\r\n" for at in gone)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own, about its parser
        calendar = Calendar.from_ical(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\n"
            f"DTSTART;TZID={zone_name}:{starts:%Y%m%dT%H%M%S}\r\nDURATION:PT1M\r\n"
            f"RRULE:{spec[0]}\r\n{exdates}SUMMARY:x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
        events = recurring_ical_events.of(calendar).between(
            starts - timedelta(days=5), last + timedelta(days=5)
        )
    # Their way with a gap is to move the time by an hour; ours is the first valid minute.
    theirs = {event["DTSTART"].dt.replace(tzinfo=None) for event in events}
    ours = {
        o.planned_local
        for o in between(drill, starts - timedelta(days=2), last + timedelta(days=2))
        if o.edge is not Edge.GAP
    }
    assert {at for at in ours if at < last} == {
        at
        for at in theirs
        if at < last and at.time() == starts.time() and resolve(at, zone)[1] is not Edge.GAP
    }


# -- what is left out, and when exactly ---------------------------------------------------------------


def test_named_days_and_single_times_are_left_out():
    finals = Break(name="finals", first=date(2026, 12, 1), last=date(2026, 12, 18))
    drill = a_drill(
        a_schedule(
            "FREQ=MONTHLY;BYDAY=1WE", left_out=frozenset({datetime(2026, 11, 4, 12)}), breaks=(finals,)
        )
    )
    assert planned(drill, datetime(2026, 9, 30), datetime(2027, 1, 10)) == [
        datetime(2026, 10, 7, 12),
        datetime(2027, 1, 6, 12),
    ]


@given(st.text(min_size=1, max_size=20), st.datetimes(), st.integers(0, 12 * 60))
def test_the_jitter_never_leaves_its_window_and_is_the_same_in_every_process(name, at, minutes):
    from alerting.drills.schedule import delay

    jitter = timedelta(minutes=minutes)
    found = delay(name, at, jitter)
    assert timedelta() <= found <= jitter
    assert found == delay(name, at, jitter)


def test_jitter_differs_from_time_to_time():
    drill = a_drill(a_schedule("FREQ=DAILY", jitter=timedelta(hours=2)))
    delays = {
        o.due_at.minute * 60 + o.due_at.second
        for o in between(drill, datetime(2026, 2, 1), datetime(2026, 3, 1))
    }
    assert len(delays) > 20


@given(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)), st.integers(1, 200))
def test_cutting_a_range_in_two_loses_nothing_and_doubles_nothing(cut, days):
    drill = a_drill(a_schedule("FREQ=DAILY;BYHOUR=2,14;BYMINUTE=30", jitter=timedelta(minutes=90)))
    first, last = cut - timedelta(days=days), cut + timedelta(days=days)
    assert between(drill, first, cut) + between(drill, cut, last) == between(drill, first, last)


def test_until_and_count_end_a_schedule_as_people_mean_it():
    by_day = a_drill(a_schedule("FREQ=DAILY;UNTIL=20260110"))
    assert planned(by_day, datetime(2026, 1, 1), datetime(2027, 1, 1))[-1] == datetime(2026, 1, 10, 12)
    in_utc = a_drill(a_schedule("FREQ=DAILY;UNTIL=20260110T165900Z"))  # 11:59 on campus
    assert planned(in_utc, datetime(2026, 1, 1), datetime(2027, 1, 1))[-1] == datetime(2026, 1, 9, 12)
    counted = a_drill(a_schedule("RRULE:FREQ=WEEKLY;COUNT=3"))
    assert len(planned(counted, datetime(2026, 1, 1), datetime(2030, 1, 1))) == 3
    once = a_drill(a_schedule())
    assert planned(once, datetime(2026, 1, 1), datetime(2030, 1, 1)) == [datetime(2026, 1, 7, 12)]


# -- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("every first Wednesday", "is not NAME=VALUE; write it like FREQ=MONTHLY;BYDAY=1WE"),
        ("BYDAY=MO", "FREQ is missing"),
        ("FREQ=MINUTELY", "fires more often than hourly"),
        ("FREQ=FORTNIGHTLY", "write one of YEARLY, MONTHLY"),
        ("FREQ=MONTHLY;BYDAY=FIRST", "write it like BYDAY=1WE"),
        ("FREQ=MONTHLY;BYMONTH=13", "write numbers from 1 to 12"),
        ("FREQ=MONTHLY;BYMONTH=-1", "write numbers from 1 to 12"),
        ("FREQ=WEEKLY;BYDAY=1WE", "write FREQ=MONTHLY"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "keep one"),
        ("FREQ=DAILY;FREQ=DAILY", "keep one"),
        ("FREQ=DAILY;UNTIL=20271301", "is no date"),
        ("FREQ=DAILY;BYEASTER=0", "no part is called"),
        ("FREQ=DAILY;INTERVAL=0", "write it like INTERVAL=2"),
        ("FREQ=DAILY\nEXDATE:20260101T000000", "is not known"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused_with_what_to_write(text, said):
    with pytest.raises(BadRule) as caught:
        parse(text, ZoneInfo(CAMPUS))
    assert said in str(caught.value)


@given(st.text(alphabet="FREQ=DAILYWKMONTH;BYDUSTCINVL0123456789,-+ \n", max_size=60))
def test_no_text_at_all_makes_reading_a_rule_fail_in_another_way(text):
    with suppress(BadRule):
        assert parse(text, ZoneInfo(CAMPUS)).text


@pytest.mark.parametrize(
    "rule", ["FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=31"]
)
def test_a_rule_that_never_fires_is_found_in_moments(rule):
    assert is_silent(a_schedule(rule))


def test_a_schedule_whose_every_time_is_left_out_is_silent():
    always = Break(name="x", first=date(2026, 1, 1), last=date(2036, 1, 1))
    assert is_silent(a_schedule("FREQ=WEEKLY", breaks=(always,)))
    assert not is_silent(a_schedule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"))


def test_more_often_than_hourly_is_restless_and_hourly_is_not():
    assert is_restless(a_schedule("FREQ=DAILY;BYHOUR=12;BYMINUTE=0,59"))
    assert not is_restless(a_schedule("FREQ=HOURLY"))


def test_drills_whose_windows_meet_are_named_once():
    drills = {
        "a": a_drill(a_schedule("FREQ=WEEKLY"), "a"),
        "b": a_drill(a_schedule("FREQ=MONTHLY;BYDAY=2WE", datetime(2026, 1, 14, 12, 10)), "b"),
        "c": a_drill(a_schedule("FREQ=WEEKLY", datetime(2026, 1, 7, 15)), "c"),
    }
    found = overlaps(
        Programme(drills=drills), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    )
    assert [(x.drill, y.drill, x.planned_local) for x, y in found] == [("a", "b", datetime(2026, 1, 14, 12))]
