"""Who watches may leave: Ctrl-C, a closed terminal, --no-wait. Who sends goes on."""

import json
import os
import pty
import signal
import subprocess
import time

import pytest
from campus import slow, until
from fate import meddled, named_and_sent

MANY = 40


def tempo(build, **given):
    """A campus whose texts take about two seconds in all."""
    return build(people=MANY, sms={"rate_per_s": 25}, **given)


def accepted(process):
    """Read what a watching command says, up to the line that says the alert is safe."""
    seen = b""
    while b"Accepted " not in seen:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    return line.split()[1].rstrip(b":").decode()


def test_no_wait_answers_8_at_once_and_status_follow_sees_the_end(build):
    campus = tempo(build)

    done = campus.send("--no-wait", "--json", "--channels", "sms-main", code=8)

    told = json.loads(done.stdout)
    assert list(told) == ["v", "kind", "alert", "again"]
    assert (told["v"], told["kind"], told["again"]) == (1, "accepted", False)
    assert campus.box.counts()["texts"] < MANY
    followed = campus("status", told["alert"], "--follow", "--json", code=0)
    assert json.loads(followed.stdout)["channels"][0]["accepted"] == MANY
    assert campus.box.counts()["texts"] == MANY


def test_ctrl_c_ends_the_watching_and_everything_is_delivered(build):
    campus = tempo(build)
    process = campus.start(
        "send", "hazard", "-v", "place=Hill", "--confirm", "Hill", "--channels", "sms-main"
    )
    alert_id = accepted(process)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)

    assert process.returncode == 8
    assert f"alert status {alert_id} --follow" in (out + err).decode()
    assert b"Traceback" not in err
    assert campus.sender()
    campus.settled(alert_id)
    assert campus.box.counts()["texts"] == MANY


def test_ctrl_c_by_a_whole_process_group_does_not_reach_the_sender(build):
    campus = build(people=MANY, sms={"rate_per_s": 15})
    process = campus.start(
        "send", "hazard", "-v", "place=Hill", "--confirm", "Hill", "--channels", "sms-main"
    )
    alert_id = accepted(process)

    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=10)
    time.sleep(0.3)

    assert campus.sender()
    campus.settled(alert_id)
    assert campus.box.counts()["texts"] == MANY


def test_ctrl_c_at_any_moment_never_lies_about_what_was_sent(build):
    campus = build(people=3)

    def words(place):
        return (
            "send",
            "hazard",
            "-v",
            f"place={place}",
            "--confirm",
            place,
            "--channels",
            "sms-main",
            "--one-more",
            "--no-wait",
        )

    began = time.monotonic()
    campus(*words("Hill"), code=8)
    took = time.monotonic() - began
    campus.sender_gone()
    opened, said_nothing = len(campus.alerts()), 0
    for step in range(5):
        process = campus.start(*words(f"Hill {step}"))
        time.sleep(took * (0.5 + 0.12 * step))
        os.killpg(process.pid, signal.SIGINT)
        out, err = (stream.decode() for stream in process.communicate(timeout=15))
        campus.sender_gone()

        now = len(campus.alerts())
        if process.returncode == 5:
            assert "othing was sent" in err
            assert now == opened
            said_nothing += 1
        elif process.returncode == 8:
            assert now == opened + 1
        elif process.returncode == 130:
            # Nobody knows at that moment, and nothing else is said.
            assert "What was done by then is on record" in err
            assert now in (opened, opened + 1)
        else:
            # In the interpreter's own first moments.
            assert (process.returncode, now) == (-signal.SIGINT, opened), (out, err)
        opened = now
    assert said_nothing < 5


SENT = ("send", "hazard", "-v", "place=Hill", "--confirm", "Hill", "--channels", "sms-main", "--no-wait")

PRESSED_AS_IT_IS_HEARD = """
from alerting.cli import launch
class Pipe:
    def __init__(self, pipe): self.pipe = pipe
    def readline(self):
        heard = self.pipe.readline()
        signal.raise_signal(signal.SIGINT)
        return heard
heard = launch._heard
launch._heard = lambda pipe, before: heard(Pipe(pipe), before)
"""


def test_ctrl_c_in_the_very_moment_the_sender_answers_does_not_lose_the_answer(build):
    campus = build(people=3)

    done = meddled(campus, PRESSED_AS_IT_IS_HEARD, *SENT, code=8)

    assert named_and_sent(campus, done)


IGNORED_AND_PRESSED_TWICE = f"""
signal.signal(signal.SIGINT, signal.SIG_IGN)
{PRESSED_AS_IT_IS_HEARD.replace("signal.raise_signal(signal.SIGINT)", "os.kill(os.getpid(), 2); os.kill(os.getpid(), 2)")}
"""


def test_whoever_started_the_command_with_ctrl_c_ignored_hears_what_became_of_it(build):
    """As a shell does with what it runs in the background."""
    campus = build(people=3)

    assert named_and_sent(campus, meddled(campus, IGNORED_AND_PRESSED_TWICE, *SENT, code=8))


DIES_BEFORE_IT_TELLS = """
from alerting.cli import launch
tell = launch._tell
launch._tell = lambda pipe, told: os.kill(os.getpid(), 9) if "alert_id" in told else tell(pipe, told)
"""


def test_a_sender_killed_between_opening_and_saying_so_is_found_out_and_another_goes_on(build):
    campus = build(people=3)

    done = meddled(campus, DIES_BEFORE_IT_TELLS, *SENT, code=8)

    assert named_and_sent(campus, done)
    assert campus.box.counts()["texts"] == 3


