"""Roles hold in the process that owns the ledger: by account and token, whatever a caller says."""

import json
import os

import pytest

from alerting.engine.control import ask
from alerting.errors import Exit

ME = str(os.getuid())


def operators(campus, people):
    """Write operators.yaml, with nothing that needs a second person. JSON is YAML."""
    whole = {"version": 1, "people": people, "rules": {"second_person_for": []}}
    (campus.home / "operators.yaml").write_text(json.dumps(whole))


def token(campus, name):
    """Return the environment of somebody with a token of this person's."""
    return {"ALERT_TOKEN": campus("operators", "token", name, code=0).stdout.strip()}


@pytest.fixture
def served(campus):
    """A campus where another process owns the ledger; this account is a viewer's, and kim has a token."""
    operators(campus, {"vic": {"roles": "viewer"}, "kim": {"roles": "sender"}})
    campus.kim = token(campus, "kim")
    operators(campus, {"vic": {"roles": "viewer", "os_user": ME}, "kim": {"roles": "sender"}})
    campus.start("serve")
    campus.awaited_sender()
    return campus


def order(campus, **said):
    plan = json.loads(campus("preview", "hazard", "-v", "place=Hall", "--json", code=0).stdout)
    request = {
        "template": "hazard",
        "values": {"place": "Hall"},
        "audience": "",
        "channels": [],
        "incident": "",
        "evidence": "",
        "next_minutes": 15,
        "follows": False,
        "practice": False,
        "reached_only": False,
        "joined": False,
    }
    return {
        "verb": "open",
        "request": request,
        "as_of": plan["as_of"],
        "digest": plan["digest"],
        "actor": "kim",
        "origin": "console",
        "run_key": "forged",
        **said,
    }


@pytest.mark.parametrize(
    "lie", [{}, {"peer": [0, 1]}, {"by": ["kim"]}, {"peer": None}, {"person": "kim", "approval": "A-000000"}]
)
def test_a_forged_identity_over_the_socket_is_refused(served, lie):
    answer = ask(served.state, order(served, **lie), timeout=10)
    assert answer["exit"] == Exit.NOT_ALLOWED
    assert "vic (viewer) may not" in answer["problems"][0][1]
    assert served.alerts() == []


def test_the_same_order_with_the_token_of_a_sender_is_opened_in_their_name(served):
    answer = ask(served.state, order(served, actor="chief", token=served.kim["ALERT_TOKEN"]), timeout=10)
    assert answer["ok"], answer
    [record] = served.alerts()
    assert record.alert.author == "kim"
    with served.ledger() as ledger:
        [opened] = [act for act in ledger.audit(record.alert.id) if act.action == "alert.opened"]
    assert opened.actor == "kim"
    assert "account" in opened.origin


@pytest.mark.parametrize("verb", ["cancel", "close"])
def test_a_viewer_cancels_and_closes_nothing_through_the_owner(served, verb):
    alert_id = served.send_and_leave(env=served.kim)
    answer = ask(
        served.state,
        {
            "verb": verb,
            "alert": alert_id,
            "incident": alert_id,
            "reason": "because I say so",
            "actor": "kim",
            "origin": "",
        },
        timeout=10,
    )
    assert answer["exit"] == Exit.NOT_ALLOWED


def test_a_viewer_sends_nothing_as_the_owner_either_and_is_told_whom_to_ask(campus):
    operators(campus, {"vic": {"roles": "viewer", "os_user": ME}, "kim": {"roles": "sender"}})
    done = campus.send(code=Exit.NOT_ALLOWED)
    assert "vic (viewer) may not send alerts; nothing was done; ask one of: kim" in done.stderr
    assert campus.alerts() == []


def test_a_viewer_cancels_nothing_as_the_owner_either(campus):
    alert_id = campus.send_and_leave()
    campus.sender_gone()
    operators(campus, {"vic": {"roles": "viewer", "os_user": ME}, "kim": {"roles": "sender"}})
    campus("cancel", alert_id, code=Exit.NOT_ALLOWED)
    campus("note", alert_id, "--how", "two callers", code=Exit.NOT_ALLOWED)
    assert campus("status", alert_id).returncode == 0


def test_an_account_that_is_nobodys_is_told_what_to_write(campus):
    operators(campus, {"kim": {"roles": "sender", "os_user": "4000000"}})
    done = campus.send(code=Exit.NOT_ALLOWED)
    assert "is nobody's here" in done.stderr
    assert "add os_user: " in done.stderr


