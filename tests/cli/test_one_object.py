"""What scripts get with ``--json`` is one object, whatever a command did on its way."""

import json

from alerting.clock import SystemClock
from alerting.ledger.sqlite import SqliteLedger
from alerting.testing.builders import A_MOMENT_US, an_alert, an_opening, some_deliveries


def test_several_interrupted_alerts_are_told_in_one_object(alert, home, waiting):
    ledger = SqliteLedger.open(home / "state" / "ledger.db", clock=SystemClock())
    with ledger.transaction():
        other = an_alert(id="L-WA1TN2")
        ledger.open_alert(an_opening("sms-main", alert=other), at=A_MOMENT_US)
        ledger.add_batch(other.id, "sms-main", some_deliveries(1), priority=50)
        ledger.planned(other.id, recipients=1, notes={})
    ledger.close()

    done = alert("resume", "--json", env=alert.credentials)

    told = json.loads(done.stdout)
    assert (told["v"], told["kind"]) == (1, "resume")
    assert {one["alert"] for one in told["alerts"]} == {waiting, other.id}
    assert done.returncode == 4


def test_a_drill_that_was_run_is_told_with_its_judgement_in_one_object(alert, home):
    text = (
        "version: 1\nallowed_audiences: [staff]\ndrills:\n  quick:\n    title: Quick\n    template: drill\n"
    )
    text += "    audience: staff\n    channels: [sms-main]\n"
    (home / "drills.yaml").write_text(text)
    try:
        done = alert("--sandbox", "drill", "run", "quick", "--confirm", "DRILL quick", "--json")
    finally:
        alert("--sandbox", "sandbox", "stop")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["kind"], told["settled"]) == ("drill", True)
    assert told["scorecard"]
