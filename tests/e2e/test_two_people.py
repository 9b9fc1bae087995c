"""One asks, another approves: the real command, with the record owned by whoever has it."""

import json
import os
import pty
import signal
import subprocess

import pytest
from campus import until

from alerting.engine.control import ask, socket_path
from alerting.errors import Exit

PEOPLE = {
    "kim": {"roles": ["sender", "approver"]},
    "lee": {"roles": "approver"},
    "tim": {"roles": "template-editor"},
}


class Crew:
    """A campus with operators. ``kim``, ``lee`` and ``tim`` are environments: whose token a command has."""

    def __init__(self, campus, **rules):
        self.campus = campus
        whole = {"version": 1, "people": PEOPLE, "rules": rules}
        (campus.home / "operators.yaml").write_text(json.dumps(whole))
        self.kim, self.lee, self.tim = (
            {"ALERT_TOKEN": campus("operators", "token", name, code=0).stdout.strip()} for name in PEOPLE
        )

    def ask(self, *args):
        """Have kim ask for an alert; return the request's id."""
        done = self.campus.send("--no-wait", "--json", *args, env=self.kim, code=Exit.ASKED)
        return json.loads(done.stdout)["approval"]

    def approve(self, request, *args, env=None, **given):
        words = ("approve", request, "--confirm", "Baker Hall", *args)
        return self.campus(*words, env=env or self.lee, **given)

    def texts(self):
        return self.campus.box.counts()["texts"]


@pytest.fixture
def crew(campus):
    """The template ``hazard`` is nobody's reviewed one here, so it needs a second person."""
    return Crew(campus)


def test_what_kim_asks_for_leaves_when_lee_approves_it(crew):
    campus = crew.campus
    request = crew.ask()
    assert crew.texts() == 0
    assert campus.alerts() == []
    listed = json.loads(campus("approvals", "--json", code=0).stdout)["approvals"]
    assert [(one["approval"], one["by"], one["place"]) for one in listed] == [(request, "kim", "Baker Hall")]
    shown = crew.approve(request, code=0).stdout
    assert "kim asks since" in shown
    assert "NSU ALERT" in shown
    assert crew.texts() == 3
    [record] = campus.alerts()
    assert record.alert.author == "kim"
    page = campus("report", record.alert.id, "--json", code=0).stdout
    told = next(m for m in json.loads(page)["timeline"] if m["what"] == "Approved by a second person")
    assert told["actor"] == "lee"
    assert "asked for by kim" in told["detail"]
    assert "Nothing waits" in campus("approvals", code=0).stdout
    campus.whole()


def test_who_waits_sees_the_alert_leave_once_it_is_approved(crew):
    campus = crew.campus
    asking = campus.start("send", "hazard", "-v", "place=Baker Hall", "--confirm", "Baker Hall", env=crew.kim)
    [request] = until(lambda: json.loads(campus("approvals", "--json").stdout)["approvals"], 15, "not asked")
    crew.approve(request["approval"], "--no-wait", code=8)
    out, err = asking.communicate(timeout=30)
    assert asking.returncode == 0, (out, err)
    assert b"NOTHING IS SENT YET" in out
    assert b"lee approved it: L-" in out


def test_who_waits_hears_why_it_was_rejected(crew):
    campus = crew.campus
    asking = campus.start("send", "hazard", "-v", "place=Baker Hall", "--confirm", "Baker Hall", env=crew.kim)
    [request] = until(lambda: json.loads(campus("approvals", "--json").stdout)["approvals"], 15, "not asked")
    campus("approve", request["approval"], "--reject", "police say it is a drill", env=crew.lee, code=0)
    _, err = asking.communicate(timeout=30)
    assert asking.returncode == Exit.NOT_ALLOWED
    assert b"rejected by lee: police say it is a drill; nothing was sent" in err
    assert campus.alerts() == []


def test_ctrl_c_leaves_the_request_open_and_who_asked_may_take_it_back(crew):
    campus = crew.campus
    asking = campus.start("send", "hazard", "-v", "place=Baker Hall", "--confirm", "Baker Hall", env=crew.kim)
    until(lambda: json.loads(campus("approvals", "--json").stdout)["approvals"], 15, "not asked")
    os.killpg(asking.pid, signal.SIGINT)
    _, err = asking.communicate(timeout=30)
    assert asking.returncode == Exit.ASKED
    assert b"The request stays open" in err
    [request] = json.loads(campus("approvals", "--json").stdout)["approvals"]
    campus("approve", request["approval"], "--reject", "was mistaken", env=crew.kim, code=0)
    assert "NOT" not in campus("approvals", "--all", code=0).stdout.split("rejected by kim")[0]


