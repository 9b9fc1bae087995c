"""A process may have only so many files and connections open: what that does to an alert, and what is said."""

import errno
import functools
import json
import os
import resource

from campus import slow

from alerting.cli.wrong import tell
from alerting.errors import Exit


def limited(soft, hard):
    return functools.partial(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))


def sent(campus, limit):
    words = ("send", "hazard", "-v", "place=Baker Hall", "--confirm", "Baker Hall", "--json")
    process = campus.start(*words, preexec_fn=limit)
    out, err = process.communicate(timeout=30)
    assert b"Traceback" not in err
    return process.returncode, out, err.decode()


def test_a_sender_takes_what_the_machine_lets_it_have_whatever_the_login_is_allowed(build):
    """Forty texts are under way at once; the login may have 48 files open."""
    campus = build(people=40, email={"in_flight": 1})
    campus.box.play(slow(2))

    code, out, err = sent(campus, limited(48, 4096))

    assert code == 0, err
    assert {channel["failed"] for channel in json.loads(out)["channels"]} == {0}
    assert "Too many open files" not in (campus.state / "engine.log").read_text()
    assert campus.box.counts()["requests"]["twilio"] == 40


def test_where_even_that_is_too_little_nothing_is_opened_and_it_is_said_what_to_write(campus):
    code, _, err = sent(campus, limited(40, 40))

    assert code == 2
    assert err.startswith("alert: ulimit -n: 40 files and connections may be open at once")
    assert "LimitNOFILE" in err
    assert not (campus.state / "ledger.db").exists()
    assert sum(campus.box.counts()["requests"].values()) == 0


def test_a_sender_that_cannot_even_open_its_log_says_what_to_write(campus):
    """It is the sender's own start that fails, at one limit or another: its command had what it needed."""
    words = ("send", "hazard", "-v", "place=Baker Hall", "--confirm", "Baker Hall", "--no-wait")
    noted = []
    for limit in range(4, 10):
        process = campus.start(*words, "--run-key", "one", preexec_fn=limited(limit, 4096))
        noted.append(process.communicate(timeout=30)[1].decode())
    told = [said for said in noted if "sender.log" in said]
    assert told
    for said in told:
        assert "sender.log: Too many open files; nothing was sent; allow more: `ulimit -n 1024`" in said
        # What stands before it may be the interpreter's own, which could not read what a package left for it.
        assert "Traceback" not in said.partition("alert: ")[2]


def test_a_check_that_may_not_open_its_connections_says_so_and_nothing_else(campus):
    process = campus.start("channels", "check", preexec_fn=limited(5, 5))
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    [told] = err.decode().splitlines()
    assert told.startswith("alert: ulimit -n: 5 files and connections may be open at once")


def test_a_limit_that_names_no_file_is_told_with_what_to_write(capsys):
    """As of a pipe or a connection that cannot be had."""
    assert tell(OSError(errno.EMFILE, os.strerror(errno.EMFILE))) == Exit.USAGE
    assert capsys.readouterr().err == (
        "alert: this program: Too many open files; allow more: `ulimit -n 1024`, "
        "or LimitNOFILE=1024 in its systemd unit\n"
    )
