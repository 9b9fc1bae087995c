"""The walls between drill and live. ``test_walls_removed.py`` takes each away and sees these fail."""

import re
from datetime import timedelta

import pytest
from drill_campus import ACTOR, ROOT, a_drill, a_programme, feed, wired

from alerting.clock import micros
from alerting.drills.due import by_hand
from alerting.drills.exercise import exercise_house, open_exercise, plan_exercise, refuse_unwalled
from alerting.drills.force import beside_drill
from alerting.errors import NotAllowed, PlanRefused, TemplateProblem, UsageProblem
from alerting.keys import is_live
from alerting.model.alert import Status
from alerting.model.message import Shape, Unit
from alerting.rendering.core import CoreWords
from alerting.rendering.render import render
from alerting.rendering.store import TemplateStore
from alerting.service.opening import open_alert
from alerting.service.planning import Past, Request, make_plan
from alerting.testing.builders import a_lane, an_alert, an_opening


def plan_of(campus, drill, programme=None):
    programme = programme or a_programme(drill)
    return plan_exercise(campus.house(), programme, drill, as_of=campus.clock.now(), past=Past())


def start(campus, drill):
    programme, at = a_programme(drill), campus.clock.now()
    plan = plan_of(campus, drill, programme)
    occurrence = by_hand(drill, programme, now=at)

    def change(ledger):
        house = exercise_house(campus.house(), programme, drill)
        return open_exercise(
            ledger, house, plan, drill=drill, occurrence=occurrence, actor=ACTOR, at=at, facts={}
        )

    return campus.do(change).alert_id


def go_live(campus, template="gas-leak", **more):
    request = Request(
        template=template, values={"place": "Baker Hall"}, audience="staff", channels=("sms-main",), **more
    )
    plan = make_plan(campus.house(), request, as_of=campus.clock.now(), past=Past())
    at = campus.clock.now()
    return plan, campus.do(
        lambda ledger: open_alert(ledger, campus.house(), plan, actor=ACTOR, run_key=str(at), at=at)
    ).alert_id


def test_the_template_of_a_real_alert_is_an_exercise_in_a_drill(campus):
    plan = plan_of(campus, a_drill(template="gas-leak", values={"place": "Baker Hall"}))
    assert plan.subject.status is Status.EXERCISE
    assert not plan.subject.live


def test_a_template_for_practice_is_never_rendered_as_a_real_alert(campus):
    template = campus.house().templates.find("drill")
    assert template.drill
    for status in (Status.ACTUAL, Status.EXERCISE, Status.TEST):
        core = CoreWords(source="NSU ALERT", time="3:05pm", status=status)
        if status is Status.ACTUAL:
            with pytest.raises(TemplateProblem, match="cannot be sent as a real alert"):
                render(template, {}, core=core)
        else:
            assert render(template, {}, core=core).blocks["sms"].startswith(core.wall)


def test_a_drill_has_the_id_and_the_status_of_a_drill_in_the_record(campus):
    alert_id = start(campus, a_drill(template="gas-leak", values={"place": "Baker Hall"}))
    record = campus.reader().alert(alert_id)
    assert alert_id.startswith("D-")
    assert not is_live(alert_id)
    assert record.alert.status is Status.EXERCISE


def test_every_channel_and_the_subject_begin_and_end_with_the_word(campus):
    mail = Shape(unit=Unit.CHARACTERS, limit=100_000, slots=("email", "message"), subject=True, html=True)
    campus.wired = [wired("sms-main"), wired("email-main", shape=mail), feed()]
    names = ("sms-main", "email-main", "x-campus")
    for template, values in (("gas-leak", {"place": "Baker Hall"}), ("drill", {})):
        plan = plan_of(campus, a_drill(template=template, values=values, channels=names))
        assert len(plan.lanes) == 3
        for lane in plan.lanes:
            assert lane.content.text.startswith("DRILL")
            assert "DRILL" in lane.content.text.splitlines()[-1]
            if lane.content.subject:
                assert lane.content.subject.startswith("DRILL ")
                assert lane.content.subject.endswith(" DRILL")
            if lane.content.html:
                assert lane.content.html.count("DRILL: this is practice.") == 2


@pytest.mark.parametrize(
    "bare",
    [
        {"text": "Find your nearest exit. DRILL"},
        {"text": "DRILL Find your nearest exit."},
        {"text": "DRILL"},
        {"subject": "Find your nearest exit"},
        {"subject": "DRILL Find your nearest exit"},
        {"html": "<p>DRILL</p><p>Find your nearest exit.</p>"},
    ],
    ids=["not first", "not last", "nothing else", "no subject's", "not at its end", "not around the page"],
)
def test_a_plan_without_the_words_is_refused_whoever_made_it(campus, bare):
    mail = Shape(unit=Unit.CHARACTERS, limit=100_000, slots=("email", "message"), subject=True, html=True)
    campus.wired = [wired("email-main", shape=mail)]
    plan = plan_of(campus, a_drill(channels=("email-main",)))
    refuse_unwalled(plan)
    [lane] = plan.lanes
    bare_lane = lane._replace(content=lane.content._replace(**bare))
    with pytest.raises(PlanRefused, match="email-main"):
        refuse_unwalled(plan._replace(lanes=(bare_lane,)))


