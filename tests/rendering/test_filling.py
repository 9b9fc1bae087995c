import pytest
from campus_shapes import HEAD, SHAPES
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.errors import PlanRefused, TemplateProblem
from alerting.model.alert import Status
from alerting.rendering.core import CoreWords
from alerting.rendering.fit import fit
from alerting.rendering.measure import sms, weighted
from alerting.rendering.parse import parse
from alerting.rendering.render import render
from alerting.rendering.sanitise import refused
from alerting.rendering.suggest import suggestion

ALL_BLOCKS = """
{% block sms %}{{ source }} {{ number }} {{ time }}: GAS at {{ place }}. LEAVE. {{ link }}{% endblock %}
{% block post %}GAS at {{ place }}{% endblock %}
{% block subject %}GAS at {{ place }}{% endblock %}
{% block email %}GAS at {{ place }}.

- LEAVE{% endblock %}
{% block email_html %}<p>GAS at {{ place }}</p>{% endblock %}
"""


def told(template, values, core):
    with pytest.raises(TemplateProblem) as caught:
        render(template, values, core=core)
    return "\n".join(str(problem) for problem in caught.value.problems)


def test_every_block_is_filled_once(template, core):
    blocks = render(template(ALL_BLOCKS), {"place": "Baker Hall"}, core=core).blocks
    assert blocks == {
        "sms": "NSU ALERT 12:05pm: GAS at Baker Hall. LEAVE. nsu.edu/alert",
        "post": "NSU ALERT 12:05pm: GAS at Baker Hall",
        "message": "NSU ALERT 12:05pm: GAS at Baker Hall",
        "subject": "NSU ALERT: GAS at Baker Hall",
        "email": "NSU ALERT 12:05pm: GAS at Baker Hall.\n\n- LEAVE",
        "email_html": "<p>NSU ALERT 12:05pm</p>\n<p>GAS at Baker Hall</p>",
    }


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("GAS", "NSU ALERT #2 12:05pm: GAS"),
        ("{{ source }}: GAS", "#2 12:05pm: NSU ALERT: GAS"),
        ("{{ time }} GAS", "NSU ALERT #2: 12:05pm GAS"),
        ("{{ source }} {{ number }} {{ time }}: GAS", "NSU ALERT #2 12:05pm: GAS"),
        ("GAS, says {{ source }} at {{ time }}", "GAS, says NSU ALERT at 12:05pm"),
        ("{% if false %}{{ source }} {{ time }}{% endif %}GAS", "NSU ALERT #2 12:05pm: GAS"),
        ("NSU ALERT 12:05pm GAS", "NSU ALERT #2 12:05pm: NSU ALERT 12:05pm GAS"),
        ("{{ source | upper }} {{ time }} GAS", "NSU ALERT 12:05pm GAS"),
    ],
)
def test_source_and_time_are_always_there_and_never_twice(template, core, body, text):
    head = "---\ntitle: Gas\n---\n"
    message = render(template(head + body), {}, core=core._replace(number="#2"))
    assert message.blocks["message"] == text


def test_a_value_that_looks_like_the_source_does_not_stand_in_for_it(template, core):
    message = render(template("GAS at {{ place }}"), {"place": "NSU ALERT 12:05pm"}, core=core)
    assert message.blocks["message"] == "NSU ALERT 12:05pm: GAS at NSU ALERT 12:05pm"


def test_empty_words_leave_no_double_spaces(template, core):
    body = "{{ source }} {{ number }} {{ time }}: GAS at {{ place }}. {{ next_update }} {{ link }}\n\n\n\nend"
    message = render(template(body), {"place": "Baker"}, core=core._replace(next_update="", link=""))
    assert message.blocks["message"] == "NSU ALERT 12:05pm: GAS at Baker.\n\nend"


