"""Everybody passes the gate as who they are: by account or token, with the roles of the file and no others."""

import json
import os

import pytest

from alerting.authority.identity import Peer, accounts_of, this_process
from alerting.authority.tokens import Token, hash_of
from alerting.cli.keyboard import near, same
from alerting.config import load
from alerting.config.operators import keep_token
from alerting.errors import NotAllowed
from alerting.gate import NEEDS, admit, check

CHANNELS = """version: 1
campus: {name: North Shore, source: NSU, time_zone: America/New_York}
channels:
  - {name: post, kind: x, account: nsu, consumer_key: {env: A}, consumer_secret: {env: A},
     access_token: {env: A}, access_token_secret: {env: A}}
"""
ROLES = {
    "sam": ["sender"],
    "ann": ["approver"],
    "ted": ["template-editor"],
    "vic": ["viewer"],
    "ada": ["admin"],
    "all": ["sender", "approver", "template-editor", "viewer", "admin"],
}
#: Who may do what, as the page says it.
MAY = {
    "open": {"sam", "all"},
    "ask": {"sam", "all"},
    "approved": {"ann", "all"},
    "reject": {"sam", "ann", "all"},
    "void": {"sam", "ann", "all"},
    "cancel": {"sam", "ann", "all"},
    "close": {"sam", "ann", "all"},
    "review": {"ann", "all"},
    "drill.start": {"sam", "all"},
    "retain": {"ada", "all"},
    "alert.noted": {"sam", "ann", "all"},
    "template.reviewed": {"ann", "ted", "ada", "all"},
    "notice.acked": set(ROLES),
}
#: An account of nobody on any host.
STRANGER = Peer(uid=4_000_000, pid=0)


@pytest.fixture
def config(tmp_path):
    """A configuration whose people have tokens called like them; this process's account is nobody's."""
    (tmp_path / "channels.yaml").write_text(CHANNELS)
    people = {key: {"roles": roles} for key, roles in ROLES.items()}
    path = tmp_path / "operators.yaml"
    path.write_text(json.dumps({"version": 1, "people": people}))
    for key in ROLES:
        keep_token(path, Token(person=key, hash=hash_of(f"alert_{key}"), made="2026-11-22T02:00:00+00:00"))
    return load(tmp_path / "channels.yaml", environ={}, sandbox=True)


def own(config, key):
    """Make this process's account somebody's."""
    path = config.path.with_name("operators.yaml")
    whole = json.loads(path.read_text())
    whole["people"][key]["os_user"] = str(os.getuid())
    path.write_text(json.dumps(whole))


def test_the_table_of_roles_is_whole():
    assert set(MAY) == set(NEEDS)


@pytest.mark.parametrize("need", MAY)
@pytest.mark.parametrize("key", ROLES)
def test_a_role_gives_what_the_page_says_and_nothing_else(config, need, key):
    told = {"verb": need, "token": f"alert_{key}", "actor": "chief", "origin": "desk"}
    if key in MAY[need]:
        admitted = admit(config, told)
        assert (admitted["actor"], admitted["by"]) == (key, (key,))
    else:
        with pytest.raises(NotAllowed, match=rf"{key} \(.*\) may not .*; nothing was done"):
            admit(config, told)


def test_an_account_that_is_nobodys_may_do_nothing_that_needs_a_role(config):
    for need in NEEDS:
        with pytest.raises(NotAllowed, match="is nobody's here"):
            admit(config, {"verb": need, "peer": STRANGER})
    with pytest.raises(NotAllowed, match="is nobody's here"):
        check(config, "open", "")


def test_what_decides_nothing_needs_no_role(config):
    told = {"verb": "resume", "actor": "systemd", "origin": "host"}
    assert admit(config, told) == {**told, "by": ()}


@pytest.mark.parametrize("lie", [{"by": ("sam",)}, {"actor": "sam"}, {"person": "sam"}])
def test_what_somebody_says_of_themselves_counts_for_nothing(config, lie):
    with pytest.raises(NotAllowed):
        admit(config, {"verb": "open", "peer": (os.getuid(), os.getpid()), **lie})
    own(config, "vic")
    with pytest.raises(NotAllowed, match="vic"):
        admit(config, {"verb": "open", "peer": (os.getuid(), os.getpid()), **lie})


