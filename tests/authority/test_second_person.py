"""What needs a second person gets one, or a reason; whoever brings the order, in the transaction itself."""

from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace

import pytest
from guardroom import Guardroom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerting.authority import aftermath
from alerting.authority.admission import just_sent
from alerting.authority.approvals import APPROVALS, Standing, normal_approval
from alerting.authority.people import Ground
from alerting.authority.practice import admit_drill
from alerting.cli.asking import _decided
from alerting.clock import micros
from alerting.errors import NotAllowed, NotConfirmed, UnknownAlert, UsageProblem
from alerting.ledger.rows import Actor
from alerting.model.alert import MsgType

# -- which alerts


def test_an_immediate_reviewed_template_waits_for_nobody_and_the_others_are_told(room):
    opened = room.send("fire")
    assert [record.alert.id for record in room.alerts()] == [opened.alert_id]
    [(by, notice)] = room.acts(opened.alert_id, "notice.wanted")
    assert (by, notice["kind"], notice["to"]) == ("kim", "alert-sent", "approvers")
    assert notice["text"] == f"kim sent {opened.alert_id}: Fire, Hall. You can stop what has not left"


def test_a_standard_template_is_not_sent_by_one_person(room):
    with pytest.raises(
        NotAllowed, match=r"a second person must approve this \(closed is of the class standard\)"
    ):
        room.send("closed")
    assert room.alerts() == []


def test_an_unreviewed_template_is_never_immediate(room):
    room.template("new", kind="immediate")
    with pytest.raises(NotAllowed, match="nobody has reviewed new as it is now"):
        room.send("new")
    room.review("new")
    assert room.send("new").alert_id


def test_editing_a_reviewed_template_drops_the_mark_and_undoing_the_edit_brings_it_back(room):
    path = room.path / "templates/fire.md"
    before = path.read_text()
    path.write_text(before.replace("Fire at", "Big fire at"))
    _, plan = room.plan("fire")
    assert not plan.reviewed
    assert any("NOT REVIEWED" in warning for warning in plan.warnings)
    with pytest.raises(NotAllowed, match="nobody has reviewed"):
        room.send("fire")
    path.write_text(before.replace("\n", "\r\n"))
    assert room.send("fire").alert_id


def test_free_text_needs_a_second_person_and_a_note_does_not(room):
    room.template("note", kind="immediate", room=80, review=True)
    room.template("letter", kind="immediate", room=81, review=True)
    assert room.send("note").alert_id
    with pytest.raises(NotAllowed, match="words is free text"):
        room.send("letter")


def test_a_very_large_list_needs_a_second_person(build):
    room = build(people=5, large_list=4)
    with pytest.raises(NotAllowed, match="5 people are more than 4"):
        room.send("fire")


def test_settings_take_a_ground_away(build):
    room = build(grounds=frozenset({Ground.UNREVIEWED}))
    assert room.plan("closed")[1].second == ()
    assert room.send("closed").alert_id


def test_a_setting_lets_nobody_send_alone(build):
    room = build(immediate_alone=False)
    assert room.plan("fire")[1].second == ("operators.yaml lets nobody send alone",)
    with pytest.raises(NotAllowed, match="a second person"):
        room.send("fire")


def test_without_operators_nobody_is_asked_because_nobody_could_answer(room):
    room.operators = None
    assert room.plan("closed")[1].second
    opened = room.send("closed")
    assert room.acts(opened.alert_id, "notice.wanted") == []


# -- approval


def test_what_another_approves_is_sent_once_in_the_name_of_who_asked(room):
    asked = room.ask("closed")
    assert room.alerts() == []
    opened = room.approve(asked)
    [record] = room.alerts()
    assert record.alert.author == "kim"
    assert record.digest == asked.digest
    [(by, body)] = room.acts(opened.alert_id, "alert.approved")
    assert (by, body["asked_by"]) == ("lee", "kim")
    after = room.asked(asked)
    assert (after.decided, after.decided_by, after.alert) == (Standing.APPROVED, "lee", opened.alert_id)
    assert room.approve(asked).again
    assert len(room.alerts()) == 1


