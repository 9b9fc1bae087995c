"""Several commands on one state directory: one process writes, the others hand over."""

import json
import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from campus import slow, until

from alerting.engine.control import ask

MANY = 30
#: The byte of the shared index that every open connection keeps locked ("dead man's switch"), behind the
#: eight of its other locks.  https://www.sqlite.org/src/file/src/os_unix.c, UNIX_SHM_DMS
_CONNECTED = 128


def test_a_second_alert_during_the_first_goes_out_at_once_and_both_complete(build):
    campus = build(people=MANY, sms={"rate_per_s": 2})
    first = campus.send_and_leave(place="North Hall")
    owner = campus.sender()
    until(lambda: campus.box.counts()["mails"] == MANY, 10, "the mails of the first alert do not come")

    second = campus.send_and_leave("--channels", "x-campus,email-main", place="South Hall")

    assert campus.sender() == owner
    # Long before the texts of the first are done: its lane of mails is started anew.
    until(lambda: campus.box.counts()["mails"] == 2 * MANY, 10, "the mails of the second alert do not come")
    assert campus.box.counts()["texts"] < MANY
    campus.settled(second)
    assert campus.status(second)["exit"] == 0
    campus("cancel", first, code=0)
    campus.whole()


def test_alerts_that_come_while_a_sender_is_ending_are_never_left_lying(build):
    campus = build(people=1)
    sent = []

    for number in range(6):
        sent.append(campus.send_and_leave("--channels", "sms-main", "--one-more", place=f"Hall {number}"))
        # The next one comes at another moment of this sender's end each time.
        time.sleep(0.04 * number)

    for alert_id in sent:
        campus.settled(alert_id, 5)
    assert campus.box.counts()["texts"] == len(sent)


def test_ten_alerts_in_the_same_moment_are_all_opened_once_and_all_sent(build):
    campus = build(people=2)
    processes = [
        campus.start(
            "send",
            "hazard",
            "-v",
            f"place=Hall {n}",
            "--confirm",
            f"Hall {n}",
            "--channels",
            "sms-main",
            "--one-more",
            "--json",
        )
        for n in range(10)
    ]
    told = [(process, *process.communicate(timeout=40)) for process in processes]

    assert [process.returncode for process, *_ in told] == [0] * 10, [err for *_, err in told]
    assert len({json.loads(out)["alert"] for _, out, _ in told}) == 10
    assert campus.box.counts()["texts"] == 20
    assert len(campus.alerts()) == 10
    campus.whole()


def test_a_template_changed_between_preview_and_hand_over_is_refused(build):
    campus = build(people=MANY, sms={"rate_per_s": 10})
    campus.send_and_leave("--channels", "sms-main", place="North Hall")
    owner = campus.sender()
    os.kill(owner, signal.SIGSTOP)
    process = campus.start(
        "send", "hazard", "-v", "place=Hill", "--confirm", "Hill", "--channels", "sms-main"
    )
    # It is past its preview once it has asked the owner, which does not answer yet.
    seen = b""
    while b"audience everyone" not in seen:
        seen += process.stdout.readline()
    time.sleep(0.3)
    campus.template("hazard", words="ANOTHER HAZARD")
    os.kill(owner, signal.SIGCONT)
    _, err = process.communicate(timeout=20)

    assert process.returncode == 2
    assert b"changed after the preview; nothing was sent" in err
    assert len(campus.alerts()) == 1


def test_cancel_while_sending_takes_effect_within_a_second_and_nothing_leaves_after_it(build):
    campus = build(people=300, sms={"rate_per_s": 40, "in_flight": 8})
    alert_id = campus.send_and_leave("--channels", "sms-main")
    until(lambda: campus.box.counts()["texts"] >= 10, 10, "nothing arrives")

    told = json.loads(campus("cancel", alert_id, "--json", code=0).stdout)
    with campus.ledger() as ledger:
        record = ledger.alert(alert_id)
        begun = [attempt.began_at for attempt in ledger.attempts(alert_id)]

    assert list(told) == ["v", "kind", "alert", "stopped", "in_flight", "gone"]
    assert told["stopped"] + told["in_flight"] + told["gone"] == 300
    assert told["stopped"] > 100
    campus.settled(alert_id, 5)
    received = campus.box.counts()["texts"]
    assert told["gone"] <= received <= told["gone"] + told["in_flight"]
    assert max(begun) <= record.cancelled_at.timestamp() * 1e6
    time.sleep(0.3)
    assert campus.box.counts()["texts"] == received
    status = campus.status(alert_id)
    assert status["cancelled_at"]
    assert status["channels"][0]["accepted"] == received
    assert status["channels"][0]["cancelled"] == 300 - received
    campus.sender_gone()
    assert "cancelled" in campus("status", alert_id).stdout


