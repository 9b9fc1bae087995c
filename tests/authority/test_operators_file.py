"""operators.yaml: read whole, wrong in words with its line, and who each process is."""

import os

import pytest

from alerting.authority.identity import Peer, accounts_of, this_process
from alerting.authority.people import Ground, Operators, Person, Role, Rules
from alerting.authority.tokens import Token, hash_of, new_token, read_tokens
from alerting.config import load
from alerting.config.operators import keep_token, load_operators, tokens_path
from alerting.errors import ConfigProblem, NotAllowed
from alerting.gate import known

CHANNELS = """version: 1
campus: {name: North Shore, source: NSU, time_zone: America/New_York}
channels:
  - {name: post, kind: x, account: nsu, consumer_key: {env: A}, consumer_secret: {env: A},
     access_token: {env: A}, access_token_secret: {env: A}}
"""
GOOD = """version: 1
people:
  kim:
    name: Kim Alvarez
    roles: [sender, approver]
    os_user: [kim, "1001"]
  lee: {roles: approver}
rules:
  approval_minutes: 5
  second_person_for: [class, unreviewed]
"""


@pytest.fixture
def read(tmp_path):
    def read(text, channels=CHANNELS):
        (tmp_path / "channels.yaml").write_text(channels)
        if text is not None:
            (tmp_path / "operators.yaml").write_text(text)
        return load_operators(load(tmp_path / "channels.yaml", environ={}, sandbox=True))

    return read


def problems(read, text):
    with pytest.raises(ConfigProblem) as wrong:
        read(text)
    return [str(problem) for problem in wrong.value.problems]


def test_a_campus_without_the_file_has_no_operators(read):
    assert read(None) is None


def test_people_roles_accounts_and_rules_are_read(read):
    operators = read(GOOD)
    assert operators.people["kim"] == Person(
        key="kim",
        name="Kim Alvarez",
        roles=frozenset({Role.SENDER, Role.APPROVER}),
        accounts=("kim", "1001"),
    )
    assert operators.people["lee"].name == "lee"
    assert operators.rules.approval.total_seconds() == 300
    assert operators.rules.grounds == {Ground.CLASS, Ground.UNREVIEWED}


def test_a_file_that_says_nothing_of_rules_has_those_of_the_program(read):
    assert read("version: 1\npeople:\n  kim: {roles: sender}\n").rules == Rules()


def test_another_name_may_be_given_in_channels_yaml_and_must_then_be_there(read, tmp_path):
    named = CHANNELS + "operators: people/ops.yaml\n"
    with pytest.raises(ConfigProblem, match=r"ops\.yaml: there is no such file"):
        read(None, named)
    (tmp_path / "people").mkdir()
    (tmp_path / "people/ops.yaml").write_text(GOOD)
    assert "kim" in read("not even YAML: [", named).people


def test_every_mistake_is_told_at_once_with_its_line(read):
    told = problems(
        read,
        "version: 1\npeople:\n  kim:\n    roles: [sender, aprover]\n  Lee!: {roles: viewer}\n  vic: {role: viewer}\n"
        "rules:\n  large_list: many\n",
    )
    assert all(line.startswith("operators.yaml:") for line in told)
    assert any(line.startswith("operators.yaml:4: people.kim.roles[2]") for line in told)
    assert any(line.startswith("operators.yaml:8: rules.large_list") for line in told)
    assert len(told) >= 4


def test_an_account_of_two_people_is_refused(read):
    told = problems(
        read,
        "version: 1\npeople:\n  kim: {roles: sender, os_user: ops}\n  lee: {roles: sender, os_user: ops}\n",
    )
    assert told == [
        "operators.yaml:4: people.lee.os_user: ops is already the account of kim; give each person their own"
    ]


def test_a_file_with_which_nobody_could_send_is_refused(read):
    [told] = problems(read, "version: 1\npeople:\n  kim: {roles: [approver, admin]}\n")
    assert told.startswith("operators.yaml:2: people: nobody may send")


def test_tokens_are_kept_as_hashes_beside_the_file_and_open_for_their_person(read, tmp_path):
    operators = read(GOOD)
    text = new_token()
    path = keep_token(
        operators.path, Token(person="lee", hash=hash_of(text), made="2026-11-22T02:00:00+00:00")
    )
    assert path == tokens_path(operators.path)
    assert path.stat().st_mode & 0o007 == 0
    assert text not in path.read_text()
    assert read(GOOD).with_token(text).key == "lee"
    assert read(GOOD).with_token(text + "x") is None
    assert read(GOOD).with_token("") is None


def test_a_token_of_somebody_who_left_opens_nothing(read):
    operators = read(GOOD)
    text = new_token()
    keep_token(operators.path, Token(person="gone", hash=hash_of(text), made="2026-11-22T02:00:00+00:00"))
    assert read(GOOD).with_token(text) is None


def test_a_line_that_is_no_token_is_told_with_its_number(read, tmp_path):
    (tmp_path / "operators.tokens").write_text("# ours\n\nkim letmein 2026\n")
    assert problems(read, GOOD) == ["operators.tokens:3: this is no token; take the line out"]
    assert read_tokens("") == ([], [])


def test_a_process_is_known_by_its_account_by_name_or_number():
    ours = accounts_of(this_process())
    assert str(os.getuid()) in ours
    person = Person(key="me", name="Me", roles=frozenset({Role.SENDER}), accounts=(str(os.getuid()),))
    operators = Operators(path=tokens_path, people={"me": person})
    assert known(operators, this_process(), "") == (person,)
    assert known(operators, Peer(uid=4_000_000, pid=0), "") == ()


def test_a_token_stands_before_the_account_and_both_are_told(tmp_path):
    me = Person(key="me", name="Me", roles=frozenset({Role.SENDER}), accounts=(str(os.getuid()),))
    lee = Person(key="lee", name="Lee", roles=frozenset({Role.APPROVER}))
    token = Token(person="lee", hash=hash_of("alert_x"), made="")
    operators = Operators(path=tmp_path, people={"me": me, "lee": lee}, tokens=(token,))
    assert known(operators, this_process(), "alert_x") == (lee, me)
    with pytest.raises(NotAllowed, match="this token is not known"):
        known(operators, this_process(), "alert_y")
