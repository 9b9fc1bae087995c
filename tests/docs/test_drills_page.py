"""The page about drills is true: its file is one, and its commands answer as it shows."""

import re
from datetime import date

import pytest
from console import ROOT, Reader, steps

from alerting.config import load
from alerting.config.drills import load_drills

PAGE = ROOT / "docs" / "drills.md"


def the_file():
    """The drills.yaml that the page shows."""
    [text] = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return text


@pytest.fixture
def reader(tmp_path):
    person = Reader.settled(tmp_path)
    (tmp_path / "drills.yaml").write_text(the_file(), encoding="utf-8")
    yield person
    person.leave()


def test_the_page_shows_what_its_commands_say(reader):
    commands = [step.command for step in steps(PAGE)]
    for word in ("list", "plan", "run", "due", "note", "report", "history"):
        assert any(f" drill {word}" in command for command in commands)
    reader.follow(PAGE)
    html = (reader.home / "clery-2026.html").read_text(encoding="utf-8")
    assert "Every floor warden reports within ten minutes." in html
    assert "Move the siren (owner Facilities; due 2027-01-31)" in html
    assert "<svg" in (reader.home / "history.html").read_text(encoding="utf-8")


def test_the_file_of_the_page_is_read_as_the_page_says(reader):
    config = load(reader.home / "channels.yaml", environ={}, sandbox=True, live=None)
    drill = load_drills(config).drill("monthly-test")
    assert [pause.first for pause in drill.schedule.breaks] == [date(2026, 12, 7), date(2026, 11, 4)]
    assert drill.schedule.window.total_seconds() == 15 * 60, "15 when left out"


@pytest.mark.parametrize(
    "field", ["starts", "rule", "except", "time_zone", "jitter_minutes", "window_minutes"]
)
def test_each_field_of_a_schedule_is_on_the_page(field):
    assert f"| `{field}` |" in PAGE.read_text(encoding="utf-8")


def test_links_of_the_page_lead_somewhere():
    text = PAGE.read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^a-z -]", "", head.lower()).replace(" ", "-")
        for head in re.findall(r"^## (.+)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
