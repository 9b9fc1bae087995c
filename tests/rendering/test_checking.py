# ruff: noqa: RUF001  (characters that look alike are what is tested)

import pytest

from alerting.errors import TemplateProblem
from alerting.model.message import Shape, Unit
from alerting.rendering.check import check
from alerting.rendering.new import starter
from alerting.rendering.parse import parse

GOOD = """\
{% block sms %}
{{ source }} {{ number }} {{ time }}: GAS LEAK at {{ place }}. Can explode. LEAVE now. {{ link }}
{% endblock %}
"""


def test_a_good_template_has_nothing_to_say_about(template, shapes, core):
    findings = check(template(GOOD), shapes, core)
    assert findings.errors == ()
    assert findings.warnings == ()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{{ place }} {{ plaec }}", "templates/gas.md:6: message: {{ plaec }} is not declared"),
        ("GAS", "templates/gas.md:4: variables.place: asked for, and used in no block"),
        ("{{ place }}\nTODO", 'templates/gas.md:7: message: "TODO" still has to be filled in'),
        ("{{ place }} not a drill", "templates/gas.md:6: message: says that it is no drill"),
        ("{{ place }}{% if place == 'z' %} not a drill{% endif %}", "templates/gas.md:6: message: says that it is no drill"),
        ("{{ place }}" + "a" * 140, "templates/gas.md:6: message: sms: 27 too long"),
        ("{% block email_html %}<p>{{ place }}<script></script></p>{% endblock %}", "<script> may not be used"),
    ],
)  # fmt: skip
def test_an_error_is_told_with_its_line(template, shapes, core, body, told):
    assert any(told in str(problem) for problem in check(template(body), shapes, core).errors)


def test_a_variable_without_a_length_is_an_error(template, shapes, core):
    text = "---\ntitle: x\nvariables:\n  place: Where\n---\n{{ place }}"
    errors = check(template(text), shapes, core).errors
    assert [(e.where, e.fix) for e in errors] == [
        ("templates/gas.md:4: variables.place", "write `max_length: 24`")
    ]


def test_every_choice_is_tried_at_its_longest(template, shapes, core):
    long = "a" * 150
    text = (
        "---\ntitle: x\nvariables:\n  way: {choices: [longest of all, short]}\n---\n"
        "{% block sms %}{% if way == 'short' %}"
        + long
        + "{% endif %} {{ way }} {{ source }} {{ time }}{% endblock %}"
    )
    assert any("too long" in e.what for e in check(template(text), shapes, core).errors)


def test_an_optional_value_left_out_is_tried_too(template, shapes, core):
    text = (
        "---\ntitle: x\nvariables:\n  more: {max_length: 5, required: no}\n---\n"
        "{% block sms %}{% if not more %}" + "a" * 170 + "{% endif %}{{ more }}{% endblock %}"
    )
    assert any("too long" in e.what for e in check(template(text), shapes, core).errors)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{{ time }} GAS LEAK at {{ place }}. LEAVE", "does not say who speaks"),
        ("{{ source }} GAS LEAK at {{ place }}. LEAVE", "does not say when"),
        ("{{ source }} {{ time }} FIRE at {{ place }}. LEAVE", 'does not name the hazard ("gas leak")'),
        ("{% block sms %}{{ source }} {{ time }} GAS. LEAVE{% endblock %}{% block email %}{{ place }}{% endblock %}", "sms: does not say where"),
        ("{{ source }} {{ time }} GAS at {{ place }}.", "does not say what to do"),
        ("{{ source }} {{ time }} GAS at {{ place }}. Avoid the area.", "only says to avoid the area"),
        ("{{ source }} {{ time }} GAS LEAK AT BAKER HALL. LEAVE NOW AND KEEP OUT {{ place | upper }}", "nearly all in capitals"),
        ("{{ source }} {{ time }} GAS at {{ place }}.\nShelter in place", 'templates/gas.md:7: message: "Shelter in place" is a word of the trade'),
        ("{{ source }} {{ number }}: GAS at {{ place }}, {{ time }}. LEAVE", '"ALERT :" is left when a word is empty'),
        ("{% block sms %}{{ source }} {{ time }} GAS at {{ place }}.\nDon’t go{% endblock %}", "templates/gas.md:7: sms: ’ would halve the room"),
    ],
)  # fmt: skip
def test_advice_is_told_with_its_line(template, shapes, core, body, told):
    findings = check(template(body), shapes, core)
    assert findings.errors == ()
    assert any(told in str(problem) for problem in findings.warnings)


def test_a_verb_saves_avoid_the_area(template, shapes, core):
    body = "{{ source }} {{ time }} GAS at {{ place }}. Avoid the area, go inside."
    assert check(template(body), shapes, core).warnings == ()


def test_more_than_one_segment_is_advice_where_it_is_allowed(template, core):
    two = {"sms": Shape(unit=Unit.SEGMENTS, limit=2, slots=("sms", "message"))}
    body = GOOD.replace("Can explode.", "Can explode. " + "Very much so. " * 6)
    findings = check(template(body), two, core)
    assert findings.errors == ()
    assert any("2 times the price" in w.what for w in findings.warnings)


def test_a_text_that_fits_only_without_the_wall_is_told(template, shapes, core):
    body = GOOD.replace("Can explode.", "Can explode" + "e" * 55 + ".")
    findings = check(template(body), shapes, core)
    assert findings.errors == ()
    assert any("as a drill it does not fit" in w.what for w in findings.warnings)


def test_an_update_that_carries_no_number_is_told(template, shapes, core):
    text = "---\ntitle: x\nmsg_type: cancel\nresponse_type: all clear\n---\n{{ source }} {{ time }}: go out"
    warnings = " ".join(w.what for w in check(template(text), shapes, core).warnings)
    assert "number in the incident" in warnings
    assert 'does not say "all clear"' in warnings


def test_the_scaffold_reads_and_only_its_own_brackets_are_left(shapes, core):
    template = parse(starter("roof-collapse"), name="roof-collapse", path="templates/roof-collapse.md")
    errors = check(template, shapes, core).errors
    assert len(errors) == 3
    assert all("still has to be filled in" in e.what and "[" in e.what for e in errors)


def test_the_scaffold_passes_once_its_brackets_are_filled(shapes, core):
    text = starter("roof-collapse").replace("[what it can do to people]", "Can crush you.")
    text = (
        text.replace("[what to do now]", "LEAVE.")
        .replace("[first action]", "Leave")
        .replace("[second action]", "Wait")
    )
    template = parse(text, name="roof-collapse", path="templates/roof-collapse.md")
    assert check(template, shapes, core).errors == ()
    assert check(template, shapes, core._replace(link="")).errors == ()


@pytest.mark.parametrize("name", ["", "Gas", "../x", "a b", "x\x1b", "sms.md"])
def test_a_scaffold_needs_a_name_that_can_be_a_file(name):
    with pytest.raises(TemplateProblem, match="not a template name"):
        starter(name)