def test_nobody_approves_their_own(crew):
    request = crew.ask()
    done = crew.approve(request, env=crew.kim, code=Exit.NOT_ALLOWED)
    assert "kim asked for this and cannot approve it too" in done.stderr
    done = crew.approve(request, env=crew.tim, code=Exit.NOT_ALLOWED)
    assert "tim (template-editor) may not approve alerts" in done.stderr
    assert crew.campus.alerts() == []


def test_an_approval_for_a_text_that_changed_is_void_and_says_so(crew):
    request = crew.ask()
    crew.campus.template("hazard", words="FLOOD")
    done = crew.approve(request, code=Exit.USAGE)
    assert "it is void, and nothing was sent; kim must ask again" in done.stderr
    crew.campus.template("hazard")
    done = crew.approve(request, code=Exit.NOT_ALLOWED)
    assert "void: its text changed" in done.stderr
    assert crew.campus.alerts() == []


def test_the_wrong_word_approves_nothing(crew):
    request = crew.ask()
    crew.campus("approve", request, "--confirm", "yes", env=crew.lee, code=Exit.NOT_CONFIRMED)
    crew.campus("approve", request, env=crew.lee, code=Exit.NOT_CONFIRMED)
    assert crew.campus.alerts() == []


def test_breaking_the_glass_sends_and_is_marked_in_the_report(crew):
    campus = crew.campus
    campus.send("--break-glass", "hurry", env=crew.kim, code=Exit.USAGE)
    assert campus.alerts() == []
    campus.send("--break-glass", "alone on shift tonight", env=crew.kim, code=0)
    [record] = campus.alerts()
    page = campus("report", record.alert.id, "--json", code=0).stdout
    told = next(m for m in json.loads(page)["timeline"] if m["what"].startswith("BREAK-GLASS"))
    assert "alone on shift tonight" in told["detail"]
    assert told["actor"] == "kim"


def test_a_broken_glass_is_shown_until_another_approver_has_looked_at_it(crew):
    campus = crew.campus
    campus.send("--break-glass", "nobody else on shift", env=crew.kim, code=0)
    [record] = campus.alerts()
    alert_id = record.alert.id
    shown = {
        "status": campus("status", code=0).stdout,
        "ready": campus("ready").stdout,
        "doctor": campus("doctor", "--quick").stdout,
    }
    for where, text in shown.items():
        assert f"alert review {alert_id}" in text, where
    [listed] = json.loads(campus("review", "--json", code=0).stdout)["reviews"]
    assert (listed["alert"], listed["by"], listed["overdue"]) == (alert_id, "kim", False)
    found = ("review", alert_id, "--finding", "it was right, he was alone")
    own = campus(*found, env=crew.kim, code=Exit.NOT_ALLOWED).stderr
    assert "kim sent it alone and cannot review it too; nothing was recorded" in own
    assert "tim (template-editor) may not" in campus(*found, env=crew.tim, code=Exit.NOT_ALLOWED).stderr
    campus("review", alert_id, env=crew.lee, code=Exit.NOT_CONFIRMED)
    campus.start("serve")
    campus.awaited_sender()
    assert "is reviewed" in campus(*found, env=crew.lee, code=0).stdout
    assert "lee has reviewed it already" in campus(*found, env=crew.lee, code=Exit.NOT_ALLOWED).stderr
    assert "Nothing waits for a review" in campus("review", code=0).stdout
    assert "review" not in campus("status", alert_id, code=0).stdout
    page = json.loads(campus("report", alert_id, "--json", code=0).stdout)
    moment = next(m for m in page["timeline"] if m["what"] == "Reviewed afterwards by another person")
    assert (moment["actor"], moment["detail"]) == ("lee", "it was right, he was alone")
    campus.whole()


def test_the_owner_of_the_ledger_refuses_by_itself_and_takes_requests_from_others(crew):
    """A client that asks nobody is refused where the alert would be opened."""
    campus = crew.campus
    campus.start("serve")
    campus.awaited_sender()
    request = crew.ask()
    with campus.ledger() as ledger:
        [asked] = [json.loads(row.body) for row in ledger.audit("approvals")]
    order = {
        "verb": "open",
        "request": asked["request"],
        "as_of": asked["as_of"],
        "digest": asked["digest"],
        "actor": "lee",
        "origin": "",
        "run_key": "around-the-guard",
        "token": crew.kim["ALERT_TOKEN"],
    }
    answer = ask(campus.state, order, timeout=10)
    assert answer["exit"] == Exit.NOT_ALLOWED
    assert "a second person must approve this" in answer["problems"][0][1]
    answer = ask(campus.state, {**order, "approval": request}, timeout=10)
    assert "kim asked for this" in answer["problems"][0][1]
    assert campus.alerts() == []
    crew.approve(request, "--no-wait", code=8)
    [record] = campus.alerts()
    campus.settled(record.alert.id)


