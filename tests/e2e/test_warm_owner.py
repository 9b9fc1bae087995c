"""`alert send` and `alert preview` where `alert serve` runs: the same words, codes and record, and no plan twice."""

import json
import os
import re
import signal
import time

import pytest
from campus import until
from warm import WHOLE, bare_campus, typed

from alerting.cli import front
from alerting.engine import control


@pytest.fixture
def campus(tmp_path, box):
    made = bare_campus(tmp_path, box)
    yield made
    made.close()


def served(campus, *words, **given):
    """Run a command and say whether the owner served it: then it imports nothing that reads a line."""
    done = campus(*words, env={"PYTHONPROFILEIMPORTTIME": "1", **given.pop("env", {})}, **given)
    lines = done.stderr.splitlines()
    imported = [line for line in lines if line.startswith("import time:")]
    said = "\n".join(line for line in lines if not line.startswith("import time:"))
    return (
        done.returncode,
        done.stdout,
        said,
        not any(line.endswith(" alerting.cli.straight") for line in imported),
    )


def plain(text):
    """Without what differs from one run to the next: ids, times, digests."""
    text = re.sub(r"\b[LN]-[0-9A-Z]{6}\b", "L-ID", text)
    text = re.sub(r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?[AP]M)?", "TIME", text)
    text = re.sub(r'"(digest|as_of)": "[^"]*"', r'"\1": ""', text)
    return re.sub(r"\d+(\.\d+)? (s|min)\b", "SPAN", text)


def hazard(*more, place="Baker Hall", confirm=None):
    return ("hazard", "-v", f"place={place}", "--confirm", confirm or place, *more)


def test_a_command_that_is_served_imports_next_to_nothing(campus, serve):
    campus("preview", "hazard", "-v", "place=Hill")
    env = {"PYTHONPROFILEIMPORTTIME": "1"}
    done = campus("send", *hazard("--no-wait", "--json"), env=env, code=8)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    ours = {name for name in imported if name.partition(".")[0] == "alerting"}
    assert ours == {"alerting", "alerting.cli", "alerting.cli.front", "alerting.cli.keyboard"}
    heavy = {
        "typer",
        "typing",
        "pathlib",
        "asyncio",
        "sqlite3",
        "hashlib",
        "jinja2",
        "yaml",
        "pydantic",
        "subprocess",
    }
    assert imported & heavy == set()
    assert len(imported) < 90


def test_both_ends_speak_the_version_of_the_socket():
    assert front.VERSION == control.VERSION
    assert front._LONGEST == control._LONGEST


def test_a_preview_says_to_the_letter_what_it_says_without_an_owner(campus, serve):
    for words in (
        ("preview", "hazard", "-v", "place=Hill"),
        ("preview", "hazard", "-v", "place=Hill", "--json"),
    ):
        code, out, err, warm = served(campus, *words)
        whole = served(campus, WHOLE, *words)

        assert warm
        assert not whole[3]
        assert (code, plain(out), err) == (whole[0], plain(whole[1]), whole[2])
        assert "hill" in out.lower()


@pytest.mark.parametrize("more", [("--no-wait",), ("--no-wait", "--json"), (), ("--json",)], ids=" ".join)
def test_an_alert_is_sent_and_told_as_it_is_without_an_owner(campus, serve, more):
    code, out, err, warm = served(campus, "send", *hazard(*more, place="North Hall"))
    whole = served(campus, WHOLE, "send", *hazard(*more, "--one-more", place="South Hall"))
    text = plain(whole[1].replace("South", "North"))

    assert warm
    assert not whole[3]
    assert code == whole[0] == (8 if "--no-wait" in more else 0)
    assert err == whole[2] == ""
    if "--json" in more:
        assert json.loads(out).keys() == json.loads(whole[1]).keys()
    elif "--no-wait" in more:
        assert plain(out) == text
    for record in campus.alerts():
        campus.settled(record.alert.id)
    assert campus.given.counts()["texts"] == 6
    with campus.ledger() as ledger:
        opened = [row for row in ledger.audit() if row.action == "alert.opened"]
    assert len({(row.actor, row.origin) for row in opened}) == 1
    assert len(opened) == 2
    clocks = [dict(record.alert.clock) for record in campus.alerts()]
    assert {"started", "previewed", "decided"} <= clocks[0].keys() == clocks[1].keys()
    assert campus.sender() == serve.pid
    campus.whole()


def test_on_a_terminal_it_looks_the_same_and_wants_the_same_word(campus, serve):
    words = ("hazard", "-v", "place=North Hall", "--no-wait")
    code, seen = typed(campus, "send", *words, answer=b"north  hall\n")
    whole_code, whole = typed(campus, WHOLE, "send", *words, answer=b"nowhere\n")
    refused, wrong = typed(campus, "send", *words, answer=b"\n")

    def shown(text):
        return plain(text).partition(" to send (")[0]

    assert "\x1b[" in seen
    assert shown(seen) == shown(whole) == shown(wrong)
    assert (code, whole_code, refused) == (8, 5, 5)
    assert wrong.partition("sent): ")[2] == whole.partition("sent): ")[2].replace("nowhere", "")
    assert len(campus.alerts()) == 1


