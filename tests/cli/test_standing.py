"""What somebody on call reads in five seconds, line by line."""

from alerting.broadcast.report import report
from alerting.cli.standing import lines
from tests.publishing.conftest import clock, ledger, told  # noqa: F401 - fixtures


def test_the_table_the_spread_the_links_and_what_to_do_in_that_order(ledger, told, clock):  # noqa: F811
    shown = [line.text for line in lines(report(ledger, told, at=clock.now(), curves=True))]

    state, head, post, texts, arrived, mails, axis, *rest = shown
    assert state.startswith("L-7K2QXD  LIVE  Gas leak at Baker Hall  done in 3 min 0 s, with failures")
    assert head.split() == ["channel", "accepted", "delivered", "failed", "uncertain", "waiting", "first", "50", "%", "95", "%"]  # fmt: skip
    assert post.split()[:4] == ["x-campus", "1/1", "no", "receipts"]
    assert texts.split()[:6] == ["sms-main", "487/500", "432", "20", "0", "0"]
    assert mails.split()[:4] == ["email-main", "500/500", "no", "receipts"]
    times = arrived.split()
    assert times[0] == "delivered"
    assert times[-1] == "-", "a tenth never told, so 95 % is not proved"
    assert arrived.index(times[1]) > head.index("waiting"), "its times stand under those of acceptance"
    assert axis.startswith("over time")
    assert [row.split()[0] for row in rest[:3]] == ["sms-main", "delivered", "email-main"]
    assert rest[3] == "x-campus: https://x.example/nsu_alert/status/1"
    assert rest[4] == (
        "sms-main: 13 messages rejected: not a valid address (21211 +1555 is <no> number)"
        " -> correct it in the list"
    )
    assert rest[5] == (
        "sms-main: 7 messages undelivered: handset or mailbox not reachable (30003) -> reach them another way"
    )


def test_an_alert_that_has_just_been_accepted_has_a_table_and_no_drawing(ledger, clock):  # noqa: F811
    from alerting.clock import micros
    from alerting.testing.builders import an_alert, an_opening, some_deliveries

    new = an_alert(id="L-NEW000", created_at=clock.now())
    with ledger.transaction():
        ledger.open_alert(an_opening("sms-main", alert=new), at=micros(clock.now()))
        ledger.add_batch(new.id, "sms-main", some_deliveries(9), priority=50)
    shown = [line.text for line in lines(report(ledger, ledger.alert(new.id), at=clock.now(), curves=True))]

    assert shown[0].endswith("being sent")
    assert shown[2].split() == ["sms-main", "0/9", "no", "receipts", "0", "0", "9", "-", "-", "-"]
    assert len(shown) == 3
