import re
from pathlib import Path

import pytest

from alerting.rendering import frontmatter
from alerting.rendering.check import check
from alerting.rendering.compiled import _FILTERS
from alerting.rendering.parse import parse
from alerting.rendering.template import BLOCKS, CORE_NAMES, VariableType

PAGE = (Path(__file__).parents[2] / "docs" / "templates.md").read_text("utf-8")


def test_the_example_is_a_template_without_errors(shapes, core):
    example = re.search(r"```\n(---.*?)```", PAGE, re.DOTALL)[1]
    template = parse(example, name="gas-leak", path="templates/gas-leak.md")
    findings = check(template, shapes, core)
    assert [str(p) for p in (*findings.errors, *findings.warnings)] == []


WORDS = [
    *frontmatter._KEYS,
    *frontmatter._VARIABLE_KEYS,
    *BLOCKS,
    *VariableType,
    *_FILTERS,
    *(f"{{{{ {name} }}}}" for name in CORE_NAMES),
]


@pytest.mark.parametrize("word", WORDS)
def test_the_page_names_every_word_an_author_may_write(word):
    assert f"`{word}`" in PAGE