def test_the_link_is_shown_without_its_scheme(template, core):
    message = render(
        template("{{ place }} {{ link }}"), {"place": "B"}, core=core._replace(link="https://nsu.edu/a/")
    )
    assert message.blocks["message"].endswith("B nsu.edu/a")


@pytest.mark.parametrize("status", [Status.EXERCISE, Status.TEST])
@pytest.mark.parametrize("place", ["Baker", "DRILL Hall", "DRILL", "TEST", "x DRILL"])
def test_every_block_of_a_drill_begins_and_ends_with_its_word(template, core, status, place):
    word = {Status.EXERCISE: "DRILL", Status.TEST: "TEST"}[status]
    body = ALL_BLOCKS.replace("GAS at {{ place }}", "{{ place }}")
    blocks = render(template(body), {"place": place}, core=core._replace(status=status)).blocks
    plain = render(template(body), {"place": place}, core=core).blocks
    for name in ("sms", "post", "message", "subject"):
        assert blocks[name] == f"{word} {plain[name]} {word}"
    for name in ("email", "email_html"):
        assert blocks[name].count(f"{word}: this is") == 2
        assert plain[name] in blocks[name]


def test_the_subject_of_a_template_without_one_is_its_title_inside_the_wall(template, core):
    message = render(
        template("GAS at {{ place }}"), {"place": "B"}, core=core._replace(status=Status.EXERCISE)
    )
    assert message.blocks["subject"] == "DRILL NSU ALERT: Gas leak DRILL"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("This is not a drill. {{ place }}", "Baker"),
        ("This is NOT {# #} A {% if place %}DRILL{% endif %}", "Baker"),
        ("{{ place }}", "N.O.T a drill"),
        ("this is not {{ place }}", "a drill"),
        ("{{ place }} is not a", "Baker"),
        ("{% block email_html %}<p>not <b>a</b> drill {{ place }}</p>{% endblock %}", "Baker"),
        ("{% block email_html %}<p>no<b>t</b> a dr<i>ill</i> {{ place }}</p>{% endblock %}", "Baker"),
    ],
)  # fmt: skip
def test_nobody_can_say_that_it_is_no_drill(template, core, body, place):
    text = told(template(body), {"place": place}, core._replace(status=Status.EXERCISE))
    assert "no drill or no test" in text


@pytest.mark.parametrize("code", ["'\\u202e'", "'\\x07'", "'\\u200b'"])
def test_a_character_written_as_an_escape_is_refused_in_the_result(template, core, code):
    text = told(template("{{ place }} {{ " + code + " }}"), {"place": "Baker"}, core)
    assert "templates/gas.md:6: message: holds U+" in text


def test_a_denial_in_a_value_names_the_value(template, core):
    text = told(template("{{ place }}"), {"place": "Not a drill"}, core)
    assert "templates/gas.md: place: says that it is no drill or no test" in text


def test_a_denial_spread_over_two_values_is_refused_live_too(core):
    text = HEAD.replace("24}}", "24}, more: {max_length: 9}}")
    template = parse(text + "{{ place }} {{ more }}", name="gas", path="p")
    assert "no drill" in told(template, {"place": "this is NOT", "more": "A DRILL"}, core)


def test_a_template_for_drills_is_never_sent_as_real(template, core):
    drill = template("---\ntitle: Drill\nstatus: exercise\n---\nPRACTICE")
    assert "templates/gas.md:3: a template for drills" in told(drill, {}, core)
    assert render(drill, {}, core=core._replace(status=Status.TEST)).blocks["message"].startswith("TEST ")


VARIABLES = """\
---
title: Gas
variables:
  place: {type: place, prompt: Where it is, max_length: 10}
  wind: {choices: [From the north, From the south]}
  until: {type: time}
  count: {type: number, required: no}
  note: {default: none, max_length: 10}
---
{{ place }}|{{ wind }}|{{ until }}|{{ count }}|{{ note }}
"""
GIVEN = {"place": "Baker", "wind": "from the NORTH", "until": "3:20pm"}


