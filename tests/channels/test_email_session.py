"""Opening a session with a relay: login, TLS, the check, and taking the connection over."""

from __future__ import annotations

import asyncio

import pytest
from mails import LOGIN, channel_to, envelope, send_one
from smtp_relay import CERTIFICATE, DROP, HANG, SmtpRelay

from alerting.channels.email import dial
from alerting.model.outcome import Accepted, Deferred, Reason, Rejected
from alerting.secret import Secret


async def test_a_refused_login_is_the_channels_trouble_and_is_tried_once_a_connection():
    async with SmtpRelay(offers=("AUTH PLAIN LOGIN CRAM-MD5",), AUTH="535 5.7.8 wrong password") as relay:
        outcome = await send_one(relay, **LOGIN)
    assert outcome == Rejected(Reason.AUTH, "AUTH: 535 5.7.8 wrong password")
    assert [line for line in relay.lines if line.startswith("AUTH")] == [
        "AUTH PLAIN AGFsZXJ0cwBodW50ZXIyLWNhbmFyeQ=="
    ]
    assert "hunter2" not in repr(outcome)


async def test_a_relay_without_a_login_we_know_is_told_so():
    async with SmtpRelay(offers=("AUTH NTLM",)) as relay:
        outcome = await send_one(relay, **LOGIN)
    assert outcome == Rejected(Reason.AUTH, "AUTH: no login that we can do; the relay offers ntlm")


async def test_a_login_that_fails_for_now_is_deferred():
    async with SmtpRelay(offers=("AUTH LOGIN",), AUTH="454 4.7.0 busy") as relay:
        assert isinstance(await send_one(relay, **LOGIN), Deferred)


async def test_a_token_logs_in_with_xoauth2():
    async with SmtpRelay(offers=("AUTH XOAUTH2 PLAIN",)) as relay:
        outcome = await send_one(relay, username="alerts", oauth_token=Secret("canary"))
    assert isinstance(outcome, Accepted)
    assert relay.lines[1].startswith("AUTH XOAUTH2 ")


VARIABLES = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("variable", VARIABLES)
async def test_mail_crosses_tls_with_a_certificate_the_campus_trusts(tls, variable, monkeypatch):
    for each in VARIABLES:
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(variable, str(CERTIFICATE))
    async with SmtpRelay(tls=tls, offers=("PIPELINING", "STARTTLS", "AUTH PLAIN")) as relay:
        channel = channel_to(relay.port, tls=tls, **LOGIN)
        outcomes = await asyncio.gather(*(channel.send(envelope(number)) for number in range(30)))
        await channel.aclose()
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert all(session.encrypted for session in relay.sessions)
    assert len(relay.taken) == 30


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_certificate_nobody_trusts_sends_nothing(tls):
    async with SmtpRelay(tls=tls, offers=("STARTTLS", "AUTH PLAIN")) as relay:
        outcome = await send_one(relay, tls=tls, **LOGIN)
    assert isinstance(outcome, Deferred)
    assert outcome.reason is Reason.UNCONNECTED
    assert "certificate" in outcome.detail.lower()
    assert not any(line.startswith(("AUTH", "MAIL")) for line in relay.lines)


@pytest.mark.parametrize(
    "says", [{}, {"STARTTLS": "454 4.7.0 not now"}, {"STARTTLS": "what?"}, {"STARTTLS": DROP}]
)
async def test_a_relay_without_tls_gets_neither_the_password_nor_the_mail(says):
    offers = ("STARTTLS", "AUTH PLAIN") if says else ("AUTH PLAIN",)
    async with SmtpRelay(offers=offers, **says) as relay:
        outcome = await send_one(relay, tls="starttls", **LOGIN)
    assert isinstance(outcome, Deferred)
    assert outcome.reason is Reason.UNCONNECTED
    assert not any(line.startswith(("AUTH", "MAIL")) for line in relay.lines)


async def test_a_certificate_bundle_that_is_not_there_is_deferred(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/campus.pem")
    async with SmtpRelay(offers=("STARTTLS",)) as relay:
        outcome = await send_one(relay, tls="starttls")
    assert isinstance(outcome, Deferred)
    assert outcome.reason is Reason.UNCONNECTED


async def test_a_check_says_step_by_step_what_is_fine_and_sends_nothing():
    async with SmtpRelay(offers=("AUTH PLAIN",)) as relay:
        found = await channel_to(relay.port, **LOGIN).check()
    assert [(check.what, check.ok) for check in found] == [
        ("connect", True),
        ("login", True),
        ("sender", True),
    ]
    assert relay.sessions[0].verbs() == ["EHLO", "AUTH", "MAIL", "RSET", "QUIT"]
    assert relay.taken == []


@pytest.mark.parametrize(
    ("says", "settings", "failed"),
    [
        ({"connect": "554 5.3.2 go away"}, {}, "connect"),
        ({"connect": HANG}, {"deadline_s": 0.25}, "connect"),
        ({"EHLO": "421 4.3.2 bye"}, {}, "connect"),
        ({}, {"tls": "starttls"}, "encrypt"),
        ({"AUTH": "535 5.7.8 no"}, LOGIN, "login"),
        ({"MAIL": "550 5.7.60 not yours"}, LOGIN, "sender"),
        ({"MAIL": DROP}, LOGIN, "sender"),
    ],
)
async def test_a_check_ends_at_the_first_thing_that_fails_and_says_what_to_do(says, settings, failed):
    async with SmtpRelay(offers=("AUTH PLAIN",), **says) as relay:
        *passed, last = await channel_to(relay.port, **settings).check()
    assert (last.what, last.ok) == (failed, False)
    assert last.detail
    assert last.fix
    assert all(check.ok for check in passed)


async def test_the_transport_taken_from_aiosmtplib_answers_to_us():
    """What the hand-over rests on: ``SMTP.transport`` is the one in use, and it takes another protocol."""
    import aiosmtplib

    async with SmtpRelay() as relay:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=relay.port, start_tls=False)
        await client.connect()
        await client.ehlo()
        transport = client.transport
        session = dial.hand_over(client)
        assert transport.get_protocol() is session.wire
        assert session.pipelining
        [reply] = await session.wire.ask(b"NOOP\r\n", 1)
        assert reply.ok
        session.wire.drop()
        await session.wire.closed
