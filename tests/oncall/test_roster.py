"""The duty roster: its file in both forms, the calendar's copy, and who is told in which order."""

import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from alerting.config import load
from alerting.config.model import OnCall
from alerting.config.roster import load_roster
from alerting.duty import duty_of
from alerting.errors import ConfigProblem

ROOT = Path(__file__).parents[2]
ZONE = "America/New_York"
NOON = datetime(2026, 9, 2, 16, tzinfo=UTC)
YAML = """version: 1
people:
  kim: {name: Kim Ito, phone: "+14135550101", email: kim@example.edu}
  lee: {name: Lee Ode, email: lee@example.edu}
  chief: {phone: "+14135550103"}
shifts:
  - {who: kim, starts: 2026-09-01T07:00, ends: 2026-09-01T19:00, rule: FREQ=DAILY, except: [2026-09-05]}
then: [lee, [chief, kim]]
approvers: [chief]
"""
CSV = """name,phone,email,starts,ends,rule,step,approver
Kim Ito,+14135550101,kim@example.edu,2026-09-01T07:00,2026-09-01T19:00,FREQ=DAILY,,
Lee Ode,,lee@example.edu,,,,1,
Chief,+14135550103,,,,,2,yes
"""


@pytest.fixture
def roster(tmp_path):
    def make(text=YAML, name="roster.yaml"):
        (tmp_path / name).write_text(text)
        return load_roster(tmp_path / name, zone=ZONE)

    return make


def keys(steps):
    return [[person.key for person in step] for step in steps]


def test_the_roster_says_who_is_on_duty_and_who_is_told_next(roster):
    found = roster()
    [stint] = found.on_duty(NOON)
    assert (stint.person.title, stint.until) == ("Kim Ito", datetime(2026, 9, 2, 23, tzinfo=UTC))
    assert keys(found.steps(NOON)) == [["kim"], ["lee"], ["chief"]]
    assert keys(found.asked()) == [["chief"]]


def test_with_nobody_on_duty_the_next_ones_are_the_first(roster):
    found = roster()
    night, day_off = NOON + timedelta(hours=12), NOON + timedelta(days=3)
    assert found.on_duty(night) == found.on_duty(day_off) == []
    assert keys(found.steps(night)) == [["lee"], ["chief", "kim"]]


def test_without_groups_everybody_else_is_the_second(roster):
    found = roster(YAML.replace("then: [lee, [chief, kim]]\n", "").replace("approvers: [chief]\n", ""))
    assert keys(found.steps(NOON)) == [["kim"], ["lee", "chief"]]
    assert keys(found.asked()) == [["kim", "lee", "chief"]]


def test_a_table_says_the_same_as_the_yaml_file(roster):
    found = roster(CSV, "roster.csv")
    assert keys(found.steps(NOON)) == [["kim-ito"], ["lee-ode"], ["chief"]]
    assert keys(found.asked()) == [["chief"]]
    assert str(found.people["kim-ito"].phone) == "phone:+14135550101"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("who: kim,", "who: kym,", 'roster.yaml:7: shifts.who: no "kym" in people; write kim'),
        (
            "2026-09-01T19:00",
            "2026-09-01T06:00",
            "ends (2026-09-01 06:00) before it begins; for a night shift",
        ),
        ("FREQ=DAILY", "FREQ=MINUTELY", "more often than hourly"),
        ('"+14135550103"', '"413-555-0103"', 'is not E.164; write "+14135550103"'),
        ('{phone: "+14135550103"}', "{name: Chief}", "roster.yaml:5: people.chief: cannot be reached at all"),
        ("version: 1", "version: 2", "roster.yaml:1"),
        ("2026-09-01T07:00", "7 o'clock", "not a local date and time"),
        ("then: [lee,", "then: [leo,", 'no "leo" in people'),
    ],
)
def test_a_roster_that_cannot_be_used_is_refused_in_words_with_its_line(roster, before, after, words):
    with pytest.raises(ConfigProblem) as refused:
        roster(YAML.replace(before, after))
    assert words in str(refused.value)


def test_a_table_with_a_mistake_names_the_line_and_a_missing_file_the_key(roster, tmp_path):
    with pytest.raises(ConfigProblem, match=r"roster\.csv:2: .*E\.164"):
        roster(CSV.replace("+14135550101", "555-0101"), "roster.csv")
    with pytest.raises(ConfigProblem, match='no column may be called "mobile"'):
        roster(CSV.replace("phone", "mobile"), "roster.csv")
    with pytest.raises(ConfigProblem, match=r"on_call\.roster"):
        load_roster(tmp_path / "none.yaml", zone=ZONE)


# -- the calendar and its copy


ICS = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:lee\r\n"
    "DTSTART:20260901T000000Z\r\nDTEND:20260902T000000Z\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


class Office(BaseHTTPRequestHandler):
    """Serves a calendar, or whatever the test wants instead."""

    def do_GET(self):
        self.server.asked += 1
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(self.server.body.encode())

    def log_message(self, *_):
        """Keep the test's output clean."""


@pytest.fixture
def office():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Office)
    server.status, server.body, server.asked = 200, ICS, 0
    server.url = f"http://127.0.0.1:{server.server_port}/private-4711/basic.ics"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def look(tmp_path):
    (tmp_path / "roster.yaml").write_text(YAML)

    def duty(address, now=NOON, *, ask=True, environ=None):
        told = OnCall(roster=tmp_path / "roster.yaml", calendar=address)
        config = SimpleNamespace(
            on_call=told,
            campus=SimpleNamespace(time_zone=ZONE),
            operators=None,
            path=tmp_path / "channels.yaml",
            state=tmp_path / "state",
        )
        return duty_of(config, state=tmp_path / "state", environ=environ or {}, now=now, ask=ask)

    return duty


