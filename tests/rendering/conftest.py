import pytest
from campus_shapes import HEAD, SHAPES

from alerting.rendering.core import CoreWords
from alerting.rendering.parse import parse


@pytest.fixture
def shapes():
    return SHAPES


@pytest.fixture
def core():
    return CoreWords(source="NSU ALERT", time="12:05pm", link="nsu.edu/alert", next_update="12:20pm")


@pytest.fixture
def template():
    """Build a template from a body, or from a whole file."""

    def build(text, *, head=HEAD, name="gas"):
        return parse(text if text.startswith("---") else head + text, name=name, path=f"templates/{name}.md")

    return build
