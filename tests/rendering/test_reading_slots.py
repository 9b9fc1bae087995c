"""Only the blocks that somebody reads are filled, and what is read is the same."""

from itertools import chain, combinations
from pathlib import Path

import pytest
from campus_shapes import SHAPES
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.errors import TemplateProblem
from alerting.model.message import Shape, Unit
from alerting.rendering.core import CoreWords
from alerting.rendering.fit import fit, slots_read
from alerting.rendering.parse import parse
from alerting.rendering.render import fill, render
from alerting.rendering.template import BLOCKS

ROOT = Path(__file__).parents[2] / "templates"
CORE = CoreWords(source="NSU ALERT", time="12:05pm", link="nsu.edu/alert", next_update="12:20pm")
CHANNELS = [*chain.from_iterable(combinations(sorted(SHAPES), n) for n in range(1, len(SHAPES) + 1))]
HEAD = "---\ntitle: Gas leak\nhazard: gas leak\n---\n"


def contents(template, shapes, **how):
    message = fill(template, {}, core=CORE, **how)
    return [fit(message, shape, title=template.title) for shape in shapes]


@settings(max_examples=200, deadline=None)
@given(
    blocks=st.sets(st.sampled_from(BLOCKS), min_size=1),
    shapes=st.lists(
        st.builds(
            Shape,
            unit=st.just(Unit.CHARACTERS),
            limit=st.just(10_000),
            slots=st.lists(st.sampled_from(BLOCKS), max_size=3).map(tuple),
            subject=st.booleans(),
            html=st.booleans(),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_a_channel_gets_what_it_would_get_if_all_were_filled(blocks, shapes):
    parts = {name: f"<p>The {name}.</p>" if name == "email_html" else f"The {name}." for name in blocks}
    body = "\n".join(f"{{% block {name} %}}\n{text}\n{{% endblock %}}" for name, text in parts.items())
    template = parse(HEAD + body, name="gas", path="templates/gas.md")

    try:
        whole = contents(template, shapes)
    except Exception as error:  # noqa: BLE001 - a template of a subject alone has nothing to say
        with pytest.raises(type(error)):
            contents(template, shapes, only=slots_read(template, shapes))
        return
    assert contents(template, shapes, only=slots_read(template, shapes)) == whole


@pytest.mark.parametrize("channels", CHANNELS, ids="+".join)
@pytest.mark.parametrize("name", ["gas-leak", "tornado", "drill"])
def test_the_shipped_templates_say_the_same_on_any_set_of_channels(name, channels):
    path = ROOT / f"{name}.md"
    template = parse(path.read_text(), name=name, path=f"templates/{name}.md")
    values = dict.fromkeys(template.variables, "Baker Hall")
    shapes = [SHAPES[channel] for channel in channels]

    whole = fill(template, values, core=CORE)
    some = fill(template, values, core=CORE, only=slots_read(template, shapes))

    assert [fit(some, shape) for shape in shapes] == [fit(whole, shape) for shape in shapes]
    assert set(some.blocks) <= set(whole.blocks)


def test_a_template_that_was_sound_for_an_older_engine_is_refused_in_words():
    """What is kept outlives an upgrade of Jinja2."""
    text = "{% block sms %}\nGas leak. {% include 'x' %}\n{% endblock %}"
    template = parse(HEAD + text, name="gas", path="templates/gas.md")._replace(sound=True)

    with pytest.raises(TemplateProblem, match=r"templates/gas.md:6: sms: .*may not be used"):
        render(template, {}, core=CORE, only={"sms"})


@pytest.mark.parametrize(
    "place", ['<p title="This is not a drill">Go.</p>', "<p>This is <b>not</b> a drill.</p>"]
)
def test_no_page_denies_a_drill_wherever_it_says_so_and_whoever_is_mailed(place):
    text = (
        f"{{% block sms %}}\nGas leak.\n{{% endblock %}}\n{{% block email_html %}}\n{place}\n{{% endblock %}}"
    )
    template = parse(HEAD + text, name="gas", path="templates/gas.md")

    with pytest.raises(TemplateProblem, match="says that it is no drill"):
        render(template, {}, core=CORE, only={"sms"})


def test_a_value_in_an_attribute_denies_no_drill_either():
    head = "---\ntitle: Gas leak\nhazard: gas leak\nvariables: {why: {type: text, prompt: Why}}\n---\n"
    text = '{% block email_html %}\n<p><abbr title="{{ why }}">Go.</abbr></p>\n{% endblock %}'
    template = parse(head + text, name="gas", path="templates/gas.md")

    with pytest.raises(TemplateProblem, match="says that it is no drill"):
        fill(template, {"why": "This is not a drill"}, core=CORE)


def test_a_block_nobody_reads_keeps_nothing_from_being_sent():
    text = (
        "{% block sms %}\nGas leak.\n{% endblock %}\n"
        "{% block email %}\n{% if number %}{{ number }}{% endif %}\n{% endblock %}"
    )
    template = parse(HEAD + text, name="gas", path="templates/gas.md")
    shapes = [SHAPES["sms"]]

    message = render(template, {}, core=CORE, only=slots_read(template, shapes))

    assert fit(message, SHAPES["sms"]).text == "NSU ALERT 12:05pm: Gas leak."
    with pytest.raises(TemplateProblem, match="nothing to say"):
        render(template, {}, core=CORE)