def test_a_request_tells_the_approvers(room):
    asked = room.ask("closed", place="Baker Hall")
    [(by, notice)] = room.acts(asked.id, "notice.wanted")
    assert (by, notice["kind"], notice["to"]) == ("kim", "approval-asked", "approvers")
    assert notice["text"] == "kim asks you to approve: Fire, Baker Hall"
    assert "Baker Hall" in notice["text"]


def test_nobody_approves_their_own_request(room):
    asked = room.ask("closed")
    with pytest.raises(NotAllowed, match="kim asked for this and cannot approve it too"):
        room.approve(asked, by="kim")
    assert room.alerts() == []
    assert room.asked(asked).decided is Standing.OPEN


def test_nobody_approves_their_own_request_with_the_token_of_another(room):
    """The process runs as kim's account and holds lee's token: the kernel knows both."""
    asked = room.ask("closed")
    with pytest.raises(NotAllowed, match="kim asked for this"):
        room.give(*_with(room, asked, by=("lee", "kim")))
    assert room.alerts() == []


def _with(room, asked, **changes):
    order, plan = room.order(
        asked.request["template"],
        by="lee",
        place=asked.request["values"]["place"],
        as_of=asked.as_of,
        run_key="another",
        approval=asked.id,
    )
    return order._replace(**changes), plan


def test_an_approval_for_a_changed_text_is_void(room):
    asked = room.ask("closed")
    room.template("closed", kind="standard", title="Flood", review=True)
    with pytest.raises(NotAllowed, match="not what was asked for"):
        room.approve(asked)
    assert room.alerts() == []


@pytest.mark.parametrize("change", ["place", "as_of", "audience", "by"])
def test_an_approval_is_good_for_exactly_what_was_asked(room, change):
    asked = room.ask("closed")
    order, plan = _with(room, asked)
    match change:
        case "place":
            order = order._replace(request=order.request._replace(values={"place": "Other"}))
        case "as_of":
            order = order._replace(as_of=order.as_of + timedelta(minutes=1))
        case "audience":
            order = order._replace(request=order.request._replace(audience="staff"))
        case "by":
            order = order._replace(by=())
    with pytest.raises(NotAllowed, match="not what was asked for"):
        room.give(order, plan)
    assert room.alerts() == []


def test_a_request_expires_after_ten_minutes(room):
    asked = room.ask("closed")
    room.clock.advance(timedelta(minutes=9, seconds=59))
    assert room.asked(asked).standing(room.clock.now()) is Standing.OPEN
    room.clock.advance(timedelta(seconds=1))
    assert room.asked(asked).standing(room.clock.now()) is Standing.EXPIRED
    with pytest.raises(NotAllowed, match="nobody approved it within 10 min"):
        room.approve(asked)
    assert room.alerts() == []


def test_who_waits_is_not_told_that_nothing_was_sent_while_the_last_moments_approval_goes_on_record(room):
    asked = room.ask("closed")
    room.clock.advance(timedelta(minutes=9, seconds=59))
    given, looks = room.clock.now(), []
    room.clock.advance(timedelta(seconds=1))

    def looked():
        looks.append(1)
        if len(looks) == 2:  # given in time, and committed a moment later
            body = {"approval": asked.id, "alert": "L-7K2QXD"}
            with room.ledger.transaction():
                room.ledger.record_act(
                    "approval.given", APPROVALS, body, actor=Actor(name="lee"), at=micros(given)
                )
        return SimpleNamespace(audit=room.ledger.audit, close=lambda: None)

    became = _decided(SimpleNamespace(own_reader=looked, clock=room.clock), asked.id)

    assert (became.decided, became.alert) == (Standing.APPROVED, "L-7K2QXD")


def test_how_long_a_request_stays_open_is_a_setting(build):
    room = build(approval=timedelta(minutes=2))
    asked = room.ask("closed")
    room.clock.advance(timedelta(minutes=2))
    with pytest.raises(NotAllowed, match="within 2 min"):
        room.approve(asked)