def on_duty(duty, at=NOON):
    return [stint.person.key for stint in duty.on_duty(at)]


def told(duty, at=NOON):
    return " ".join(str(problem) for problem in duty.troubles(at))


def test_a_calendar_says_who_is_on_duty_instead_of_the_files_shifts(office, look, tmp_path):
    duty = look(office.url)
    assert on_duty(duty) == ["lee"]
    assert told(duty) == ""
    assert (tmp_path / "state" / "on-call-calendar.json").stat().st_mode & 0o077 == 0


def test_the_copy_is_used_for_a_while_and_the_last_good_one_when_nothing_better_is_there(office, look):
    look(office.url)
    assert on_duty(look(office.url, NOON + timedelta(minutes=14))) == ["lee"]
    assert office.asked == 1
    later = NOON + timedelta(hours=1, minutes=5)
    for status, body, words in [
        (503, "", "it answers 503"),
        (200, "<html>please log in</html>", "BEGIN:VCALENDAR"),
        (200, ICS[:-20], "cut off"),
        (302, "", "leads to another address"),
    ]:
        office.status, office.body = status, body
        duty = look(office.url, later)
        assert on_duty(duty) == ["lee"]
        assert words in told(duty, later)
        assert "1 h 5 min ago" in told(duty, later)
        assert "4711" not in told(duty, later)
    office.status, office.body = 200, ICS.replace("SUMMARY:lee", "SUMMARY:Kim Ito")
    assert on_duty(look(office.url, later)) == ["kim"]


def test_a_calendar_that_was_never_had_leaves_nobody_on_duty_and_says_so(look, office):
    office.status = 500
    duty = look(office.url)
    assert on_duty(duty) == []
    assert "no copy of the calendar (it answers 500)" in told(duty)
    assert keys(duty.rota.steps(NOON)) == [["lee"], ["chief", "kim"]]


def test_without_asking_only_the_copy_is_read_and_an_old_one_is_told(office, look):
    assert on_duty(look(office.url, ask=False)) == []
    assert office.asked == 0
    look(office.url)
    later = NOON + timedelta(hours=25)
    duty = look(office.url, later, ask=False)
    assert office.asked == 1
    assert "is 25 h 0 min old" in told(duty, later)


def test_a_file_is_a_calendar_too_and_a_secret_address_comes_from_the_environment(look, office, tmp_path):
    (tmp_path / "duty plan.ics").write_text(ICS)
    assert on_duty(look(str(tmp_path / "duty plan.ics"), ask=False)) == ["lee"]
    assert on_duty(look(f"file://{tmp_path}/duty%20plan.ics")) == ["lee"]
    duty = look("$DUTY", environ={"DUTY": office.url})
    assert (on_duty(duty), duty.source) == (["lee"], "http://127.0.0.1")
    with pytest.raises(ConfigProblem, match="the variable DUTY is not set"):
        look("$DUTY")


def test_a_stranger_in_the_calendar_is_named(look, office):
    office.body = ICS.replace("SUMMARY:lee", "SUMMARY:Pat Doe")
    duty = look(office.url)
    assert on_duty(duty) == []
    assert "names Pat Doe, whom the roster does not know" in told(duty)


# -- where channels.yaml says so


@pytest.fixture
def configured(tmp_path):
    def load_with(section):
        (tmp_path / "channels.yaml").write_text((ROOT / "channels.yaml").read_text() + section)
        return load(tmp_path / "channels.yaml", environ={}, sandbox=True)

    return load_with


def test_the_configuration_names_roster_and_calendar(configured, tmp_path):
    section = "on_call: {roster: duty/roster.yaml, calendar: duty/plan.ics, channels: [email-main]}\n"
    found = configured(section).on_call
    assert (found.roster, found.calendar) == (tmp_path / "duty/roster.yaml", f"{tmp_path}/duty/plan.ics")
    assert (found.channels, found.escalate_after) == (("email-main",), timedelta(minutes=5))
    for written, known in [
        ("https://duty.example.edu/a.ics", "https://duty.example.edu/a.ics"),
        ("{env: DUTY_CALENDAR}", "$DUTY_CALENDAR"),
        ("webcal://duty.example.edu/a.ics", "webcal://duty.example.edu/a.ics"),
    ]:
        section = f"on_call:\n  roster: r.yaml\n  calendar: {written}\n"
        assert configured(section).on_call.calendar == known
    assert configured("").on_call is None


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("on_call: {channels: [sms-main]}", "on_call.roster: is missing"),
        ("on_call: {roster: r.yaml, channels: [sms-mian]}", 'no channel "sms-mian"; write sms-main'),
        ("on_call: {roster: r.yaml, calendar: {file: x}}", "neither an address nor a variable"),
        ("on_call: {roster: r.yaml, escalate_after_minutes: 0}", "on_call.escalate_after_minutes"),
    ],
)
def test_a_wrong_section_is_refused_in_words(configured, section, words):
    with pytest.raises(ConfigProblem) as refused:
        configured(section + "\n")
    assert words in str(refused.value)
