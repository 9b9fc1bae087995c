"""`alert receipts`: a bounce from a mail server's pipe, and who asked to stop."""

from __future__ import annotations

import json

import pytest

from alerting.clock import SystemClock
from alerting.digest import delivery_key
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.receipt import Receipt, ReceiptStatus
from alerting.testing.builders import A_MOMENT, A_MOMENT_US, a_lane, accepted, an_alert, an_opening

ANN = "email:ann@example.edu"


@pytest.fixture
def ledger(home):
    (home / "state").mkdir(mode=0o700)
    opened = SqliteLedger.open(home / "state/ledger.db", clock=SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def mailed(ledger):
    """One mail that was accepted; returns its Message-ID."""
    alert = an_alert()
    with ledger.transaction():
        ledger.open_alert(an_opening(a_lane("email-main", kind="email.smtp"), alert=alert), at=A_MOMENT_US)
        ledger.add_batch(alert.id, "email-main", [(ANN, "p1", "")], priority=50)
        ledger.planned(alert.id, recipients=1, notes={})
        batch = ledger.lease("email-main", owner="t", at=A_MOMENT_US, until=A_MOMENT_US + 9)
        (row,) = batch.rows
        ledger.claim(batch, [row.id], at=A_MOMENT_US)
        name = f"<{delivery_key(alert.id, 'email-main', ANN)}.{row.id}@example.edu>"
        ledger.settle(batch, [accepted(row, provider_id=name)])
        ledger.release(batch, not_before=0)
    return name


def bounce(name):
    return f"""Message-ID: <b1@mx.example.net>
Content-Type: multipart/report; report-type=delivery-status; boundary=B

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx

Final-Recipient: rfc822; other@example.net
Action: failed
Status: 5.1.1

--B
Content-Type: text/rfc822-headers

Message-ID: {name}

--B--
"""


def test_a_bounce_from_a_pipe_is_kept_once(alert, ledger, mailed):
    done = alert("receipts", "mail", "--json", input=bounce(mailed), env=alert.credentials)
    assert json.loads(done.stdout) == {
        "v": 1, "kind": "receipts", "mails": 1, "receipts": 1, "changed": 1, "repeated": 0, "orphaned": 0,
    }  # fmt: skip
    (delivery,) = ledger.deliveries(an_alert().id)
    assert (delivery.state, delivery.reason) == ("undelivered", "invalid_address")
    again = alert("receipts", "mail", input=bounce(mailed), env=alert.credentials)
    assert "0 new, 1 known" in again.stdout


def test_a_mail_that_is_no_report_changes_nothing(alert, ledger, mailed):
    done = alert("receipts", "mail", input="Subject: hello\n\nhi\n", env=alert.credentials)
    assert (done.returncode, "0 receipts" in done.stdout) == (0, True)


@pytest.mark.parametrize("channel", ["sms-main", "nothing"])
def test_a_channel_that_sends_no_mail_reads_none(alert, channel):
    done = alert("receipts", "mail", "--channel", channel, input="", env=alert.credentials)
    assert done.returncode == 2
    assert channel in done.stderr


def test_who_asked_to_stop_is_listed_masked(alert, ledger):
    said = Receipt(
        channel="sms-main", status=ReceiptStatus.OPTED_OUT, at=A_MOMENT, address="phone:+14135550123"
    )
    with ledger.transaction():
        ledger.apply([said], at=A_MOMENT_US)
    done = alert("receipts", "stopped", env=alert.credentials)
    assert "sms-main" in done.stdout
    assert "***0123" in done.stdout
    assert "+14135550123" not in done.stdout


def test_nobody_has_asked_to_stop(alert):
    assert alert("receipts", "stopped", env=alert.credentials).stdout == "Nobody.\n"
