"""From the report of a danger to the first phone: what people say and what the command stamps, in one place."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from campus import CHANNELS

from alerting.ledger.rows import Actor
from alerting.service.order import Order
from alerting.service.planning import Request

CAMPUS = ZoneInfo("America/New_York")


def minutes_ago(minutes):
    return (
        (datetime.now(UTC) - timedelta(minutes=minutes)).astimezone(CAMPUS).replace(second=0, microsecond=0)
    )


def test_what_an_officer_tells_while_sending_is_frozen_with_the_alert(campus):
    reported, confirmed = minutes_ago(6), minutes_ago(4)
    given = ("--reported", f"{reported:%H:%M}", "--confirmed", f"{confirmed:%H:%M}")
    sent = json.loads(campus.send(*given, "--json", code=0).stdout)

    clock = json.loads(campus("status", sent["alert"], "--json", code=0).stdout)["clock"]
    told = {name: datetime.fromisoformat(step["at"]) for name, step in clock.items() if step["at"]}
    assert (told["reported"], told["confirmed"]) == (reported, confirmed)
    order = [
        "reported",
        "confirmed",
        "started",
        "previewed",
        "decided",
        "accepted",
        "first_post",
        "half",
        "most",
    ]
    assert [name for name in clock if name in order] == order
    assert sorted(order, key=told.__getitem__) == order
    assert clock["decided"]["source"] == "measured"
    assert clock["reported"]["source"].startswith("noted by ")

    opened = campus("export", sent["alert"], code=0).stdout.splitlines()
    acts = [json.loads(line) for line in opened if '"alert.opened"' in line]
    assert json.loads(acts[0]["body"])["clock"]["reported"] == reported.isoformat()
    report = campus("report", sent["alert"], "--json", code=0)
    assert json.loads(report.stdout)["clock"] == clock


def test_the_clock_is_handed_to_the_owner_of_the_ledger_as_it_was_told():
    clock = {"reported": "2026-09-01T02:03:00-04:00", "decided": "2026-09-01T06:05:00+00:00"}
    order = Order(
        request=Request(template="fire", clock=clock),
        as_of=datetime.now(UTC),
        digest="0" * 64,
        actor=Actor(name="lee"),
        run_key="r",
    )
    carried = json.loads(json.dumps(order.to_json()))
    assert Order.from_json(carried).request.clock == clock
    carried["request"]["clock"]["decided"] = "soon"
    with pytest.raises(ValueError, match="soon"):
        Order.from_json(carried)


def test_a_time_that_cannot_be_is_refused_before_anything_is_shown_or_sent(campus):
    ahead = minutes_ago(-30)
    done = campus.send("--reported", f"{ahead:%H:%M}", "--confirmed", "soon", code=2)

    assert "--reported: " in done.stderr
    assert "is in the future; write when it happened" in done.stderr
    assert "--confirmed: 'soon' is not a time; write it on the campus's clock" in done.stderr
    assert done.stdout == ""
    assert not any(campus.box.counts().get(name) for name in ("posts", "texts", "mails"))


def test_a_channel_that_never_tells_what_arrived_says_so_in_words_and_in_json(campus):
    sent = json.loads(campus.send("--json", code=0).stdout)

    shown = campus("status", sent["alert"], code=0).stdout
    assert [line.split()[0] for line in shown.splitlines() if "no receipts" in line] == list(CHANNELS)
    told = json.loads(campus("status", sent["alert"], "--json", code=0).stdout)["channels"]
    assert {(channel["delivered"], channel["receipts"]) for channel in told} == {(None, False)}
