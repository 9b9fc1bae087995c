import asyncio
import smtplib
import socket
import ssl
import subprocess
from email.message import EmailMessage

import aiosmtplib
import pytest

from alerting.sandbox.server import Sandbox

LETTER = b"From: alerts@stateu.example\r\nSubject: =?utf-8?q?Fire_=F0=9F=9A=A8?=\r\n\r\nLeave now.\r\n"


@pytest.fixture
def smtp(sandbox):
    with smtplib.SMTP("127.0.0.1", sandbox.box.smtp_port, timeout=5) as client:
        client.ehlo()
        yield client


def wire(sandbox):
    connection = socket.create_connection(("127.0.0.1", sandbox.box.smtp_port), timeout=5)
    file = connection.makefile("rb")
    assert file.readline().startswith(b"220")
    connection.sendall(b"EHLO client\r\n")
    while file.readline()[3:4] == b"-":
        pass
    return connection, file


def test_a_mail_is_kept_with_its_envelope_and_parsed(smtp, sandbox):
    message = EmailMessage()
    message["From"] = "Alerts <alerts@stateu.example>"
    message["To"] = "undisclosed-recipients:;"
    message["Subject"] = "Fire in Lab 3 🚨"
    message.set_content("Leave now.\n.hidden\n")
    message.add_alternative("<p>Leave now.</p>", subtype="html")
    smtp.send_message(message, "bounce@stateu.example", ["a@stateu.example", "b@stateu.example"])
    (mail,) = sandbox.state("mails")
    assert mail["sender"] == "bounce@stateu.example"
    assert mail["recipients"] == ["a@stateu.example", "b@stateu.example"]
    assert (mail["subject"], mail["html"].strip()) == ("Fire in Lab 3 🚨", "<p>Leave now.</p>")
    assert mail["text"].splitlines() == ["Leave now.", ".hidden"]
    assert ["To", "undisclosed-recipients:;"] in mail["headers"]
    assert sandbox.state("mails", to="B@stateu.example") == [mail]
    counts = sandbox.state()
    assert (counts["mails"], counts["mail_recipients"]) == (1, 2)


def test_the_offers_are_pipelining_size_8bitmime_and_dsn(smtp):
    assert {"pipelining", "size", "8bitmime", "dsn", "auth"} <= set(smtp.esmtp_features)
    assert "starttls" not in smtp.esmtp_features


def test_a_whole_envelope_in_one_packet_is_answered_in_one_packet(sandbox):
    connection, file = wire(sandbox)
    with connection, file:
        connection.sendall(
            b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nRCPT TO:<c@x.example>\r\nDATA\r\n"
        )
        answers = connection.recv(4096)
        assert [line[:3] for line in answers.splitlines()] == [b"250", b"250", b"250", b"354"]
        connection.sendall(LETTER + b"..dot\r\n.\r\nMAIL FROM:<a@x.example>\r\nRSET\r\nQUIT\r\n")
        assert [file.readline()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"221"]
    assert sandbox.state("mails")[0]["text"].endswith(".dot\r\n")


def test_dsn_parameters_are_taken_and_unknown_ones_refused(sandbox):
    connection, file = wire(sandbox)
    with connection, file:
        connection.sendall(b"MAIL FROM:<a@x.example> RET=HDRS ENVID=k1\r\n")
        assert file.readline().startswith(b"250")
        connection.sendall(b"RCPT TO:<b@x.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;b@x.example\r\n")
        assert file.readline().startswith(b"250")
        connection.sendall(b"RCPT TO:<c@x.example> COLOUR=blue\r\n")
        assert file.readline().startswith(b"555")
        connection.sendall(b"DATA\r\n")
        assert file.readline().startswith(b"354")
        connection.sendall(b".\r\n")
        assert file.readline().startswith(b"250")
    assert "ENVID=k1" in sandbox.state("mails")[0]["options"]


def test_some_recipients_are_refused_and_the_rest_get_the_mail(smtp, sandbox):
    sandbox.play(mailboxes={"gone@x.example": "unknown", "full@x.example": "full"})
    refused = smtp.sendmail("a@x.example", ["b@x.example", "gone@x.example", "full@x.example"], LETTER)
    assert refused["gone@x.example"] == (550, b"5.1.1 The mailbox does not exist")
    assert refused["full@x.example"][0] == 452
    assert sandbox.state("mails")[0]["recipients"] == ["b@x.example"]
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        smtp.sendmail("a@x.example", ["gone@x.example"], LETTER)


def test_a_greylisted_mailbox_takes_the_second_attempt(smtp, sandbox):
    sandbox.play(mailboxes={"new@x.example": "greylisted"})
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        smtp.sendmail("a@x.example", ["new@x.example"], LETTER)
    assert caught.value.recipients["new@x.example"][0] == 450
    assert smtp.sendmail("a@x.example", ["new@x.example"], LETTER) == {}


