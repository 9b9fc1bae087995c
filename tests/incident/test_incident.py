"""An incident from its first alert to its end: the same people, the newest word, and nobody by mistake."""

from datetime import timedelta

import pytest
from scene import KIM, LEE, UPDATE

from alerting.broadcast.report import report
from alerting.clock import micros
from alerting.errors import Exit, PlanRefused, TemplateProblem, UnknownAlert, UsageProblem
from alerting.model.alert import MsgType
from alerting.model.delivery import State
from alerting.model.receipt import Receipt, ReceiptStatus
from alerting.service import opening
from alerting.service.incident import Follow, close, follow_up, open_stories, past_of, story
from alerting.service.opening import open_alert
from alerting.service.planning import Past, Request, make_plan
from alerting.testing.builders import accepted, rejected


def test_an_update_goes_to_exactly_the_people_the_first_alert_was_for(campus):
    first = campus.send()
    before = campus.addresses(first)
    campus.people.count = 9
    second = campus.follow(first, Follow.UPDATE, **UPDATE)
    assert campus.addresses(second) == before
    assert campus.addresses(second, "page") == ["feed:page/nsu"]


def test_who_joined_since_is_told_too_when_asked(campus):
    first = campus.send()
    campus.people.count = 6
    second = campus.follow(first, Follow.UPDATE, joined=True, **UPDATE)
    assert len(campus.addresses(second)) == 6
    assert campus.addresses(second)[:4] == campus.addresses(first)


def test_a_newer_message_drops_unsent_copies_of_every_older_one(campus):
    first = campus.send()
    second = campus.follow(first, Follow.UPDATE, **UPDATE)
    campus.follow(second, Follow.ALL_CLEAR)
    for older in (first, second):
        assert campus.addresses(older, states=(State.PENDING,)) == []
        assert len(campus.addresses(older, states=(State.CANCELLED,))) == 4


def test_messages_are_numbered_cite_their_predecessors_and_say_when_they_were_written(campus):
    first = campus.send()
    second = campus.follow(first, Follow.UPDATE, **UPDATE)
    record = campus.ledger.alert(second)
    assert (record.alert.number, record.alert.references, record.alert.incident) == (2, (first,), first)
    assert record.alert.msg_type is MsgType.UPDATE
    text = next(lane.content.text for lane in record.lanes if lane.channel == "texts")
    assert "#2" in text
    assert campus.house.clock_words(record.alert.created_at) in text


def test_what_the_first_alert_said_is_filled_in(campus):
    first = campus.send(place="Baker Hall")
    campus.follow(first, Follow.ALL_CLEAR)
    assert "Baker Hall" in campus.plan.lanes[0].content.text


def test_once_a_correction_moved_the_place_the_all_clear_speaks_of_the_new_one(campus):
    first = campus.send(place="Baker Hall")
    moved = {"wrong": "Baker Hall", "action": "STAY AWAY from it"}
    with pytest.raises(TemplateProblem, match="place: missing"):
        campus.follow(first, Follow.CORRECT, template="correction", **moved)
    campus.follow(first, Follow.CORRECT, template="correction", place="North Hall", **moved)
    campus.follow(first, Follow.UPDATE, **UPDATE)
    campus.follow(first, Follow.ALL_CLEAR)
    for lane in campus.plan.lanes:
        assert "North Hall" in lane.content.text
        assert "Baker Hall" not in lane.content.text
    assert campus.plan.subject.confirm_word == "North Hall"


def test_an_update_that_lets_the_word_unconfirmed_drop_is_told_so_before_it_goes(campus):
    first = campus.send(evidence="unconfirmed")
    campus.follow(first, Follow.UPDATE, **UPDATE)
    [told] = [warning for warning in campus.plan.warnings if "how sure" in warning]
    assert told == (
        "the message before said UNCONFIRMED; this one does not say how sure it is: "
        "--evidence unconfirmed, or another"
    )
    campus.follow(first, Follow.UPDATE, **UPDATE)
    assert not any("how sure" in warning for warning in campus.plan.warnings)


def test_corrections_and_all_clears_outrank_everything(campus):
    first = campus.send()
    second = campus.follow(first, Follow.UPDATE, **UPDATE)
    third = campus.follow(first, Follow.CORRECT)
    priorities = [campus.ledger.alert(name).alert.priority for name in (first, second, third)]
    assert priorities == sorted(set(priorities))


def test_a_recall_tells_exactly_those_the_wrong_alert_reached(campus):
    first = campus.send()
    campus.settle(first, [accepted, rejected, accepted, accepted])
    reached = campus.addresses(first, states=(State.ACCEPTED,))
    recall = campus.follow(first, Follow.RECALL)
    assert campus.addresses(recall) == reached
    assert "SENT IN ERROR" in campus.plan.lanes[-1].content.text