def test_the_owner_answers_a_cancellation_within_a_second_while_it_sends(build):
    campus = build(people=300, sms={"rate_per_s": 40})
    alert_id = campus.send_and_leave("--channels", "sms-main")
    until(lambda: campus.box.counts()["texts"] >= 10, 10, "nothing arrives")

    began = time.monotonic()
    told = ask(campus.state, {"verb": "cancel", "alert": alert_id, "actor": "test", "origin": ""}, timeout=5)

    assert time.monotonic() - began < 1
    assert told["ok"]
    assert told["stopped"] > 100


def test_a_watcher_is_told_when_its_alert_is_cancelled(build):
    campus = build(people=200, sms={"rate_per_s": 20})
    process = campus.start(
        "send", "hazard", "-v", "place=Hill", "--confirm", "Hill", "--channels", "sms-main"
    )
    until(lambda: campus.box.counts()["texts"] > 2, 10, "nothing arrives")
    [record] = campus.alerts()

    campus("cancel", record.alert.id, code=0)
    out, _ = process.communicate(timeout=10)

    assert process.returncode == 3
    assert f"{record.alert.id}  LIVE  Hazard  cancelled".encode() in out


def test_cancel_with_nobody_sending_ends_the_alert(build):
    campus = build(people=100, sms={"rate_per_s": 5})
    alert_id = campus.send_and_leave("--channels", "sms-main")
    campus.kill_sender()

    done = campus("cancel", alert_id, "--json", code=0)

    assert json.loads(done.stdout)["stopped"] > 80
    campus("status", code=0)  # looks up what was leaving when the sender died
    campus.settled(alert_id)
    campus.sender_gone()
    told = campus.status(alert_id)
    assert told["settled_at"]
    assert told["channels"][0]["accepted"] + told["channels"][0]["cancelled"] == 100
    assert campus.box.counts()["texts"] == told["channels"][0]["accepted"]


def test_a_sender_holds_its_own_locks_on_the_ledger(build):
    """A forked connection would hold none: the next reader would start the shared index anew under it."""
    campus = build(people=100, sms={"rate_per_s": 10})
    campus.send_and_leave("--channels", "sms-main", place="North Hall")
    campus.kill_sender()
    campus("status")  # goes on in the background; it had the ledger open
    sender = campus.awaited_sender()
    index = campus.state / "ledger.db-shm"

    # Who has opened the index holds this for as long as it stays open; a forked connection never does.
    until(lambda: (sender, "READ") in locks_on(index, _CONNECTED), 10, "the sender holds no lock of its own")

    with closing(sqlite3.connect(f"file:{campus.state}/ledger.db?mode=ro", uri=True)) as reader:
        reader.execute("SELECT count(*) FROM alert").fetchone()
        opened = [str(fd.readlink()) for fd in Path(f"/proc/{sender}/fd").iterdir()]
        held = locks_on(index, _CONNECTED)
    assert [path for path in opened if path.endswith("ledger.db-shm")] == [str(index)]
    assert (sender, "READ") in held


def locks_on(path, byte):
    """Return who has locked a byte of a file, and how: the kernel's own table.

    http://man7.org/linux/man-pages/man5/proc_locks.5.html: number, kind, -, mode, pid, device:inode, range
    """
    named = f":{path.stat().st_ino}"
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    held = [lock[-5:] for lock in lines if lock[-3].endswith(named)]
    return {(int(pid), mode) for mode, pid, _, first, last in held if first == last == str(byte)}


def test_a_frozen_sender_is_waited_for_and_loses_nothing(build):
    campus = build(people=60, sms={"rate_per_s": 40})
    campus.box.play(slow(0.1))
    alert_id = campus.send_and_leave("--channels", "sms-main")
    until(lambda: campus.box.counts()["texts"] > 5, 10, "nothing arrives")

    campus.kill_sender(signal.SIGSTOP)
    time.sleep(2)
    campus.kill_sender(signal.SIGCONT)

    campus.settled(alert_id)
    texts = [text["to"] for text in campus.box.state("texts")]
    assert len(texts) == len(set(texts)) == 60
    assert campus.status(alert_id)["exit"] == 0
    campus.whole()
