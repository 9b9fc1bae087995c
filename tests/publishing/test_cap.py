import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.errors import PlanRefused
from alerting.ledger.rows import AlertRecord
from alerting.model.alert import Category, Certainty, MsgType, ResponseType, Severity, Status, Urgency
from alerting.publishing.cap import Issuer, Wording, cap, earlier_of, stamp, wording_of
from alerting.publishing.feed import feed, tag
from alerting.testing.builders import A_MOMENT, a_content, a_lane, an_alert
from tests.publishing.cap_rules import NS, against_schema, problems

ISSUER = Issuer(
    sender="alerts@example.edu",
    name="North Shore University",
    area="North Shore University campus",
    zone=ZoneInfo("America/New_York"),
    web="https://alerts.example.edu",
)
FEED = "tag:alerts@example.edu,2026-08-30:alerts"
WORDS = [Wording(headline="Gas leak", description="GAS LEAK at Baker Hall.")]


def a_record(**overrides):
    at = overrides.pop("accepted_at", A_MOMENT)
    alert = an_alert(**{"incident": "L-7K2QXD", **overrides})
    return AlertRecord(alert=alert, lanes=(a_lane(),), digest="0" * 64, accepted_at=at)


def element(text, name):
    return ET.fromstring(text).find(f".//{NS}{name}")


def test_an_alert_is_a_valid_message_in_every_word():
    text = cap(a_record(response_type=ResponseType.EVACUATE), [], ISSUER, WORDS)
    assert problems(text) == []
    assert element(text, "identifier").text == "L-7K2QXD"
    assert element(text, "sent").text == "2026-08-31T22:14:03-04:00"
    assert element(text, "responseType").text == "Evacuate"
    assert element(text, "references") is None
    assert text.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")


def test_the_checker_of_these_tests_can_say_no():
    good = cap(a_record(), [], ISSUER, WORDS).decode()
    for bad in (
        good.replace("<status>Actual</status>", ""),
        good.replace("Actual", "actual"),
        good.replace("-04:00</sent>", "Z</sent>"),
        good.replace("<scope>Public</scope>\n", "").replace("<info>", "<scope>Public</scope><info>"),
        good.replace("<msgType>Alert", "<msgType>Update"),
        good.replace("L-7K2QXD</identifier>", "L 7K2QXD</identifier>"),
    ):
        assert problems(bad.encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<status>Actual</status>", ""),
        ("Actual", "actual"),
        ("-04:00</sent>", "Z</sent>"),
        ("<msgType>Alert</msgType>", "<msgType>Cancelled</msgType>"),
        ("<category>Safety</category>", ""),
        ("<language>en-US</language>", "<language>American English, mostly</language>"),
        ("<urgency>Immediate</urgency>", "<urgency>Now</urgency>"),
        ("<areaDesc>", "<polygon>1,2</polygon><areaDesc>"),
    ],
)
def test_the_schema_of_oasis_refuses_what_is_no_cap(old, new):
    good = cap(a_record(category=Category.SAFETY, urgency=Urgency.IMMEDIATE), [], ISSUER, WORDS).decode()
    assert against_schema(good.encode()) == []
    assert old in good
    assert against_schema(good.replace(old, new).encode())


def test_a_follow_up_is_a_new_message_that_references_each_earlier_one_as_it_was_sent():
    first = a_record()
    update = a_record(
        id="L-BBBBBB", msg_type=MsgType.UPDATE, number=2, accepted_at=A_MOMENT + timedelta(minutes=9)
    )
    last = a_record(
        id="L-CCCCCC", msg_type=MsgType.CANCEL, number=3, accepted_at=A_MOMENT + timedelta(minutes=30)
    )
    incident = [first, update, last]

    text = cap(last, earlier_of(last, incident), ISSUER, WORDS)

    assert problems(text) == []
    assert element(text, "msgType").text == "Cancel"
    assert element(text, "references").text == (
        "alerts@example.edu,L-7K2QXD,2026-08-31T22:14:03-04:00 alerts@example.edu,L-BBBBBB,2026-08-31T22:23:03-04:00"
    )
    assert earlier_of(first, incident) == []
    named = last._replace(alert=last.alert._replace(references=("L-BBBBBB",)))
    assert earlier_of(named, incident) == [update]


def test_an_all_clear_says_so_and_that_it_is_past():
    over = {"msg_type": MsgType.CANCEL, "number": 2, "response_type": ResponseType.ALL_CLEAR}
    text = cap(a_record(id="L-CCCCCC", **over), [a_record()], ISSUER, WORDS)
    assert problems(text) == []
    assert element(text, "responseType").text == "AllClear"
    assert element(text, "urgency").text == "Past"


@pytest.mark.parametrize("response", [None, *ResponseType])
def test_what_people_are_asked_to_do_is_what_the_alert_was_opened_with(response):
    text = cap(a_record(response_type=response), [], ISSUER, WORDS)
    assert problems(text) == []
    found = element(text, "responseType")
    told = None if found is None else found.text
    assert told == (response and {"all_clear": "AllClear"}.get(response, response.capitalize()))


def test_a_cancel_may_come_without_any_info():
    last = a_record(id="L-CCCCCC", msg_type=MsgType.CANCEL, number=2)
    assert problems(cap(last, [a_record()], ISSUER, [])) == []