def test_a_reviewed_immediate_template_needs_nobody_and_an_edit_takes_that_away(crew):
    campus = crew.campus
    assert "NOT REVIEWED" in campus("templates", "list", code=0).stdout
    campus("templates", "review", "hazard", "--confirm", "hazard", env=crew.kim, code=0)
    listed = json.loads(campus("templates", "list", "--json", code=0).stdout)["templates"]
    assert [one["reviewed_by"] for one in listed] == ["kim"]
    campus.send("--no-wait", env=crew.kim, code=8)
    campus.template("hazard", words="CHANGED")
    shown = campus("preview", "hazard", "-v", "place=Hall", code=0).stdout
    assert "! hazard is NOT REVIEWED as it is now: alert templates review hazard" in shown
    crew.ask()


def test_a_review_is_recorded_with_who_when_and_the_hash_and_not_for_a_wrong_word(crew):
    campus = crew.campus
    campus("templates", "review", "hazard", "--confirm", "yes", env=crew.tim, code=Exit.NOT_CONFIRMED)
    campus("templates", "review", "hazard", env=crew.tim, code=Exit.NOT_CONFIRMED)
    told = json.loads(
        campus("templates", "review", "hazard", "--confirm", "hazard", "--json", env=crew.tim, code=0).stdout
    )
    with campus.ledger() as ledger:
        [row] = ledger.audit("template:hazard")
    assert (row.action, row.actor) == ("template.reviewed", "tim")
    assert json.loads(row.body) == {"sha256": told["sha256"]}


def test_no_editing_command_sends(crew):
    campus = crew.campus
    campus("templates", "new", "leak", code=0)
    for words in (
        ("list",),
        ("show", "hazard"),
        ("check", "hazard"),
        ("review", "hazard", "--confirm", "hazard"),
    ):
        campus("templates", *words, env=crew.tim, code=0)
    done = campus.send(env=crew.tim, code=Exit.NOT_ALLOWED)
    assert "tim (template-editor) may not send alerts" in done.stderr
    assert campus.alerts() == []
    assert {name: campus.box.counts()[name] for name in ("posts", "texts", "mails")} == {
        "posts": 0,
        "texts": 0,
        "mails": 0,
    }


DRILLS = """version: 1
allowed_audiences: [everyone]
drills:
  check: {template: hazard, values: {place: Hall}, audience: everyone, channels: [email-main]}
  public: {template: hazard, values: {place: Hall}, audience: everyone, channels: [x-campus, email-main]}
"""


def test_a_drill_the_public_sees_needs_a_second_person_when_it_is_run_by_hand(crew):
    campus = crew.campus
    (campus.home / "drills.yaml").write_text(DRILLS)
    run = ("drill", "run", "public", "--confirm", "DRILL public", "--no-wait", "--json")
    done = campus(*run, env=crew.kim, code=Exit.ASKED)
    told = json.loads(done.stdout)
    assert told["why"] == ["the public sees this drill on x-campus"]
    request = told["approval"]
    own = campus("approve", request, "--confirm", "DRILL public", env=crew.kim, code=Exit.NOT_ALLOWED)
    assert "kim asked for this" in own.stderr
    campus("approve", request, "--confirm", "Hall", env=crew.lee, code=Exit.NOT_CONFIRMED)
    assert campus.alerts() == []
    shown = campus("approve", request, "--confirm", "DRILL public", "--no-wait", env=crew.lee, code=8).stdout
    assert "kim asks since" in shown
    [record] = campus.alerts()
    campus.settled(record.alert.id)
    assert not record.alert.live
    [listed] = json.loads(campus("approvals", "--all", "--json", code=0).stdout)["approvals"]
    assert (listed["state"], listed["decided_by"], listed["alert"]) == ("approved", "lee", record.alert.id)
    campus("approve", request, "--confirm", "DRILL public", env=crew.lee, code=Exit.NOT_ALLOWED)
    assert len(campus.alerts()) == 1


