import subprocess
import sys
from pathlib import Path

import pytest
from campus_shapes import SHAPES

from alerting.model.alert import MsgType, Status
from alerting.model.message import Unit
from alerting.rendering.check import check
from alerting.rendering.fit import fit
from alerting.rendering.measure import sms
from alerting.rendering.render import fill, render
from alerting.rendering.store import TemplateStore
from alerting.rendering.template import VariableType

FOLDER = Path(__file__).parents[2] / "templates"
TEMPLATES = {template.name: template for template in TemplateStore(FOLDER).all()}
NAMES = tuple(TEMPLATES)
EXPECTED = {
    "shots-reported": "A1", "active-shooter": "A2", "armed-person": "A3", "bomb-threat": "A4",
    "suspicious-item": "A5", "tornado": "W1", "lightning": "W2", "fire": "F1", "gas-leak": "H1",
    "chemical-release": "H2", "water-unsafe": "P1", "campus-closed": "C1", "update": "U1",
    "correction": "U2", "sent-in-error": "R1", "false-alarm": "R2", "all-clear": "Z1", "drill": "D1",
    "test": "D2",
}  # fmt: skip
SAMPLES = {
    VariableType.PLACE: "Baker Hall", VariableType.TIME: "3:20pm", VariableType.TEXT: "ice",
    VariableType.NUMBER: "3",
}  # fmt: skip


@pytest.fixture(params=NAMES)
def starter(request):
    return TEMPLATES[request.param]


def sample(template):
    return {v.name: v.choices[0] if v.choices else SAMPLES[v.type] for v in template.variables.values()}


def longest(template):
    return {
        v.name: max(v.choices, key=len) if v.choices else "m" * v.max_length
        for v in template.variables.values()
    }


def mode(template, core):
    return core._replace(status=template.status)


def test_the_set_is_complete_and_every_one_is_found_by_its_id():
    store = TemplateStore(FOLDER)
    assert set(NAMES) >= set(EXPECTED)
    assert {store.find(identity).name: identity for identity in EXPECTED.values()} == EXPECTED


@pytest.mark.parametrize("channel", SHAPES)
def test_a_starter_has_no_errors_and_no_advice_on_any_channel(starter, channel, core):
    findings = check(starter, {channel: SHAPES[channel]}, core)
    assert [str(p) for p in (*findings.errors, *findings.warnings)] == []


@pytest.mark.parametrize("link", ["", "nsu.edu/alert"])
@pytest.mark.parametrize("number", ["", "#12"])
@pytest.mark.parametrize("status", [status for status in Status if status is not Status.SYSTEM])
def test_a_starter_fits_one_plain_segment_at_its_longest_also_as_a_drill(starter, core, status, number, link):
    core = core._replace(status=status, number=number, link=link)
    content = fit(fill(starter, longest(starter), core=core), SHAPES["sms"])
    assert (content.size, sms(content.text).encoding) == (1, "GSM-7")


def test_a_starter_leaves_room_for_a_real_place_name(starter):
    for variable in starter.variables.values():
        if variable.type is VariableType.PLACE:
            assert variable.max_length >= 20


def test_a_starter_says_who_when_and_where_to_look_on_a_phone(starter, core):
    text = render(starter, sample(starter), core=mode(starter, core)).blocks["sms"]
    for word in ("NSU ALERT", "12:05pm", "nsu.edu/alert"):
        assert text.count(word) == 1


def test_a_starter_carries_its_number_when_it_is_not_the_first(starter, core):
    blocks = render(starter, sample(starter), core=mode(starter, core)._replace(number="#3")).blocks
    for name in ("sms", "post", "email"):
        assert "#3" in blocks[name]


def test_a_starter_has_a_mail_with_a_subject_and_what_to_do(starter, core):
    mail = fit(render(starter, sample(starter), core=mode(starter, core)), SHAPES["email"])
    assert mail.subject.removeprefix("DRILL ").removeprefix("TEST ").startswith("NSU ALERT")
    assert len(mail.text) > len(fit(fill(starter, sample(starter), core=core), SHAPES["sms"]).text)
    if starter.name != "test":
        assert "\n- " in mail.text


def test_a_post_costs_no_link(starter, core):
    post = fit(render(starter, sample(starter), core=mode(starter, core)), SHAPES["x"])
    assert post.unit is Unit.WEIGHTED
    assert "nsu.edu" not in post.text


def test_only_drill_and_test_cannot_be_sent_as_real():
    assert {name for name in NAMES if TEMPLATES[name].drill} == {"drill", "test"}


def test_what_ends_an_incident_withdraws_what_came_before():
    ends = {"all-clear", "false-alarm", "sent-in-error"}
    assert {name for name in NAMES if TEMPLATES[name].msg_type is MsgType.CANCEL} == ends


def test_several_have_html_that_says_the_same_as_the_text(core):
    with_html = [t for t in TEMPLATES.values() if "email_html" in t.blocks]
    assert len(with_html) >= 5
    for template in with_html:
        html = render(template, sample(template), core=mode(template, core)).blocks["email_html"]
        for word in ("NSU ALERT", "12:05pm", "<h1>"):
            assert word in html


def test_measuring_a_text_imports_neither_the_template_engine_nor_yaml():
    rooms = ["measure", "fit", "check", "render", "store", "new"]
    lines = [f"import alerting.rendering.{room}" for room in rooms]
    code = "\n".join(["import sys", *lines, "print({'jinja2', 'yaml', 'asyncio'} & set(sys.modules))"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
