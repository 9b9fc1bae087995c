"""``alert drill``, as typed: the list, the plan, a run in the sandbox, its record, and making way."""

import csv
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import warnings
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alerting.clock import SystemClock, micros
from alerting.config import load
from alerting.config.drills import load_drills
from alerting.drills.due import mark
from alerting.ledger.lock import RunnerLock
from alerting.ledger.sqlite import SqliteLedger

ROOT = Path(__file__).parents[2]
DRILLS = """version: 1
allowed_audiences: [officers]
drills:
  quick:
    title: Quick test
    template: drill
    audience: officers
    channels: [sms-main]
    canaries: ["+14135550100"]
    schedule: {starts: 2026-09-02T12:00, rule: FREQ=DAILY}
    expect: {accepted_95_s: 30, canaries_s: 30, failures_percent: 0}
  real-text:
    title: Real text
    template: gas-leak
    values: {place: Baker Hall}
    audience: officers
    rehearsal: true
    channels: [sms-main]
"""
PEOPLE = "name,phone,email\nA,4135550100,a@example.edu\nB,4135550101,b@example.edu\n"


@pytest.fixture
def campus(alert):
    """A campus with two officers to practise on; the sandbox is stopped at the end."""
    home = alert.home
    text = (ROOT / "channels.yaml").read_text()
    (home / "channels.yaml").write_text(
        text.replace("audiences:\n", "audiences:\n  officers:\n    csv: officers.csv\n", 1)
    )
    (home / "officers.csv").write_text(PEOPLE)
    (home / "drills.yaml").write_text(DRILLS)
    yield alert
    for words in (("sandbox", "stop"), ("--sandbox", "sandbox", "stop")):
        alert(*words)


def the_id(text):
    return re.search(r"\bD-[0-9A-Z]{6}\b", text)[0]


def test_the_list_names_what_comes_next_in_any_range(campus):
    done = campus("drill", "list", "--json", "--from", "2027-03-13", "--to", "2027-03-16")
    told = json.loads(done.stdout)
    assert [o["planned_local"] for o in told["occurrences"]] == [
        f"2027-03-{day}T12:00:00" for day in (13, 14, 15)
    ]
    assert [o["due_at"][11:16] for o in told["occurrences"]] == ["17:00", "16:00", "16:00"]  # clocks change
    assert campus("drill", "list", "--from", "soon").returncode == 2
    assert "quick" in campus("drill").stdout