def test_values_are_filled_in_and_optional_ones_take_their_default(template, core):
    text = render(template(VARIABLES), GIVEN, core=core).blocks["message"]
    assert text == "NSU ALERT 12:05pm: Baker|From the north|3:20pm||none"


def test_everything_missing_is_told_at_once_with_its_question(template, core):
    text = told(template(VARIABLES), {"place": "  "}, core)
    assert 'templates/gas.md: place: missing (Where it is); write -v place="..."' in text
    assert "wind: missing" in text
    assert "until: missing" in text
    assert "count" not in text


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("plase", "x", 'plase: the template has no such variable; did you mean "place"?'),
        ("source", "x", "source: filled by the program itself"),
        ("place", "x" * 2 + "y" * 11, "place: 13 characters, 3 too many; write at most 10"),
        ("place", "y" * 5000, "place: 5000 characters; write at most 10"),
        ("place", "a\nb", "place: more than one line"),
        ("place", "a\x1bb", "place: holds U+001B"),
        ("place", "a\u202eb", "place: holds U+202E"),
        ("place", "[hall]", 'place: "[hall]" still has to be filled in'),
        ("wind", "east", '"east" is not a choice; write one of: From the north, From the south'),
        ("wind", "from the nord", 'did you mean "From the north"?'),
        ("until", "soon", '"soon" is not a time; write it like 3:20pm or 15:20'),
        ("until", "25:00", "is not a time"),
        ("count", "many", '"many" is not a number'),
    ],
)
def test_a_value_that_cannot_be_used_is_told_with_what_to_write(template, core, name, value, what):
    assert what in told(template(VARIABLES), {**GIVEN, name: value}, core)


def test_choices_are_told_so_that_they_can_be_copied_whatever_letters_were_typed():
    choices = ("STAY INSIDE, doors locked", "STAY AWAY from it")
    assert suggestion("stay away", choices) == 'did you mean "STAY AWAY from it"?'
    assert suggestion("", choices) == 'write one of: "STAY INSIDE, doors locked", "STAY AWAY from it"'


@pytest.mark.parametrize(
    "time", ["3pm", "3:20pm", "03:20 PM", "15:20", "noon", "midnight", "Mon 6am", "6am Mon", "3 p.m."]
)
def test_times_as_people_write_them_are_times(template, core, time):
    assert f"|{time}|" in render(template(VARIABLES), {**GIVEN, "until": time}, core=core).blocks["message"]


@pytest.mark.parametrize("value", ["{{ 7*7 }}", "{% raw %}", "{{ source }}", "{# x #}", "${7*7}", "%(x)s"])
def test_a_value_is_never_run(template, core, value):
    message = render(template("GAS at {{ place }}"), {"place": value}, core=core)
    assert message.blocks["message"] == f"NSU ALERT 12:05pm: GAS at {value}"


def test_a_value_is_escaped_in_html_and_nowhere_else(template, core):
    blocks = render(template(ALL_BLOCKS), {"place": "A & B's <3"}, core=core).blocks
    assert "A &amp; B&#39;s &lt;3" in blocks["email_html"]
    assert "A & B's <3" in blocks["sms"]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("{{ plaec }}", 'templates/gas.md:6: message: {{ plaec }} is not declared; did you mean "place"?'),
        ("x\n{% if place %}", "templates/gas.md:7: message:"),
        ("x\n{{ place.upper() }}", "templates/gas.md:7: message: a call may not be used"),
        ("{{ place.__class__ }}", "a dot inside {{ }} may not be used"),
        ("{{ place[0] }}", "brackets inside {{ }} may not be used"),
        ("{{ place * 9 }}", "* may not be used"),
        ("{% include 'x' %}", "include may not be used"),
        ("{% include '../x' %}", "include may not be used"),
        ("{% import 'x' as y %}", "import may not be used"),
        ("{% set x = 1 %}", "set may not be used"),
        ("{% macro m() %}{% endmacro %}", "macro may not be used"),
        ("{{ place | safe }}", 'no filter is called "safe"'),
        ("{{ place | lowr }}", 'did you mean "lower"?'),
        ("{% for c in place %}x{% endfor %}", "a loop over something that is no list"),
        ("{% for c in ['a'] %}{% for d in ['b'] %}x{% endfor %}{% endfor %}", "a loop inside a loop"),
        ("{% for c in range(9) %}x{% endfor %}", "a call may not be used"),
        ("at [BUILDING NAME]", 'templates/gas.md:6: message: "[BUILDING NAME]" still has to be filled in'),
        ("a\nb\nTODO {{ place }}", 'templates/gas.md:8: message: "TODO"'),
    ],
)
def test_a_template_that_asks_for_too_much_is_refused_with_its_line(template, core, body, what):
    assert what in told(template(body), {"place": "Baker"}, core)


