"""What an officer may get wrong at 2 am: each mistake answers in a sentence, and nothing is opened."""

import contextlib
import os
import pty
import resource
import signal
import socket
import sqlite3
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from alerting.clock import SystemClock
from alerting.ledger.sqlite import SqliteLedger

SEND = ("send", "gas-leak", "-v", "place=Baker Hall", "--confirm", "Baker Hall")
PEOPLE = "id,phone,email\nA,+14135550101,a@example.edu\nB,+14135550102,b@example.edu\n"


class Mistake(NamedTuple):
    """``words`` are the command; ``prepare`` puts the folder into the state of the mistake."""

    words: tuple
    code: int
    says: str
    prepare: object = None


def choices(home):
    (home / "templates" / "doors.md").write_text(
        (home / "templates" / "gas-leak.md")
        .read_text()
        .replace(
            "    max_length: 28\n",
            "    max_length: 28\n  door:\n    type: choice\n    choices: [north, south]\n",
        )
        .replace("GAS LEAK at {{ place }}", "GAS LEAK at {{ place }} {{ door }}")
    )


def people(content):
    """Replace the list of people; None takes it away."""

    def prepare(home):
        path = home / "people.csv"
        path.unlink()
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return prepare


def config(old, new):
    def prepare(home):
        path = home / "channels.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return prepare


def in_place_of_state(home):
    (home / "state").write_text("a file")


def ledger_of(content):
    def prepare(home):
        (home / "state").mkdir(mode=0o700)
        (home / "state" / "ledger.db").write_bytes(content)

    return prepare


def a_ledger(home):
    (home / "state").mkdir(mode=0o700)
    path = home / "state" / "ledger.db"
    SqliteLedger.open(path, clock=SystemClock()).close()
    return path


def newer(home):
    with contextlib.closing(sqlite3.connect(a_ledger(home))) as raw, raw:
        raw.execute("UPDATE meta SET value = '9999' WHERE name = 'schema'")


def torn(home):
    path = a_ledger(home)
    content = bytearray(path.read_bytes())
    content[4096 : 4096 * 4] = b"\xff" * (4096 * 3)
    path.write_bytes(content)


def lost(home):
    path = a_ledger(home)
    path.with_name("ledger.db-wal").write_bytes(b"left over")
    path.unlink()


