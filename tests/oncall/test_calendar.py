"""The on-call calendar: read as another library reads it, over years and changes of clocks."""

import warnings
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.model.audience import Address
from alerting.oncall.ical import NotCalendar, read
from alerting.oncall.person import Person
from alerting.oncall.rota import Rota

HOME = ZoneInfo("America/New_York")
PEOPLE = {
    "kim": Person(key="kim", name="Kim Ito", email=Address.parse("email:kim@example.edu")),
    "lee": Person(key="lee", name="Lee Ode", phone=Address.parse("phone:+14135550102")),
}


def calendar(*events, more=""):
    body = "".join(f"BEGIN:VEVENT\r\nUID:e{n}\r\n{event}\r\nEND:VEVENT\r\n" for n, event in enumerate(events))
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n{more}{body}END:VCALENDAR\r\n"


def rota(*events, more=""):
    return Rota(people=PEOPLE, calendar=read(calendar(*events, more=more), HOME))


def names(found, at):
    return [stint.person.key for stint in found.on_duty(at)]


def oracle(text, at):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' own
        import icalendar
        import recurring_ical_events

        found = recurring_ical_events.of(icalendar.Calendar.from_ical(text)).at(at)
    return any(event["DTSTART"].dt <= at < event["DTEND"].dt for event in found)


RULES = (
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=3",
    "FREQ=WEEKLY;BYDAY=MO,WE,SU",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU",
    "FREQ=MONTHLY;BYDAY=1SU",
    "FREQ=MONTHLY;BYMONTHDAY=-1",
    "FREQ=DAILY;COUNT=40",
    "FREQ=DAILY;UNTIL=20261031T120000Z",
)


@settings(max_examples=50, deadline=None)
@given(
    rule=st.sampled_from(RULES),
    zone=st.sampled_from(["America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"]),
    day=st.integers(0, 300),
    hour=st.integers(0, 23),
    hours=st.integers(1, 30),
    looks=st.lists(st.integers(0, 400 * 24 * 4), min_size=3, max_size=3),
)
def test_who_is_on_duty_agrees_with_another_library(*, rule, zone, day, hour, hours, looks):
    starts = datetime(2026, 1, 1, hour) + timedelta(days=day)
    ends = starts + timedelta(hours=hours)
    text = calendar(
        f"SUMMARY:kim\r\nDTSTART;TZID={zone}:{starts:%Y%m%dT%H%M%S}\r\n"
        f"DTEND;TZID={zone}:{ends:%Y%m%dT%H%M%S}\r\nRRULE:{rule}"
    )
    found = Rota(people=PEOPLE, calendar=read(text, HOME))
    for quarter in looks:
        # Off the hour, so that an end which a change of clocks moves is not looked at on its edge.
        at = datetime(2026, 1, 1, 0, 7, tzinfo=UTC) + timedelta(minutes=15 * quarter)
        local = at.astimezone(ZoneInfo(zone))
        if {local.utcoffset()} == {(local + timedelta(hours=h)).utcoffset() for h in (-36, 36)}:
            assert bool(names(found, at)) == oracle(text, at)


NIGHT = (
    "SUMMARY:On call: Kim Ito\r\nDTSTART;TZID=America/New_York:20261031T190000\r\n"
    "DTEND;TZID=America/New_York:20261101T070000\r\nRRULE:FREQ=DAILY"
)


def test_a_night_shift_ends_at_seven_on_the_night_the_clocks_change():
    found = rota(NIGHT)
    [stint] = found.on_duty(datetime(2026, 11, 1, 11, 30, tzinfo=UTC))  # 6:30 in winter time
    assert stint.until == datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert names(found, datetime(2026, 11, 1, 12, tzinfo=UTC)) == []


def test_a_moved_and_a_cancelled_shift_are_taken_out_of_their_series():
    base = NIGHT.replace("SUMMARY:On call: Kim Ito", "SUMMARY:kim")
    text = calendar(base).replace(
        "END:VCALENDAR",
        "BEGIN:VEVENT\r\nUID:e0\r\nRECURRENCE-ID;TZID=America/New_York:20261102T190000\r\n"
        "SUMMARY:lee\r\nDTSTART;TZID=America/New_York:20261102T190000\r\nDURATION:PT12H\r\nEND:VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:e0\r\nRECURRENCE-ID:20261105T000000Z\r\nSTATUS:CANCELLED\r\n"
        "DTSTART:20261105T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR",
    )
    found = Rota(people=PEOPLE, calendar=read(text, HOME))
    at = {day: names(found, datetime(2026, 11, day, 3, tzinfo=UTC)) for day in (2, 3, 5, 6)}
    assert at == {2: ["kim"], 3: ["lee"], 5: [], 6: ["kim"]}


@pytest.mark.parametrize(
    ("said", "who"),
    [
        ("SUMMARY:Kim Ito and lee", ["kim", "lee"]),
        ('SUMMARY:x\r\nATTENDEE;CN="Ode: Lee";ROLE=REQ:mailto:KIM@example.edu', ["kim"]),
        ("SUMMARY:On call: Lee\r\n  Ode", ["lee"]),
        ("SUMMARY:somebody else", []),
    ],
)
def test_people_are_named_by_mailbox_name_or_key(said, who):
    found = rota(f"{said}\r\nDTSTART:20260901T000000Z\r\nDTEND:20260902T000000Z")
    assert names(found, datetime(2026, 9, 1, 12, tzinfo=UTC)) == who
    assert bool(found.strangers()) == (not who)


def test_a_whole_day_is_the_campuss_day_and_a_calendars_own_zone_is_used():
    day = rota("SUMMARY:kim\r\nDTSTART;VALUE=DATE:20260901")
    assert names(day, datetime(2026, 9, 1, 3, 59, tzinfo=UTC)) == []
    assert names(day, datetime(2026, 9, 1, 4, tzinfo=UTC)) == ["kim"]
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Campus Time\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
        "TZOFFSETFROM:-0700\r\nTZOFFSETTO:-0700\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    )
    event = "SUMMARY:kim\r\nDTSTART;TZID=Campus Time:20260901T080000\r\nDURATION:PT1H"
    assert names(rota(event, more=zone), datetime(2026, 9, 1, 15, 30, tzinfo=UTC)) == ["kim"]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("SUMMARY:odd", "no DTSTART"),
        ("SUMMARY:odd\r\nDTSTART:20261301T000000Z", "odd"),
        ("SUMMARY:odd\r\nDTSTART;TZID=Mars/Base:20260901T000000", "Mars/Base"),
        ("SUMMARY:odd\r\nDTSTART:20260901T000000Z\r\nRRULE:FREQ=SECONDLY", "rule"),
        ("SUMMARY:odd\r\nDTSTART:20260901T000000Z\r\nDTEND:20260801T000000Z", "ends before"),
    ],
)
def test_an_event_that_cannot_be_read_is_told_and_the_others_count(event, words):
    found = rota(event, "SUMMARY:kim\r\nDTSTART:20260901T000000Z\r\nDURATION:P1D")
    assert names(found, datetime(2026, 9, 1, 12, tzinfo=UTC)) == ["kim"]
    [flaw] = found.calendar.flaws
    assert words in flaw


@pytest.mark.parametrize(
    "text", ["", "<html>log in</html>", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "a" * 2_000_001]
)
def test_what_is_no_calendar_is_refused(text):
    with pytest.raises(NotCalendar):
        read(text, HOME)
