"""The pages are true: every console block is typed, and answers as the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from console import ROOT, Reader, loose, pairs, steps

from alerting.cli.group import COMMANDS
from alerting.errors import Exit

PAGES = (
    "README.md",
    "docs/quickstart.md",
    "docs/operations.md",
    "docs/an-incident.md",
    "docs/who-may-send.md",
    "docs/on-call.md",
)
#: Pages of the repository that others link to.
LINKED = (*PAGES, "docs/decisions.md", "docs/reference.md", "CONTRIBUTING.md")


@pytest.fixture
def reader(tmp_path):
    person = Reader.settled(tmp_path)
    yield person
    person.leave()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_its_commands_say(page, reader):
    assert steps(ROOT / page)
    reader.follow(ROOT / page)


def test_the_readme_lists_every_command_and_every_exit_code():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("|")]
    missing = [name for name in COMMANDS if not any(f"`alert {name}" in row for row in rows)]
    missing += [
        str(int(code)) for code in Exit if not any(row.startswith(f"| {int(code)} |") for row in rows)
    ]
    assert not missing


def test_the_readme_keeps_a_place_for_the_benchmarks():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"^<!-- benchmarks -->\n.*^<!-- /benchmarks -->$", readme, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", LINKED)
def test_links_between_pages_lead_somewhere(page):
    path = ROOT / page
    links = re.findall(r"\]\((?!https?://|mailto:|#)([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    assert not [link for link in links if not (path.parent / link).exists()]


def test_a_decision_is_told_in_ten_lines():
    text = (ROOT / "docs/decisions.md").read_text(encoding="utf-8")
    parts = text.split("\n## ")[1:]
    assert len(parts) > 15
    assert not [part.splitlines()[0] for part in parts if len(part.strip().splitlines()) - 2 > 10]


def test_three_dots_stand_for_any_lines_and_for_words_in_a_line():
    said = ["one", "two", "three 3.4 s", "L-7K2QXD done"]
    assert pairs(("...", "three 0.1 s", "L-000000 d..."), said) == [
        ("three 0.1 s", "three 3.4 s"),
        ("L-000000 d...", "L-7K2QXD done"),
    ]
    assert pairs(("one", "..."), said) == [("one", "one")]


@pytest.mark.parametrize(
    "shown", [("one",), ("one", "two", "three"), ("...", "two"), (), ("one", "2", "..."), ("", "...")]
)
def test_an_answer_that_differs_is_not_taken(shown):
    assert pairs(shown, ["one", "two", "L-7K2QXD done"]) is None


def test_what_differs_from_run_to_run_is_left_out():
    line = "L-7K2QXD  3:05pm  took 5.1 s  http://127.0.0.1:4444/ process 77"
    other = "L-0V3RHD 12:59am took 42 s http://127.0.0.1:9/ process 1"
    assert loose(line) == loose(other)
    assert loose("1 segment") != loose("2 segments")


def test_an_id_on_a_page_stands_for_the_one_that_came(tmp_path):
    person = Reader(tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ echo made L-AAAAAA\nmade L-BBBBBB\n$ echo L-BBBBBB; false\nL-BBBBBB\n$ echo $?\n1\n```\n"
    )
    person.follow(page)
    assert person.ids == {"L-BBBBBB": "L-AAAAAA"}


def test_a_page_that_shows_something_else_fails_with_its_line(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```console\n$ echo yes\nno\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md:4: \$ echo yes"):
        Reader(Path(tmp_path)).follow(page)