DIES_AT_ONCE = """
from alerting.cli import launch
launch._serve = lambda *a: os.kill(os.getpid(), 9)
"""


def test_a_sender_killed_before_it_opened_anything_sent_nothing(build):
    campus = build(people=3)

    done = meddled(campus, DIES_AT_ONCE, *SENT, code=75)

    assert "nothing was sent" in done.stderr
    assert "sends nothing twice" in done.stderr
    assert campus.alerts() == []


def test_a_closed_terminal_ends_the_watching_only(build):
    campus = tempo(build)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        campus.words("send", "hazard", "-v", "place=Hill", "--channels", "sms-main"),
        cwd=campus.home,
        env=campus.environment({"TERM": "dumb"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: _make_controlling(theirs),  # noqa: PLW1509 - no threads here
    )
    os.close(theirs)
    try:
        _read_until(ours, b"Type Hill to send")
        os.write(ours, b"hill\n")
        _read_until(ours, b"Type hazard too")
        os.write(ours, b"hazard\n")
        _read_until(ours, b"Accepted ")
    finally:
        os.close(ours)  # the kernel hangs up: SIGHUP to the session
        process.wait(10)

    assert process.returncode == -signal.SIGHUP
    [record] = campus.alerts()
    campus.settled(record.alert.id)
    assert campus.box.counts()["texts"] == MANY


@pytest.mark.parametrize("term", ["dumb", "xterm-256color"])
def test_a_terminal_that_goes_without_a_word_leaves_the_watching_to_its_end(build, term):
    """As under `nohup`, which keeps the kernel's word of it away: the exit code is waited for all the same."""
    campus = tempo(build)
    alert_id = campus.send_and_leave("--channels", "sms-main")
    for words in (
        ("status", alert_id, "--follow"),
        ("send", "hazard", "-v", "place=Dam", "--confirm", "Dam", "--channels", "sms-main"),
    ):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            campus.words(*words),
            cwd=campus.home,
            env=campus.environment({"TERM": term}),
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # noqa: PLW1509 - no threads
        )
        os.close(theirs)
        _read_until(ours, b"Accepted " if words[0] == "send" else b"sms-main")
        os.close(ours)

        assert process.communicate(timeout=20) == (None, b"")
        assert process.returncode == 0
    assert campus.box.counts()["texts"] == 2 * MANY


def test_on_a_terminal_the_officer_types_the_place_and_sees_colour(build):
    campus = build()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        campus.words("send", "hazard", "-v", "place=Hill House", "--channels", "sms-main"),
        cwd=campus.home,
        env=campus.environment({"TERM": "xterm"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        seen = _read_until(ours, b"Type Hill House to send")
        assert b"SEND THIS FOR REAL: Hazard, Hill House: to 3 people, 3 messages on sms-main." in seen
        assert b"\x1b[" in seen
        os.write(ours, b"  hill   HOUSE \n")
        _read_until(ours, b"Type hazard too")
        os.write(ours, b"hazard\n")
        seen = _read_until(ours, b"done: all accepted")
        assert process.wait(10) == 0
    finally:
        os.close(ours)
    assert campus.box.counts()["texts"] == 3


def test_a_watcher_that_is_killed_changes_nothing(build):
    campus = tempo(build)
    process = campus.start(
        "send", "hazard", "-v", "place=Hill", "--confirm", "Hill", "--channels", "sms-main"
    )
    alert_id = accepted(process)

    process.kill()
    process.wait()

    campus.settled(alert_id)
    assert campus.box.counts()["texts"] == MANY


def test_a_watcher_starts_another_sender_when_its_own_is_killed(build):
    campus = tempo(build)
    campus.box.play(slow(0.3))
    process = campus.start(
        "send", "hazard", "-v", "place=Hill", "--confirm", "Hill", "--channels", "sms-main", "--json"
    )
    until(lambda: campus.box.counts()["texts"] > 3, 10, "nothing arrives")

    killed = campus.kill_sender()
    out, err = process.communicate(timeout=30)

    assert killed
    assert process.returncode == 0, (out, err)
    assert b"The sender ended early; going on with what is left." in err
    texts = [text["to"] for text in campus.box.state("texts")]
    assert len(texts) == len(set(texts)) == MANY
    assert json.loads(out)["channels"][0]["accepted"] == MANY
    campus.whole()


def test_the_next_command_goes_on_with_what_an_interrupted_sender_left(build):
    campus = tempo(build)
    alert_id = campus.send_and_leave("--channels", "sms-main")
    campus.kill_sender()

    done = campus("status")

    assert "An interrupted alert was found" in done.stderr
    campus.settled(alert_id)
    assert campus.box.counts()["texts"] == MANY
    assert "settled" in campus("status", code=0).stdout


def _make_controlling(terminal):
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def _read_until(terminal, words, within_s=15):
    seen, end = b"", time.monotonic() + within_s
    while words not in seen:
        assert time.monotonic() < end, seen
        seen += os.read(terminal, 4096)
    return seen


def test_who_stops_reading_during_the_preview_does_not_stop_what_was_confirmed(build):
    campus = tempo(build)
    process = campus.start(
        "send", "hazard", "-v", "place=Hill", "--confirm", "Hill", "--channels", "sms-main"
    )
    process.stdout.close()

    assert process.wait(20) == 0
    assert process.stderr.read() == b""
    assert campus.box.counts()["texts"] == MANY