@pytest.mark.parametrize(("verb", "words"), [("reject", "rejected by lee: not now"), ("void", "void")])
def test_what_was_rejected_or_is_void_cannot_be_approved_any_more(room, verb, words):
    asked = room.ask("closed")
    room.decide(verb, asked)
    with pytest.raises(NotAllowed, match=words):
        room.approve(asked)
    with pytest.raises(NotAllowed, match=words):
        room.decide("reject", asked)
    assert room.alerts() == []


def test_who_asked_may_take_it_back_and_a_rejection_needs_a_reason(room):
    asked = room.ask("closed")
    with pytest.raises(UsageProblem, match="no reason"):
        room.decide("reject", asked, by="kim", reason="  ")
    room.decide("reject", asked, by="kim")
    assert room.asked(asked).decided is Standing.REJECTED


def test_asking_twice_with_one_run_key_is_one_request(room):
    first = room.ask("closed", run_key="night-1")
    assert room.ask("closed", run_key="night-1").id == first.id
    room.clock.advance(timedelta(minutes=11))
    assert room.ask("closed", run_key="night-1").id != first.id


def test_a_request_that_is_not_there_is_said_to_be_unknown(room):
    asked = room.ask("closed")._replace(id="a-oooooo")
    with pytest.raises(UnknownAlert, match="there is no request A-000000"):
        room.decide("reject", asked)
    assert normal_approval("7ki") == "A-7K1"