def test_a_drill_is_an_exercise_with_a_note_that_says_so():
    text = cap(a_record(id="D-7K2QXD"), [], ISSUER, WORDS)
    assert problems(text) == []
    assert element(text, "status").text == "Exercise"
    assert "exercise" in element(text, "note").text


@pytest.mark.parametrize("kind", [MsgType.UPDATE, MsgType.CANCEL])
def test_a_follow_up_that_follows_nothing_is_refused(kind):
    with pytest.raises(PlanRefused, match="names no earlier message"):
        cap(a_record(msg_type=kind), [], ISSUER, WORDS)


@pytest.mark.parametrize("kind", ["ack", "error", "Alert", ""])
def test_an_unknown_kind_of_message_is_refused_and_never_an_alert(kind):
    with pytest.raises(PlanRefused, match="no kind of CAP message"):
        cap(a_record(msg_type=kind), [], ISSUER, WORDS)


def test_each_language_has_one_info():
    both = [WORDS[0], replace(WORDS[0], language="es-US", headline="Fuga de gas", description="FUGA DE GAS.")]
    assert problems(cap(a_record(), [], ISSUER, both)) == []
    with pytest.raises(PlanRefused, match="one language"):
        cap(a_record(), [], ISSUER, [WORDS[0], WORDS[0]])


def test_writing_it_again_later_gives_the_same_bytes():
    assert cap(a_record(), [], ISSUER, WORDS) == cap(a_record(), [], ISSUER, WORDS)


def test_a_time_has_whole_seconds_and_a_numeric_offset():
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert stamp(at, ZoneInfo("UTC")) == "2026-01-02T03:04:05-00:00"
    assert stamp(at, ZoneInfo("Asia/Kolkata")) == "2026-01-02T08:34:05+05:30"


def test_the_text_is_the_one_that_says_most():
    mail = a_lane("email-main", kind="email.smtp", content=a_content("Long text", subject="Subject"))
    record = a_record()._replace(lanes=(a_lane(), mail))
    assert (wording_of(record).headline, wording_of(record).description) == ("Subject", "Long text")


@given(
    words=st.text(max_size=60),
    status=st.sampled_from([Status.ACTUAL, Status.EXERCISE, Status.TEST]),
    category=st.sampled_from(list(Category)),
    severity=st.sampled_from(list(Severity)),
    urgency=st.sampled_from(list(Urgency)),
    certainty=st.sampled_from(list(Certainty)),
)
def test_whatever_the_words_the_message_is_valid_xml_and_valid_cap(  # noqa: PLR0917 - hypothesis names them
    words, status, category, severity, urgency, certainty
):
    record = a_record(
        title=words, author=words, variables={"place": words}, status=status,
        category=category, severity=severity, urgency=urgency, certainty=certainty, incident=f"L {words}",
    )  # fmt: skip
    issuer = replace(ISSUER, sender=words)
    text = cap(record, [], issuer, [Wording(headline=words, description=words)])
    assert problems(text) == []


def test_the_feed_links_each_alert_and_is_the_same_for_the_same_alerts():
    newer = a_record(id="L-BBBBBB", title="<b>Fire</b> & smoke", accepted_at=A_MOMENT + timedelta(minutes=5))
    text = feed(ISSUER, [newer, a_record()], url="https://alerts.example.edu/", name=FEED)
    root = ET.fromstring(text)
    atom = "{http://www.w3.org/2005/Atom}"
    assert root.findtext(f"{atom}updated") == "2026-08-31T22:19:03-04:00"
    entries = root.findall(f"{atom}entry")
    assert [entry.findtext(f"{atom}title") for entry in entries] == [
        "<b>Fire</b> & smoke",
        "Active threat, Library",
    ]
    assert root.findtext(f"{atom}id") == FEED
    # Alerts are named for what the campus's sender was when they were opened.
    assert [entry.findtext(f"{atom}id") for entry in entries] == [
        "tag:alerts@example.edu,2026-09-01:L-BBBBBB",
        "tag:alerts@example.edu,2026-09-01:L-7K2QXD",
    ]
    links = [entry.find(f"{atom}link").get("href") for entry in entries]
    assert links[1] == "https://alerts.example.edu/L-7K2QXD.cap.xml"
    assert text == feed(ISSUER, [newer, a_record()], url="https://alerts.example.edu/", name=FEED)
    assert problems(cap(newer, [], ISSUER, WORDS)) == []


@given(authority=st.text(max_size=40), specific=st.sampled_from(["alerts", "L-7K2QXD"]))
def test_a_name_in_the_feed_is_a_tag_of_rfc_4151_whatever_the_settings_hold(authority, specific):
    name = tag(authority, A_MOMENT, specific)
    assert re.fullmatch(r"tag:[a-z0-9.@_-]+,\d{4}-\d\d-\d\d:[A-Za-z0-9-]+", name)


def test_a_renamed_campus_keeps_the_names_of_its_feed_and_of_the_entries_in_it():
    issuer = {"sender": "old.example.edu", "name": "Old", "zone": "UTC", "web": ""}
    told = ET.fromstring(feed(ISSUER, [a_record(issuer=issuer)], url="", name=FEED))
    atom = "{http://www.w3.org/2005/Atom}"
    assert told.findtext(f"{atom}entry/{atom}id") == "tag:old.example.edu,2026-09-01:L-7K2QXD"
