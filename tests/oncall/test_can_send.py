"""`alert ready`: can somebody send right now? Every look with the words it answers with."""

import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerting.app import App
from alerting.authority.tokens import Token, hash_of
from alerting.channels.base import Check
from alerting.clock import FrozenClock, micros
from alerting.config.operators import keep_token
from alerting.errors import Exit
from alerting.ledger.rows import OccurrenceRow
from alerting.ledger.sqlite import SqliteLedger
from alerting.oncall.answer import Level
from alerting.probing import Probed, keep, known
from alerting.readiness import assess
from alerting.testing.builders import (
    a_lane,
    accepted,
    an_actor,
    an_alert,
    an_opening,
    some_deliveries,
)

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 9, 2, 16, tzinfo=UTC)
CHANNELS = {
    "x-campus": "x",
    "facebook-campus": "facebook",
    "sms-main": "sms.twilio",
    "email-main": "email.smtp",
}
ROSTER = """version: 1
people:
  kim: {name: Kim Ito, phone: "+14135550101"}
shifts:
  - {who: kim, starts: 2026-09-01T07:00, ends: 2026-09-01T19:00, rule: FREQ=DAILY}
"""
FINE = Check(what="credentials", ok=True, detail="known")


class Campus:
    """The shipped configuration in a folder, with a roster and an hour of the test's choice."""

    def __init__(self, home):
        self.home, self.clock, self.linted, self.mistakes = home, FrozenClock(NOW), 0, []
        text = (ROOT / "channels.yaml").read_text() + "on_call: {roster: roster.yaml}\n"
        (home / "channels.yaml").write_text(text.replace("demo/people.csv", "people.csv"))
        (home / "roster.yaml").write_text(ROSTER)
        (home / "people.csv").write_text("name,phone,email\nAnn,4135550100,ann@example.edu\n")
        os.utime(home / "people.csv", (NOW.timestamp(), NOW.timestamp()))
        (home / "templates").mkdir()
        shutil.copy(ROOT / "templates/fire.md", home / "templates")
        (home / "state").mkdir(mode=0o700)
        self.asked()

    @property
    def app(self):
        return App(
            self.home / "channels.yaml",
            clock=self.clock,
            environ={},
            state=self.home / "state",
            credentials=False,
        )

    def asked(self, *, ago=timedelta(), **found):
        """Let every channel have been probed; name the checks of those that are not fine."""
        at = self.clock.now() - ago
        checks = {name: found.get(name.partition("-")[0], (FINE,)) for name in CHANNELS}
        keep(
            self.home / "state",
            [Probed(name=name, kind=kind, at=at, found=checks[name]) for name, kind in CHANNELS.items()],
        )

    def lint(self):
        self.linted += 1
        return self.mistakes

    def answer(self, *, synchronised=None):
        return assess(self.app, lint=self.lint, synchronised=synchronised)

    def no(self):
        return [f"{look.detail} -> {look.fix}" for look in self.answer().reasons]

    def said(self, what, level=None):
        found = [look for look in self.answer().looks if look.what == what]
        return " | ".join(look.detail for look in found if level in (None, look.level))

    def do(self, change):
        ledger = SqliteLedger.open(self.home / "state/ledger.db", clock=self.clock)
        with ledger.transaction():
            change(ledger)
        ledger.close()

    def sent(self, alert_id="L-7K2QXD", *, people=1, audience="everyone"):
        now = micros(self.clock.now())

        def change(ledger):
            alert = an_alert(id=alert_id, incident=alert_id, audience=audience, created_at=self.clock.now())
            ledger.open_alert(an_opening(a_lane(), alert=alert), at=now)
            ledger.add_batch(alert_id, "sms-main", some_deliveries(2), priority=50)
            ledger.planned(alert_id, recipients=people, notes={})
            batch = ledger.lease("sms-main", owner="test", at=now, until=now + 10**6)
            ledger.claim(batch, [row.id for row in batch.rows], at=now)
            ledger.settle(batch, [accepted(row, at=now) for row in batch.rows])
            ledger.release(batch, not_before=0)
            ledger.settle_alert(alert_id, at=now)

        self.do(change)


