"""Everything a relay can do wrong, at every step, and what the channel makes of it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from time import monotonic

import pytest
from mails import KEYS, channel_to, envelope, send_one
from smtp_relay import DROP, HANG, SmtpRelay

from alerting.channels.email.connection import Connection
from alerting.channels.email.dial import Dialler, Relay
from alerting.channels.email.pool import Pool
from alerting.channels.email.transaction import Transaction
from alerting.model.outcome import Accepted, Deferred, Reason, Rejected, Scope, Unknown

PLAIN = ("8BITMIME",)
BOTH = pytest.mark.parametrize("offers", [("PIPELINING",), PLAIN], ids=["pipelined", "one by one"])


@BOTH
@pytest.mark.parametrize("step", ["connect", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_relay_that_falls_silent_before_the_text_defers_at_the_deadline(step, offers):
    async with SmtpRelay(offers=offers, **{step: HANG}) as relay:
        began = monotonic()
        outcome = await send_one(relay, deadline_s=0.25)
        assert monotonic() - began < 0.75
    assert isinstance(outcome, Deferred)
    assert outcome.reason is (Reason.UNCONNECTED if step in ("connect", "EHLO") else Reason.UNAVAILABLE)
    assert relay.taken == []


@BOTH
async def test_a_relay_that_falls_silent_after_the_text_leaves_it_unknown(offers):
    async with SmtpRelay(offers=offers, text=HANG) as relay:
        outcome = await send_one(relay, deadline_s=0.25)
    assert outcome == Unknown(Reason.TIMEOUT, "text: no reply within 0.25 s")
    assert len(relay.taken) == 1


@BOTH
@pytest.mark.parametrize("step", ["connect", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_relay_that_leaves_before_the_text_defers(step, offers):
    async with SmtpRelay(offers=offers, **{step: DROP}) as relay:
        outcome = await send_one(relay)
    assert isinstance(outcome, Deferred)
    assert outcome.reason.scope is Scope.CHANNEL
    assert len(relay.sessions) == 1


@BOTH
async def test_a_relay_that_leaves_after_the_final_dot_leaves_it_unknown(offers):
    async with SmtpRelay(offers=offers, text=DROP) as relay:
        outcome = await send_one(relay)
    assert isinstance(outcome, Unknown)
    assert len(relay.taken) == 1


async def test_a_drip_is_cut_at_the_total_deadline():
    drip = "<drip>250 2.0.0 " + "very slowly " * 10
    async with SmtpRelay(text=drip) as relay:
        began = monotonic()
        assert isinstance(await send_one(relay, deadline_s=0.25), Unknown)
        assert monotonic() - began < 0.75


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("MAIL", "hello there"),
        ("RCPT", "25"),
        ("DATA", "<html>"),
        ("DATA", "250 certainly"),
        ("RCPT", "299-one\r\n250 two"),
        ("MAIL", "\x00\xff\x80"),
        ("RCPT", "999 many nines"),
        ("DATA", "354 go\r\n250 and an answer nobody asked for"),
    ],
)
@BOTH
async def test_what_nobody_can_read_before_the_text_is_deferred_and_no_text_follows(step, answer, offers):
    async with SmtpRelay(offers=offers, **{step: answer}) as relay:
        outcome = await send_one(relay)
    assert isinstance(outcome, Deferred), outcome
    assert relay.taken == []


@pytest.mark.parametrize("answer", ["what?", "25", "354 go on", "250-never\r\n299 ends", "x" * 70_000])
async def test_what_nobody_can_read_after_the_text_is_unknown(answer):
    async with SmtpRelay(text=answer) as relay:
        outcome = await send_one(relay)
    assert isinstance(outcome, Unknown), outcome
    assert outcome.reason is Reason.UNREADABLE


async def test_replies_of_many_lines_are_one_reply():
    lines = "250-2.0.0 first\r\n250-2.0.0\r\n250 2.0.0 last"
    async with SmtpRelay(MAIL=lines, RCPT=lines, text=lines, connect="220-hello\r\n220 relay") as relay:
        assert isinstance(await send_one(relay), Accepted)


@BOTH
@pytest.mark.parametrize("step", ["connect", "EHLO", "MAIL", "RCPT", "DATA", "text"])
async def test_a_421_defers_and_the_next_mail_gets_a_new_connection(step, offers):
    async with SmtpRelay(offers=offers, **{step: ["421 4.3.2 shutting down"]}) as relay:
        channel = channel_to(relay.port, in_flight=1)
        first = await channel.send(envelope(0))
        second = await channel.send(envelope(1))
        await channel.aclose()
    assert isinstance(first, Deferred), first
    assert first.reason is Reason.UNAVAILABLE
    assert isinstance(second, Accepted)
    assert len(relay.sessions) == 2


@BOTH
async def test_refused_recipients_are_told_apart(offers):
    says = {
        "RCPT p1@example.edu": "550 5.1.1 <p1@example.edu> no such user",
        "RCPT p2@example.edu": "450 4.2.1 busy",
        "RCPT p4@example.edu": "554 5.7.1 relay access denied",
    }
    async with SmtpRelay(offers=offers, **says) as relay:
        channel = channel_to(relay.port, batch=10)
        outcomes = await channel.send_many([envelope(number) for number in range(6)])
        await channel.aclose()
    [taken] = relay.taken
    assert taken.recipients == ["p0@example.edu", "p3@example.edu", "p5@example.edu"]
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [Accepted, Rejected, Deferred, Accepted, Rejected, Accepted]
    assert [outcomes[place].reason for place in (1, 2, 4)] == [
        Reason.INVALID_ADDRESS,
        Reason.UNREACHABLE,
        Reason.UNROUTABLE,
    ]
    assert outcomes[1].detail == "RCPT: 550 5.1.1 <p***@example.edu> no such user"


@BOTH
@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "text"])
async def test_a_refusal_leaves_the_connection_usable(step, offers):
    async with SmtpRelay(offers=offers, **{step: ["554 5.7.1 no"]}) as relay:
        channel = channel_to(relay.port, in_flight=1)
        outcomes = [await channel.send(envelope(number)) for number in range(3)]
        await channel.aclose()
    assert [type(outcome) for outcome in outcomes] == [Rejected, Accepted, Accepted]
    assert len(relay.sessions) == 1
    assert [mail.recipients for mail in relay.taken[-2:]] == [["p1@example.edu"], ["p2@example.edu"]]
    assert relay.lines.count("RSET") == (0 if step == "text" else 1)


async def test_a_relay_that_wants_a_text_for_nobody_gets_an_empty_one():
    async with SmtpRelay(RCPT=["550 5.1.1 no"], DATA=["354 go on all the same"]) as relay:
        channel = channel_to(relay.port, in_flight=1)
        first = await channel.send(envelope(0))
        second = await channel.send(envelope(1))
        await channel.aclose()
    assert isinstance(first, Rejected)
    assert isinstance(second, Accepted)
    assert [mail.recipients for mail in relay.taken] == [["p1@example.edu"]]
    assert len(relay.sessions) == 1


async def test_a_temporary_refusal_after_the_text_is_deferred_for_all():
    async with SmtpRelay(text="451 4.3.0 later") as relay:
        channel = channel_to(relay.port, batch=3)
        outcomes = await channel.send_many([envelope(number) for number in range(3)])
        await channel.aclose()
    assert outcomes == [Deferred(Reason.UNAVAILABLE, detail="text: 451 4.3.0 later")] * 3


async def test_a_lost_answer_is_unknown_for_everybody_in_the_batch_who_was_taken():
    async with SmtpRelay(**{"RCPT p1@example.edu": "550 5.1.1 no", "text": DROP}) as relay:
        channel = channel_to(relay.port, batch=3)
        outcomes = await channel.send_many([envelope(number) for number in range(3)])
        await channel.aclose()
    assert [type(outcome) for outcome in outcomes] == [Unknown, Rejected, Unknown]


async def test_a_connection_that_died_of_old_age_is_replaced_unheard():
    async with SmtpRelay() as relay:
        channel = channel_to(relay.port, in_flight=1)
        await channel.send(envelope(0))
        relay.says["MAIL"] = [DROP]
        outcome = await channel.send(envelope(1))
        await channel.aclose()
    assert isinstance(outcome, Accepted)
    assert len(relay.sessions) == 2
    assert len(relay.taken) == 2


async def test_a_goodbye_between_mails_is_noticed():
    async with SmtpRelay(text=["250 2.0.0 ok\r\n421 4.4.2 idle too long"]) as relay:
        channel = channel_to(relay.port, in_flight=1)
        first = await channel.send(envelope(0))
        await asyncio.sleep(0.05)
        second = await channel.send(envelope(1))
        await channel.aclose()
    assert (type(first), type(second)) == (Accepted, Accepted)
    assert len(relay.sessions) == 2


async def test_a_silent_connection_is_closed_politely():
    async with SmtpRelay() as relay:
        pool = Pool(
            Dialler(Relay(host="127.0.0.1", port=relay.port, tls="none", helo="h")),
            connections=1,
            idle_s=0.05,
        )
        await pool.carry(a_mail())
        await asyncio.sleep(0.2)
        assert relay.sessions[0].lines[-1] == "QUIT"
        assert relay.sessions[0].ended
        await pool.carry(a_mail())
        assert len(relay.sessions) == 2
        await pool.aclose()


def a_mail(number=0):
    return Transaction(
        sender=b"alerts@example.edu",
        recipients=(f"p{number}@example.edu".encode(),),
        text=b"Subject: x\r\n\r\nx\r\n",
        message_id=f"<{KEYS[number]}@example.edu>",
    )


async def test_giving_up_on_a_head_does_not_cost_the_text_before_it():
    """The second mail runs out of time while the first one's answer is still on its way."""
    async with SmtpRelay() as relay:
        relay.delay_s = 0.3
        dialler = Dialler(Relay(host="127.0.0.1", port=relay.port, tls="none", helo="h"))
        connection = Connection(await dialler.dial())
        first, second = a_mail(0), a_mail(1)
        pending = await connection.begin(first)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connection.begin(second)
        second.cut(0.1)
        assert not connection.usable
        await connection.end(first, pending)
        await asyncio.sleep(0.05)
        assert relay.sessions[0].ended
    assert isinstance(first.outcomes[0], Accepted)
    assert isinstance(second.outcomes[0], Deferred)
    assert [mail.recipients for mail in relay.taken] == [["p0@example.edu"]]


