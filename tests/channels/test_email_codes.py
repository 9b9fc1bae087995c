"""What replies mean, and what a configuration may say."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alerting.channels.email.codes import BY_STEP, CODES, REASONS, REASONS_FOR_NOW, Reply, Step, refusal
from alerting.channels.email.config import SmtpConfig
from alerting.channels.email.transaction import Transaction
from alerting.model.outcome import Accepted, Deferred, Reason, Rejected, Scope, Unknown
from alerting.secret import Secret


@pytest.mark.parametrize(
    ("step", "code", "text", "reason"),
    [
        (Step.RECIPIENT, 550, "5.1.1 no such user", Reason.INVALID_ADDRESS),
        (Step.RECIPIENT, 550, "no such user", Reason.INVALID_ADDRESS),
        (Step.RECIPIENT, 552, "5.2.2 over quota", Reason.UNREACHABLE),
        (Step.RECIPIENT, 550, "5.7.1 blocked", Reason.BLOCKED),
        (Step.RECIPIENT, 554, "blocked", Reason.BLOCKED),
        (Step.RECIPIENT, 554, "5.7.1 <a@b.example>: Relay access denied", Reason.UNROUTABLE),
        (Step.RECIPIENT, 550, "5.7.54 SMTP; Unable to relay recipient", Reason.UNROUTABLE),
        (Step.RECIPIENT, 530, "5.7.57 Client was not authenticated", Reason.AUTH),
        (Step.RECIPIENT, 556, "5.1.10 null MX", Reason.INVALID_ADDRESS),
        (Step.SENDER, 550, "5.1.8 no such domain", Reason.SENDER_INVALID),
        (Step.SENDER, 553, "not owned", Reason.SENDER_INVALID),
        (Step.SENDER, 530, "5.7.0 Must issue a STARTTLS command first", Reason.AUTH),
        (Step.SENDER, 552, "5.3.4 too big", Reason.TOO_LONG),
        (Step.SENDER, 550, "5.4.5 Daily user sending limit exceeded", Reason.RATE_LIMITED),
        (Step.TEXT, 554, "5.7.60 SendAsDenied", Reason.SENDER_INVALID),
        (Step.TEXT, 554, "5.7.1 spam", Reason.CONTENT_REFUSED),
        (Step.TEXT, 554, "spam", Reason.CONTENT_REFUSED),
        (Step.TEXT, 550, "5.7.26 not authenticated by SPF or DKIM", Reason.SENDER_UNREGISTERED),
        (Step.TEXT, 552, "too big", Reason.TOO_LONG),
        (Step.LOGIN, 535, "5.7.8 bad", Reason.AUTH),
        (Step.LOGIN, 550, "5.7.30 Basic authentication is not supported", Reason.AUTH),
        (Step.GREETING, 554, "no service for you", Reason.FORBIDDEN),
        (Step.DATA, 503, "5.5.1 bad sequence", Reason.BAD_REQUEST),
    ],
)
def test_a_permanent_refusal_is_read_by_where_it_is_said(step, code, text, reason):
    outcome = refusal(step, Reply(code, text))
    assert isinstance(outcome, Rejected)
    assert outcome.reason is reason


@pytest.mark.parametrize(
    ("step", "code", "text", "reason"),
    [
        (Step.RECIPIENT, 450, "4.7.1 greylisted", Reason.UNREACHABLE),
        (Step.RECIPIENT, 451, "try later", Reason.UNREACHABLE),
        (Step.RECIPIENT, 452, "4.2.2 mailbox full", Reason.UNREACHABLE),
        (Step.RECIPIENT, 452, "4.5.3 too many recipients", Reason.RATE_LIMITED),
        (Step.RECIPIENT, 452, "too many recipients", Reason.RATE_LIMITED),
        (Step.RECIPIENT, 552, "too many recipients", Reason.RATE_LIMITED),
        (Step.RECIPIENT, 452, "4.3.1 disk full", Reason.QUEUE_FULL),
        (Step.RECIPIENT, 451, "4.3.0 down", Reason.UNAVAILABLE),
        (Step.TEXT, 454, "Throttling failure: Maximum sending rate exceeded.", Reason.RATE_LIMITED),
        (Step.TEXT, 451, "4.3.0 down", Reason.UNAVAILABLE),
        (Step.GREETING, 421, "4.7.0 Error: too many connections from 192.0.2.1", Reason.RATE_LIMITED),
        (Step.GREETING, 421, "4.3.2 down", Reason.UNAVAILABLE),
        (Step.SENDER, 354, "what?", Reason.UNREADABLE),
        (Step.SENDER, 0, "what?", Reason.UNREADABLE),
    ],
)
def test_a_refusal_for_now_is_deferred(step, code, text, reason):
    outcome = refusal(step, Reply(code, text))
    assert isinstance(outcome, Deferred)
    assert outcome.reason is reason


def test_an_enhanced_status_of_another_class_than_its_reply_is_not_believed():
    assert Reply(550, "4.1.1 odd").status == ""
    assert Reply(550, "5.1.1 fine").status == "1.1"
    assert Reply(550, "5.1.1fine").status == ""


def test_one_persons_trouble_is_never_the_channels():
    for reply in (Reply(550, "no"), Reply(550, "5.1.1 no"), Reply(554, "5.7.1 no"), Reply(450, "4.2.1 no")):
        assert refusal(Step.RECIPIENT, reply).reason.scope is Scope.ADDRESS


def test_every_step_has_a_meaning_for_a_refusal_nobody_knows():
    assert set(BY_STEP) == set(Step)
    assert all(400 < code < 600 for code in CODES)
    assert all(status.count(".") == 1 for status in (*REASONS, *REASONS_FOR_NOW))


@given(step=st.sampled_from(Step), code=st.integers(0, 999), text=st.text())
def test_whatever_a_relay_says_its_words_are_shown_on_one_line_with_mailboxes_masked(step, code, text):
    outcome = refusal(step, Reply(code, f"{text} <ann.lee@example.edu> {text}"))
    assert isinstance(outcome, Rejected | Deferred)
    assert outcome.detail.isprintable()
    assert len(outcome.detail) <= 200
    assert "ann.lee@" not in outcome.detail


@given(
    replies=st.lists(st.sampled_from([0, 250, 354, 421, 450, 451, 503, 550, 554]), max_size=5),
    final=st.none() | st.sampled_from([0, 250, 354, 421, 451, 554]),
)
def test_a_mail_is_accepted_only_by_a_yes_to_its_text_and_unknown_only_after_it(replies, final):
    mail = Transaction(sender=b"s@x", recipients=(b"a@x", b"b@x", b"c@x"), text=b"", message_id="<k@x>")
    go_on = mail.answered([Reply(code, "") for code in replies])
    if go_on:
        assert replies[-1] == 354
        assert replies[0] == 250
        mail.finished(None if final is None else Reply(final, ""))
    outcomes = mail.outcomes
    assert len(outcomes) == 3
    for place, outcome in enumerate(outcomes):
        taken = go_on and replies[place + 1] == 250
        assert isinstance(outcome, Accepted) == (taken and final == 250)
        assert isinstance(outcome, Unknown) == (taken and final in (None, 0, 354))


def settings(**changes):
    given = {"name": "mail", "host": "smtp.example.edu", "from": "alerts@Example.EDU"}
    return SmtpConfig.model_validate({**given, **changes})


def test_a_relay_needs_little_configuration():
    made = settings()
    assert (made.kind, made.tls, made.relay_port, made.batch) == ("email.smtp", "starttls", 587, 1)
    assert (made.mailbox, made.sender, made.domain) == (
        "alerts@example.edu",
        "alerts@example.edu",
        "example.edu",
    )
    assert (settings(tls="implicit").relay_port, settings(tls="none").relay_port) == (465, 25)
    assert settings(port=2525).relay_port == 2525


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"host": "smtp example"}, "not a host name"),
        ({"host": ""}, "at least 1 character"),
        ({"helo_name": "a b\r\nRSET"}, "not a host name"),
        ({"message_id_domain": "x>y"}, "not a host name"),
        ({"list_id": "<alerts>"}, "not a host name"),
        ({"from": "alerts"}, "not a mail address"),
        ({"reply_to": "x\r\nBcc: y@example.edu"}, "not a mail address"),
        ({"from_name": "a\nb"}, "write it on one line"),
        ({"batch": 51}, "less than or equal to 50"),
        ({"verp": True, "batch": 2}, "write verp: false, or batch: 1"),
        ({"verp": True, "envelope_sender": "b" * 32 + "@example.edu"}, "no room for a key"),
        ({"username": "u"}, "half a login"),
        ({"password": Secret("p")}, "half a login"),
        ({"username": "u", "password": Secret("p"), "oauth_token": Secret("t")}, "keep one of them"),
        ({"username": "u", "password": Secret("p"), "tls": "none"}, "cross the network in clear"),
        ({"tls": "maybe"}, "'none', 'starttls' or 'implicit'"),
        ({"base_url": "http://127.0.0.1"}, "write host and port"),
        ({"hots": "x"}, "Extra inputs"),
    ],
)
def test_a_mistake_in_the_configuration_is_told_with_what_to_write(changes, words):
    with pytest.raises(ValidationError) as caught:
        settings(**changes)
    assert words in str(caught.value)


def test_reading_the_configuration_and_building_a_channel_load_no_mail_library():
    code = (
        "import sys\n"
        "from alerting.channels.email.config import SmtpConfig\n"
        "assert not {'aiosmtplib', 'asyncio'} & set(sys.modules)\n"
        "import alerting.channels.email.channel\n"
        "assert 'aiosmtplib' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