@pytest.fixture
def campus(tmp_path):
    return Campus(tmp_path)


def test_with_everything_as_it_should_be_the_answer_is_yes_and_names_who_and_how(campus):
    answer = campus.answer()
    assert (answer.ready, answer.exit) == (True, Exit.OK)
    assert campus.said("on call") == "Kim Ito until Wed 19:00, by sms-main"
    assert "would take it, asked 0 min ago: credentials known" in campus.said("channel")
    assert campus.said("audience") == "everyone: 1 people"
    assert campus.said("disk").endswith("GB free")


def test_nobody_on_duty_is_a_no_in_words(campus):
    campus.clock.advance(timedelta(hours=12))
    campus.asked()
    assert campus.no() == ["nobody is on duty now, says roster.yaml -> give somebody this time"]
    assert campus.answer().exit is Exit.PARTIAL


def test_somebody_on_duty_whom_no_working_channel_reaches_is_a_no(campus):
    campus.asked(sms=(Check(what="balance", ok=False, detail="0.00 USD", fix="top up the account"),))
    assert campus.no() == [
        "Kim Ito until Wed 19:00: no channel that works reaches them -> mend a channel, or add an address",
        "sms-main: balance: 0.00 USD -> top up the account",
    ]


@pytest.mark.parametrize(
    ("people", "level", "words"),
    [
        ("kim: {roles: sender, os_user: kito}", Level.YES, "can send from here: Kim Ito by account kito"),
        ("kito: {name: Kim Ito, roles: sender, os_user: 1001}", Level.YES, "by account 1001"),
        ("kim: {roles: sender}", Level.WARN, "nobody on duty could send from here: Kim Ito"),
        ("kim: {roles: viewer, os_user: kito}", Level.WARN, "nobody on duty could send from here"),
        ("lee: {roles: sender, os_user: lode}", Level.WARN, "nobody on duty could send from here"),
    ],
)
def test_whether_somebody_on_duty_finds_a_way_in_is_told_and_keeps_nobody_else_from_sending(
    campus, people, level, words
):
    assert campus.said("way in") == ""
    (campus.home / "operators.yaml").write_text(
        f"version: 1\npeople:\n  {people}\n  ann: {{roles: sender}}\n"
    )
    assert words in campus.said("way in", level)
    assert campus.answer().ready


def test_an_operators_file_with_a_mistake_is_a_no_because_nothing_is_sent_with_it(campus):
    (campus.home / "operators.yaml").write_text("version: 1\npeople:\n  kim: {roles: sendr}\n")
    assert any('"sendr" is not one of' in reason for reason in campus.no())


def test_a_token_is_a_way_in_too(campus):
    path = campus.home / "operators.yaml"
    path.write_text("version: 1\npeople:\n  kim: {roles: sender}\n")
    keep_token(path, Token(person="kim", hash=hash_of("alert_kim"), made="2026-09-02T16:00:00+00:00"))
    assert campus.said("way in", Level.YES) == "can send from here: Kim Ito by token"


def test_without_a_roster_it_is_a_warning(campus):
    path = campus.home / "channels.yaml"
    path.write_text(path.read_text().replace("on_call: {roster: roster.yaml}\n", ""))
    assert campus.answer().ready
    assert "nobody is named" in campus.said("on call", Level.WARN)


def test_a_roster_that_cannot_be_read_is_a_no_with_its_line_and_the_rest_is_looked_at(campus):
    (campus.home / "roster.yaml").write_text(ROSTER.replace("who: kim", "who: kym"))
    [reason] = campus.no()
    assert "kym" in reason
    assert campus.said("disk")