def test_what_was_shown_is_refused_when_its_template_changes_before_the_word(campus, serve):
    def change():
        campus.template("hazard", words="ANOTHER HAZARD")

    code, seen = typed(campus, "send", "hazard", "-v", "place=Hill", answer=b"Hill\n", before_answer=change)

    assert code == 2
    assert "changed after the preview" in seen
    assert campus.alerts() == []


def test_an_owner_that_was_started_anew_before_the_word_is_given_the_order_whole(campus, serve):
    anew = []

    def restart():
        serve.terminate()
        serve.wait(20)
        anew.append(campus.start("serve", "--json"))
        until(lambda: campus.sender() == anew[0].pid, 10, "no second owner")
        until((campus.state / "engine.sock").exists, 10, "it does not listen")

    code, seen = typed(campus, "send", "hazard", "-v", "place=Hill", answer=b"Hill\n", before_answer=restart)
    sender = campus.sender()
    anew[0].terminate()
    anew[0].wait(20)

    assert code == 0, seen
    assert sender == anew[0].pid
    assert len(campus.alerts()) == 1


def test_an_owner_that_dies_before_the_word_leaves_one_alert_to_be_sent_by_the_command(campus, serve):
    code, seen = typed(
        campus,
        "send",
        "hazard",
        "-v",
        "place=Hill",
        answer=b"Hill\n",
        before_answer=lambda: (serve.kill(), serve.wait(10)),
    )

    assert code == 0, seen
    assert len(campus.alerts()) == 1
    assert campus.given.counts()["texts"] == 3


def test_ctrl_c_at_any_moment_never_lies_about_what_was_sent_by_the_owner(campus, serve):
    def words(place):
        return ("send", *hazard("--no-wait", "--one-more", "--channels", "sms-main", place=place))

    campus(*words("Hill"), code=8)
    opened, codes = len(campus.alerts()), set()
    for step in range(8):
        process = campus.start(*words(f"Hill {step}"))
        time.sleep(0.03 + 0.02 * step)
        os.killpg(process.pid, signal.SIGINT)
        out, err = (stream.decode() for stream in process.communicate(timeout=15))
        # Whatever it asked has been answered when the next one is.
        campus("preview", "hazard", "-v", "place=Hill")
        now = len(campus.alerts())
        codes.add(process.returncode)
        if process.returncode == 5:
            assert "othing was sent" in err
            assert now == opened
        elif process.returncode == 8:
            assert now == opened + 1
        else:
            # In the interpreter's own first or last moments.
            assert now == opened + ("Accepted" in out)
        opened = now
    assert codes & {5, 8}


def test_the_word_of_a_wrong_hand_opens_nothing_and_is_told_as_ever(campus, serve):
    for words in (
        hazard(confirm="nowhere"),
        ("hazard", "-v", "place=Hill"),
        hazard("--no-such-option"),
        ("hazard", "-v", "place", "--confirm", "x"),
        ("no-such-template", "--confirm", "x"),
        hazard("--channels", "nobody"),
    ):
        told = served(campus, "send", *words)

        assert told[:3] == served(campus, WHOLE, "send", *words)[:3]
        assert told[0] in (2, 5)
        assert not told[3]
    assert campus.alerts() == []


def test_a_command_without_the_credentials_is_refused_as_ever(campus, serve):
    told = served(campus, "send", *hazard(), env={"TWILIO_AUTH_TOKEN": ""})

    assert told[0] == 2
    assert "TWILIO_AUTH_TOKEN" in told[2]
    assert campus.alerts() == []


def test_an_account_without_a_role_is_shown_nothing_by_the_owner(campus, serve):
    (campus.home / "operators.yaml").write_text(
        "version: 1\npeople:\n  rivera: {name: R. Rivera, os_user: nobody-here, roles: [sender, approver, admin]}\n"
        "  lee: {name: L. Lee, os_user: somebody-else, roles: [approver]}\n"
    )
    (campus.home / "operators.yaml").chmod(0o600)
    sent, whole = served(campus, "send", *hazard()), served(campus, WHOLE, "send", *hazard())

    assert sent[0] == whole[0] == 7
    assert sent[:3] == whole[:3]
    assert not sent[3]
    assert campus.alerts() == []


def test_an_owner_that_hangs_holds_a_command_up_for_a_moment_only(campus, serve):
    serve.send_signal(signal.SIGSTOP)

    told = served(campus, "preview", "hazard", "-v", "place=Hill")

    assert told[0] == 0
    assert not told[3]


def test_an_owner_of_another_file_serves_nobody(campus, serve):
    other = campus.home / "other.yaml"
    other.write_bytes((campus.home / "channels.yaml").read_bytes())

    told = served(campus, "--config", other, "preview", "hazard", "-v", "place=Hill")

    assert told[0] == 0
    assert not told[3]
