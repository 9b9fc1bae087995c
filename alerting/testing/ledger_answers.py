"""What people may ask, as tests of a ledger: counts, curves, rows, posts and the audit log."""

# A number in a test is an example, not a constant in need of a name.

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from alerting.ledger.base import Ledger
from alerting.ledger.rows import Batch
from alerting.model.delivery import State
from alerting.testing.builders import (
    accepted,
    an_actor,
    an_address,
    an_alert,
    rejected,
    some_deliveries,
    unanswered,
)
from alerting.testing.ledger_steps import (
    ID,
    MAIL,
    NOW,
    SECOND,
    SMS,
    cancel,
    mentions,
    opened,
    sent,
    settle,
)


class LedgerAnswers:
    """Questions, one promise a test; see LedgerConformance."""

    def test_the_curve_says_when_shares_were_accepted(self, ledger: Ledger) -> None:
        """Shares are of what was accepted or still may be; a share that is not reached is missing."""
        batch = sent(ledger, 21)
        first, *middle, last = batch.rows
        settle(ledger, batch, accepted(first, at=NOW + 1_834_000), rejected(last))
        assert ledger.tally(ID)[0].times == {"first": 1.834}
        for place, row in enumerate(middle):
            settle(ledger, batch, accepted(row, at=NOW + 3 * SECOND + place * 10_000))
        times = ledger.tally(ID)[0].times
        assert times == {"first": 1.834, "50": pytest.approx(3.08), "95": pytest.approx(3.17)}
        assert ledger.progress(ID) == {SMS: [(1, 1), (3, 19)]}

    def test_deliveries_are_found_by_channel_state_and_address(self, ledger: Ledger) -> None:
        """In the order of lanes, then of planning."""
        batch = sent(ledger, 3)
        with ledger.transaction():
            ledger.add_batch(ID, MAIL, some_deliveries(1), priority=50)
        settle(ledger, batch, rejected(batch.rows[1]))
        everything = list(ledger.deliveries(ID))
        assert [d.channel for d in everything] == [SMS, SMS, SMS, MAIL]
        assert [d.id for d in ledger.deliveries(ID, channel=MAIL)] == [everything[3].id]
        assert [d.id for d in ledger.deliveries(ID, states=[State.REJECTED])] == [everything[1].id]
        address = str(an_address(0))
        assert [d.channel for d in ledger.deliveries(ID, address=address)] == [SMS, MAIL]
        assert list(ledger.deliveries(ID, address=address, states=[State.REJECTED])) == []
        assert [d.id for d in ledger.deliveries(ID, channel=SMS, address=address)] == [everything[0].id]
        assert list(ledger.deliveries(ID, address=address[:-1])) == []

    def test_an_incident_knows_its_earlier_posts(self, ledger: Ledger) -> None:
        """Oldest first, to that address on that channel, and only what the provider took."""
        batch = sent(ledger, 2)
        settle(ledger, batch, accepted(batch.rows[0], provider_id="one"), rejected(batch.rows[1]))
        update = an_alert(id="L-UPDATE", number=2)
        opened(ledger, SMS, alert=update)
        second = sent(ledger, 2, alert=update)
        settle(ledger, second, accepted(second.rows[0], provider_id="two"), rejected(second.rows[1]))
        last = an_alert(id="L-LASTLY", number=3)
        opened(ledger, SMS, alert=last)
        third = sent(ledger, 3, alert=last)
        settle(ledger, third, *map(rejected, third.rows))
        other = an_alert(id="L-OTHER0", incident="I-OTHER0")
        opened(ledger, SMS, alert=other)
        incident, person = update.incident, str(an_address(0))
        assert ledger.threads(batch.id) == {}
        assert ledger.threads(second.id) == {person: ("one",)}
        assert ledger.threads(third.id) == {person: ("one", "two")}
        assert ledger.threads(sent(ledger, 1, alert=other).id) == {}
        assert ledger.known_to(SMS, person, besides=third.rows[0].id, since=0) == ["two", "one"]
        assert ledger.known_to(SMS, person, besides=batch.rows[0].id, since=0) == ["two"]
        assert ledger.known_to(SMS, person, besides=0, since=NOW) == []
        assert ledger.known_to(MAIL, person, besides=0, since=0) == []
        assert (ledger.incident_number(incident), ledger.incident_number("I-NONE00")) == (3, 0)

    def test_an_incident_is_open_until_somebody_closes_it(self, ledger: Ledger) -> None:
        """However many alerts came after it, by the newest word of each; drills and notices are none."""
        for name in ("L-0LD000", "L-CL0SED", "L-NEW000"):
            opened(ledger, SMS, alert=an_alert(id=name, incident=name))
        for number in range(25):
            name = f"{'DN'[number % 2]}-{number:06}"
            opened(ledger, SMS, alert=an_alert(id=name, incident=name))
        acts = {"incident.opened": "L-0LD000", "incident.prepared": "L-NEW000", "incident.closed": "L-CL0SED"}
        with ledger.transaction():
            for action, incident in acts.items():
                ledger.record_act(action, incident, {}, actor=an_actor(), at=NOW)
        assert list(ledger.open_incidents()) == ["L-NEW000", "L-0LD000"]
        opened(ledger, SMS, alert=an_alert(id="L-UPDATE", incident="L-0LD000", number=2))
        assert list(ledger.open_incidents()) == ["L-0LD000", "L-NEW000"]

    def test_what_was_begun_and_not_ended_is_told_however_old(self, ledger: Ledger) -> None:
        """Of alerts only, by the kinds of their acts."""
        names = [f"L-{number:06}" for number in range(25)]
        for name in names:
            opened(ledger, SMS, alert=an_alert(id=name, incident=name))
        acts = [
            ("begun", names[3]),
            ("begun", names[0]),
            ("begun", names[1]),
            ("ended", names[1]),
            ("ended", names[9]),
        ]
        with ledger.transaction():
            for action, name in (*acts, ("begun", "no alert")):
                ledger.record_act(action, name, {}, actor=an_actor(), at=NOW)
        assert list(ledger.left_undone("begun", "ended")) == [names[0], names[3]]

    def test_a_message_that_is_found_belongs_to_one_delivery(self, ledger: Ledger) -> None:
        """Two posts of the same words, looked up at once: the second waits to be looked up again."""
        batches: list[Batch] = []
        for alert_id in ("L-FIRST0", "L-SECOND"):
            alert = an_alert(id=alert_id, incident=alert_id)
            opened(ledger, SMS, alert=alert)
            batch = sent(ledger, 1, alert=alert, skip=[batch.id for batch in batches])
            settle(ledger, batch, unanswered(batch.rows[0]))
            batches.append(batch)
        for batch, taken in zip(batches, (1, 0), strict=True):
            found = accepted(batch.rows[0], outcome="found", provider_id="one", at=NOW + SECOND)
            assert settle(ledger, batch, found) == taken
        first, second = batches
        again = accepted(first.rows[0], outcome="found", provider_id="one", at=NOW + SECOND)
        assert settle(ledger, first, again) == 0
        (waits,) = ledger.deliveries("L-SECOND")
        assert (waits.state, waits.maybe_twice, waits.provider_id) == (State.UNCERTAIN, False, "")
        other = accepted(second.rows[0], outcome="found", provider_id="two", at=NOW + SECOND)
        assert settle(ledger, second, other) == 1
        assert [d.provider_id for d in ledger.deliveries("L-FIRST0")] == ["one"]

    def test_the_size_of_an_audience_is_that_of_its_last_alert(self, ledger: Ledger) -> None:
        """Known once planning is closed."""
        assert ledger.last_audience_size("everyone") is None
        for alert_id, size in ((ID, 7), ("L-SECOND", 8)):
            if alert_id != ID:
                opened(ledger, alert=an_alert(id=alert_id))
            with ledger.transaction():
                ledger.planned(alert_id, recipients=size, notes={})
            assert ledger.last_audience_size("everyone") == size
        opened(ledger, alert=an_alert(id="L-THIRD0"))
        with ledger.transaction():
            ledger.planned("L-THIRD0", recipients=0, notes={})
        told = ledger.last_audience_size("everyone")
        assert told == size, "the third went to feeds alone, and says nothing of the list"

    def test_acts_are_chained(self, ledger: Ledger) -> None:
        """Who, what, when; each row names the hash of the one before it."""
        with ledger.transaction():
            ledger.record_act("template.read", "T", {"b": 1, "a": "é"}, actor=an_actor("kim"), at=NOW)
        cancel(ledger)
        rows = list(ledger.audit())
        assert [row.action for row in rows] == ["alert.opened", "template.read", "alert.cancelled"]
        assert [row.seq for row in rows] == [1, 2, 3]
        assert all(later.prev == earlier.hash for earlier, later in pairwise(rows))
        assert [row.action for row in ledger.audit(ID)] == ["alert.opened", "alert.cancelled"]
        assert (rows[1].actor, rows[1].origin, json.loads(rows[1].body)) == (
            "kim",
            "terminal",
            {"a": "é", "b": 1},
        )
        assert not mentions(rows, str(an_address(0)))

    def test_a_long_audit_log_is_streamed_whole(self, ledger: Ledger) -> None:
        """Page after page, nothing twice."""
        with ledger.transaction():
            for number in range(1100):
                ledger.record_act("probe", f"s{number % 2}", {}, actor=an_actor(), at=number)
        assert [row.seq for row in ledger.audit()] == list(range(1, 1102))
        assert [row.at for row in ledger.audit("s1")] == list(range(1, 1100, 2))

    def test_a_clock_that_was_set_back_does_not_break_the_curve(self, ledger: Ledger) -> None:
        """What seems to be accepted before the alert was opened counts in its first second."""
        batch = sent(ledger, 1)
        settle(ledger, batch, accepted(batch.rows[0], at=NOW - SECOND))
        assert ledger.progress(ID) == {SMS: [(0, 1)]}
        assert ledger.tally(ID)[0].times["first"] == 0.0