@pytest.mark.parametrize(("minutes", "ready"), [(0, True), (15, True), (16, False)])
def test_a_probe_counts_for_a_quarter_of_an_hour(campus, minutes, ready):
    campus.clock.advance(timedelta(minutes=minutes))
    answer = campus.answer()
    assert answer.ready is ready
    assert answer.exit is (Exit.OK if ready else Exit.NOTHING_SENT)


def test_probes_from_the_future_and_none_at_all_count_for_nothing(campus):
    campus.asked(ago=-timedelta(hours=1))
    assert len(campus.answer().reasons) == 5
    (campus.home / "state/probes.json").write_text("{}")
    assert "was never asked" in campus.no()[1]


def test_what_ends_soon_is_a_warning_and_keeps_nobody_from_sending(campus):
    soon = Check(what="token expiry", ok=False, detail="expires 2026-09-10", fix="renew it")
    campus.asked(facebook=(FINE, soon))
    assert campus.answer().ready
    assert campus.said("ends soon", Level.WARN) == "facebook-campus, token expiry: expires 2026-09-10"


def test_little_left_of_calls_or_money_is_a_warning_and_keeps_nobody_from_sending(campus):
    low = Check(what="headroom", ok=False, detail="less than 20 USD", fix="top up")
    campus.asked(sms=(FINE, low))
    assert campus.answer().ready
    assert campus.said("runs low", Level.WARN) == "sms-main, headroom: less than 20 USD"


@pytest.mark.parametrize(("left", "ready"), [(0.005, True), (0.004, False)])
def test_money_for_less_than_one_text_to_everybody_is_a_no_where_the_price_is_known(campus, left, ready):
    campus.asked(sms=(FINE, Check(what="balance", ok=True, detail="some", money=left)))
    assert campus.said("money") == ""
    path = campus.home / "channels.yaml"
    path.write_text(path.read_text().replace("in_flight: 50", "in_flight: 50\n    price_per_segment: 0.005"))
    campus.asked(sms=(FINE, Check(what="balance", ok=True, detail="some", money=left)))
    answer = campus.answer()
    assert (answer.ready, answer.exit) == (ready, Exit.OK if ready else Exit.PARTIAL)
    told = f"sms-main has {left:.2f} left; one alert to everybody costs at least 0.01"
    assert campus.said("money") == told.replace("0.01", f"{0.005:.2f}")


def test_a_channel_that_cannot_be_asked_is_told_as_that(campus):
    campus.asked(email=())
    assert campus.answer().ready
    assert "email-main cannot be asked without sending" in campus.said("channel", Level.WARN)


def test_templates_are_looked_at_once_until_one_of_them_changes(campus):
    campus.mistakes = ["templates/fire.md:3: title is missing"]
    assert campus.no() == ["templates/fire.md:3: title is missing -> alert templates check"]
    assert campus.answer().reasons
    assert campus.linted == 1
    (campus.home / "templates/fire.md").write_text("changed")
    campus.mistakes = []
    assert campus.answer().ready
    assert campus.linted == 2


def test_the_list_is_looked_at_for_age_size_and_existence(campus):
    campus.sent(people=10)
    assert "the last alert to it had 10" in campus.said("audience", Level.WARN)
    os.utime(campus.home / "people.csv", (NOW.timestamp() - 40 * 86400,) * 2)
    assert "40 days ago" in campus.said("audience", Level.WARN)
    (campus.home / "people.csv").unlink()
    assert "is not there" in campus.no()[0]


def test_a_list_that_takes_long_at_the_channels_rate_is_told(campus):
    path = campus.home / "channels.yaml"
    path.write_text(
        path.read_text().replace("rate_per_s: 100\n    in_flight: 50", "rate_per_s: 0.001\n    in_flight: 50")
    )
    assert "sms-main needs 16 min for everybody at 0.001 a second" in campus.said("rate", Level.WARN)