def test_the_calendar_is_one(campus):
    from icalendar import Calendar

    done = campus("drill", "list", "--ics", "--days", "5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(Calendar.from_ical(done.stdout).walk("VEVENT")) == 5


def test_the_plan_shows_every_text_walled_without_any_credentials(campus):
    done = campus("drill", "plan", "quick")
    assert done.returncode == 0, done.stderr
    assert "DRILL NSU ALERT" in done.stdout
    assert "PRACTICE ONLY" in done.stdout
    assert "2 people" in done.stdout
    assert "Walls: id D-" in done.stdout
    told = json.loads(campus("drill", "plan", "real-text", "--json").stdout)
    assert (told["rehearsal"], told["live"], told["word"]) == (True, False, "DRILL real-text")


MEETING = (
    DRILLS
    + """  other:
    template: drill
    audience: officers
    channels: [sms-main]
    schedule: {starts: 2026-09-02T12:05, rule: FREQ=DAILY}
"""
)


def test_drills_that_would_meet_are_named_by_list_plan_and_doctor(campus):
    assert "may run at the same time" not in campus("drill", "plan", "quick").stdout
    (campus.home / "drills.yaml").write_text(MEETING)
    said = "quick and other may run at the same time"
    assert said in campus("drill", "list").stderr
    assert f"! {said}" in campus("drill", "plan", "quick").stdout
    assert f"! {said}" in campus("drill", "plan", "other").stdout
    looked = campus("--sandbox", "doctor", "--quick").stdout
    assert re.search(rf"warn +drills +{said}", looked), looked
    assert "3 drills; next" in looked
    (campus.home / "drills.yaml").write_text(MEETING.replace("FREQ=DAILY", "FREQ=MINUTELY"))
    assert "fires more often than hourly" in campus("--sandbox", "doctor", "--quick").stdout


def test_a_drill_that_cannot_start_is_named_before_it_is_due_by_list_and_doctor(campus):
    (campus.home / "drills.yaml").write_text(
        "version: 1\nallowed_audiences: [officers]\ndrills:\n"
        "  lost: {template: no-such, audience: officers, channels: [sms-main]}\n"
        "  empty: {template: gas-leak, audience: officers, channels: [sms-main]}\n"
        "  over: {template: test, values: {until: noon}, audience: officers, channels: [sms-main],\n"
        "    schedule: {starts: 2020-01-01T12:00, rule: FREQ=DAILY;COUNT=3}}\n"
    )
    said = (
        'lost cannot start: no template "no-such"',
        "empty cannot start: gas-leak needs place in its values",
        "over has no time to come within a year; its schedule has ended",
    )
    listed, looked = campus("drill", "list"), campus("doctor", "--quick")
    for words in said:
        assert f"! {words}" in listed.stderr
        assert words in looked.stdout
    done = campus("drill", "plan", "empty")
    assert done.returncode == 2
    assert 'drills.yaml: empty: gas-leak needs place; write values: {place: "..."}' in done.stderr


def test_a_drill_within_a_drill_is_said_before_its_word_is_typed(campus):
    first = campus("--sandbox", "drill", "run", "quick", "--confirm", "DRILL quick")
    second = campus("--sandbox", "drill", "plan", "quick")
    assert f"! another drill is running: {the_id(first.stdout)}" in second.stdout


def test_nothing_goes_out_without_the_drills_own_word(campus):
    for words in ((), ("--confirm", "quick"), ("--confirm", "drill quick"), ("--confirm", "")):
        done = campus("--sandbox", "drill", "run", "quick", *words)
        assert done.returncode == 5, done.stdout + done.stderr
        assert "DRILL quick" in done.stderr
    assert "Nothing is on record" in campus("--sandbox", "drill", "history", "quick").stdout


def test_a_drill_takes_the_real_path_and_leaves_a_record(campus):
    done = campus("--sandbox", "drill", "run", "quick", "--confirm", "DRILL quick")
    assert done.returncode == 0, done.stdout + done.stderr
    drill_id = the_id(done.stdout)
    assert f"quick {drill_id}: PASSED" in done.stdout
    assert "slowest step" in done.stdout
    for step in ("prepared and shown", "read and confirmed", "safe on disk", "first accepted"):
        assert step in done.stdout

    noted = campus(
        *("--sandbox", "drill", "note", drill_id, "Siren not heard in B2", "--by", "Lee", "--kind", "action"),
        *("--owner", "Kim", "--due", "2027-01-31"),
    )
    assert noted.returncode == 0, noted.stderr
    html = campus("--sandbox", "drill", "report", "quick", "--format", "html").stdout
    assert "Siren not heard in B2 (owner Kim; due 2027-01-31)" in html
    rows = list(
        csv.reader(io.StringIO(campus("--sandbox", "drill", "report", drill_id, "--format", "csv").stdout))
    )
    assert ["record", "Record", drill_id, "", ""] in rows
    told = json.loads(campus("--sandbox", "drill", "report", drill_id, "--json").stdout)
    assert told["passed"] is True
    assert set(told["record"]) >= {
        "Description",
        "Date",
        "Started",
        "Ended",
        "Announced",
        "Procedures publicised",
    }
    assert "human time: nobody was asked" in done.stdout, "--confirm is no person"
    past = campus("--sandbox", "drill", "history", "quick").stdout
    assert drill_id in past
    assert "#" in past
    page = campus("--sandbox", "drill", "history", "quick", "--format", "html", "--out", "history.html")
    assert page.returncode == 0, page.stderr
    for text in (html, (campus.home / "history.html").read_text()):
        assert text.count("<svg") == text.count("</svg>") == 1
    lines = campus("--sandbox", "drill", "history", "quick", "--format", "csv").stdout.splitlines()
    assert (lines[0].split(",")[0], len(lines)) == ("planned", 2)
    assert campus("--sandbox", "status", drill_id).returncode == 0


def typed(campus, text, *words):
    """Run a command at a terminal where somebody types, or with None presses Ctrl-C.

    Return its exit code and what it said.
    """
    main, its = pty.openpty()
    said, answered, until = "", False, time.monotonic() + 60
    with campus.start(*words, stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        while time.monotonic() < until:
            if not select.select([main], [], [], 0.1)[0]:
                continue
            try:
                said += os.read(main, 65_536).decode()
            except OSError:
                break  # the terminal was left
            if said.endswith("> ") and not answered:
                answered = True
                if text is None:
                    process.send_signal(signal.SIGINT)
                else:
                    os.write(main, f"{text}\n".encode())
        os.close(main)
        return process.wait(10), said.replace("\r\n", "\n")


@pytest.mark.parametrize("text", ["", "quick", "y", "SEND", "DRILL quick now"])
def test_at_the_prompt_nothing_but_the_drills_own_word_starts_it(campus, text):
    code, said = typed(campus, text, "drill", "run", "real-text")
    assert code == 5
    assert "~~~ practice ~~~ 2 practice messages to stand-ins on this machine." in said
    assert "To start it write: DRILL real-text" in said
    assert "SEND THIS FOR REAL" not in said, "a live prompt reads otherwise"
    assert not (campus.home / "state" / "sandbox" / "ledger.db").exists()


def test_the_word_typed_at_the_prompt_starts_it_and_the_persons_time_is_told(campus):
    code, said = typed(campus, "DRILL quick", "--sandbox", "drill", "run", "quick")
    assert code == 0, said
    human = re.search(r"human time: (\d+\.\d) s", said)
    assert human, said
    told = json.loads(campus("--sandbox", "drill", "report", "quick", "--json").stdout)
    assert f"{told['human_s']:.1f}" == human[1]


def test_a_word_typed_after_two_minutes_is_asked_for_once_more(campus):
    """The text says when it was written."""
    shift, shifted = campus.home / "shift", ROOT / "tests" / "e2e" / "shifted.py"
    shift.write_text("0")
    main, its = pty.openpty()
    words = [sys.executable, str(shifted), str(shift), "--sandbox", "drill", "run", "quick"]
    streams = {"stdin": its, "stdout": its, "stderr": its}
    with subprocess.Popen(words, cwd=campus.home, env=campus.environment(), **streams) as process:
        os.close(its)
        said = []
        try:
            for seconds in ("121", "130"):
                said.append(b"")
                while not said[-1].endswith(b"> "):
                    said[-1] += os.read(main, 65_536)
                shift.write_text(seconds)
                os.write(main, b"DRILL quick\n")
            with suppress(OSError):  # the terminal was left
                while os.read(main, 65_536):
                    pass
            assert process.wait(20) == 0
        finally:
            process.kill()
    os.close(main)
    assert [b"older than two minutes" in shown for shown in said] == [False, True]


def test_leaving_at_the_prompt_starts_nothing(campus):
    code, said = typed(campus, None, "drill", "run", "real-text")
    assert code == 5
    assert "nothing was sent" in said
    assert "Traceback" not in said


def test_a_terminal_that_is_closed_at_the_prompt_starts_nothing(campus):
    main, its = pty.openpty()
    with campus.start("drill", "run", "real-text", stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        said = b""
        while not said.endswith(b"> "):
            said += os.read(main, 65_536)
        os.close(main)
        assert process.wait(20) == 5


def test_a_rehearsal_needs_neither_credentials_nor_the_sandbox_option(campus):
    done = campus("drill", "run", "real-text", "--confirm", "DRILL real-text")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing leaves this machine" in done.stdout
    drill_id = the_id(done.stdout)
    assert not (campus.home / "state" / "ledger.db").exists(), "the real record is not touched"
    assert (campus.home / "state" / "sandbox" / "ledger.db").exists()
    told = json.loads(campus("drill", "report", "real-text", "--json").stdout)
    assert told["alert"] == drill_id
    assert told["channels"][0]["estimate_s"] == pytest.approx(0.02), "two texts at 100 a second"
    assert told["record"]["Estimated"] == "about 0.0 s at the providers' rates"
    assert told["record"]["Took"].endswith("with stand-ins for the providers")
    assert told["record"]["Kind"] == "rehearsal: nothing left the system"


def watched_since(campus, minutes, name="quick", rehearsal=False):
    """Let a drill be planned a few minutes ago, on a ledger that has watched it for longer."""
    now = datetime.now(UTC)
    planned = now.astimezone(ZoneInfo("America/New_York")) - timedelta(minutes=minutes)
    text = DRILLS.replace("2026-09-02T12:00", planned.strftime("%Y-%m-%dT%H:%M"))
    if rehearsal:
        text = DRILLS.replace(
            "    rehearsal: true\n",
            f"    rehearsal: true\n    schedule: {{starts: {planned:%Y-%m-%dT%H:%M}}}\n",
        )
    (campus.home / "drills.yaml").write_text(text)
    config = load(campus.home / "channels.yaml", environ={}, sandbox=True, live=None)
    state = campus.home / "state" / "sandbox"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    ledger = SqliteLedger.open(state / "ledger.db", clock=SystemClock())
    with ledger.transaction():
        schedule = load_drills(config).drill(name).schedule
        ledger.watch_drill(name, mark(schedule), at=micros(now - timedelta(hours=1)))
    ledger.close()


def test_due_starts_what_is_due_once(campus):
    watched_since(campus, 3)
    done = campus("--sandbox", "drill", "due")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Started the drill quick: D-" in done.stdout
    again = campus("--sandbox", "drill", "due", "--json")
    assert json.loads(again.stdout) == {"v": 1, "kind": "due", "opened": [], "missed": [], "refused": []}


def test_a_server_lets_another_process_run_a_rehearsal_that_is_due(campus):
    """The server has every credential; the rehearsal is done by a process that has none."""
    watched_since(campus, 3, "real-text", rehearsal=True)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with campus.start("serve", env=campus.credentials, **quiet) as server:
        [entry] = awaited(lambda: runs(campus, "real-text"))
        server.terminate()
        assert server.wait(20) == 0
    told = json.loads(campus("drill", "report", entry["alert"], "--json").stdout)
    assert told["record"]["Kind"] == "rehearsal: nothing left the system"
    log = (campus.home / "state" / "engine.log").read_text()
    assert "drill.rehearsed" in log
    with closing(SqliteLedger.open(campus.home / "state" / "ledger.db", clock=SystemClock())) as real:
        assert real.alerts() == [], "the real record is not touched"


def test_a_drill_that_somebody_runs_beside_a_server_is_opened_and_sent_by_the_server(campus):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    state = campus.home / "state" / "sandbox"
    with campus.start("--sandbox", "serve", env=campus.credentials, **quiet) as server:
        awaited(lambda: RunnerLock(state).held_by() == server.pid)
        done = campus("--sandbox", "drill", "run", "quick", "--confirm", "DRILL quick")
        assert done.returncode == 0, done.stdout + done.stderr
        drill_id = the_id(done.stdout)
        assert campus("--sandbox", "drill", "note", drill_id, "Heard", "--by", "Lee").returncode == 0
        assert campus("--sandbox", "drill", "due").returncode == 0
        assert RunnerLock(state).held_by() == server.pid, "nobody else owned the ledger meanwhile"
        server.terminate()
        assert server.wait(20) == 0
    opened = [line for line in (state / "engine.log").read_text().splitlines() if "alert.opened" in line]
    assert len(opened) == 1, "the server itself opened it"
    assert drill_id in opened[0]


def runs(campus, name):
    told = json.loads(campus("drill", "history", name, "--json").stdout)
    return [entry for entry in told["entries"] if entry["passed"] is not None]


def awaited(ask):
    """Ask until there is an answer, for a while."""
    until = time.monotonic() + 30
    while not (found := ask()) and time.monotonic() < until:
        time.sleep(0.2)
    return found


def test_due_tells_of_a_miss_once_and_does_not_make_up_for_it(campus):
    watched_since(campus, 30)
    done = campus("--sandbox", "drill", "due")
    assert done.returncode == 3
    assert "was missed" in done.stderr
    assert campus("--sandbox", "drill", "due").returncode == 0
    assert "MISSED" in campus("--sandbox", "drill", "history", "quick").stdout


def test_send_refuses_a_template_for_practice_and_drill_wraps_a_real_one(campus):
    for template in ("drill", "test"):
        values = ["-v", "until=1:00pm"] if template == "test" else []
        done = campus("--sandbox", "send", template, *values, "--to", "officers", "--confirm", template)
        assert done.returncode == 7, done.stdout + done.stderr
        assert "alert drill run" in done.stderr
    assert "Nothing has been sent" in campus("--sandbox", "status").stdout


def test_a_real_alert_takes_the_ledger_from_a_running_drill_and_says_that_one_runs(campus):
    slow = (
        (campus.home / "channels.yaml")
        .read_text()
        .replace("rate_per_s: 100\n    in_flight: 50", "rate_per_s: 1\n    in_flight: 1")
    )
    (campus.home / "channels.yaml").write_text(slow)
    people = "name,phone,email\n" + "".join(f"P{n},41355502{n:02d},p{n}@example.edu\n" for n in range(90))
    (campus.home / "officers.csv").write_text(people)
    started = campus("--sandbox", "drill", "run", "quick", "--confirm", "DRILL quick", "--no-wait")
    assert started.returncode == 8, started.stdout + started.stderr
    drill_id = the_id(started.stdout)

    begun = time.monotonic()
    words = ("send", "gas-leak", "-v", "place=Baker Hall", "--to", "officers", "--channels", "sms-main")
    done = campus("--sandbox", *words, "--confirm", "baker hall", "--no-wait")
    took = time.monotonic() - begun
    assert done.returncode == 8, done.stdout + done.stderr
    assert "A DRILL IS RUNNING" in done.stdout
    assert drill_id in done.stdout
    assert took < 15
    live_id = re.search(r"\bL-[0-9A-Z]{6}\b", done.stdout)[0]
    told = json.loads(campus("--sandbox", "status", live_id, "--json").stdout)
    assert told["live"] is True
    refused = campus("--sandbox", "drill", "run", "quick", "--confirm", "DRILL quick")
    assert refused.returncode == 7, "no drill starts while a real alert is in force"
    assert live_id in refused.stderr
    for alert_id in (drill_id, live_id):
        campus("--sandbox", "cancel", alert_id)


def test_a_drill_that_is_not_there_and_a_broken_file_are_said_in_words(campus):
    assert "did you mean quick" in campus("drill", "plan", "quikc").stderr
    (campus.home / "drills.yaml").write_text(DRILLS.replace("FREQ=DAILY", "FREQ=NEVER"))
    done = campus("drill", "list")
    assert done.returncode == 2
    assert "drills.yaml:10: drills.quick.schedule.rule" in done.stderr
