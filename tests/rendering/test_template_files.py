import os
from datetime import timedelta

import pytest

from alerting.errors import TemplateProblem
from alerting.model.alert import AlertClass, MsgType, ResponseType, Severity, Status
from alerting.rendering.parse import parse
from alerting.rendering.store import TemplateStore
from alerting.rendering.template import VariableType

WHOLE = """\
---
id: H1
title: "Gas leak: campus"
class: immediate
category: safety
severity: severe
urgency: immediate
certainty: observed
status: exercise
msg_type: update
response_type: all clear
hazard: gas leak
lifetime: 90 min
languages: [en, es]
channels: [sms-main, x]
variables:
  place:
    type: place
    prompt: Where
    max_length: 24
  wind:
    type: choice
    choices: [no, north]
    default: no
  until: {type: time}
---

{# {% block sms %} is not a block here #}
{% block sms %}
GAS at {{ place }} until {{ until }}, wind {{ wind }}
{% endblock %}
{% block email %}First
second{% endblock email %}
"""


def problems_of(text, name="gas"):
    with pytest.raises(TemplateProblem) as caught:
        parse(text, name=name, path=f"templates/{name}.md")
    return [str(problem) for problem in caught.value.problems]


def front(*lines, body="GAS"):
    return "\n".join(["---", "title: Gas", *lines, "---", body])


def test_every_key_is_read():
    template = parse(WHOLE, name="gas", path="templates/gas.md")
    assert (template.id, template.title) == ("H1", "Gas leak: campus")
    assert (template.alert_class, template.severity) == (AlertClass.IMMEDIATE, Severity.SEVERE)
    assert (template.status, template.msg_type, template.drill) == (Status.EXERCISE, MsgType.UPDATE, True)
    assert template.response_type is ResponseType.ALL_CLEAR
    assert template.lifetime == timedelta(minutes=90)
    assert (template.languages, template.channels) == (("en", "es"), ("sms-main", "x"))
    assert list(template.variables) == ["place", "wind", "until"]
    assert template.at("severity") == "templates/gas.md:6"


def test_words_are_read_as_written_and_never_as_yes_no_or_numbers():
    wind = parse(WHOLE, name="gas", path="p").variables["wind"]
    assert (wind.type, wind.choices, wind.default, wind.required) == (
        VariableType.CHOICE, ("no", "north"), "no", False,
    )  # fmt: skip


def test_a_time_has_room_for_itself_where_nobody_says():
    assert parse(WHOLE, name="gas", path="p").variables["until"].max_length == 8


def test_blocks_know_the_line_they_stand_on():
    blocks = parse(WHOLE, name="gas", path="p").blocks
    assert {name: (block.line, block.source.split("\n")[0]) for name, block in blocks.items()} == {
        "sms": (30, "GAS at {{ place }} until {{ until }}, wind {{ wind }}"),
        "email": (32, "First"),
    }


def test_a_body_without_blocks_is_the_message():
    template = parse(front(body="\n\nGAS at Baker\n"), name="gas", path="p")
    assert {name: (b.source, b.line) for name, b in template.blocks.items()} == {
        "message": ("GAS at Baker", 6)
    }


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(tmp_path):
    (tmp_path / "gas.md").write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
    assert TemplateStore(tmp_path).find("gas").blocks["sms"].line == 30


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("titel: x", "templates/gas.md:3: titel: no such key; did you mean"),
        ("severity: sever", 'templates/gas.md:3: severity: unknown word "sever"; did you mean "severe"?'),
        ("class: urgent", "class: unknown word"),
        ("lifetime: 90", "lifetime: not a span"),
        ("lifetime: 0m", "lifetime: not a span"),
        ("lifetime: 15d", "lifetime: not a span"),
        ("drill: maybe", 'drill: neither yes nor no ("maybe")'),
        ("title: again", "title: written twice"),
        ("hazard: [a]", "hazard: not a single value"),
        ("languages: {en: 1}", "languages: not a list"),
        ("languages: [en, Spanish]", 'languages: "Spanish" is not a language tag'),
        ("variables: [place]", "not a list of `key: value` lines"),
        ("variables: {time: {max_length: 3}}", "variables.time: filled by the program itself"),
        ("variables: {Place: {max_length: 3}}", "variables.Place: not a name"),
        ("variables: {p: {typ: text}}", 'variables.p.typ: no such key; did you mean "type"?'.replace("variables.p.typ", "typ")),
        ("variables: {p: {type: plac}}", 'variables.p.type: unknown word "plac"; did you mean "place"?'),
        ("variables: {p: {max_length: 0}}", "variables.p.max_length: not a number of characters"),
        ("variables: {p: {type: choice}}", "variables.p: a choice without choices"),
        ("variables: {p: {type: text, choices: [a]}}", "variables.p: choices for a text"),
        ("variables: {p: {choices: [a, b], default: c}}", 'default "c" is not a choice'),
        ("variables: {p: {default: abc, max_length: 2}}", "the default is longer than max_length"),
        ("id: 'x", "templates/gas.md:4: front matter: not YAML"),
        ("x: " + "[" * 400, "not YAML"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_declarations_is_told_with_its_line_and_what_to_write(line, told):
    assert any(told in problem for problem in problems_of(front(line)))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{% block smss %}x{% endblock %}", 'templates/gas.md:4: no block is called "smss"; did you mean "sms"?'),
        ("{% block sms %}x", "templates/gas.md:4: block sms is never closed"),
        ("{% block sms %}x{% block post %}y{% endblock %}", "block post inside block sms"),
        ("{% block sms %}x{% endblock %}\n{% block sms %}y{% endblock %}", "templates/gas.md:5: block sms is there twice"),
        ("{% endblock %}", "templates/gas.md:4: endblock without a block"),
        ("{% block sms %}x{% endblock %}\n\nlost words", "templates/gas.md:6: text outside the blocks is never sent"),
        ("  \n", "templates/gas.md:4: no text to send"),
        ("GAS\x07", "templates/gas.md:4: holds U+0007"),
        ("GAS\u202e", "templates/gas.md:4: holds U+202E RIGHT-TO-LEFT OVERRIDE"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_text_is_told_with_its_line(body, told):
    assert any(told in problem for problem in problems_of(front(body=body)))


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines():
    found = problems_of("---\nclass: foo\nlifetime: x\n---\nlost {% block a %}")
    assert [p.split(": ")[0] for p in found] == [
        "templates/gas.md:2", "templates/gas.md:2", "templates/gas.md:3", "templates/gas.md:5",
        "templates/gas.md:5", "templates/gas.md:5", "templates/gas.md:5",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "GAS LEAK", "---\ntitle: x\n", "---\n- a\n---\nGAS"])
def test_a_file_without_front_matter_is_refused(text):
    assert problems_of(text)


def test_a_large_file_is_refused_before_it_is_read():
    assert problems_of(front(body="a" * 70_000)) == [
        "templates/gas.md: larger than 64 kB; keep one message a file"
    ]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "gas-leak.md").write_text(WHOLE)
    (tmp_path / "tornado.j2").write_text(front("id: W1"))
    for ignored in ("README.md", "_draft.md", ".hidden.md", "notes.txt"):
        (tmp_path / ignored).write_text("not a template")
    return tmp_path