@pytest.mark.parametrize(("when", "kept"), [("before", 0), ("after", 1)])
def test_the_connection_drops_after_the_final_dot(smtp, sandbox, when, kept):
    sandbox.play({"provider": "smtp", "operation": "create", "effect": {"kind": "reset", "when": when}})
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
        smtp.sendmail("a@x.example", ["b@x.example"], LETTER)
    assert sandbox.state()["mails"] == kept
    assert sandbox.state("requests", provider="smtp")[0]["status"] is None


def test_421_ends_the_session(smtp, sandbox):
    sandbox.play(
        {
            "provider": "smtp",
            "operation": "mail",
            "match": {"first": 1},
            "effect": {"kind": "status", "status": 421, "body": "4.7.0 Too many connections"},
        }
    )
    with pytest.raises(smtplib.SMTPSenderRefused) as caught:
        smtp.sendmail("a@x.example", ["b@x.example"], LETTER)
    assert caught.value.smtp_code == 421
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.noop()


def test_a_mail_can_be_kept_although_the_answer_is_an_error(smtp, sandbox):
    effect = {"kind": "status", "status": 451, "when": "after", "body": "4.3.0 Try again"}
    sandbox.play({"provider": "smtp", "operation": "create", "effect": effect})
    with pytest.raises(smtplib.SMTPDataError):
        smtp.sendmail("a@x.example", ["b@x.example"], LETTER)
    assert sandbox.state()["mails"] == 1


def test_a_server_can_hang_at_the_greeting(sandbox):
    sandbox.play({"provider": "smtp", "operation": "connect", "effect": {"kind": "hang", "seconds": 30}})
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        smtplib.SMTP("127.0.0.1", sandbox.box.smtp_port, timeout=0.2)


def test_an_answer_can_drip(smtp, sandbox):
    sandbox.play({"provider": "smtp", "operation": "mail", "effect": {"kind": "drip", "seconds": 0.2}})
    assert smtp.mail("a@x.example")[0] == 250


def test_anybody_may_log_in_until_the_password_is_dead(smtp, sandbox):
    assert smtp.login("alerts", "hunter2secret")[0] == 235
    sandbox.control("credentials", {"provider": "smtp", "dead": "hunter2secret"})
    with pytest.raises(smtplib.SMTPAuthenticationError):
        smtp.login("alerts", "hunter2secret")
    assert "hunter2secret" not in sandbox.session.get(f"{sandbox.url}/state?section=requests", timeout=5).text


def test_a_message_too_big_is_refused_before_it_is_sent(smtp):
    code, answer = smtp.mail("a@x.example", ["size=99999999"])
    assert (code, answer[:5]) == (552, b"5.3.4")


def test_commands_out_of_order_are_answered_as_such(smtp):
    assert smtp.docmd("RCPT", "TO:<a@x.example>")[0] == 503
    assert smtp.docmd("DATA")[0] == 503
    assert smtp.docmd("MAIL", "FROM:nobody")[0] == 501
    assert smtp.docmd("GARBAGE")[0] == 500
    assert smtp.mail("")[0] == 250
    assert smtp.docmd("DATA")[0] == 554


async def test_the_asyncio_client_reports_partial_refusals_too():
    async with Sandbox(faults={"mailboxes": {"gone@x.example": "unknown"}}) as box:
        client = aiosmtplib.SMTP(hostname=box.smtp_host, port=box.smtp_port, timeout=5)
        async with client:
            refused, _ = await client.sendmail("a@x.example", ["b@x.example", "gone@x.example"], LETTER)
        assert refused["gone@x.example"].code == 550
        assert box.world.mails[0].recipients == ("b@x.example",)


async def test_starttls_is_offered_with_a_certificate(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = await asyncio.create_subprocess_exec(
        *f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {key} -out {certificate}"
        " -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1".split(),
        stderr=subprocess.DEVNULL,
    )
    assert await made.wait() == 0
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    trust = ssl.create_default_context(cafile=str(certificate))
    async with Sandbox(tls=context) as box:
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=box.smtp_port, start_tls=True, tls_context=trust, timeout=5
        )
        async with client:
            await client.sendmail("a@x.example", ["b@x.example"], LETTER)
        assert len(box.world.mails) == 1


def test_a_refused_recipient_is_remembered_once_with_its_fault(smtp, sandbox):
    effect = {"kind": "status", "status": 451, "body": "4.3.0 Later"}
    sandbox.play({"name": "later", "provider": "smtp", "operation": "rcpt", "effect": effect})
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        smtp.sendmail("a@x.example", ["b@x.example"], LETTER)
    seen = [request for request in sandbox.state("requests") if request["operation"] == "rcpt"]
    assert [(request["to"], request["status"], request["fault"]) for request in seen] == [
        ("b@x.example", 451, "later")
    ]