def test_a_script_sends_with_a_token_from_a_file_and_the_record_names_its_person(campus):
    operators(campus, {"kim": {"roles": "sender"}})
    (campus.home / "kim.token").write_text(token(campus, "kim")["ALERT_TOKEN"] + "\n")
    alert_id = campus.send_and_leave("--token-file", "kim.token")
    campus.settled(alert_id)
    [record] = campus.alerts()
    assert record.alert.author == "kim"
    campus.whole()


def test_a_broken_file_sends_nothing_and_says_where_it_is_wrong(campus):
    (campus.home / "operators.yaml").write_text("version: 1\npeople:\n  kim: {roles: boss}\n")
    done = campus.send(code=Exit.USAGE)
    assert "operators.yaml:3: people.kim.roles" in done.stderr
    assert campus.alerts() == []


def test_who_may_write_the_file_makes_the_first_token_and_a_viewer_makes_none(campus):
    operators(campus, {"kim": {"roles": "sender"}})
    first = token(campus, "kim")["ALERT_TOKEN"]
    assert first.startswith("alert_")
    told = json.loads(campus("operators", "list", "--json", env={"ALERT_TOKEN": first}, code=0).stdout)
    assert told["you"] == ["kim"]
    assert len(told["people"][0]["tokens"]) == 1
    operators(campus, {"kim": {"roles": "sender"}, "vic": {"roles": "viewer", "os_user": ME}})
    campus("operators", "token", "kim", code=Exit.NOT_ALLOWED)


#: What a host is like whose directory of accounts does not answer, and whose network ends at itself.
CUT_OFF = """
import pwd, socket, sys

def nobody(*_):
    print("asked", file=open(ASKED, "a"))
    raise KeyError("the directory does not answer")

def nowhere(host, *rest, **more):
    if host == "127.0.0.1":
        return found(host, *rest, **more)
    raise socket.gaierror(socket.EAI_AGAIN, "no name server")

connect, found = socket.socket.connect, socket.getaddrinfo

def local(self, address):
    if self.family != socket.AF_UNIX and address[0] != "127.0.0.1":
        raise OSError(101, "Network is unreachable")
    return connect(self, address)

pwd.getpwuid = pwd.getpwnam = nobody
socket.getaddrinfo = nowhere
socket.socket.connect = local
"""


def test_with_directory_and_network_down_the_hosts_own_people_still_send(campus):
    cut = campus.home / "cut"
    cut.mkdir()
    (cut / "sitecustomize.py").write_text(CUT_OFF.replace("ASKED", repr(str(cut / "asked"))))
    down = {"PYTHONPATH": os.pathsep.join([str(cut), os.environ.get("PYTHONPATH", "")])}
    operators(campus, {"kim": {"roles": "sender", "os_user": ME}, "lee": {"roles": "sender"}})
    campus.send("--channels", "sms-main", place="Hall 1", env=down, code=0)
    campus.sender_gone()
    campus.start("serve", env=down)
    campus.awaited_sender()
    campus.send("--channels", "sms-main", place="Hall 2", env=down, code=0)
    assert [record.alert.author for record in campus.alerts()] == ["kim", "kim"]
    assert campus.box.counts()["texts"] == 6
    assert (cut / "asked").exists(), "nothing was cut off"


def test_drills_by_hand_need_a_sender_too(campus):
    (campus.home / "drills.yaml").write_text(
        "version: 1\nallowed_audiences: [everyone]\ndrills:\n"
        "  check: {template: hazard, values: {place: Hall}, audience: everyone, channels: [email-main]}\n"
    )
    operators(campus, {"vic": {"roles": "viewer", "os_user": ME}, "kim": {"roles": "sender"}})
    campus("drill", "run", "check", "--confirm", "DRILL check", "--no-wait", code=Exit.NOT_ALLOWED)
    assert campus.alerts() == []


def test_the_check_and_the_doctor_say_what_would_be_missed(campus):
    campus("operators", code=0)
    assert "nobody can approve" in campus("operators", "check", code=0).stdout
    operators(campus, {"kim": {"roles": ["sender", "approver"], "os_user": ME}, "lee": {"roles": "viewer"}})
    advice = json.loads(campus("operators", "check", "--json", code=0).stdout)["advice"]
    assert any("kim is the only approver" in line for line in advice)
    assert any("nobody is known as lee" in line for line in advice)
    doctor = campus("doctor", "--quick").stdout
    assert "2 people in" in doctor
    assert "nobody is known as lee" in doctor
