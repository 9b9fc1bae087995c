"""What is read once and kept beside channels.yaml: templates, and who may do what."""

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from alerting.authority.people import Role
from alerting.authority.tokens import Token
from alerting.config import kept_templates, load, shelf
from alerting.config.codec import Recorder, Unkeepable, plain, revived
from alerting.config.kept_templates import KeptTemplates
from alerting.config.operators import keep_token, load_operators
from alerting.errors import ConfigProblem, TemplateProblem
from alerting.model.alert import Severity
from alerting.rendering.compiled import compiled
from alerting.rendering.core import CoreWords
from alerting.rendering.render import render
from alerting.rendering.store import TemplateStore
from alerting.secret import Secret

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "templates").glob("*.md") if path.stem != "README")
CHANNELS = """version: 1
campus: {name: North Shore, source: NSU, time_zone: America/New_York}
channels: [{name: mail, kind: email.smtp, host: smtp.example.edu, from: a@example.edu, tls: none}]
"""
OPERATORS = """version: 1
people:
  kim: {name: Kim Alvarez, roles: [sender, approver], os_user: [kim, "1001"]}
  lee: {roles: approver}
rules: {approval_minutes: 5, second_person_for: [class, unreviewed]}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "templates").mkdir()
    for name in NAMES:
        (tmp_path / "templates" / f"{name}.md").write_text((ROOT / "templates" / f"{name}.md").read_text())
    (tmp_path / "channels.yaml").write_text(CHANNELS)
    (tmp_path / "operators.yaml").write_text(OPERATORS)
    return tmp_path


def found(folder, name):
    """Read a template as a command does that has just begun."""
    return TemplateStore(folder / "templates", kept=KeptTemplates(folder / "state")).find(name)


def operators(folder):
    return load_operators(load(folder / "channels.yaml", environ={}, sandbox=True))


def forge(path, before, after):
    """Change what is kept, checksum and all: whoever uses it says so."""
    _, _, text = path.read_bytes().partition(b"\n")
    assert before.encode() in text
    text = text.replace(before.encode(), after.encode(), 1)
    path.write_bytes(b"%08x\n" % zlib.crc32(text) + text)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_that_was_kept_is_the_one_its_file_holds(folder, name):
    read = TemplateStore(folder / "templates").find(name)
    first = found(folder, name)

    again = found(folder, name)

    bare = {word: block._replace(pieces=None) for word, block in again.blocks.items()}
    assert again._replace(blocks=bare) == read._replace(sound=True)
    assert [block.pieces for block in again.blocks.values()] == [
        compiled(block).pieces for block in read.blocks.values()
    ]
    assert first == read


def test_a_kept_template_is_not_parsed_again_until_its_file_changes(folder):
    found(folder, "gas-leak")
    forge(folder / "state" / "template-gas-leak.json", '"title": "Gas leak"', '"title": "Kept"')
    assert found(folder, "gas-leak").title == "Kept"

    path = folder / "templates" / "gas-leak.md"
    path.write_text(path.read_text().replace("2h", "3h"))

    assert (found(folder, "gas-leak").title, found(folder, "gas-leak").lifetime.total_seconds()) == (
        "Gas leak",
        3 * 3600,
    )


def test_a_template_kept_from_one_folder_is_not_taken_for_the_same_words_in_another(folder):
    """Its problems, and whoever reviews it, go by where it stands."""
    found(folder, "gas-leak")
    (folder / "templates").rename(folder / "words")

    moved = TemplateStore(folder / "words", kept=KeptTemplates(folder / "state")).find("gas-leak")

    assert moved.path == "words/gas-leak.md"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kept: kept.chmod(0o640),
        lambda kept: kept.write_bytes(kept.read_bytes()[:-1] + b" "),
        lambda kept: kept.write_bytes(b""),
        lambda kept: forge(kept, "alerting.rendering.template:Block", "subprocess:Popen"),
        lambda kept: forge(kept, "alerting.model.alert:Severity", "alerting.rendering.parse:parse"),
    ],
    ids=["mode", "damage", "empty", "of another program", "a function"],
)
def test_what_is_odd_about_a_kept_template_is_as_if_it_were_not_there(folder, spoil):
    found(folder, "gas-leak")
    kept = folder / "state" / "template-gas-leak.json"
    forge(kept, '"title": "Gas leak"', '"title": "Kept"')

    spoil(kept)

    assert found(folder, "gas-leak").title == "Gas leak"


@pytest.mark.parametrize(
    "mistake", ["{{ nobody }}", "[building]", "{% include 'x' %}", "This is not a drill."], ids=str
)
def test_a_template_with_a_mistake_is_looked_through_each_time(folder, mistake):
    path = folder / "templates" / "gas-leak.md"
    path.write_text(path.read_text().replace("GAS LEAK", mistake))

    assert not any(found(folder, "gas-leak").sound for _ in range(2))
    assert not (folder / "state" / "template-gas-leak.json").exists()


@pytest.mark.parametrize("odd", ["<![foo[ x ]]>", "{{ " + "9" * 5000 + " }}"], ids=["declaration", "number"])
def test_a_fault_of_another_template_hides_none_that_is_asked_for_by_its_id(folder, odd):
    draft = "---\nid: W9\ntitle: A draft\n---\n{% block email_html %}\n" + odd + "\n{% endblock %}\n"
    (folder / "templates" / "a-draft.md").write_text(draft)

    assert found(folder, "H1").name == "gas-leak"
    with pytest.raises(TemplateProblem, match=r"may not be used|cannot be read"):
        render(found(folder, "a-draft"), {}, core=CoreWords(source="A", time="1pm", link="", next_update=""))


def test_what_breaks_while_a_template_is_looked_over_keeps_it_from_nobody(folder, monkeypatch):
    def breaks(template):
        raise RuntimeError(template.name)

    monkeypatch.setattr("alerting.rendering.compiled.mistakes", breaks)

    assert found(folder, "gas-leak").title == "Gas leak"
    assert not (folder / "state" / "template-gas-leak.json").exists()


def test_a_process_that_outlives_an_update_keeps_nothing_in_the_name_of_the_new_program(folder, monkeypatch):
    """``alert serve`` may run for days after its files were replaced; see "after an update" in operations."""
    (package := folder / "alerting" / "config").mkdir(parents=True)
    (wall := folder / "alerting" / "wall.py").write_text("OLD = 1")
    monkeypatch.setattr(shelf, "__file__", str(package / "shelf.py"))
    monkeypatch.setattr(kept_templates, "_FILES", shelf.files_of(["wall.py"]))

    wall.write_text("NEW = 22")
    found(folder, "gas-leak")  # by the old program
    assert found(folder, "gas-leak").sound

    monkeypatch.setattr(kept_templates, "_FILES", shelf.files_of(["wall.py"]))  # as the new one begins
    assert not found(folder, "gas-leak").sound


def test_a_broken_template_is_told_as_ever_and_its_last_good_form_is_not_used(folder):
    found(folder, "gas-leak")
    (folder / "templates" / "gas-leak.md").write_text("no front matter")

    with pytest.raises(TemplateProblem, match="no front matter"):
        found(folder, "gas-leak")


def test_a_campus_without_a_state_directory_reads_its_templates_all_the_same(folder):
    (folder / "state").rmdir()

    assert [found(folder, "gas-leak").title for _ in range(2)] == ["Gas leak"] * 2
    assert not (folder / "state").exists()


def test_operators_are_checked_once_and_again_when_their_file_changes(folder):
    read = operators(folder)
    assert operators(folder) == read
    forge(folder / "state" / "operators.json", '"name": "Kim Alvarez"', '"name": "Kept"')
    assert operators(folder).people["kim"].name == "Kept"

    (folder / "operators.yaml").write_text(OPERATORS.replace("[sender, approver]", "[sender]"))

    assert operators(folder).people["kim"].roles == {Role.SENDER}
    assert operators(folder).people["kim"].name == "Kim Alvarez"


def test_a_token_counts_from_the_moment_it_is_made_until_it_is_taken_out(folder):
    operators(folder)
    token = Token(person="kim", hash="0" * 64, made="2026-11-22T00:00:00+00:00")

    beside = keep_token(folder / "operators.yaml", token)
    assert operators(folder).tokens == (token,)

    beside.unlink()
    assert operators(folder).tokens == ()


def test_a_wrong_operators_file_is_told_each_time_whatever_was_kept(folder):
    operators(folder)
    (folder / "operators.yaml").write_text(OPERATORS.replace("sender", "sendre"))

    for _ in range(2):
        with pytest.raises(ConfigProblem, match="sendre"):
            operators(folder)


@dataclass(frozen=True)
class Foreign:
    word: str


def test_words_and_sets_are_kept_and_nothing_of_others():
    told = (Severity.SEVERE, frozenset({Role.SENDER}), "plain")
    assert revived(json.loads(json.dumps(plain(told, Recorder()))), Recorder()) == told

    for value in (Foreign("x"), Secret("canary"), {1, 2}):
        with pytest.raises(Unkeepable):
            plain(value, Recorder())
    with pytest.raises(ValueError, match="secret"):
        revived({"secret": ["env", "PATH", "x"]}, Recorder())
