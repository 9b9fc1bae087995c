"""A block of words, names and plain conditions is filled without Jinja2, and says what Jinja2 would."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alerting.rendering.compiled import compiled, ready
from alerting.rendering.parse import parse
from alerting.rendering.template import Block

ROOT = Path(__file__).parents[2] / "templates"
NAMES = sorted(path.stem for path in ROOT.glob("*.md") if path.stem != "README")
#: Some mean something to Jinja2 where they stand elsewhere.
WORDS = ("place", "time", "self", "loop", "super", "caller", "varargs", "context", "environment", "l_0_time")

texts = st.one_of(
    st.sampled_from(
        ["\n", " ", "\n  ", "{", "}", "{#- c -#}", "{% raw %}{{ x }}{% endraw %}", "&amp; <b>", "$"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="{}#%"), max_size=12),
)
names = st.sampled_from(WORDS)
places = names.map(lambda name: f"{{{{ {name} }}}}") | names.map(lambda name: f"{{{{- {name} -}}}}")


def conditions(inner):
    body = st.lists(inner, max_size=3).map("".join)
    other = st.lists(st.tuples(names, body), max_size=2).map(
        lambda found: "".join(f"{{% elif {name} %}}{text}" for name, text in found)
    )
    last = body.map(lambda text: f"{{% else %}}{text}") | st.just("")
    return st.tuples(names, body, other, last).map(
        lambda told: f"{{% if {told[0]} -%}}{told[1]}{told[2]}{told[3]}{{% endif %}}"
    )


sources = st.lists(st.recursive(texts | places, conditions, max_leaves=8), max_size=6).map("".join)
values = st.fixed_dictionaries(
    {name: st.sampled_from(["", " ", "0", "Hall <&\"'>", "{{ x }}", "é\n"]) for name in WORDS}
)


def both(name, source, words):
    """Return a block filled with Jinja2 and, where that is possible, without."""
    block = Block(name=name, source=source, line=1)
    code = compiled(block)
    if code.problems:
        return None
    with_it = code.fill(words)
    if code.pieces is None:
        return with_it, None
    without = ready(block._replace(pieces=code.pieces))
    assert without.template is None
    assert set(without.names) == set(code.names)
    return with_it, without.fill(words)


@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(["post", "email_html"]), source=sources, words=values)
@example(name="post", source="{{ self }}", words=dict.fromkeys(WORDS, "x"))
@example(
    name="post",
    source="{% if place %}a{% elif time %}b{% else %}c{% endif %}",
    words=dict.fromkeys(WORDS, ""),
)
def test_pieces_say_what_jinja2_says(name, source, words):
    told = both(name, source, words)

    if told is not None and "self" not in source:
        assert told[1] is not None
    if told is not None and told[1] is not None:
        assert told[0] == told[1]


@pytest.mark.parametrize(
    "source",
    [
        '{{ place | default("the campus") }}',
        "{% if not place %}somewhere{% endif %}",
        '{% if time == "noon" %}a{% endif %}',
        '{% for x in ["a", "b"] %}{{ x }}{% endfor %}',
        '{{ place ~ "," }}',
        "{{ 'words' }}",
        "{% if place %}{{ time | upper }}{% endif %}",
        "{{ self }}",
        "{% if place %}a" + "{% elif time %}b" * 900 + "{% endif %}",
        "{% if place %}" * 25 + "a" + "{% endif %}" * 25,
    ],
)
def test_whatever_is_more_than_that_is_left_to_jinja2(source):
    assert compiled(Block(name="post", source=source, line=1)).pieces is None


@pytest.mark.parametrize("name", NAMES)
def test_no_template_of_ours_needs_more_unless_it_writes_a_value_in_capitals(name):
    template = parse((ROOT / f"{name}.md").read_text(), name=name, path=f"templates/{name}.md")

    richer = [block.name for block in template.blocks.values() if compiled(block).pieces is None]
    assert richer == [block.name for block in template.blocks.values() if "|" in block.source]


def test_pieces_that_would_say_too_much_are_cut_off_as_jinja2s_are():
    code = compiled(Block(name="post", source="{{ place }}" * 40, line=1))
    without = ready(code.block._replace(pieces=code.pieces))

    for filled in (code, without):
        with pytest.raises(OverflowError):
            filled.fill({"place": "x" * 2000})
