"""The demonstration runs to its end, tells the truth, and leaves nothing running."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN = ROOT / "demo/run.py"
FAULTS = json.loads((ROOT / "demo/faults.json").read_text(encoding="utf-8"))


def start(out: Path) -> subprocess.Popen[bytes]:
    """Begin it in a group of its own, as a shell does."""
    return subprocess.Popen(
        [sys.executable, RUN, "--out", out],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def at_work_for(out: Path) -> list[str]:
    """Return the command lines of processes that speak of a directory: the sandbox, the sender, a command."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes()
        except OSError:
            continue
        if os.fsencode(out) in words:
            found.append(words.replace(b"\0", b" ").decode())
    return found


def records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_one_alert_reaches_the_whole_campus_but_for_those_made_to_fail(tmp_path):
    out = tmp_path / "out"
    process = start(out)
    try:
        said, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    told = said.decode()

    assert process.returncode == 0, told
    assert "Summary: 4,002 messages in " in told
    assert "3,999 accepted, 3 failed, 0 uncertain." in told
    assert "2 posts, 1,998 texts, 1,999 mails; 0 people got one twice." in told

    record = records(out / "record.jsonl")
    states = Counter((line["channel"], line["state"]) for line in record if line["kind"] == "delivery")
    assert states == {
        ("x-campus", "accepted"): 1,
        ("facebook-campus", "accepted"): 1,
        ("sms-main", "accepted"): 1_998,
        ("sms-main", "rejected"): 2,
        ("email-main", "accepted"): 1_999,
        ("email-main", "rejected"): 1,
    }
    on_x = [line["outcome"] for line in record if line["kind"] == "attempt" and line["channel"] == "x-campus"]
    assert on_x == ["found"]

    page = (out / "outbox.html").read_text(encoding="utf-8")
    assert "GAS LEAK at Baker Hall" in page
    assert not at_work_for(out)


def test_ctrl_c_ends_the_sandbox_and_the_sender_too(tmp_path):
    out = tmp_path / "out"
    process = start(out)
    try:
        said = heard_until(process, b"Accepted ", within_s=60)
        assert at_work_for(out)
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, (said + rest).decode()
    assert b"Traceback" not in said + rest
    assert not at_work_for(out)


def heard_until(process: subprocess.Popen[bytes], word: bytes, *, within_s: float) -> bytes:
    heard, until = b"", time.monotonic() + within_s
    while word not in heard and time.monotonic() < until:
        if select.select([process.stdout], [], [], 0.2)[0]:
            more = os.read(process.stdout.fileno(), 65_536)
            if not more:
                break
            heard += more
    assert word in heard, heard.decode()
    return heard


def test_a_directory_with_files_of_somebody_else_is_left_alone(tmp_path):
    ledger = tmp_path / "state" / "ledger.db"
    ledger.parent.mkdir()
    ledger.write_bytes(b"somebody's record")
    process = start(tmp_path)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"holds files of somebody else" in said
    assert ledger.read_bytes() == b"somebody's record"


@pytest.mark.parametrize("kind", ["numbers", "mailboxes"])
def test_the_faults_are_about_people_on_the_list(kind):
    people = (ROOT / "demo/people.csv").read_text(encoding="utf-8")
    for name in FAULTS[kind]:
        assert name.removeprefix("+1") in people


def test_the_faults_name_the_special_people_the_list_declares():
    declared = dict(
        re.findall(r'^([A-Z_]+) = "(\S+)"$', (ROOT / "demo/make_people.py").read_text("utf-8"), re.MULTILINE)
    )
    assert FAULTS["numbers"] == {declared["OPTED_OUT"]: "opted_out", declared["LANDLINE"]: "landline"}
    assert FAULTS["mailboxes"][declared["BOUNCING"]] == "unknown"