@pytest.mark.parametrize("status", [Status.ACTUAL, Status.SYSTEM])
def test_a_plan_of_anything_else_is_never_opened_as_a_drill(campus, status):
    drill = a_drill()
    programme, at = a_programme(drill), campus.clock.now()
    plan = plan_of(campus, drill, programme)
    real = plan._replace(subject=plan.subject._replace(status=status))
    occurrence = by_hand(drill, programme, now=at)
    with pytest.raises(PlanRefused, match="no drill"):
        campus.do(
            lambda ledger: open_exercise(
                ledger, campus.house(), real, drill=drill, occurrence=occurrence, actor=ACTOR, at=at, facts={}
            )
        )
    assert campus.reader().alerts() == []


def test_an_audience_that_is_not_on_the_list_is_out_of_reach(campus):
    with pytest.raises(UsageProblem, match="everyone"):
        plan_of(campus, a_drill(audience="everyone"))
    house = exercise_house(campus.house(), a_programme(a_drill()), a_drill())
    assert set(house.audiences) == {"staff"}
    assert house.default_audience == "", "no drill falls back on the campus's own audience"


def test_a_channel_for_real_alerts_is_out_of_reach_by_name_by_default_and_as_a_fallback(campus):
    campus.wired.append(wired("sms-two", fallback="sms-live"))
    with pytest.raises(UsageProblem, match="sms-live carries real alerts only"):
        plan_of(campus, a_drill(channels=("sms-live",)))
    plan = plan_of(campus, a_drill(channels=()))
    assert [lane.channel for lane in plan.lanes] == ["sms-main", "sms-drill", "sms-two"]
    assert not any(lane.fallback for lane in plan.lanes)


def test_a_public_feed_is_used_only_when_the_drill_names_it(campus):
    campus.wired.append(feed())
    assert "x-campus" not in [lane.channel for lane in plan_of(campus, a_drill(channels=())).lanes]
    assert [lane.channel for lane in plan_of(campus, a_drill(channels=("x-campus",))).lanes] == ["x-campus"]


@pytest.mark.parametrize(
    "words", ["this is not a drill", "NOT  A DRILL", "n0t a dri11", "no drill? isn't a drill"]
)
def test_no_drill_says_that_it_is_none(campus, words):
    with pytest.raises(TemplateProblem, match="no drill"):
        plan_of(campus, a_drill(values={"place": words}))


@pytest.mark.parametrize("block", ["message", "subject", "email_html"])
@pytest.mark.parametrize("name", ["drill", "gas-leak"])
def test_no_template_of_either_kind_says_that_it_is_no_drill(campus, tmp_path, name, block):
    folder = tmp_path / "templates"
    folder.mkdir()
    text = (ROOT / "templates" / f"{name}.md").read_text()
    words = "<p>This is <b>not</b> a drill.</p>" if block == "email_html" else "This is NOT a drill."
    kept = re.sub(rf"{{% block {block} %}}.*?{{% endblock %}}", "", text, flags=re.DOTALL)
    (folder / f"{name}.md").write_text(f"{kept}\n{{% block {block} %}}\n{words}\n{{% endblock %}}\n")
    house = campus.house()._replace(templates=TemplateStore(folder))
    values = {"place": "Baker Hall"} if name == "gas-leak" else {}
    drill = a_drill(template=name, values=values)
    with pytest.raises(TemplateProblem, match="says that it is no drill"):
        plan_exercise(house, a_programme(drill), drill, as_of=campus.clock.now(), past=Past())
    request = Request(template=name, values=values, audience="staff", channels=("sms-main",))
    with pytest.raises(TemplateProblem, match="says that it is no drill"):
        make_plan(house, request, as_of=campus.clock.now(), past=Past())


def test_no_drill_starts_while_a_real_alert_is_in_force(campus):
    _, alert_id = go_live(campus)
    notices(campus, 30)
    with pytest.raises(NotAllowed, match=alert_id):
        start(campus, a_drill())
    campus.clock.advance(timedelta(hours=3))  # its life has ended
    assert start(campus, a_drill()).startswith("D-")


def notices(campus, number):
    """Put notices of the system itself on record: they are neither drills nor real alerts."""
    at = campus.clock.now()
    for place in range(number):
        name = f"N-{place:06d}"
        told = an_alert(
            id=name, incident=name, status=Status.SYSTEM, created_at=at, expires_at=at + timedelta(hours=9)
        )
        campus.do(
            lambda ledger, told=told: ledger.open_alert(
                an_opening(a_lane("sms-main"), alert=told), at=micros(at)
            )
        )


def test_a_notice_of_the_system_is_no_running_drill(campus):
    plan, _ = go_live(campus)
    notices(campus, 1)
    assert beside_drill(plan, campus.reader(), at=campus.clock.now()) == plan


def test_a_real_alert_within_a_running_drill_says_so_first(campus):
    plan, _ = go_live(campus)
    campus.clock.advance(timedelta(hours=3))
    assert beside_drill(plan, campus.reader(), at=campus.clock.now()) == plan
    drill_id = start(campus, a_drill())
    campus.clock.advance(timedelta(minutes=7))
    first, *_ = beside_drill(plan, campus.reader(), at=campus.clock.now()).warnings
    assert first.startswith("A DRILL IS RUNNING")
    assert drill_id in first
    assert "since 7 min" in first
    campus.clock.advance(timedelta(hours=2))
    assert beside_drill(plan, campus.reader(), at=campus.clock.now()) == plan


def test_a_rehearsal_may_use_everything_because_its_providers_are_stand_ins(campus):
    drill = a_drill(rehearsal=True, audience="everyone", channels=())
    house = exercise_house(campus.house(), a_programme(drill), drill)
    assert set(house.audiences) == {"staff", "everyone"}
    assert plan_of(campus, drill).subject.status is Status.EXERCISE