def test_the_owner_of_the_ledger_starts_no_public_drill_for_one_person_alone(crew):
    campus = crew.campus
    (campus.home / "drills.yaml").write_text(DRILLS)
    told = json.loads(campus("drill", "plan", "public", "--json", code=0).stdout)
    campus.start("serve")
    campus.awaited_sender()
    order = {
        "verb": "drill.start",
        "drill": "public",
        "as_of": told["as_of"],
        "digest": told["digest"],
        "clock": {},
        "asked": True,
        "holds": ["x-campus", "email-main"],
        "actor": "lee",
        "origin": "",
        "token": crew.kim["ALERT_TOKEN"],
    }
    until(socket_path(campus.state).exists, 10, "it does not listen")
    answer = ask(campus.state, order, timeout=20)
    assert answer["exit"] == Exit.NOT_ALLOWED
    assert "a second person must approve this" in answer["problems"][0][1]
    assert campus.alerts() == []


def test_a_drill_for_people_alone_needs_one_sender(crew):
    campus = crew.campus
    (campus.home / "drills.yaml").write_text(DRILLS)
    campus("drill", "run", "check", "--confirm", "DRILL check", "--no-wait", env=crew.kim, code=8)
    [record] = campus.alerts()
    campus.settled(record.alert.id)


def test_a_fourth_alert_within_ten_minutes_wants_an_explicit_word_from_a_script(campus):
    for number in range(3):
        campus.send("--no-wait", place=f"Hall {number}", code=8)
    done = campus.send("--no-wait", place="Hall 4", code=Exit.NOT_CONFIRMED)
    assert "3 real alerts went out within 10 minutes; nothing was sent" in done.stderr
    assert "--one-more" in done.stderr
    assert len(campus.alerts()) == 3
    campus.send("--no-wait", "--one-more", place="Hall 4", code=8)


def prompted(campus, *answers):
    """Send at a terminal and type these; return the exit code and what was seen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        campus.words("send", "hazard", "-v", "place=Hill", "--channels", "sms-main", "--no-wait"),
        cwd=campus.home,
        env=campus.environment({"TERM": "dumb"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    try:
        for expected, answer in answers:
            while expected not in seen:
                seen += os.read(ours, 65_536)
            os.write(ours, answer + b"\n")
        code = process.wait(20)
    finally:
        process.kill()
        os.close(ours)
    return code, seen


def test_enter_alone_never_sends(campus):
    code, seen = prompted(campus, (b"Type Hill to send", b""))
    assert code == Exit.NOT_CONFIRMED
    assert b"SEND THIS FOR REAL: Hazard, Hill: to 3 people, 3 messages on sms-main." in seen
    assert campus.alerts() == []


def test_a_slip_costs_a_line_and_anything_else_the_command(campus):
    campus("templates", "review", "hazard", "--confirm", "hazard", code=0)
    for other in (b"y", b"Hall"):
        code, seen = prompted(campus, (b"Type Hill to send", other))
        assert code == Exit.NOT_CONFIRMED
        assert b"Almost" not in seen
    code, seen = prompted(campus, (b"Type Hill to send", b"hilll"), (b"Almost. Type Hill to send", b""))
    assert code == Exit.NOT_CONFIRMED
    assert campus.alerts() == []
    code, seen = prompted(campus, (b"Type Hill to send", b"hilll"), (b"Almost. Type Hill to send", b"hill"))
    assert code == Exit.RUNNING
    assert len(campus.alerts()) == 1


def test_where_nobody_can_approve_the_name_of_the_template_is_asked_for_too(campus):
    code, seen = prompted(campus, (b"Type Hill to send", b"hill"), (b"Type hazard too", b""))
    assert code == Exit.NOT_CONFIRMED
    assert b"nobody has reviewed hazard as it is now" in seen
    assert campus.alerts() == []
    code, _ = prompted(campus, (b"Type Hill to send", b"hill"), (b"Type hazard too", b"hazard"))
    assert code == Exit.RUNNING
    assert len(campus.alerts()) == 1


def test_a_person_at_a_terminal_is_asked_once_more_after_three_alerts(campus):
    campus("templates", "review", "hazard", "--confirm", "hazard", code=0)
    for number in range(3):
        campus.send("--no-wait", place=f"Hall {number}", code=8)
    code, seen = prompted(campus, (b"Type Hill to send", b"hill"), (b"Type AGAIN", b""))
    assert code == Exit.NOT_CONFIRMED
    assert b"3 real alerts went out within 10 minutes" in seen
    assert len(campus.alerts()) == 3
    code, _ = prompted(campus, (b"Type Hill to send", b"hill"), (b"Type AGAIN", b"again"))
    assert code == Exit.RUNNING
    assert len(campus.alerts()) == 4