def test_the_clock_is_judged_by_whoever_told_the_time_and_said_to_be_unchecked_otherwise(campus):
    assert campus.said("clock").startswith("not checked")
    assert {look.level for look in campus.answer(synchronised=False).looks if look.what == "clock"} == {
        Level.WARN
    }
    [look] = [look for look in campus.answer(synchronised=True).looks if look.what == "clock"]
    assert "says the kernel" in look.detail
    campus.asked(x=(Check(what="clock", ok=False, detail="+400 s against X", fix="set the clock"),))
    assert "x-campus: clock: +400 s against X -> set the clock" in campus.no()
    assert campus.said("clock", Level.NO) == "+400 s against X"


def test_an_alert_that_waits_for_nobody_is_a_no(campus):
    def change(ledger):
        ledger.open_alert(an_opening(a_lane()), at=micros(NOW))
        ledger.add_batch("L-7K2QXD", "sms-main", some_deliveries(1), priority=50)

    campus.do(change)
    assert campus.no() == ["L-7K2QXD waits, and nobody is sending -> alert resume"]


def test_the_last_drill_and_the_last_canaries_are_told_with_their_age(campus):
    assert "none has run" in campus.said("drill", Level.WARN)
    campus.sent("D-7K2QXD")

    def ran(ledger):
        facts = {
            "canaries": [str(row.address) for row in some_deliveries(2)],
            "expect": {"accepted_95_s": 30},
        }
        row = OccurrenceRow(
            drill="monthly",
            planned_local="2026-09-02T12:00:00",
            due_at=micros(NOW),
            at=micros(NOW),
            alert="D-7K2QXD",
            facts=facts,
        )
        assert ledger.take_occurrence(row)

    campus.do(ran)
    assert campus.said("drill", Level.YES) == "monthly, 0 days ago, D-7K2QXD passed"
    assert campus.said("canaries", Level.YES) == "2 reached 0 days ago, by D-7K2QXD"
    campus.clock.advance(timedelta(days=40))
    assert "the last one was monthly, 40 days ago" in campus.said("drill", Level.WARN)
    assert "2 reached 40 days ago" in campus.said("canaries", Level.WARN)

    def missed(ledger):
        at = micros(campus.clock.now())
        row = OccurrenceRow(
            drill="monthly", planned_local="2026-10-12T12:00:00", due_at=at, at=at, outcome="missed"
        )
        assert ledger.miss_occurrence(row, actor=an_actor())

    campus.do(missed)
    assert "was missed" in campus.said("drill", Level.WARN)


def test_callbacks_that_never_come_back_are_told(campus):
    path = campus.home / "channels.yaml"
    path.write_text(path.read_text() + 'callbacks: {public_url: "https://alerts.example.edu/hooks"}\n')
    campus.sent()
    assert campus.said("callbacks", Level.WARN) == "none came back for 2 of L-7K2QXD on sms-main"


def test_an_open_notice_is_shown_with_how_to_answer(campus):
    body = {
        "notice": "N-1", "first": "N-1", "step": 0, "kind": "channel", "mark": "0", "about": "", "title": "channel down",
        "what": "x", "commands": [], "approvers": False, "escalates": True, "to": ["kim"], "again_at": 0,
    }  # fmt: skip
    campus.do(
        lambda ledger: ledger.record_act("notice.opened", "channel:x", body, actor=an_actor(), at=micros(NOW))
    )
    assert campus.said("notice", Level.WARN) == "N-1 waits for an answer: channel down"


def test_a_look_that_breaks_is_a_no_and_the_others_go_on(campus):
    def broken():
        raise RuntimeError("boom")

    answer = assess(campus.app, lint=broken, synchronised=None)
    [reason] = answer.reasons
    assert reason.detail == "could not be looked at (RuntimeError)"


def test_what_is_kept_is_private_and_damage_is_as_good_as_nothing(campus):
    path = campus.home / "state/probes.json"
    assert path.stat().st_mode & 0o077 == 0
    for damage in ("", "[]", '{"channels": {"x": 1}, "templates": ["", []]}', "\x00"):
        path.write_text(damage)
        assert known(campus.home / "state").probes == {}
    assert sys.platform == "linux"