@pytest.mark.parametrize("verb", Follow)
def test_nothing_follows_a_closed_incident(campus, verb):
    first = campus.send()
    campus.follow(first, Follow.ALL_CLEAR)
    with pytest.raises(PlanRefused, match=r"closed at .* by lee \(All clear\)"):
        campus.follow(first, verb, **(UPDATE if verb is Follow.UPDATE else {}))
    assert len(campus.ledger.alerts()) == 2


def overtaken(campus, first, verb, **values):
    """Let somebody look at a follow-up while a colleague sends another; return the attempt to send it."""
    told = story(campus.ledger, first)
    request = follow_up(campus.house, told, verb, values=values)
    plan = make_plan(campus.house, request, as_of=campus.clock.now(), past=past_of(campus.ledger, told))
    return lambda: open_alert(
        campus.ledger, campus.house, plan, actor=KIM, run_key="kim", at=campus.clock.now()
    )


def test_an_update_confirmed_while_the_all_clear_went_out_tells_nobody(campus):
    first = campus.send()
    attempt = overtaken(campus, first, Follow.UPDATE, **UPDATE)
    campus.follow(first, Follow.ALL_CLEAR, actor=LEE)
    with (
        pytest.raises(PlanRefused, match=r"closed at .* by lee \(All clear\); nothing was sent"),
        campus.ledger.transaction(),
    ):
        attempt()
    assert len(campus.ledger.alerts()) == 2


def test_a_follow_up_to_words_that_are_not_the_newest_any_more_is_shown_again_first(campus):
    first = campus.send()
    attempt = overtaken(campus, first, Follow.ALL_CLEAR)
    second = campus.follow(first, Follow.UPDATE, actor=LEE, **UPDATE)
    words = rf"lee sent 'Update' \({second}\) while you looked"
    with pytest.raises(PlanRefused, match=words), campus.ledger.transaction():
        attempt()
    assert len(campus.addresses(second, states=(State.PENDING,))) == 4, "the newer message goes on"


def test_every_kind_of_message_has_its_place_in_the_order_and_an_unknown_one_none():
    assert set(opening._PRIORITY) == set(MsgType)
    with pytest.raises(ValueError, match="retract"):
        MsgType("retract")


def test_an_incident_may_be_named_by_any_of_its_alerts(campus):
    first = campus.send()
    second = campus.follow(first, Follow.UPDATE, **UPDATE)
    assert story(campus.ledger, second).id == first


def test_an_unknown_incident_is_said_to_be_unknown(campus):
    campus.send()
    with pytest.raises(UnknownAlert):
        story(campus.ledger, "L-000000")


def test_a_template_that_begins_an_incident_cannot_follow_one(campus):
    first = campus.send()
    with pytest.raises(PlanRefused, match="begins an incident"):
        campus.follow(first, Follow.UPDATE, template="gas-leak", place="Baker Hall")


def test_a_template_that_follows_cannot_begin_an_incident(campus):
    with pytest.raises(PlanRefused, match="follows an earlier alert"):
        campus.send("all-clear", place="Baker Hall")
    assert campus.ledger.alerts() == []


def test_a_drill_cannot_follow_a_real_alert_and_a_real_template_follows_a_drill_as_a_drill(campus):
    first = campus.send()
    with pytest.raises(PlanRefused):
        campus.follow(first, Follow.UPDATE, template="drill")
    drill = campus.send("drill", place="Baker Hall")
    assert drill.startswith("D-")
    after = campus.follow(drill, Follow.ALL_CLEAR)
    assert after.startswith("D-")
    for lane in campus.plan.lanes:
        assert lane.content.text.startswith("DRILL")


def test_an_owner_and_a_promise_stand_from_the_start_and_move_with_each_message(campus):
    opened = campus.clock.now()
    first = campus.send(actor=KIM)
    told = story(campus.ledger, first)
    assert told.owner == "kim"
    assert told.due_at == opened + timedelta(minutes=15)
    assert not told.overdue(opened + timedelta(minutes=14))
    assert told.overdue(opened + timedelta(minutes=16))
    updated = campus.clock.now()
    campus.follow(first, Follow.UPDATE, actor=LEE, **UPDATE)
    told = story(campus.ledger, first)
    assert (told.owner, told.due_at) == ("kim", updated + timedelta(minutes=15))


