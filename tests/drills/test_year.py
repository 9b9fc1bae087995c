"""A year of drills in seconds, with a moved clock: every run, every miss, its history and its calendar."""

import warnings
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree as ET

from drill_campus import ZONE, a_drill, a_programme

from alerting.drills.calendar import calendar
from alerting.drills.drill import Break, Schedule
from alerting.drills.history import chart, history, page, rows
from alerting.drills.schedule import occurrences

START, END = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2027, 1, 1, 12, tzinfo=UTC)


def a_year():
    finals = Break(name="finals", first=date(2026, 12, 1), last=date(2026, 12, 18))
    weekly = Schedule(
        starts=datetime(2026, 1, 6, 2, 30),
        zone=ZONE,
        rule="FREQ=WEEKLY;BYDAY=SU",
        jitter=timedelta(minutes=20),
    )
    monthly = Schedule(
        starts=datetime(2026, 1, 7, 12), zone=ZONE, rule="FREQ=MONTHLY;BYDAY=1WE", breaks=(finals,)
    )
    return a_programme(
        a_drill(schedule=monthly),
        a_drill("weekly", schedule=weekly, template="test", values={"until": "3:00am"}),
    )


def live(campus, programme, *, asleep=(), slow=()):
    """Look every ten minutes for a year, but not on days the computer was off."""
    fired = []
    while campus.clock.now() < END:
        if campus.clock.now().date() not in asleep:
            done = campus.fire(programme)
            for _, alert_id in done.opened:
                campus.send(alert_id, after=45.0 if campus.clock.now().date() in slow else 5.0)
            fired.append(done)
        # The next minute of interest, so that a year takes seconds.
        upcoming = min(
            (
                o.due_at
                for d in programme.drills.values()
                for o in occurrences(d, campus.clock.now() + timedelta(seconds=1), END)
            ),
            default=END,
        )
        campus.clock.advance(max(timedelta(minutes=1), upcoming - campus.clock.now() + timedelta(seconds=3)))
    return fired


def test_a_year_of_drills_runs_each_once_and_reports_each_miss_once(campus):
    programme = a_year()
    off = {date(2026, 4, 1), date(2026, 7, 5)}
    fired = live(campus, programme, asleep=off, slow={date(2026, 9, 2)})

    opened = [name for done in fired for name, _ in done.opened]
    missed = [(m.drill, m.planned_local.date()) for done in fired for m in done.missed]
    assert opened.count("monthly-test") == 10  # twelve months, one in finals, one asleep
    assert opened.count("weekly") == 50  # 51 Sundays, one asleep
    assert sorted(missed) == [("monthly-test", date(2026, 4, 1)), ("weekly", date(2026, 7, 5))]
    assert not [done.refused for done in fired if done.refused]

    entries = history(campus.reader(), "monthly-test", at=campus.clock.now())
    assert [e.verdict for e in entries] == ["passed"] * 3 + ["MISSED"] + ["passed"] * 4 + ["FAILED"] + [
        "passed"
    ] * 2
    lines = [row[-1] for row in chart(entries)[1:]]
    assert lines[8] == "#" * 24  # the slow one sets the scale
    assert all(line == "###" for n, line in enumerate(lines) if n not in (3, 8))


def test_the_history_page_of_a_year_draws_every_run_and_every_miss(campus):
    live(campus, a_year(), asleep={date(2026, 4, 1)}, slow={date(2026, 9, 2)})
    entries = history(campus.reader(), "monthly-test", at=campus.clock.now())
    html = page(entries, "monthly-test <b>")
    drawn = ET.fromstring(html[html.index("<svg") : html.index("</svg>") + len("</svg>")])
    bars, words = drawn.findall(".//rect"), [mark.text for mark in drawn.findall(".//text")]
    assert len(drawn.findall("g")) == len(entries) == 11
    assert [bar.get("class") for bar in bars] == ["good"] * 7 + ["bad"] + ["good"] * 2
    assert words == ["\N{MULTIPLICATION SIGN}", "!"], "a miss and a failure are told without colour"
    assert max(bars, key=lambda bar: float(bar.get("height"))).get("class") == "bad"
    assert len(drawn.findall(".//line")) == len(bars), "what was asked for"
    assert html.count("<tr>") == len(entries) + 1
    assert "monthly-test &lt;b&gt;" in html
    sheet = list(rows(entries))
    assert [row[2] for row in sheet[1:]] == [entry.verdict for entry in entries]
    assert sheet[9][4] == "45"


def test_a_history_of_nothing_draws_nothing():
    assert "<svg" not in page([], "monthly-test")


def test_the_night_without_half_past_two_still_has_its_drill(campus):
    programme = a_year()
    live(campus, programme)
    rows = campus.reader().occurrences_of("weekly")
    [night] = [row for row in rows if row.planned_local == "2026-03-08T02:30:00"]
    assert night.outcome == "run"
    assert night.facts["edge"] == "gap"


def test_the_calendar_of_a_year_is_read_by_another_library():
    from icalendar import Calendar

    programme = a_year()
    coming = [o for d in programme.drills.values() for o in occurrences(d, START, END)]
    text = calendar(programme, coming, made_at=START)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own, about its parser
        events = Calendar.from_ical(text).walk("VEVENT")
    assert len(events) == len(coming)
    assert len({str(event["UID"]) for event in events}) == len(coming)
    for event, occurrence in zip(events, coming, strict=True):
        assert event["DTSTART"].dt <= occurrence.due_at
        assert (
            event["DTEND"].dt
            == event["DTSTART"].dt
            + timedelta(minutes=15)
            + programme.drills[occurrence.drill].schedule.jitter
        )


def test_a_calendar_holds_any_words_and_no_line_of_its_own(campus):
    from icalendar import Calendar

    nasty = "Ünïcode; commas, and\nEND:VCALENDAR\r\nBEGIN:VEVENT " + "é" * 100
    drill = a_drill(title=nasty, description=nasty)
    programme = a_programme(drill)
    text = calendar(programme, list(occurrences(drill, START, END)), made_at=START)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        events = Calendar.from_ical(text).walk("VEVENT")
    assert len(events) == 12
    assert str(events[0]["SUMMARY"]) == "DRILL: " + nasty.replace("\r", "")