def test_the_store_lists_names_without_reading(folder):
    (folder / "broken.md").write_text("nothing")
    assert TemplateStore(folder).names() == ("broken", "gas-leak", "tornado")


@pytest.mark.parametrize("name", ["gas-leak", "Gas-Leak", "gas-leak.md", " gas-leak ", "H1", "h1"])
def test_a_template_is_found_by_name_or_id(folder, name):
    assert TemplateStore(folder).find(name).name == "gas-leak"


def test_a_file_of_the_same_bytes_is_parsed_once_and_a_changed_one_anew(folder):
    store, path = TemplateStore(folder), folder / "gas-leak.md"
    first = store.find("gas-leak")
    path.write_text(path.read_text())
    assert store.find("gas-leak") is first

    path.write_text(path.read_text().replace("---\n", "---\n\n"))
    assert store.find("gas-leak").digest != first.digest


def test_a_broken_neighbour_does_not_hide_the_one_asked_for(folder):
    (folder / "aaa.md").write_text("nothing")
    assert TemplateStore(folder).find("W1").name == "tornado"


def test_a_mistyped_name_is_answered_with_the_nearest(folder):
    with pytest.raises(TemplateProblem, match=r'no template "gas-leek"; did you mean "gas-leak"\?'):
        TemplateStore(folder).find("gas-leek")


def test_a_path_out_of_the_folder_finds_nothing(folder):
    (folder / "inner").mkdir()
    with pytest.raises(TemplateProblem):
        TemplateStore(folder / "inner").find("../gas-leak")


def test_all_reads_every_file_and_tells_every_mistake_of_every_file(folder):
    assert [t.name for t in TemplateStore(folder).all()] == ["gas-leak", "tornado"]
    (folder / "one.md").write_text("nothing")
    (folder / "two.md").write_text(front("id: w1"))
    (folder / "Bad_Name.md").write_text(front())
    with pytest.raises(TemplateProblem) as caught:
        TemplateStore(folder).all()
    told = str(caught.value)
    assert "one.md:1: no front matter" in told
    assert '"w1" is also the id of' in told
    assert '"Bad_Name" is not a template name' in told


def test_two_files_of_one_name_are_refused(folder):
    (folder / "tornado.md").write_text(front())
    with pytest.raises(TemplateProblem, match="two files are called tornado"):
        TemplateStore(folder).find("tornado")


def test_a_file_with_capitals_is_told_how_to_be_called_and_stands_in_nobodys_way(folder):
    """It used to answer: no template "Shelter"; did you mean "Shelter"?"""
    (folder / "Shelter.md").write_text(front())
    with pytest.raises(TemplateProblem, match='"Shelter" is not a template name; name it with small letters'):
        TemplateStore(folder).find("Shelter")
    (folder / "shelter.md").write_text(front())
    assert TemplateStore(folder).find("Shelter").name == "shelter"


def test_a_missing_folder_and_a_file_that_is_no_text_are_told_in_words(folder):
    with pytest.raises(TemplateProblem, match="cannot be listed"):
        TemplateStore(folder / "none").names()
    (folder / "latin.md").write_bytes(front(body="caf\xe9").encode("latin-1"))
    with pytest.raises(TemplateProblem, match=r"latin.md:4: not UTF-8; save the file as UTF-8"):
        TemplateStore(folder).find("latin")


def test_a_pipe_among_the_templates_keeps_nobody_waiting(folder):
    """Whoever looks for a template by its id reads them all."""
    os.mkfifo(folder / "a-pipe.md")

    assert TemplateStore(folder).find("H1").name == "gas-leak"
    with pytest.raises(TemplateProblem, match=r"/a-pipe\.md: is a pipe or a device; put a file there"):
        TemplateStore(folder).find("a-pipe")