async def test_losing_a_text_lets_the_head_behind_it_start_again_elsewhere():
    async with SmtpRelay(text=[DROP]) as relay:
        relay.delay_s = 0.1
        channel = channel_to(relay.port, in_flight=1)
        outcomes = await asyncio.gather(*(channel.send(envelope(number)) for number in range(2)))
        await channel.aclose()
    assert [type(outcome) for outcome in outcomes] == [Unknown, Accepted]
    assert [mail.recipients for mail in relay.taken] == [["p0@example.edu"], ["p1@example.edu"]]


async def test_a_cancelled_send_ends_at_once_and_the_channel_goes_on():
    async with SmtpRelay(DATA=[HANG]) as relay:
        channel = channel_to(relay.port, in_flight=1, deadline_s=30)
        sending = asyncio.create_task(channel.send(envelope(0)))
        await asyncio.sleep(0.1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert isinstance(await channel.send(envelope(1)), Accepted)
        await channel.aclose()
        await channel.aclose()
        assert isinstance(await channel.send(envelope(2)), Deferred)
    assert [mail.recipients for mail in relay.taken] == [["p1@example.edu"]]


async def test_nobody_listening_is_deferred():
    channel = channel_to(1)
    outcome = await channel.send(envelope())
    assert isinstance(outcome, Deferred)
    assert outcome.reason is Reason.UNCONNECTED
    await channel.aclose()


@BOTH
@pytest.mark.parametrize("seed", range(2))
async def test_whatever_goes_wrong_outcomes_never_contradict_what_the_relay_kept(seed, offers):
    """Mails share few connections and overlap; the relay misbehaves at random, at every step."""
    rng = random.Random(seed)
    wrong = {
        "connect": ["421 4.3.2 no"],
        "MAIL": [DROP, "421 4.3.2 bye", "451 4.3.0 later", "garbage", HANG],
        "RCPT": [DROP, "421 4.3.2 bye", "450 4.2.1 busy", "550 5.1.1 no", "garbage", HANG],
        "DATA": [DROP, "421 4.3.2 bye", "451 4.3.0 later", "garbage", HANG],
        "text": [DROP, "421 4.3.2 bye", "451 4.3.0 later", "554 5.6.0 no", HANG],
    }
    says = {
        step: lambda _, bad=bad: rng.choice(bad) if rng.random() < 0.08 else "" for step, bad in wrong.items()
    }
    async with SmtpRelay(offers=offers, **says) as relay:
        channel = channel_to(relay.port, in_flight=3, deadline_s=0.2)
        outcomes = []
        for start in range(0, 72, 12):
            outcomes += await asyncio.gather(*(channel.send(envelope(start + each)) for each in range(12)))
        await channel.aclose()
    kept = Counter(mail.recipients[0] for mail in relay.taken if mail.kept)
    assert {type(outcome) for outcome in outcomes} >= {Accepted, Deferred}
    for number, outcome in enumerate(outcomes):
        times = kept[f"p{number}@example.edu"]
        match outcome:
            case Accepted():
                assert times == 1
            case Deferred() | Rejected():
                assert times == 0
            case Unknown():
                assert times <= 1
