"""`alert serve` as a process: a channel dies, the people on call hear of it, one of them answers."""

import json
import signal

import pytest
from campus import until

ROSTER = """version: 1
people:
  kim: {name: Kim Ito, phone: "+14135559901", email: kim@example.edu}
  lee: {name: Lee Ode, phone: "+14135559902", email: lee@example.edu}
shifts:
  - {who: kim, starts: 2026-01-01T00:00, ends: 2026-01-02T00:00, rule: FREQ=DAILY}
"""


@pytest.fixture
def on_call(campus):
    """A campus with a roster, and `alert serve` at work."""
    path = campus.home / "channels.yaml"
    whole = json.loads(path.read_text())
    whole["on_call"] = {"roster": "roster.yaml", "escalate_after_minutes": 0.05}
    path.write_text(json.dumps(whole))
    (campus.home / "roster.yaml").write_text(ROSTER)
    campus.serve = campus.start("serve", "--json")
    campus.serve.stdout.readline()
    until(lambda: campus.sender() == campus.serve.pid, 10, "serve does not own the ledger")
    yield campus
    campus.serve.send_signal(signal.SIGTERM)
    campus.serve.wait(20)


def ready(campus, *args, code):
    return json.loads(campus("ready", "--json", *args, code=code).stdout)


def test_whether_somebody_could_send_is_asked_kept_and_answered_with_a_code(campus):
    (campus.home / "roster.yaml").write_text(ROSTER)
    before = ready(campus, code=4)
    assert not before["ready"]
    assert ready(campus, "--probe", code=0)["ready"]
    assert ready(campus, code=0)["ready"]
    campus.box.credentials(provider="twilio", dead="*")
    reasons = [one["detail"] for one in ready(campus, "--probe", code=3)["looks"] if one["level"] == "no"]
    assert [reason.partition(":")[0] for reason in reasons] == ["sms-main"]
    said = campus("ready", code=3).stdout.splitlines()
    assert said[0].startswith("NO: 1 reason")
    assert "renew the token or password" in said[1]
    campus.box.credentials(provider="twilio", alive=True)
    campus.box.play(switches={"twilio_balance": 3, "graph_usage": 95})
    looks = ready(campus, "--probe", code=0)["looks"]
    low = [one["detail"] for one in looks if one["what"] == "runs low"]
    assert low == [
        "facebook-campus, headroom: less than 20 % of the calls left, 5 %",
        "sms-main, headroom: less than 20 USD",
    ]
    campus.box.play(switches={"twilio_balance": 0})
    assert "top up the account" in json.dumps(ready(campus, "--probe", code=3))
    campus.box.play()
    campus("channels", "check", code=0)
    assert ready(campus, code=0)["ready"]


def mails(campus):
    return [one for one in campus.box.state("mails") if "on-call" in json.dumps(one)]


def texts(campus):
    return [one for one in campus.box.state("texts") if "on-call" in json.dumps(one)]


def test_a_dead_channel_is_told_by_mail_and_text_and_an_answer_ends_it(on_call):
    on_call.box.credentials(provider="x", dead="*")
    alert_id = on_call.send_and_leave()
    on_call.settled(alert_id)
    until(lambda: len(mails(on_call)) == 1 and len(texts(on_call)) == 1, 20, "nobody is told")
    [mail], [text] = mails(on_call), texts(on_call)
    assert "kim@example.edu" in json.dumps(mail)
    assert "+14135559901" in json.dumps(text)
    assert "x-campus" in json.dumps(text)
    listed = json.loads(on_call("ack", "--list", "--json", code=0).stdout)["notices"]
    assert [(one["kind"], one["told"]) for one in listed][:1] == [("channel", ["kim"])]
    until(lambda: len(texts(on_call)) == 2, 20, "nobody is told next")
    assert "Yours now" in on_call("ack", listed[0]["notice"], code=0).stdout
    assert "Nothing waits" in on_call("ack", code=0).stdout
    assert "needs no answer any more" in on_call("ack", listed[0]["notice"], code=2).stderr
    assert "is no notice" in on_call("ack", "N-NONE00", code=2).stderr
    shown = on_call("status", code=0).stdout
    assert alert_id in shown
    assert "N-" not in shown
    assert listed[0]["notice"] in on_call("status", listed[0]["notice"]).stdout
    on_call.whole()
