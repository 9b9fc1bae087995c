"""From an alert down to one address: found however it is typed, masked, and never looked at unseen."""

import json

import pytest

PHONES = ("+15550000000", "+15550000001", "+15550000002")


@pytest.fixture
def look(alert, recorded):
    """Ask for people of the recorded alert, without any token."""

    def run(words, *options, code=0):
        done = alert("status", recorded, "--people", words, *options)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def found(done):
    *rows, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert last["kind"] == "people"
    assert last["shown"] == len(rows)
    return [row["address"][-4:] for row in rows]


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        ("all", ["0000", "0001", "0002"]),
        ("failed", ["0000", "0002"]),
        ("rejected", ["0002"]),
        ("Failed, sms-main", ["0000", "0002"]),
        ("undelivered,accepted", ["0000", "0001"]),
        ("taken", ["0000", "0001"]),
        ("waiting", []),
        ("email-main", []),
        ("+15550000001", ["0001"]),
        ("phone:+15550000001", ["0001"]),
        ("(555) 000-0002", ["0002"]),
        ("0002,0001", ["0001", "0002"]),
        ("accepted,0002", []),
        ("nobody@example.edu", []),
    ],
)
def test_people_are_found_by_state_channel_and_address_however_it_is_typed(look, words, ends):
    assert found(look(words, "--json")) == ends


def test_addresses_are_masked_also_in_a_provider_s_words(look):
    done = look("failed")

    assert "sms-main    phone:+15***0002            rejected" in done.stdout
    assert "*** is not a mobile number" in done.stdout
    assert "2 messages of L-7K2QXD; addresses are masked" in done.stderr
    assert not any(phone in done.stdout + done.stderr for phone in (*PHONES, "ann@example.edu"))


def test_who_looks_at_addresses_is_written_down_first_and_without_the_address(look, alert, recorded):
    done = look("rejected,+15550000002", "--unmask")
    assert "phone:+15550000002" in done.stdout

    acts = [
        json.loads(line)
        for line in alert("audit", "log", recorded, "--json", env=alert.credentials).stdout.splitlines()
    ]
    act = acts[-1]
    assert (act["action"], act["subject"]) == ("people.looked_at", recorded)
    assert act["actor"]
    body = json.loads(act["body"])
    assert (body["states"], body["channels"]) == (["rejected"], [])
    assert [len(part) for part in body["sought"]] == [32]
    assert "5550000002" not in act["body"]
    assert alert("audit", "verify").returncode == 0


def test_looking_with_masks_is_not_written_down(look, alert, recorded):
    look("all")

    log = alert("audit", "log", recorded, "--json", env=alert.credentials).stdout
    assert "people.looked_at" not in log


def test_what_nobody_can_write_down_is_not_shown(look, home):
    """The audit's key is gone, and its place is taken by something else."""
    (home / "state" / "audit.key").mkdir()

    done = look("all", "--unmask", code=75)
    assert not any(phone in done.stdout for phone in PHONES)


def test_a_mistyped_state_is_named_and_nothing_is_refused(look):
    done = look("rejectd")

    assert "Nobody of L-7K2QXD fits 'rejectd'." in done.stdout
    assert "Did you mean rejected?" in done.stderr


def test_words_that_could_steer_a_terminal_are_shown_as_text(look):
    done = look("\x1b[2Jx")

    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("words", [(" ",), (",", "--json")])
def test_an_empty_filter_says_what_to_write(look, words):
    done = look(*words, code=2)

    assert "--people: is empty; write a state, a channel, or part of an address" in done.stderr


def test_without_an_id_it_is_the_newest_alert(alert, recorded):
    done = alert("status", "--people", "all", "--json")

    assert json.loads(done.stdout.splitlines()[-1])["alert"] == recorded