WITHOUT = ("send", "gas-leak", "--confirm", "Baker Hall", "-v")
MISTAKES = {
    "an unknown template": Mistake(("send", "gas-lek"), 2, 'no template "gas-lek"; did you mean "gas-leak"?'),
    "an unknown variable": Mistake((*SEND, "-v", "plce=x"), 2, "plce: the template has no such variable"),
    "a missing variable": Mistake(("send", "gas-leak"), 2, "place: missing (Which building or corner)"),
    "an empty value": Mistake((*WITHOUT, "place="), 2, "place: missing"),
    "a value without a name": Mistake((*WITHOUT, "Baker Hall"), 2, "has no name; write -v place="),
    "a value given twice": Mistake((*SEND, "-v", "place=x"), 2, "-v place: given twice"),
    "a value that is too long": Mistake((*WITHOUT, "place=" + "Baker Hall " * 9), 2, "write at most 28"),
    "a huge value": Mistake((*WITHOUT, "place=" + "Baker Hall " * 9_000), 2, "write at most 28"),
    "a value left to fill in": Mistake((*WITHOUT, "place=[PLACE]"), 2, "still has to be filled in"),
    "control characters": Mistake((*WITHOUT, "place=Ha\x1b[2Jll"), 2, "U+001B control character"),
    "a text turned round": Mistake((*WITHOUT, "place=Ha\u202ell"), 2, "U+202E RIGHT-TO-LEFT OVERRIDE"),
    "not one of the choices": Mistake(
        ("send", "doors", "-v", "place=Hill", "-v", "door=east"), 2, "north", choices
    ),
    "an unknown audience": Mistake((*SEND, "--to", "everyon"), 2, "did you mean everyone?"),
    "no channel between commas": Mistake((*SEND, "--channels", " , "), 2, "names no channel; name one"),
    "a script's empty channels": Mistake((*SEND, "--channels", ""), 2, "'' names no channel; name one"),
    "a script's empty audience": Mistake((*SEND, "--to", ""), 2, "'' names no audience; name one"),
    "an unknown channel": Mistake((*SEND, "--channels", "sms-man"), 2, "did you mean sms-main?"),
    "an unknown incident": Mistake((*SEND, "--incident", "L-ZZZZZZ"), 2, "there is no incident L-ZZZZZZ"),
    "a follow-up to nothing": Mistake(("all-clear",), 2, "none is open: `alert send` begins one"),
    "an unknown option": Mistake((*SEND, "--shout"), 2, "No such option: --shout"),
    "an unknown command": Mistake(("sned",), 2, "there is no command 'sned'"),
    "an unknown alert": Mistake(("status", "L-ZZZZZZ"), 2, "there is no alert L-ZZZZZZ"),
    "an unknown alert to stop": Mistake(("cancel", "L-ZZZZZZ"), 2, "there is no alert L-ZZZZZZ"),
    "something that is no id": Mistake(("status", "../../etc/passwd"), 2, "there is no alert"),
    "no template at all": Mistake(("send",), 2, "Missing argument 'template'"),
    "no configuration": Mistake(("--config", "nope.yaml", *SEND), 2, "nope.yaml: no such file"),
    "a wrong word": Mistake((*SEND[:-1], "Hill"), 5, "'Hill' is not 'Baker Hall'; nothing was sent"),
    "nobody there": Mistake(SEND[:-2], 5, "nobody is at the terminal to confirm; nothing was sent"),
    "no list of people": Mistake(SEND, 2, "people.csv: no such file", people(None)),
    "an empty list": Mistake(SEND, 2, "people.csv: is empty", people("")),
    "a list of nobody": Mistake(SEND, 2, "nobody on this list can be reached", people("id,phone,email\n")),
    "a list of nobody, and public posts": Mistake(
        SEND,
        2,
        "and tell nobody else: --channels x-campus,facebook-campus",
        people("id,phone,email\n"),
    ),
    "a list without the addresses of the channel": Mistake(
        (*SEND, "--channels", "email-main"),
        2,
        "nobody in it has an address for email-main; nothing was sent; name another list",
        people("id,phone\nA,+14135550101\n"),
    ),
    "a list in UTF-16": Mistake(
        SEND, 2, "is saved as UTF-16; save it as CSV UTF-8", people(PEOPLE.encode("utf-16"))
    ),
    "a workbook": Mistake(SEND, 2, "is an Excel workbook; save it as CSV UTF-8", people(b"PK\x03\x04 ...")),
    "broken YAML": Mistake(SEND, 2, "channels.yaml:", config("version: 1", "version: [1")),
    "a misspelt key": Mistake(SEND, 2, "no such field; write rate_per_s", config("rate_per_s", "rate_pers")),
    "a missing secret": Mistake(
        SEND, 2, "the variable NOT_THERE is not set", config("X_CONSUMER_KEY", "NOT_THERE")
    ),
    "a file in place of the state": Mistake(SEND, 75, "state directory cannot be made", in_place_of_state),
    "noise in place of the ledger": Mistake(SEND, 75, "this is not a ledger", ledger_of(b"noise " * 999)),
    "an empty ledger": Mistake(SEND, 75, "the file is empty, and a ledger never is", ledger_of(b"")),
    "a damaged ledger": Mistake(SEND, 75, "damaged", torn),
    "a lost ledger": Mistake(SEND, 75, "the ledger is missing, but ledger.db-wal is still there", lost),
    "a newer ledger": Mistake(SEND, 75, "was changed by a newer version", newer),
}


@pytest.fixture
def campus(alert, home):
    """A campus whose providers are all out of reach: should anything be opened, it stays here."""
    config("csv: demo/people.csv", "csv: people.csv")(home)
    config("    kind: x\n", "    kind: x\n    base_url: http://127.0.0.1:9\n")(home)
    config("    kind: facebook\n", "    kind: facebook\n    base_url: http://127.0.0.1:9\n")(home)
    config("    kind: sms.twilio\n", "    kind: sms.twilio\n    base_url: http://127.0.0.1:9\n")(home)
    config("host: smtp.example.edu", "host: localhost\n    port: 9")(home)
    (home / "people.csv").write_text(PEOPLE)
    return lambda *words, **given: alert(*words, env={**alert.credentials, **given.pop("env", {})}, **given)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_in_words_with_its_code_and_opens_nothing(campus, home, name):
    mistake = MISTAKES[name]
    if mistake.prepare:
        mistake.prepare(home)

    done = campus(*mistake.words)

    assert (done.returncode, mistake.says in done.stderr) == (mistake.code, True), done.stderr
    assert all(line.startswith(("alert: ", "!")) for line in done.stderr.splitlines())
    assert len(max(done.stderr.splitlines(), key=len)) < 1_000
    assert "\x1b" not in done.stderr + done.stdout
    assert opened(home) == 0