@given(steps=st.lists(st.sampled_from(["approve", "own", "reject", "void", "wait"]), max_size=6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_tried_a_request_becomes_at_most_one_alert_and_only_by_another(tmp_path_factory, steps):
    room = Guardroom(tmp_path_factory.mktemp("room"))
    asked = room.ask("closed")
    for step in steps:
        _try(room, asked, step)
    deciding = [step for step in steps if step != "own"]
    first = deciding.index("approve") if "approve" in deciding else None
    good = first is not None and not {"reject", "void"} & {*deciding[:first]} and first < 2
    assert len(room.alerts()) == good
    assert (room.asked(asked).decided is Standing.APPROVED) == good
    room.ledger.close()


def _try(room, asked, step):
    with suppress(NotAllowed):
        match step:
            case "approve":
                room.approve(asked)
            case "own":
                room.approve(asked, by="kim")
            case "wait":
                room.clock.advance(timedelta(minutes=6))
            case verb:
                room.decide(verb, asked)


# -- break-glass


def test_breaking_the_glass_sends_at_once_with_a_reason_and_tells_all_approvers(room):
    opened = room.send("closed", break_glass="no other   officer on shift")
    [(by, body)] = room.acts(opened.alert_id, "alert.broke_glass")
    assert (by, body["reason"]) == ("kim", "no other officer on shift")
    assert body["why"] == ["closed is of the class standard"]
    [(_, notice)] = room.acts(opened.alert_id, "notice.wanted")
    assert (notice["kind"], notice["to"]) == ("break-glass", "approvers")
    assert "no other officer on shift" in notice["text"]


def review(room, alert_id, *, people=("lee",), finding="it was right; two are on for games now"):
    told = {"alert": alert_id, "finding": finding, "actor": people[0], "origin": "desk", "by": people}
    with room.ledger.transaction():
        return aftermath.answer(room.ledger, told, at=room.clock.now())


def test_what_was_sent_alone_waits_a_day_for_somebody_else_to_look_at_it(room):
    opened = room.send("closed", break_glass="no other officer on shift")
    [owed] = aftermath.still_owed(room.ledger)
    assert (owed.alert, owed.by, owed.reason) == (opened.alert_id, "kim", "no other officer on shift")
    assert owed.due_at == room.clock.now() + timedelta(hours=24)
    with pytest.raises(NotAllowed, match="kim sent it alone and cannot review it too"):
        review(room, opened.alert_id, people=("ann", "kim"))
    for nothing in ("fine", " " * 20, "x" * 1001, "it was\x1b[2J right"):
        with pytest.raises(UsageProblem, match="a finding of 10 to 1,000 plain characters is needed"):
            review(room, opened.alert_id, finding=nothing)
    room.clock.advance(timedelta(hours=24, seconds=1))
    assert review(room, opened.alert_id.lower())["late"]
    assert aftermath.still_owed(room.ledger) == []
    [(by, body)] = room.acts(opened.alert_id, "alert.reviewed")
    assert (by, body["finding"]) == ("lee", "it was right; two are on for games now")


def test_it_is_reviewed_once_and_nothing_else_is(room):
    alone, by_rule = room.send("closed", break_glass="no other officer on shift"), room.send("fire")
    review(room, alone.alert_id)
    with pytest.raises(NotAllowed, match="lee has reviewed it already: it was right"):
        review(room, alone.alert_id)
    with pytest.raises(UnknownAlert, match=f"no review is owed for {by_rule.alert_id}"):
        review(room, by_rule.alert_id)


@pytest.mark.parametrize("reason", ["urgent", "         x", "123456789"])
def test_a_word_is_no_reason_for_breaking_the_glass(room, reason):
    with pytest.raises(UsageProblem, match="at least 10 characters"):
        room.send("closed", break_glass=reason)
    assert room.alerts() == []


def test_where_no_glass_is_broken_none_is_marked(room):
    opened = room.send("fire", break_glass="in a hurry tonight")
    assert room.acts(opened.alert_id, "alert.broke_glass") == []


# -- many alerts in a short time


def test_a_fourth_real_alert_within_ten_minutes_is_asked_about_once_more(room):
    for number in range(3):
        room.send("fire", place=f"Hall {number}")
    with pytest.raises(NotConfirmed, match="3 real alerts went out within 10 minutes"):
        room.send("fire", place="Hall 4")
    assert room.send("fire", place="Hall 4", one_more=True).alert_id
    room.clock.advance(timedelta(minutes=10, seconds=1))
    assert room.send("fire", place="Hall 5").alert_id


@pytest.mark.parametrize("kind", [MsgType.UPDATE, MsgType.CANCEL])
def test_what_follows_an_alert_is_never_asked_about_and_is_no_alert_more(room, kind):
    for number in range(3):
        room.send("fire", place=f"Hall {number}")
    order, plan = room.order("fire", place="Hall 0", run_key="what is new")
    follow_up = plan._replace(subject=plan.subject._replace(msg_type=kind))
    assert room.give(order._replace(digest=follow_up.digest), follow_up).alert_id
    assert just_sent(room.ledger, room.clock.now()) == 3


def test_a_repeat_with_the_same_run_key_is_never_asked_about(room):
    for number in range(3):
        room.send("fire", place=f"Hall {number}", run_key=f"key-{number}")
    assert room.send("fire", place="Hall 0", run_key="key-0").again


# -- drills


def drilled(room, *, why=("the public sees it",), approval="", by=("kim",), name="check"):
    _, plan = room.plan("closed")
    at = room.clock.now()
    return admit_drill(room.ledger, name, plan, why=why, approval=approval, by=by, at=at)


def test_a_drill_with_grounds_is_started_by_nobody_alone(room):
    with pytest.raises(NotAllowed, match=r"a second person must approve this \(the public sees it\)"):
        drilled(room)
    assert drilled(room, why=()) is None


def test_an_approval_of_a_drill_is_good_for_that_drill_by_another(room):
    asked = room.ask("closed", request_more={"drill": "check"})
    assert drilled(room, approval=asked.id, by=("lee",)).id == asked.id
    with pytest.raises(NotAllowed, match="kim asked for this"):
        drilled(room, approval=asked.id, by=("lee", "kim"))
    with pytest.raises(NotAllowed, match="not what was asked for"):
        drilled(room, approval=asked.id, by=("lee",), name="other")
    with pytest.raises(NotAllowed, match="not what was asked for"):
        drilled(room, approval=room.ask("closed", run_key="live").id, by=("lee",))
    room.clock.advance(timedelta(minutes=10))
    with pytest.raises(NotAllowed, match="nobody approved it"):
        drilled(room, approval=asked.id, by=("lee",))
