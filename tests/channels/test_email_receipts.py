"""Mail about mail: bounces, delivery reports, complaints, and everything else mail servers send."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smtp_relay import CERTIFICATE, SmtpRelay

from alerting.channels.base import MailReader, Surroundings
from alerting.channels.email import naming
from alerting.channels.email.channel import build
from alerting.channels.email.config import SmtpConfig
from alerting.clock import FrozenClock
from alerting.model.receipt import ReceiptStatus
from alerting.secret import Secret
from alerting.testing.builders import an_envelope

KEY = "0123456789abcdef0123456789abcdef"
OURS = f"<{KEY}.1024@example.edu>"
TAG = f"{KEY[:20]}.1024"


def channel(**more):
    given = {"name": "mail", "host": "smtp.example.edu", "from": "alerts@example.edu", **more}
    return build(SmtpConfig(**given), Surroundings(clock=FrozenClock(), campus="Example"))


def bounce(
    *,
    action="failed",
    status="5.1.1",
    to="alerts@example.edu",
    final="rfc822; ann@example.edu",
    original=f"Message-ID: {OURS}",
    extra="",
    kind="text/rfc822-headers",
    more="",
):
    return f"""Return-Path: <>
Message-ID: <bounce1@mx.example.net>
To: {to}
From: MAILER-DAEMON@mx.example.net
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain

This is the mail system. Sorry.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Arrival-Date: Tue, 1 Sep 2026 02:14:03 +0000

Final-Recipient: {final}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {status} <ann@example.edu>: no such user
{extra}
{more}
--B
Content-Type: {kind}

{original}
To: ann@example.edu
Subject: ALERT

--B--
""".encode()


def read(raw, **more):
    return channel(**more).read_mail(raw)


def test_a_bounce_names_the_delivery_by_the_mail_that_came_back():
    (receipt,) = read(bounce())
    assert (receipt.channel, receipt.status, receipt.key) == (
        "mail",
        ReceiptStatus.UNDELIVERED,
        f"{KEY}.1024",
    )
    assert (receipt.provider_id, receipt.address) == (OURS, "email:ann@example.edu")
    assert receipt.reason == "invalid_address"
    assert "ann@" not in receipt.detail
    assert "5.1.1" in receipt.detail


def test_a_whole_mail_that_came_back_is_read_too():
    (receipt,) = read(bounce(kind="message/rfc822"))
    assert receipt.key == f"{KEY}.1024"


@pytest.mark.parametrize("header", ["Delivered-To", "X-Original-To"])
def test_a_bounce_names_the_delivery_by_whom_it_came_for(header):
    raw = bounce(original="Subject: gone").replace(
        b"Return-Path", f"{header}: alerts+{TAG}@example.edu\nReturn-Path".encode()
    )
    (receipt,) = read(raw)
    assert receipt.key == TAG


@pytest.mark.parametrize("to", [
    f"alerts+{TAG}@example.org", f"other+{TAG}@example.edu", "alerts+hello@example.edu", f"xalerts+{TAG}@example.edu",
])  # fmt: skip
def test_a_tag_of_somebody_else_s_is_none(to):
    (receipt,) = read(bounce(to=to, original="Subject: gone"))
    assert (receipt.key, receipt.address) == ("", "email:ann@example.edu")


@pytest.mark.parametrize(("action", "status", "expected", "reason"), [
    ("failed", "5.1.1", ReceiptStatus.UNDELIVERED, "invalid_address"),
    ("failed", "5.2.2", ReceiptStatus.UNDELIVERED, "unreachable"),
    ("failed", "5.9.9", ReceiptStatus.UNDELIVERED, "unreachable"),
    ("failed", "4.4.7", ReceiptStatus.UNDELIVERED, "unreachable"),
    ("delayed", "4.4.1", ReceiptStatus.QUEUED, ""),
    ("delivered", "2.0.0", ReceiptStatus.DELIVERED, ""),
    ("relayed", "2.0.0", ReceiptStatus.SENT, ""),
    ("expanded", "2.0.0", ReceiptStatus.SENT, ""),
    ("Failed", "5.7.1", ReceiptStatus.UNDELIVERED, "unreachable"),
    ("", "5.1.1", ReceiptStatus.UNDELIVERED, "invalid_address"),
    ("exploded", "4.2.2", ReceiptStatus.QUEUED, ""),
])  # fmt: skip
def test_hard_and_soft_are_told_apart_by_action_and_status(action, status, expected, reason):
    (receipt,) = read(bounce(action=action, status=status))
    assert (receipt.status, receipt.reason) == (expected, reason)


def test_a_report_about_several_people_names_each_by_address():
    second = "\nFinal-Recipient: rfc822; bob@example.edu\nAction: delayed\nStatus: 4.4.1\n"
    first, other = read(bounce(more=second))
    assert (first.address, first.key) == ("email:ann@example.edu", "")
    assert (other.address, other.status) == ("email:bob@example.edu", ReceiptStatus.QUEUED)
    assert first.dedupe != other.dedupe


def test_the_original_recipient_counts_where_mail_was_forwarded():
    (receipt,) = read(
        bounce(extra="Original-Recipient: rfc822;Ann@Example.EDU", final="rfc822; x@elsewhere.example.org")
    )
    assert receipt.address == "email:Ann@example.edu"


def test_the_same_report_twice_is_one_event():
    assert read(bounce())[0].dedupe == read(bounce())[0].dedupe


def complaint(kind="abuse", fields=""):
    return f"""Message-ID: <arf1@example.net>
