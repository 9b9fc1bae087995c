import re
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from alerting.broadcast.report import report
from alerting.clock import micros
from alerting.errors import UsageProblem
from alerting.ledger.rows import Actor
from alerting.publishing.facts import Fact, checked, facts
from alerting.publishing.listing import listing
from alerting.publishing.page import page
from alerting.publishing.sheet import gather
from alerting.testing.builders import an_alert
from tests.publishing.conftest import START, ZONE, tell

HOSTILE = "<script>alert(1)</script>\"'&"


@pytest.fixture
def sheet(ledger, told, clock):
    return gather(ledger, told, at=clock.now())


class Outline(HTMLParser):
    """The page as a machine reads it: tags with their attributes, and what is open."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "line"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def of(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def test_accepted_and_delivered_are_counted_apart_and_a_channel_without_receipts_says_so(sheet, campus):
    text = page(sheet, campus)
    rows = {row["channel"]: row for row in listing(sheet, campus)["channels"]}

    assert rows["sms-main"]["accepted"] == 500 - 500 // 37
    assert rows["sms-main"]["delivered"] < rows["sms-main"]["accepted"]
    assert rows["email-main"]["delivered"] is None
    assert text.count('<span class="missing">no receipts</span>') == 2
    assert "receipts prove" in text


def test_an_alert_sent_without_its_second_person_says_so_at_the_top(ledger, told, clock, campus):
    body = {"reason": "nobody answers <and> people are inside", "why": ["two people"]}
    with ledger.transaction():
        ledger.record_act("alert.broke_glass", told.alert.id, body, actor=Actor(name="lee"), at=micros(START))
    sheet = gather(ledger, told, at=clock.now())
    head = page(sheet, campus).partition("</header>")[0]

    assert "Break-glass: sent without its second person" in head
    assert "nobody answers &lt;and&gt; people are inside" in head
    assert listing(sheet, campus)["break_glass"] == body["reason"]


def test_the_review_of_it_is_told_as_due_as_overdue_and_as_made(ledger, told, clock, campus):
    def head(*, after=timedelta()):
        sheet = gather(ledger, told, at=clock.now())
        at = replace(campus, written_at=START + after)
        return page(sheet, at).partition("</header>")[0], listing(sheet, at)["review"]

    assert head()[1] is None
    owed = {"alert": told.alert.id, "reason": "alone", "due_at": micros(START + timedelta(days=1))}
    with ledger.transaction():
        ledger.record_act("review.owed", "reviews", owed, actor=Actor(name="lee"), at=micros(START))
    assert "Nobody has reviewed that: due by 2026-09-02 02:14:03" in head()[0]
    late, listed = head(after=timedelta(days=2))
    assert "Nobody has reviewed that: OVERDUE since 2026-09-02 02:14:03" in late
    assert (listed["due_at"][:10], listed["done_by"]) == ("2026-09-02", None)
    done = {"alert": told.alert.id, "finding": "it was <right>"}
    with ledger.transaction():
        ledger.record_act("review.done", "reviews", done, actor=Actor(name="kim"), at=micros(START))
    made, listed = head(after=timedelta(days=2))
    assert "Reviewed by kim, 2026-09-01 02:14:03: it was &lt;right&gt;" in made
    assert "Nobody has reviewed" not in made
    assert (listed["done_by"], listed["finding"]) == ("kim", "it was <right>")


def test_a_drill_says_so_at_the_top_and_in_the_title_line(ledger, clock, campus):
    alert = an_alert(id="D-7K2QXD", created_at=START, expires_at=START + timedelta(hours=1))
    text = page(gather(ledger, tell(ledger, clock, people=2, alert=alert), at=clock.now()), campus)

    assert "Exercise: not a real emergency" in text.partition("</header>")[0]
    assert "border-top: .5rem double" in text, "and it shows where nobody sees colours"


def test_the_page_needs_nothing_from_outside(sheet, campus):
    outline = Outline(page(sheet, campus))
    assert not outline.of("script")
    assert not outline.of("img")
    assert not [attrs for tag in ("link", "iframe") for attrs in outline.of(tag)]
    assert "url(" not in page(sheet, campus)


def test_the_page_can_be_read_without_seeing_it(sheet, campus):
    outline = Outline(page(sheet, campus))
    assert outline.open == []
    assert outline.of("html") == [{"lang": "en"}]
    assert len(outline.of("main")) == len(outline.of("header")) == len(outline.of("h1")) == 1
    assert all("scope" in attrs for attrs in outline.of("th"))
    assert len(outline.of("caption")) == len(outline.of("table"))
    assert all(attrs["role"] == "img" and len(attrs["aria-label"]) > 40 for attrs in outline.of("svg"))
    ids = {attrs["id"] for _, attrs in outline.tags if "id" in attrs}
    assert {attrs["aria-labelledby"] for attrs in outline.of("section")} <= ids


def test_lines_differ_by_more_than_colour_and_a_channel_looks_the_same_in_both_drawings(sheet, campus):
    lines = Outline(page(sheet, campus)).of("polyline")
    accepted, delivered = lines[:3], lines[3:]
    assert len({line.get("stroke-dasharray", "") for line in accepted}) == 3
    assert [line["stroke-dasharray"] for line in delivered] == [accepted[1]["stroke-dasharray"]]


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_every_ink_is_dark_enough_to_read(sheet, campus):
    text = page(sheet, campus)
    inks = set(re.findall(r"--(?:ink|soft|mark): (#[0-9a-f]{6})", text)) | set(
        re.findall(r'<polyline[^>]*stroke="(#[0-9a-f]{6})"', text)
    )
    paper = luminance("#f4f3ef")
    assert len(inks) >= 5
    assert all((paper + 0.05) / (luminance(ink) + 0.05) >= 4.5 for ink in inks)


def test_whatever_people_and_providers_wrote_is_shown_and_never_obeyed(ledger, clock, campus):
    alert = an_alert(
        id="L-EVJL00",
        title=HOSTILE,
        template=HOSTILE,
        variables={HOSTILE: HOSTILE},
        author=HOSTILE,
        audience=HOSTILE,
    )
    told = tell(ledger, clock, people=2, alert=alert)
    text = page(gather(ledger, told, at=clock.now()), campus)

    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert Outline(text).open == []


def test_a_link_that_is_no_web_address_is_text_only(sheet, campus):
    channels = [c._replace(permalink="javascript:alert(1)") for c in sheet.report.channels]
    bad = replace(sheet, report=replace(sheet.report, channels=tuple(channels)))
    assert 'href="javascript' not in page(bad, campus)


def test_what_did_not_work_beside_a_post_is_told_in_both_forms(sheet, campus):
    channels = [c._replace(note="no comment <b>under</b> it") for c in sheet.report.channels]
    noted = replace(sheet, report=replace(sheet.report, channels=tuple(channels)))
    assert "x-campus: no comment &lt;b&gt;under&lt;/b&gt; it" in page(noted, campus)
    assert listing(noted, campus)["channels"][0]["note"] == "no comment <b>under</b> it"
    assert listing(sheet, campus)["channels"][0]["note"] is None


def test_what_nobody_recorded_says_how_to_record_it(sheet, campus):
    text = page(sheet, campus)
    assert "alert note L-7K2QXD --reported 02:03" in text
    assert listing(sheet, campus)["clock"]["confirmed"] == {"at": None, "source": None}
    assert [row["answer"] for row in listing(sheet, campus)["clery"]][:2] == [None, None]


def test_what_was_noted_stands_in_the_clock_and_the_record(ledger, told, noted, clock, campus):
    reported = START - timedelta(minutes=4)
    noted(reported=reported.isoformat(), by="Officer Park")
    noted(by="Officer Kim Park")
    sheet = gather(ledger, told, at=clock.now())
    text = page(sheet, campus)

    assert "2026-09-01 02:10:03" in text
    assert "Officer Kim Park" in text
    assert "noted by kim" in text
    assert listing(sheet, campus)["clock"]["reported"]["at"] == reported.isoformat()
    assert facts(ledger, told)["by"].value == "Officer Kim Park"


class Counters:
    """A ledger whose rows may not be looked at, but for the one of a public post."""

    def __init__(self, ledger):
        self._ledger = ledger

    def __getattr__(self, name):
        assert name not in {"attempts", "receipts", "recipients"}, f"{name} reads rows"
        return getattr(self._ledger, name)

    def deliveries(self, alert_id, *, channel="", **wanted):
        assert channel == "x-campus", "rows of people are looked at"
        return self._ledger.deliveries(alert_id, channel=channel, **wanted)


def test_an_alert_is_told_from_its_counters_however_many_people_it_had(ledger, told, clock, campus):
    counters = Counters(ledger)
    sheet = gather(counters, told, at=clock.now())
    standing = report(counters, told, at=clock.now(), curves=True)

    assert page(sheet, campus)
    assert [channel.total for channel in standing.channels] == [1, 500, 500]
    assert sum(count for _, count in standing.channels[1].arrivals) == standing.channels[1].delivered


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("02:03", "2026-09-01T02:03:00-04:00"),
        ("2:03:30", "2026-09-01T02:03:30-04:00"),
        ("23:58", "2026-08-31T23:58:00-04:00"),
        ("2026-09-01 02:03", "2026-09-01T02:03:00-04:00"),
        ("2026-09-01T06:03:00+00:00", "2026-09-01T06:03:00+00:00"),
    ],
)
def test_a_time_is_taken_on_the_campus_clock_on_the_day_nearest_to_the_alert(given, told):
    now = START + timedelta(hours=30)
    assert checked({"reported": given}, known={}, near=START, now=now, zone=ZONE) == {"reported": told}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"reported": "02:30"}, "in the future"),
        ({"reported": "2 am"}, "is not a time"),
        ({"reported": "25:00"}, "is not a time"),
        ({"reported": "02:10", "confirmed": "02:05"}, "is before reported"),
        ({"by": "  "}, "is empty"),
        ({"how": "x" * 2000}, "too long"),
        ({}, "nothing to note"),
    ],
)
def test_what_cannot_be_is_refused_in_words(given, words):
    with pytest.raises(UsageProblem, match=words):
        checked(given, known={}, near=START, now=START + timedelta(minutes=1), zone=ZONE)


@pytest.mark.parametrize(
    ("now", "given", "told"),
    [
        ("2026-09-01T00:10:00-04:00", "23:55", "2026-08-31T23:55:00-04:00"),
        ("2026-09-01T14:05:00-04:00", "02:10", "2026-09-01T02:10:00-04:00"),
        ("2026-09-01T02:05:00-04:00", "15:00", "2026-08-31T15:00:00-04:00"),
        # Clocks are set back at two: 01:35 comes twice, and the one meant is the one that has been.
        ("2026-11-01T01:40:00-05:00", "01:35", "2026-11-01T01:35:00-05:00"),
        ("2026-11-01T01:20:00-05:00", "01:35", "2026-11-01T01:35:00-04:00"),
        ("2026-11-01T01:40:00-04:00", "01:35", "2026-11-01T01:35:00-04:00"),
    ],
)
def test_a_time_told_while_sending_is_the_last_one_the_clocks_on_campus_showed(now, given, told):
    at = datetime.fromisoformat(now)
    assert checked({"reported": given}, known={}, near=at, now=at, zone=ZONE) == {"reported": told}


def test_a_watch_that_is_a_minute_ahead_means_now_and_a_mistyped_hour_does_not():
    def told(given):
        return checked({"reported": given}, known={}, near=START, now=START, zone=ZONE)["reported"]

    assert datetime.fromisoformat(told("02:15")) == START
    with pytest.raises(UsageProblem, match=r"in the future.*it is 2026-09-01 02:14 now"):
        told("02:17")
    with pytest.raises(UsageProblem, match="more than 30 days ago"):
        told("2025-09-01 02:03")


def test_a_warning_may_go_out_before_anything_is_confirmed():
    known = {
        "reported": Fact(value="2026-09-01T02:03:00-04:00", noted_by="lee"),
        "decided": Fact(value="2026-09-01T02:05:00-04:00", noted_by=""),
    }
    later = START + timedelta(minutes=20)
    assert checked({"confirmed": "02:20"}, known=known, near=START, now=later, zone=ZONE)


def test_the_decision_clock_runs_from_the_report_to_the_handset(ledger, clock, campus):
    given = {"reported": -300, "started": -20, "previewed": -18, "decided": -3}
    stamps = {name: (START + timedelta(seconds=s)).isoformat() for name, s in given.items()}
    alert = an_alert(id="L-C10CK0", created_at=START, expires_at=START + timedelta(hours=1), clock=stamps)
    sheet = gather(ledger, tell(ledger, clock, alert=alert), at=clock.now())
    steps = [step for step in sheet.steps if step.at]

    assert [step.name for step in steps] == [
        "reported", "started", "previewed", "decided", "accepted", "first_post", "first_handset", "half", "most",
        "half_delivered",
    ]  # fmt: skip
    assert {step.name: step.source for step in steps}["reported"] == "noted by lee"
    assert {step.name: step.source for step in steps}["decided"] == "measured"
    assert all(one.at <= two.at for one, two in pairwise(steps[:5]))
    times = {step.name: (step.at - START).total_seconds() for step in steps}
    sms = next(channel for channel in sheet.report.channels if channel.channel == "sms-main")
    assert times["first_handset"] == sms.arrived_first_s > sms.first_s
    assert times["half_delivered"] == sms.arrived_half_s > sms.half_s
    assert sms.arrived_most_s is None, "a tenth of them never told"
    assert "Decided to warn: the word typed" in page(sheet, campus)


def test_times_are_held_against_those_noted_before():
    known = {"confirmed": Fact(value="2026-09-01T02:05:00-04:00", noted_by="kim")}
    with pytest.raises(UsageProblem, match=r"confirmed .* is before reported"):
        checked({"reported": "02:10"}, known=known, near=START, now=START, zone=ZONE)