def test_an_incident_is_never_closed_without_an_all_clear_or_a_written_reason(campus):
    first = campus.send()
    for reason in ("", "   ", "done"):
        with pytest.raises(UsageProblem, match="all clear"):
            close(campus.ledger, story(campus.ledger, first), reason=reason, actor=LEE, at=campus.clock.now())
    with campus.ledger.transaction():
        told = story(campus.ledger, first)
        close(campus.ledger, told, reason="handed over to the county", actor=KIM, at=campus.clock.now())
    told = story(campus.ledger, first)
    assert (told.closed_by, told.reason) == ("kim", "handed over to the county")


def test_the_same_words_for_the_same_place_within_two_minutes_are_one_broadcast(campus):
    first = campus.send(actor=LEE)
    campus.clock.advance(timedelta(minutes=-2))
    second = campus.send(actor=KIM)
    assert second == first
    assert campus.opened.joined == "lee"
    assert len(campus.addresses(first)) == 4
    assert [act.actor for act in campus.ledger.audit(first) if act.action == "alert.joined"] == ["kim"]


@pytest.mark.parametrize("change", ["place", "template", "later"])
def test_another_place_another_hazard_or_later_is_another_broadcast(campus, change):
    first = campus.send()
    campus.clock.advance(timedelta(minutes=0 if change == "later" else -2))
    template = "fire" if change == "template" else "gas-leak"
    place = "North Hall" if change == "place" else "Baker Hall"
    assert campus.send(template, actor=KIM, place=place) != first


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ({"channels": ("texts",)}, {}, 4),
        ({"channels": ("page",)}, {"channels": ("texts",)}, 4),
        ({"channels": ("page", "texts"), "audience": "few"}, {"audience": "everyone"}, 4),
    ],
)
def test_an_alert_that_tells_more_people_than_the_first_never_disappears_in_it(campus, first, second, told):
    campus.house = campus.house._replace(audiences={**campus.house.audiences, "few": campus.people.roster})
    opened = campus.send(**first)
    campus.clock.advance(timedelta(minutes=-2))
    wider = campus.send(actor=KIM, **second)
    assert wider != opened
    assert len(campus.addresses(wider)) == told


def test_an_alert_that_tells_no_more_people_than_the_first_joins_it(campus):
    first = campus.send()
    campus.clock.advance(timedelta(minutes=-2))
    assert campus.send(actor=KIM, channels=("page",)) == first


def test_an_alert_whose_every_reader_asked_for_no_more_is_no_success(campus):
    """Nobody is told, so code 0 (every delivery accepted) would be a lie."""
    campus.people.count = 1
    stop = Receipt(
        channel="texts", status=ReceiptStatus.OPTED_OUT, at=campus.clock.now(), address="phone:+14132000000"
    )
    with campus.ledger.transaction():
        campus.ledger.apply([stop], at=micros(campus.clock.now()))
    alert = campus.send(channels=("texts",))
    told = report(campus.ledger, campus.ledger.alert(alert), at=campus.clock.now())
    assert told.settled
    assert told.exit is Exit.NOTHING_SENT


def test_a_repeated_command_sends_nothing_twice(campus):
    first = campus.send(key="once")
    campus.clock.advance(timedelta(hours=1))
    assert campus.send(key="once") == first
    assert campus.opened.again


@pytest.mark.parametrize(
    ("level", "word", "certainty"),
    [
        ("unconfirmed", "UNCONFIRMED", "possible"),
        ("confirmed", "CONFIRMED", "observed"),
        ("partly-withdrawn", "PARTLY WITHDRAWN", "possible"),
        ("unfounded", "UNFOUNDED", "unlikely"),
    ],
)
def test_how_sure_we_are_is_said_in_every_text_and_kept_as_certainty(campus, level, word, certainty):
    request = Request(template="gas-leak", values={"place": "Baker Hall"}, evidence=level)
    alert = campus._open(request, Past(), LEE, "")
    assert all(f"{word}: " in lane.content.text for lane in campus.plan.lanes)
    stored = campus.ledger.alert(alert).alert
    assert (stored.evidence, stored.certainty) == (level, certainty)


def test_an_evidence_level_nobody_knows_is_refused(campus):
    request = Request(template="gas-leak", values={"place": "Baker Hall"}, evidence="maybe")
    with pytest.raises(UsageProblem, match="unconfirmed"):
        campus._open(request, Past(), LEE, "")


def test_an_open_incident_is_told_however_many_drills_and_updates_came_after_it(campus):
    first = campus.send(place="Baker Hall")
    closed = campus.send(place="Mead Hall")
    campus.follow(closed, Follow.ALL_CLEAR)
    other = campus.send(place="Chapin Hall")
    for number in range(12):
        campus.follow(other, Follow.UPDATE, key=f"update {number}", **UPDATE)
        campus.send(template="drill", key=f"drill {number}", place="Baker Hall")

    assert [told.id for told in open_stories(campus.ledger)] == [other, first]