def opened(home):
    """How many alerts are on record."""
    path = home / "state" / "ledger.db"
    if not path.is_file() or path.read_bytes()[:6] != b"SQLite":
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as raw:
        try:
            return raw.execute("SELECT count(*) FROM alert").fetchone()[0]
        except sqlite3.DatabaseError:
            return 0


def test_every_mistake_of_a_line_is_told_at_once(campus):
    done = campus("send", "gas-leak", "-v", "plce=Baker Hall", "-v", "door=1")

    assert [line.split(": ")[2] for line in done.stderr.splitlines()] == ["plce", "door", "place"]


def test_a_ledger_somebody_else_is_writing_to_is_told_and_nothing_is_opened(campus, home):
    path = a_ledger(home)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = campus(*SEND)
        other.execute("ROLLBACK")

    assert done.returncode == 75
    assert "another program holds it for writing" in done.stderr
    assert opened(home) == 0


def test_a_ledger_that_is_locked_only_for_a_moment_is_waited_for(campus, home, alert):
    path = a_ledger(home)
    words = (*SEND, "--no-wait")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with alert.start(
            *words, env=alert.credentials, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        ) as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2.5)
            other.execute("ROLLBACK")
            assert process.wait(20) == 8

    assert opened(home) == 1
    campus("cancel", newest(home))
    stop_sender(home)


def test_a_full_disk_is_told_and_nothing_is_opened(alert, campus, home):
    """A limit on the size of files is what a test can make of a full disk."""
    a_ledger(home)
    with alert.start(
        *SEND,
        env=alert.credentials,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=small_files,
    ) as process:
        _, told = process.communicate(timeout=30)

    assert process.returncode == 75, told
    assert b"Traceback" not in told
    assert b"nothing was sent" in told or b"disk" in told
    assert opened(home) == 0


def small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, 8_192))


def test_a_full_file_system_is_told_and_leaves_the_record_readable(campus, home, tmp_path):
    with full_file_system(home / "state") as mounted:
        if not mounted:
            # Not allowed to mount here; the limit above stands for it.
            return
        a_ledger_in(home)
        filler = home / "state" / "filler"
        with contextlib.suppress(OSError):
            filler.write_bytes(b"x" * (4 << 20))

        done = campus(*SEND)

        assert done.returncode == 75, done.stderr
        assert "full" in done.stderr or "No space left" in done.stderr
        filler.unlink()
        assert opened(home) == 0
        assert "Nothing has been sent" in campus("status").stdout


def a_ledger_in(home):
    SqliteLedger.open(home / "state" / "ledger.db", clock=SystemClock()).close()


@contextlib.contextmanager
def full_file_system(place):
    place.mkdir(mode=0o700)
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    try:
        mounted = subprocess.run(words, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_directory_that_may_only_be_read_is_told(campus, home):
    state = home / "state"
    state.mkdir(mode=0o700)
    # Root may write anywhere, so a directory stands where a file has to go.
    (state / "sender.log").mkdir()

    done = campus(*SEND)

    assert done.returncode == 75
    assert "sender.log" in done.stderr
    assert opened(home) == 0


def test_a_port_that_is_taken_is_told_with_its_number(campus):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        done = campus("sandbox", "--http-port", taken.getsockname()[1])

    assert done.returncode == 2
    assert f"cannot listen on HTTP port {taken_port(done.stderr)}" in done.stderr


def taken_port(told):
    return told.split("HTTP port ")[1].split()[0].rstrip(":,")


def test_a_reader_that_leaves_early_is_no_error(alert, home):
    script = f"{alert.script} templates list | head -1"

    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        cwd=home,
        env=alert.environment(alert.credentials),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("env", [{"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_no_colour_gets_none(alert, home, env):
    ours, theirs = pty.openpty()
    words = ("preview", "gas-leak", "-v", "place=Baker Hall")
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    seen = b""
    with alert.start(*words, env={**alert.credentials, **env}, **streams) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):
            while part := os.read(ours, 4096):
                seen += part
        assert process.wait(10) == 0
    os.close(ours)

    assert b"LIVE  Gas leak" in seen
    assert b"\x1b" not in seen


def newest(home):
    with contextlib.closing(sqlite3.connect(f"file:{home}/state/ledger.db?mode=ro", uri=True)) as raw:
        return raw.execute("SELECT id FROM alert ORDER BY ref DESC").fetchone()[0]


def stop_sender(home):
    from alerting.ledger.lock import RunnerLock

    if pid := RunnerLock(Path(home, "state")).held_by():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
