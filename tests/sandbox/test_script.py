import json

import pytest

from alerting.sandbox.script import Script, ScriptError


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (3, "the script: 3 is not an object; write {...}"),
        ({"rule": []}, "rule: is not a field; write one of"),
        ({"rules": {}}, "rules: {} is not a list; write [...]"),
        ([{}], 'rules[0].effect: is missing; write {"kind": ...}'),
        ([{"effect": {}}], "rules[0].effect.kind: is missing; write one of status, hang"),
        ([{"effect": "rset"}], 'rules[0].effect.kind: "rset" is not known; write one of'),
        (
            [{"effect": "reset"}, {"provider": "tw", "effect": "reset"}],
            'rules[1].provider: "tw" is not known',
        ),
        (
            [{"provider": "x", "operation": "comment", "effect": "reset"}],
            'rules[0].operation: "comment" is not known; write one of *, create, reply',
        ),
        ([{"effect": {"kind": "status"}}], "rules[0].effect.status: is missing; write a status such as 503"),
        ([{"effect": {"kind": "status", "status": 99}}], "rules[0].effect.status: 99 is not a status"),
        ([{"effect": {"kind": "hang", "seconds": 9999}}], "rules[0].effect.seconds: 9999 is out of range"),
        ([{"effect": {"kind": "hang", "second": 1}}], "rules[0].effect.second: is not a field"),
        ([{"effect": "reset", "match": {"nth": 0}}], "rules[0].match.nth: 0 is not a position"),
        ([{"effect": "reset", "match": {"probability": 2}}], "rules[0].match.probability: 2 is out of range"),
        ([{"effect": "reset", "match": {"to": 5}}], "rules[0].match.to: 5 is not text"),
        ([{"effect": {"kind": "reset", "when": "never"}}], 'rules[0].effect.when: "never" is not known'),
        (
            [{"provider": "graph", "effect": "credits_gone"}],
            'rules[0].effect.kind: "credits_gone" cannot be done by provider "graph"; write x',
        ),
        ([{"provider": "smtp", "effect": "html"}], 'cannot be done by provider "smtp"'),
        (
            [{"effect": {"kind": "status", "status": 429, "headers": {"A": "b\r\nC: d"}}}],
            "rules[0].effect.headers.A",
        ),
        (
            {"numbers": {"+1": "landlin"}},
            'numbers.+1: "landlin" is not known; write a code or one of invalid',
        ),
        ({"mailboxes": {"a@b": "gone"}}, 'mailboxes.a@b: "gone" is not known; write one of unknown'),
        ({"switches": {"x_replies": "mine"}}, 'switches.x_replies: "mine" is not known'),
        (
            {"switches": {"callbacks": "yes"}},
            'switches.callbacks: "yes" is not a switch; write true or false',
        ),
        ({"seed": "x"}, 'seed: "x" is not a whole number'),
    ],
)
def test_a_bad_script_is_told_which_field_and_what_to_write(script, complaint):
    with pytest.raises(ScriptError) as caught:
        Script.parse(script)
    assert complaint in str(caught.value)
    assert "; write " in str(caught.value)


def test_a_script_file_is_named_in_its_errors(tmp_path):
    path = tmp_path / "faults.json"
    with pytest.raises(ScriptError, match="cannot be read"):
        Script.load(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ScriptError, match=r"faults.json: not JSON"):
        Script.load(path)
    path.write_text(json.dumps([{"effect": "rset"}]), encoding="utf-8")
    with pytest.raises(ScriptError, match=r"faults.json: rules\[0\].effect.kind"):
        Script.load(path)
    path.write_text(json.dumps({"seed": 5, "rules": [{"effect": "reset"}]}), encoding="utf-8")
    assert Script.load(path).seed == 5


def test_a_bad_script_changes_nothing_in_a_running_sandbox(sandbox):
    sandbox.play({"name": "first", "provider": "x", "effect": "reset"})
    answer = sandbox.control("faults", {"rules": [{"effect": "rset"}]})
    assert (answer.status_code, answer.json()["error"][:22]) == (400, "rules[0].effect.kind: ")
    assert sandbox.state()["fired"] == {"first": 0}
