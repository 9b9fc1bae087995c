"""One lost token silences its own channel only: the officer is told what still works, and it does."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PREVIEW = ("preview", "gas-leak", "-v", "place=Baker Hall")


@pytest.fixture
def tokens(alert):
    """Return credentials without some of them."""
    return lambda *lost: {name: word for name, word in alert.credentials.items() if name not in lost}


def test_the_error_names_the_channels_that_could_send_and_the_words_to_type(alert, tokens):
    done = alert(*PREVIEW, env=tokens("X_ACCESS_TOKEN"))

    assert done.returncode == 2
    assert "x-campus.access_token: the variable X_ACCESS_TOKEN is not set" in done.stderr
    assert "facebook-campus, sms-main, email-main could send now" in done.stderr
    assert "--without x-campus" in done.stderr


def test_the_words_of_the_error_work_as_they_stand(alert, tokens):
    env = tokens("X_ACCESS_TOKEN", "FACEBOOK_PAGE_TOKEN")
    [way_out] = [line for line in alert(*PREVIEW, env=env).stderr.splitlines() if "--without" in line]
    word = way_out.rpartition("--without ")[2]

    done = alert(*PREVIEW, "--without", word, env=env)

    assert done.returncode == 0, done.stderr
    assert "sms-main (sms.twilio)" in done.stdout
    assert "x-campus (x)" not in done.stdout
    assert "! x-campus is left out: nobody is told there" in done.stdout
    assert "! facebook-campus is left out: nobody is told there" in done.stdout


def test_only_a_rehearsal_is_offered_when_no_channel_is_complete(alert):
    done = alert(*PREVIEW)

    assert done.returncode == 2
    assert "could send now" not in done.stderr
    assert done.stderr.endswith("to rehearse, without any account: alert --sandbox ...\n")


def test_a_fallback_that_is_left_out_takes_nothing_over(alert, tokens):
    done = alert("--without", "email-main", *PREVIEW, "--json", env=tokens("SMTP_PASSWORD"))

    assert done.returncode == 0, done.stderr
    assert '"email-main"' not in done.stdout


def test_a_channel_that_does_not_exist_cannot_be_left_out(alert, tokens):
    done = alert("--without", "x-campsu", *PREVIEW, env=tokens())

    assert done.returncode == 2
    assert 'no channel "x-campsu"; write x-campus' in done.stderr


def test_a_drill_goes_by_all_its_channels(alert, tokens, home):
    shutil.copy(ROOT / "drills.yaml", home)

    done = alert("--without", "x-campus", "drill", "plan", "monthly-test", env=tokens())

    assert done.returncode == 2
    assert "a drill goes by all its channels" in done.stderr
