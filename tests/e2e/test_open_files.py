"""A process may have only so many files and connections open: what that does to an alert, and what is said."""

import functools
import json
import resource

from campus import slow


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
