"""What may follow an alert is rendered as soon as it opens, and what is missing is said then."""

import json
import shutil
from dataclasses import replace

import pytest
from scene import LEE, Campus

from alerting.cli.ready import lines
from alerting.service.incident import Follow, story
from alerting.service.opening import alert_of
from alerting.service.ready import before_opening, note_ready, people_of, ready, unprepared, waiting_for


def waiting(campus, alert):
    told = story(campus.ledger, alert)
    return told, ready(campus.house, told, people=people_of(campus.ledger, alert), at=campus.clock.now())


def prepare(campus, alert):
    told, found = waiting(campus, alert)
    with campus.ledger.transaction():
        note_ready(campus.ledger, told, found, actor=LEE, at=campus.clock.now())
    return found


def by_verb(found):
    return {one.verb: one for one in found}


@pytest.mark.parametrize(
    ("verb", "words"),
    [("all-clear", "ALL CLEAR at Baker Hall"), ("correct", "report was FALSE"), ("recall", "SENT IN ERROR")],
)
def test_what_needs_nothing_more_waits_for_every_channel(campus, verb, words):
    one = by_verb(waiting(campus, campus.send(place="Baker Hall"))[1])[verb]
    assert set(one.texts) == {"page", "texts"}
    assert all(words in text and "#2" in text for text in one.texts.values())
    assert (one.needs, one.trouble) == ({}, "")


def test_what_only_an_officer_can_say_is_asked_for_at_opening(campus):
    alert = campus.send()
    one = by_verb(waiting(campus, alert)[1])["update"]
    assert (dict(one.needs), one.texts) == ({"action": "What people do now"}, {})
    choices = '"STAY INSIDE, doors locked" | "STAY AWAY from it" | "FOLLOW police directions"'
    assert f"alert update {alert} will need -v action={choices}" in lines([one], alert)


def test_a_place_too_long_for_a_follow_up_is_asked_for_at_opening(campus):
    shown = by_verb(waiting(campus, campus.send("fire", place="Long Hall, north gate."))[1])
    assert list(shown["update"].needs) == ["place", "action"]
    assert shown["all-clear"].texts


def test_a_broken_template_is_said_at_opening_and_keeps_no_other_from_waiting(tmp_path, request):
    shutil.copytree(request.config.rootpath / "templates", tmp_path / "templates")
    (tmp_path / "templates" / "all-clear.md").write_text("---\ntitle: x\n---\n{{ nonsense }}\n")
    campus = Campus(tmp_path, tmp_path / "templates")
    shown = by_verb(waiting(campus, campus.send())[1])
    campus.ledger.close()
    assert "all-clear.md" in shown["all-clear"].trouble
    assert any("CANNOT BE RENDERED" in line for line in lines(shown.values(), "ID"))
    assert shown["correct"].texts


def test_what_waits_is_on_record_once_with_its_texts(campus):
    alert = campus.send()
    assert [told.id for told in unprepared(campus.ledger)] == [alert]
    found = prepare(campus, alert)
    assert list(unprepared(campus.ledger)) == []
    assert waiting_for(campus.ledger, alert) == found
    (act,) = (act for act in campus.ledger.audit(alert) if act.action == "incident.prepared")
    assert "ALL CLEAR" in json.loads(act.body)["ready"]["all-clear"]["texts"]["page"]


def test_what_waits_may_have_been_written_by_an_older_or_a_newer_version(campus):
    alert = campus.send()
    found = prepare(campus, alert)
    (act,) = (act for act in campus.ledger.audit(alert) if act.action == "incident.prepared")
    body = json.loads(act.body)
    for one in body["ready"].values():
        assert one.pop("choices") is not None
        one["of_a_later_version"] = 1
    with campus.ledger.transaction():
        campus.ledger.record_act("incident.prepared", alert, body, actor=LEE, at=act.at)
    assert [replace(one, choices={}) for one in found] == list(waiting_for(campus.ledger, alert))


def test_after_each_message_what_waits_is_rendered_again_and_after_the_last_nothing_is(campus):
    first = campus.send(place="Baker Hall")
    prepare(campus, first)
    moved = {"wrong": "Baker Hall", "place": "North Hall", "action": "STAY AWAY from it"}
    campus.follow(first, Follow.CORRECT, template="correction", **moved)
    [told] = unprepared(campus.ledger)
    assert told.id == first
    prepare(campus, first)
    assert list(unprepared(campus.ledger)) == []
    clear = by_verb(waiting_for(campus.ledger, first))["all-clear"].texts["texts"]
    assert "#3" in clear
    assert "ALL CLEAR at North Hall" in clear
    campus.follow(first, Follow.ALL_CLEAR)
    assert list(unprepared(campus.ledger)) == []


def test_the_preview_says_the_same_as_the_opened_incident(campus):
    alert = campus.send()
    made = alert_of(campus.house, campus.plan, actor=LEE, run_key="", at=campus.plan.as_of)
    told = before_opening(campus.house, campus.plan, made)
    assert [(one.verb, bool(one.texts), one.needs) for one in told] == [
        (one.verb, bool(one.texts), one.needs) for one in waiting(campus, alert)[1]
    ]


def test_what_waits_for_a_drill_is_behind_the_wall(campus):
    one = by_verb(waiting(campus, campus.send("drill", place="Baker Hall"))[1])["all-clear"]
    assert all(text.startswith("DRILL") for text in one.texts.values())
