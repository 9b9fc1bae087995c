from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from alerting.channels.settings import E164
from alerting.config.checked import checked
from alerting.config.lines import read


class Page(BaseModel):
    model_config = ConfigDict(extra="forbid")
    colour: str = Field(default="", alias="color")
    steps: list[int] = []


class Pager(BaseModel):
    number: Literal[""] | E164 = ""
    page: Page | None = None
    pages: dict[str, Page] = {}


def said(text):
    document = read(text.encode(), "c.yaml")
    assert checked(Pager, document.data, document, label="pager") is None
    return [str(problem) for problem in document.problems]


def test_a_field_of_several_forms_is_told_once_in_the_words_of_the_house():
    assert said("number: 555-0100") == ['c.yaml:1: pager.number: "555-0100" is not E.164; write "+15550100"']


def test_a_field_deep_inside_gets_its_line_its_way_and_the_names_of_its_own_section():
    assert said("page:\n  colr: red\npages:\n  one:\n    steps:\n    - 1\n    - x\n") == [
        "c.yaml:2: pager.page.colr: no such field; write color",
        'c.yaml:7: pager.pages.one.steps[2]: "x" is not a whole number; write one, like 10',
    ]


def test_what_fits_comes_back_as_its_model_and_adds_no_problem():
    document = read(b"number: +14135550100", "c.yaml")
    assert checked(Pager, document.data, document) == Pager(number="+14135550100")
    assert document.problems == []
