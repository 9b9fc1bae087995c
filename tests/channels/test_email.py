"""Mail as it arrives, and how few words it takes: the channel against a relay that behaves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from mails import KEYS, channel_to, content, envelope
from smtp_relay import SmtpRelay

from alerting.channels.base import BatchChannel, Channel, Lookup, Probe, Surroundings
from alerting.channels.email.channel import build
from alerting.channels.email.config import SmtpConfig
from alerting.clock import FrozenClock
from alerting.model.audience import Address, AddressKind
from alerting.model.outcome import Accepted, Reason, Rejected
from alerting.sandbox.server import Sandbox


@pytest.fixture
async def relay():
    async with SmtpRelay() as running:
        yield running


@pytest.fixture
async def made(relay):
    """Build channels to the relay and close them afterwards."""
    channels = []

    def make(**settings):
        channels.append(channel_to(relay.port, **settings))
        return channels[-1]

    yield make
    for channel in channels:
        await channel.aclose()


async def test_a_mail_arrives_with_every_header_it_needs(relay, made):
    outcome = await made().send(envelope(content=content(html="<p>Run.</p>")))
    [mail] = relay.taken
    message = mail.message
    assert outcome == Accepted(f"<{KEYS[0]}@example.edu>")
    assert message["Message-ID"] == f"<{KEYS[0]}@example.edu>"
    assert (mail.sender, mail.recipients) == ("alerts@example.edu", ["p0@example.edu"])
    assert message["From"] == "Campus Alerts <alerts@example.edu>"
    assert message.get_all("To") == ["p0@example.edu"]
    assert message["Subject"] == "Active threat"
    assert message["Date"].datetime == datetime(2026, 9, 1, 2, 14, 3, tzinfo=UTC)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert (message["Importance"], message["X-Priority"]) == ("high", "1")
    assert not {"Precedence", "List-Unsubscribe", "List-Id", "In-Reply-To", "References"} & set(
        message.keys()
    )
    parts = [part.get_content_type() for part in message.iter_parts()]
    assert parts == ["text/plain", "text/html"]
    assert mail.text == "Run. Hide. Fight.\n"
    assert message.get_body(("html",)).get_content().strip() == "<p>Run.</p>"


async def test_configured_headers_are_there_and_a_drill_is_not_urgent(relay, made):
    channel = made(reply_to="dispatch@example.edu", list_id="alerts.example.edu", from_name="Übung, Süd")
    await channel.send(envelope(live=False))
    message = relay.taken[0].message
    assert message["Reply-To"] == "dispatch@example.edu"
    assert message["List-Id"] == "<alerts.example.edu>"
    assert message["From"].addresses[0].display_name == "Übung, Süd"
    assert not {"Importance", "X-Priority"} & set(message.keys())


async def test_every_attempt_has_the_same_id_and_bytes(relay, made):
    channel = made()
    await channel.send(envelope())
    await channel.send(envelope(attempt=2))
    first, second = (mail.raw for mail in relay.taken)
    assert first == second


async def test_an_update_answers_the_incidents_first_mail(relay, made):
    thread = tuple(f"<{number:032x}@example.edu>" for number in range(20))
    await made().send(envelope(thread=(*thread[:1], "not ours\r\nX-Evil: 1", *thread[1:])))
    message = relay.taken[0].message
    assert message["In-Reply-To"] == thread[-1]
    references = message["References"].split()
    assert (references[0], references[-1], len(references)) == (thread[0], thread[-1], 10)
    assert "X-Evil" not in message


async def test_lines_that_begin_with_dots_arrive_as_they_are(relay, made):
    text = ".\n..\n.hidden\nnormal\n.\n"
    await made().send(envelope(content=content(text)))
    await made().send(envelope(content=content("é" + text)))
    assert [mail.text for mail in relay.taken] == [text, "é" + text]


async def test_other_scripts_need_no_8bit_relay():
    async with SmtpRelay(offers=()) as relay:
        channel = channel_to(relay.port)
        await channel.send(envelope(content=content("Überfall — 逃げて 🏃", "Überfall 逃げて")))
        await channel.aclose()
        [mail] = relay.taken
    assert mail.raw.isascii()
    assert (mail.text, mail.message["Subject"]) == ("Überfall — 逃げて 🏃\n", "Überfall 逃げて")
    assert not any("BODY=" in line or "SMTPUTF8" in line for line in relay.lines)


async def test_a_domain_in_another_script_is_written_in_ascii(relay, made):
    await made().send(envelope(address=Address(AddressKind.EMAIL, "ann@bücher.example")))
    assert relay.taken[0].recipients == ["ann@xn--bcher-kva.example"]
    assert relay.taken[0].message["To"] == "ann@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "mailbox",
    [
        "ann@example.edu>\r\nDATA",
        "ann@example.edu\r\nBcc: eve@example.org",
        "ann@example.edu, eve@example.org",
        "ann <ann@example.edu>",
        "änn@example.edu",
        "ann",
        "@example.edu",
        "a" * 65 + "@example.edu",
        "ann@example.edu\n",
    ],
)
async def test_a_mailbox_that_could_break_out_never_reaches_the_relay(relay, made, mailbox):
    outcome = await made().send(envelope(address=Address(AddressKind.EMAIL, mailbox)))
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Reason.INVALID_ADDRESS
    assert relay.sessions == []


async def test_a_phone_number_is_not_a_mailbox(made):
    outcome = await made().send(envelope(address=Address.parse("phone:+15550100")))
    assert outcome.reason is Reason.INVALID_ADDRESS


async def test_bounces_name_their_delivery_with_verp(relay, made):
    await made(envelope_sender="bounces@example.edu", verp=True).send(envelope(7))
    assert relay.taken[0].sender == f"bounces+{KEYS[7]}@example.edu"
    assert relay.taken[0].message["From"].addresses[0].addr_spec == "alerts@example.edu"


async def test_a_pipelined_mail_takes_two_packets_on_one_connection(relay, made):
    channel = made()
    for number in range(5):
        await channel.send(envelope(number))
    [session] = relay.sessions
    hello, *mails = session.packets
    assert hello == b"EHLO example.edu\r\n"
    assert len(mails) == 10
    assert mails[0].count(b"\r\n") == 3
    assert mails[1].endswith(b"\r\n.\r\n")


async def test_a_busy_connection_introduces_the_next_mail_before_the_last_is_answered():
    async with SmtpRelay() as relay:
        channel = channel_to(relay.port, in_flight=1)
        relay.delay_s = 0.05
        outcomes = await asyncio.gather(*(channel.send(envelope(number)) for number in range(6)))
        await channel.aclose()
    assert [outcome.provider_id for outcome in outcomes] == [f"<{key}@example.edu>" for key in KEYS[:6]]
    [session] = relay.sessions
    assert [mail.recipients[0] for mail in relay.taken] == [f"p{number}@example.edu" for number in range(6)]
    assert session.verbs()[1:] == [*["MAIL", "RCPT", "DATA"] * 6, "QUIT"]


async def test_without_pipelining_every_command_waits_its_turn():
    async with SmtpRelay(offers=("8BITMIME",)) as relay:
        channel = channel_to(relay.port, in_flight=1)
        outcomes = await asyncio.gather(*(channel.send(envelope(number)) for number in range(3)))
        await channel.aclose()
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    [session] = relay.sessions
    assert session.packets[1:4] == [
        b"MAIL FROM:<alerts@example.edu>\r\n",
        b"RCPT TO:<p0@example.edu>\r\n",
        b"DATA\r\n",
    ]


async def test_connections_open_as_needed_and_never_more_than_allowed(relay, made):
    channel = made(in_flight=3)
    assert channel.capabilities.in_flight == 6
    await channel.send(envelope())
    assert len(relay.sessions) == 1
    relay.delay_s = 0.02
    await asyncio.gather(*(channel.send(envelope(number)) for number in range(30)))
    assert len(relay.sessions) == 3
    assert len(relay.taken) == 31


async def test_a_connection_retires_after_a_hundred_mails(relay, made):
    channel = made(in_flight=1)
    outcomes = await asyncio.gather(*(channel.send(envelope(number)) for number in range(201)))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert [session.verbs().count("MAIL") for session in relay.sessions] == [100, 100, 1]
    assert [session.lines[-1] for session in relay.sessions[:2]] == ["QUIT", "QUIT"]


async def test_what_is_configured_is_what_lanes_and_planning_are_told(made):
    one, many = made(rate_per_s=40, deadline_s=7), made(batch=20)
    assert isinstance(one, Channel)
    assert isinstance(one, Probe)
    assert not isinstance(one, Lookup)
    assert not isinstance(one, BatchChannel)
    assert isinstance(many, BatchChannel)
    assert (one.capabilities.max_batch, many.capabilities.max_batch) == (1, 20)
    can = one.capabilities
    assert (can.address_kind, can.rate_per_s, can.deadline.total_seconds()) == (AddressKind.EMAIL, 40, 7)
    assert can.shape.slots == ("email", "message")
    assert (can.shape.limit, can.shape.subject, can.shape.html, can.receipts) == (100_000, True, True, False)


async def test_a_batch_is_one_message_whose_id_does_not_depend_on_company(relay, made):
    channel = made(batch=50, list_address="everyone@example.edu")
    outcomes = await channel.send_many([envelope(number) for number in range(50)])
    again = await channel.send_many([envelope(3), envelope(7)])
    alone = await channel.send(envelope(7, attempt=3))
    ids = {outcome.provider_id for outcome in (*outcomes, *again, alone)}
    assert len(outcomes) == 50
    assert len(ids) == 1
    assert [len(mail.recipients) for mail in relay.taken] == [50, 2, 1]
    assert {mail.message["Message-ID"] for mail in relay.taken} == ids
    assert relay.taken[0].message["To"] == "everyone@example.edu"
    other = await channel.send(envelope(7)._replace(expires_at=datetime(2027, 1, 1, tzinfo=UTC)))
    assert other.provider_id not in ids


async def test_a_batch_without_a_list_address_shows_nobody(relay, made):
    await made(batch=5).send_many([envelope(1), envelope(2)])
    message = relay.taken[0].message
    assert message["To"].groups[0].display_name == "undisclosed-recipients"
    assert b"p1@" not in relay.taken[0].raw


async def test_a_bad_mailbox_in_a_batch_costs_the_others_nothing(relay, made):
    bad = envelope(2, address=Address(AddressKind.EMAIL, "nobody"))
    outcomes = await made(batch=5).send_many([envelope(1), bad, envelope(3)])
    assert [type(outcome) for outcome in outcomes] == [Accepted, Rejected, Accepted]
    assert relay.taken[0].recipients == ["p1@example.edu", "p3@example.edu"]
    assert await made(batch=5).send_many([bad]) == [outcomes[1]]


async def test_the_sandbox_takes_the_place_of_the_relay_without_a_login():
    async with Sandbox() as sandbox:
        house = Surroundings(
            clock=FrozenClock(), campus="Example University", smtp=(sandbox.smtp_host, sandbox.smtp_port)
        )
        config = SmtpConfig(**{"name": "mail", "host": "smtp.example.invalid", "from": "alerts@example.edu"})
        channel = build(config, house)
        outcomes = await asyncio.gather(*(channel.send(envelope(number)) for number in range(40)))
        await channel.aclose()
        mails = sandbox.world.mails
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert {mail.message["To"] for mail in mails} == {f"p{number}@example.edu" for number in range(40)}
    assert {mail.message["Message-ID"] for mail in mails} == {outcome.provider_id for outcome in outcomes}