def test_the_account_of_the_caller_decides_not_that_of_the_owner(config):
    own(config, "sam")
    assert admit(config, {"verb": "open"})["by"] == ("sam",)
    with pytest.raises(NotAllowed, match="nobody's"):
        admit(config, {"verb": "open", "peer": STRANGER})


def test_an_approval_needs_an_approver_and_knows_whose_account_holds_the_token(config):
    own(config, "sam")
    told = {"verb": "open", "approval": "A-1", "token": "alert_ann"}
    assert admit(config, told)["by"] == ("ann", "sam")
    with pytest.raises(NotAllowed, match="may not approve"):
        admit(config, {**told, "token": "alert_sam"})


def test_a_token_lends_nothing_of_the_account_that_holds_it(config):
    own(config, "sam")
    with pytest.raises(NotAllowed, match=r"vic \(viewer\) may not send"):
        admit(config, {"verb": "open", "token": "alert_vic"})


def test_an_act_in_a_list_needs_its_own_role(config):
    acts = [["people.looked_at", "L-1", {}], ["template.reviewed", "template:x", {}]]
    with pytest.raises(NotAllowed, match="review templates"):
        admit(config, {"verb": "acts", "acts": acts, "token": "alert_vic"})
    assert admit(config, {"verb": "acts", "acts": acts, "token": "alert_ted"})["actor"] == "ted"


ACKS = {"verb": "acts", "acts": [["notice.acked", "N-1", {}]], "actor": "chief", "origin": "desk"}


def test_a_notice_is_answered_by_whoever_is_on_the_roster_under_that_account_and_by_no_stranger(config):
    told = {**ACKS, "peer": STRANGER}
    with pytest.raises(NotAllowed, match="account 4000000 is nobody's here, so it may not answer notices"):
        admit(config, told)
    (config.path.parent / "roster.yaml").write_text(
        'version: 1\npeople:\n  kim: {name: "4000000", phone: "+14135550101"}\n'
        "shifts:\n  - {who: kim, starts: 2026-09-01T07:00, ends: 2026-09-01T19:00, rule: FREQ=DAILY}\n"
    )
    config.path.write_text(CHANNELS + "on_call: {roster: roster.yaml}\n")
    config = load(config.path, environ={}, sandbox=True)
    admitted = admit(config, told)
    assert (admitted["actor"], admitted["origin"]) == ("kim", "desk, account 4000000")
    with pytest.raises(NotAllowed, match="may not send alerts"):
        admit(config, {"verb": "open", "peer": STRANGER})
    mixed = [["notice.acked", "N-1", {}], ["template.reviewed", "template:x", {}]]
    with pytest.raises(NotAllowed, match="nobody's here"):
        admit(config, {**told, "acts": mixed})


def test_who_has_the_machine_answers_its_notices_whatever_the_file_says_and_as_themselves(config):
    config.state.mkdir(exist_ok=True)
    os.chown(config.state, os.getuid(), -1)
    admitted = admit(config, ACKS)
    assert admitted["by"] == ()
    assert admitted["actor"] in accounts_of(this_process())
    assert admitted["actor"] != "chief"


def test_without_operators_everybody_passes_and_is_nobody_in_particular(config):
    config.path.with_name("operators.yaml").unlink()
    told = {"verb": "open", "actor": "chief", "origin": "desk", "by": ("lee",), "token": "x", "peer": (1, 1)}
    assert admit(config, told) == {"verb": "open", "actor": "chief", "origin": "desk", "by": ()}


@pytest.mark.parametrize(
    ("typed", "almost"),
    [
        ("Bakr Hall", True),
        ("baker hal", True),
        ("", False),
        ("y", False),
        ("yes", False),
        ("Barker Hill", True),
        ("Mill Hall", False),
    ],
)
def test_a_slip_is_most_of_the_word(typed, almost):
    assert near(f"{typed}\n", "Baker Hall") is almost


def test_a_word_is_the_same_in_any_case_and_nothing_at_all_is_no_word():
    assert same("  hill   HOUSE\n", "Hill House")
    assert not same("\n", "Hill House")
    assert not same("", "Hill")
