"""The table that is redrawn while an alert is sent."""

import io

import pytest
from rich.console import Console

from alerting.broadcast.report import ChannelReport, Report
from alerting.cli.live import drawn
from alerting.ledger.rows import AlertRecord
from alerting.testing.builders import A_MOMENT, an_alert


def channel(name, total):
    figures = dict.fromkeys(("accepted", "delivered", "failed", "uncertain", "waiting", "cancelled"), 0)
    times = {"first_s": 12.0, "half_s": 30.0, "most_s": 59.0}
    return ChannelReport(channel=name, kind="sms", total=total, **{**figures, "accepted": total}, **times)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_on_a_usual_terminal_each_channel_has_one_whole_line(width):
    record = AlertRecord(alert=an_alert(), lanes=(), digest="", accepted_at=A_MOMENT)
    names = ("x-campus", "facebook-campus", "sms-main")
    report = Report(
        record=record, channels=tuple(channel(n, 20_000) for n in names), troubles=(), at=A_MOMENT
    )
    screen = Console(width=width, file=io.StringIO(), highlight=False)
    screen.print(drawn(report))

    rows = screen.file.getvalue().splitlines()[1:4]
    assert [row.split()[0] for row in rows] == list(names)
    assert all("20,000/20,000" in row and row.split()[-2:] == ["59", "s"] for row in rows)