To: alerts@example.edu
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: text/plain

This is an abuse report.

--B
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Feedback/1.0
Version: 1
Original-Rcpt-To: <ann@example.edu>
{fields}
--B
Content-Type: message/rfc822

Message-ID: {OURS}
Subject: ALERT

hello
--B--
""".encode()


def test_a_complaint_is_heard():
    (receipt,) = read(complaint())
    assert (receipt.status, receipt.key) == (ReceiptStatus.COMPLAINED, f"{KEY}.1024")
    assert receipt.address == "email:ann@example.edu"


def test_not_spam_is_no_complaint():
    assert read(complaint("not-spam")) == ()


@pytest.mark.parametrize("raw", [
    b"", b"Subject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nBack on Monday.", b"\xff\xfe\x00", b"\r\n" * 1000,
    b"Content-Type: multipart/report; report-type=delivery-status\r\n\r\nno boundary",
    b"Content-Type: message/delivery-status\r\n\r\nStatus: 5.1.1",
], ids=range(6))  # fmt: skip
def test_anything_else_says_nothing(raw):
    assert read(raw) == ()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 900), st.integers(0, 300))
def test_no_mail_brings_it_down(junk, place, cut):
    whole = bounce()
    for raw in (junk, whole[:place] + junk + whole[place + cut :], complaint()[:place] + junk):
        for receipt in read(raw):
            assert receipt.status in ReceiptStatus


def test_what_a_mail_says_of_itself_comes_back():
    envelope = an_envelope(key=KEY)._replace(ref="1024")
    assert naming.message_id(envelope, "example.edu") == OURS
    assert naming.tag(envelope) == TAG
    assert naming.tag_of(f"<alerts+{TAG}@EXAMPLE.edu>", "alerts@example.edu") == TAG
    assert naming.handle_of(OURS, "example.edu") == f"{KEY}.1024"
    assert len(naming.tag(envelope._replace(ref="9" * 11))) <= 32
    assert len(naming.tag(envelope._replace(ref="9" * 19))) <= 32


@pytest.mark.parametrize(
    "identifier", [f"<{KEY}@example.edu>", f"<{KEY}.1@evil.example>", "<x@example.edu>", ""]
)
def test_a_shared_or_foreign_message_id_is_no_handle(identifier):
    assert naming.handle_of(identifier, "example.edu") == ""


def test_a_channel_reads_mail():
    assert isinstance(channel(), MailReader)
    assert channel().collect(lambda _: None) == 0


# The mailbox


class Imap:
    """Just enough of IMAP4rev1 for one visit."""

    def __init__(self, mails, *, refuse=False):
        self.mails, self.refuse, self.seen, self.heard = mails, refuse, set(), []

    async def serve(self, reader, writer):
        writer.write(b"* OK ready\r\n")
        while line := await reader.readline():
            tag, word, *rest = line.decode().split()
            self.heard.append(word)
            writer.write(self.answer(word.upper(), rest) + f"{tag} {self.status(word)} done\r\n".encode())
            await writer.drain()
        writer.close()

    def status(self, word):
        return "NO [AUTHENTICATIONFAILED]" if self.refuse and word.upper() == "LOGIN" else "OK"

    def answer(self, word, rest):
        if word == "CAPABILITY":
            return b"* CAPABILITY IMAP4rev1\r\n"
        if word == "SELECT":
            return b"* %d EXISTS\r\n" % len(self.mails)
        if word == "UID" and rest[0] == "SEARCH":
            unseen = [str(n) for n in range(1, len(self.mails) + 1) if n not in self.seen]
            return f"* SEARCH {' '.join(unseen)}\r\n".encode()
        if word == "UID" and rest[0] == "FETCH":
            raw = self.mails[int(rest[1]) - 1]
            return b"* 1 FETCH (UID %d BODY[]<0> {%d}\r\n%b)\r\n" % (int(rest[1]), len(raw), raw)
        if word == "UID" and rest[0] == "STORE":
            self.seen.add(int(rest[1]))
        return b""


async def visit(imap, keep, *, tls="none"):
    import asyncio

    context = SmtpRelay().context() if tls == "implicit" else None
    server = await asyncio.start_server(imap.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    box = {
        "host": "127.0.0.1",
        "port": port,
        "username": "b",
        "password": Secret("hunter2hunter2"),
        "tls": tls,
    }
    try:
        return await asyncio.to_thread(channel(bounces=box).collect, keep)
    finally:
        server.close()
        await asyncio.sleep(0.05)


async def test_new_mail_is_read_once_and_marked_when_it_is_kept():
    imap, told = Imap([bounce(), b"Subject: hello\r\n\r\n", complaint()]), []
    assert await visit(imap, told.append) == 3
    assert [len(receipts) for receipts in told] == [1, 0, 1]
    assert await visit(imap, told.append) == 0


VARIABLES = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]


@pytest.mark.parametrize("variable", VARIABLES)
async def test_over_tls_the_mailbox_is_read_where_the_campus_trusts_its_certificate(variable, monkeypatch):
    for each in VARIABLES:
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(variable, str(CERTIFICATE))
    imap, told = Imap([bounce()]), []
    assert await visit(imap, told.append, tls="implicit") == 1
    assert [len(receipts) for receipts in told] == [1]


async def test_no_login_reaches_a_server_whose_certificate_nobody_trusts():
    imap = Imap([bounce()])
    with pytest.raises(OSError, match="certificate verify failed"):
        await visit(imap, lambda _: None, tls="implicit")
    assert imap.heard == []


async def test_what_cannot_be_kept_stays_unread():
    imap = Imap([bounce(), bounce()])

    def fail(receipts):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await visit(imap, fail)
    assert imap.seen == set()


async def test_a_mailbox_that_does_not_let_us_in_is_said_without_the_password():
    with pytest.raises(OSError, match="AUTHENTICATIONFAILED") as refused:
        await visit(Imap([], refuse=True), lambda _: None)
    assert "hunter2" not in str(refused.value)


def test_a_mailbox_is_never_read_in_clear_over_a_network():
    box = {"host": "imap.example.edu", "username": "b", "password": Secret("x"), "tls": "none"}
    with pytest.raises(ValueError, match="in clear"):
        channel(bounces=box)