def test_a_list_may_be_looped_over(template, core):
    body = "{{ place }}{% for step in ['LEAVE', 'WAIT'] %} - {{ step }}{% endfor %}"
    assert render(template(body), {"place": "B"}, core=core).blocks["message"].endswith("B - LEAVE - WAIT")


def test_the_output_is_bounded(core):
    items = ", ".join(["1"] * 3000)
    body = "{% for c in [" + items + "] %}" + "a" * 40 + "{% endfor %}"
    template = parse(f"---\ntitle: Gas\n---\n{body}", name="gas", path="templates/gas.md")
    assert "templates/gas.md:4: message: longer than 64 kB" in told(template, {}, core)


def test_a_block_that_comes_out_empty_is_refused(template, core):
    body = "{% block sms %}{% if not place %}GAS{% endif %}{% endblock %}"
    assert "templates/gas.md:6: sms: nothing to say" in told(template(body), {"place": "Baker"}, core)


@pytest.mark.parametrize(
    ("html", "what"),
    [
        ("<script>x</script>", "<script> may not be used"),
        ("<style>p {display: none}</style>", "<style> may not be used"),
        ('<p style="display:none">x</p>', 'style="..." may not be used in <p>'),
        ("<p>x</p><!-- ", "a < that begins no tag"),
        ("<p>x</p><!-- y -->", "a comment may not be used"),
        ("<p>x", "<p> is never closed"),
        ("<p><b>x</p></b>", "closes something else"),
        ('<a href="javascript:x">x</a>', "a link that does not begin with https://"),
        ('<img src="x">', "<img> may not be used"),
        ('<p>x</p><a href="', "a < that begins no tag"),
    ],
)
def test_markup_that_could_hide_the_wall_is_refused(template, core, html, what):
    body = "{% block email_html %}{{ place }}" + html + "{% endblock %}"
    assert what in told(template(body), {"place": "Baker"}, core)


ANY = st.text(max_size=60)


@settings(max_examples=300)
@given(place=ANY, status=st.sampled_from(list(Status)))
def test_whatever_the_value_the_text_is_clean_and_fits_or_is_refused(place, status):
    head = HEAD.replace("max_length: 24", "max_length: 60")
    template = parse(head + ALL_BLOCKS, name="gas", path="templates/gas.md")
    core = CoreWords(source="NSU ALERT", time="12:05pm", link="nsu.edu/alert", status=status)
    try:
        message = render(template, {"place": place}, core=core)
    except TemplateProblem:
        return
    for shape in SHAPES.values():
        try:
            content = fit(message, shape)
        except PlanRefused:
            continue
        assert content.size <= content.limit
        assert refused(content.text + content.subject + content.html) == ()
        if core.wall:
            assert content.text.startswith(core.wall)
            assert content.text.endswith((core.wall, "practice.", "alert system."))
    assert sms(fit(message, SHAPES["facebook"]).text).segments >= 1
    assert weighted(message.blocks["post"]).weighted > 0
