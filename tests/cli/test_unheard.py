"""What is printed may reach nobody, or nobody who can read it: no alert waits for that, and nothing lies about it."""

import json
import os
import pty
import signal
import subprocess
import time

import pytest

from alerting.ledger.lock import RunnerLock

WORDS = ("send", "gas-leak", "-v", "place=Baker Hall", "--channels", "x-campus", "--confirm", "Baker Hall")
FULL = "/dev/full"


@pytest.fixture(autouse=True)
def _quiet_afterwards(alert, box):
    box.lend(alert.home / "state" / "sandbox")
    yield
    if sender := RunnerLock(alert.home / "state" / "sandbox").held_by():
        os.kill(sender, signal.SIGKILL)


@pytest.fixture
def sent(alert):
    """Return a function that sends an alert with its output somewhere, and says what became of it."""

    def send(*more, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=None):
        words = alert.words("--sandbox", *WORDS, *more)
        done = subprocess.run(
            words,
            cwd=alert.home,
            env=alert.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            timeout=60,
            check=False,
        )
        told = json.loads(alert("--sandbox", "status", "--json").stdout)
        return done, told["alerts"]

    return send


@pytest.mark.parametrize("more", [(), ("--no-wait", "--json")], ids=" ".join)
def test_a_full_disk_under_the_output_keeps_no_alert_from_leaving(sent, more):
    """Scripts write what a command says to a log, and logs fill disks."""
    with open(FULL, "wb") as full:  # noqa: PTH123 - a device
        done, alerts = sent(*more, stdout=full)
    assert done.returncode == (8 if "--no-wait" in more else 0), done.stderr
    assert b"failed" not in done.stderr
    assert len(alerts) == 1


def test_a_full_disk_under_the_errors_changes_no_exit_code(alert, sent):
    with open(FULL, "wb") as full:  # noqa: PTH123 - a device
        done, alerts = sent("--no-wait", stderr=full)
        refused, _ = sent("--channels", "nobody", stderr=full)
    assert (done.returncode, len(alerts)) == (8, 1)
    assert refused.returncode == 2


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)], ids=str)
def test_closed_streams_keep_no_alert_from_leaving(alert, closed):
    """As a scheduler may start a command. The record must not get the number of one of them either."""
    words = alert.words("--sandbox", *WORDS)
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {" ".join(f"{number}>&-" for number in closed)}', "sh", *words],
        cwd=alert.home,
        env=alert.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    told = json.loads(alert("--sandbox", "status", "--json").stdout)

    assert done.returncode == 0, done.stderr
    assert [one["settled"] for one in told["alerts"]] == [True]
    assert alert("--sandbox", "audit", "verify").returncode == 0


@pytest.mark.parametrize("words", [("status", "--json"), ("templates", "list"), ("--help",)], ids=" ".join)
def test_what_a_full_disk_cuts_short_is_told_as_that_and_fills_it_no_further(alert, tmp_path, words):
    aside = tmp_path / "aside"
    aside.mkdir()
    with open(FULL, "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            alert.words(*words),
            cwd=alert.home,
            env=alert.environment({"TMPDIR": str(aside)}),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 70
    assert done.stderr.startswith(b"alert: stdout: No space left on device, so this was not told whole;")
    assert list(aside.iterdir()) == []


@pytest.mark.parametrize("name", ["\udcff\udcfe", "a\nb"], ids=ascii)
def test_an_account_whose_name_is_no_text_can_send_and_stop(alert, sent, name):
    """The login name of a scheduler's job comes from its environment, whatever that holds."""
    done, alerts = sent("--no-wait", env={"LOGNAME": name})
    stopped = alert("--sandbox", "cancel", alerts[0]["alert"], env={"LOGNAME": name})

    assert done.returncode == 8, done.stderr
    assert stopped.returncode in (0, 4), stopped.stderr
    assert alert("--sandbox", "audit", "verify").returncode == 0


def test_a_server_whose_words_nobody_reads_serves_on(alert):
    read, write = os.pipe()
    os.close(read)
    with alert.start("--sandbox", "serve", stdout=write, stderr=subprocess.DEVNULL) as process:
        os.close(write)
        lock, until = RunnerLock(alert.home / "state" / "sandbox"), time.monotonic() + 20
        while lock.held_by() != process.pid and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["people", "scripts"])
def test_a_letter_the_terminal_does_not_have_is_told_by_its_number(alert, more):
    place = "Caf\N{LATIN SMALL LETTER E WITH ACUTE} Hall"
    words = ("--sandbox", "preview", "gas-leak", "-v", f"place={place}", "--channels", "x-campus", *more)
    env = {"PYTHONIOENCODING": "ascii"}

    done = alert(*words, env=env)

    assert done.returncode == 0, done.stderr
    if more:
        assert place in json.dumps(json.loads(done.stdout), ensure_ascii=False)
    else:
        assert "Caf\\xe9 Hall" in done.stdout


def test_a_letter_a_coloured_terminal_does_not_have_is_told_by_its_number(alert):
    ours, theirs = pty.openpty()
    place = "Caf\N{LATIN SMALL LETTER E WITH ACUTE} Hall"
    words = ("--sandbox", "preview", "gas-leak", "-v", f"place={place}", "--channels", "x-campus")
    env = {"PYTHONIOENCODING": "ascii", "TERM": "xterm-256color"}
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}

    with alert.start(*words, env=env, **streams) as process:
        os.close(theirs)
        code = process.wait(60)
        said = os.read(ours, 65_536)
    os.close(ours)

    assert code == 0, said
    assert b"Caf\\xe9 Hall" in said


def test_in_a_folder_that_was_removed_a_command_works_by_whole_paths_and_else_says_so(alert, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    shell = ("sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(gone))

    def run(*words):
        gone.mkdir(exist_ok=True)
        return subprocess.run(
            [*shell, *alert.words(*words)],
            cwd=alert.home,
            env=alert.environment(),
            capture_output=True,
            timeout=60,
            check=False,
            text=True,
        )

    place = ("-v", "place=Hill", "--channels", "x-campus")
    done = run("--sandbox", "--config", alert.home / "channels.yaml", "preview", "gas-leak", *place)
    lost = run("preview", "gas-leak", *place)

    assert done.returncode == 0, done.stderr
    assert "Hill" in done.stdout
    assert lost.returncode == 2
    assert (
        lost.stderr
        == "alert: the folder this was started in is gone; cd to another, or back, and repeat it\n"
    )


def test_a_list_nobody_looked_at_is_not_said_to_have_shrunk(alert):
    first = ("--sandbox", "send", "gas-leak", "-v", "place=Hill", "--confirm", "Hill", "--no-wait")
    assert alert(*first).returncode == 8

    told = alert("--sandbox", "preview", "gas-leak", "-v", "place=Hall", "--channels", "x-campus").stdout

    assert "people" not in told


def test_a_review_whose_texts_nobody_reads_to_the_end_is_on_record_when_it_says_so(alert):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        alert.words("--sandbox", "templates", "review", "gas-leak", "--confirm", "gas-leak"),
        cwd=alert.home,
        env=alert.environment(),
        stdin=subprocess.DEVNULL,
        stdout=write,
        timeout=60,
        check=False,
    )
    os.close(write)

    assert done.returncode == 0
    assert "template.reviewed" in alert("--sandbox", "audit", "log").stdout
