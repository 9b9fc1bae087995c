import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator

from alerting.sandbox.septets import segments

SENDER = "+15550199999"


class Receiver(ThreadingHTTPServer):
    """A small callback endpoint that keeps what it is given."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        self.got = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(handler):  # noqa: N805
                body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
                fields = dict(parse_qsl(body, keep_blank_values=True))
                self.got.append((handler.path, dict(handler.headers), fields))
                handler.send_response(204)
                handler.end_headers()

            def log_message(handler, *args):  # noqa: N805
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def wait_for(self, count, seconds=3):
        deadline = time.monotonic() + seconds
        while len(self.got) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return [fields["MessageStatus"] for _, _, fields in self.got]


@pytest.fixture
def receiver():
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(2)


def test_a_message_is_created_and_becomes_delivered(sms):
    created = sms.messages.create(to="+15550100001", from_=SENDER, body="Fire in Lab 3.")
    assert (created.status, created.num_segments, created.error_code) == ("queued", "1", None)
    time.sleep(0.08)
    found = sms.messages(created.sid).fetch()
    assert (found.status, found.body, found.to) == ("delivered", "Fire in Lab 3.", "+15550100001")
    assert found.date_sent is not None


def test_through_a_messaging_service_a_message_starts_as_accepted(sms):
    created = sms.messages.create(to="+15550100001", messaging_service_sid="MG" + "1" * 32, body="Fire.")
    assert (created.status, created.from_, created.num_segments) == ("accepted", None, "0")


def test_messages_are_listed_by_recipient_and_date(sms):
    wanted = sms.messages.create(to="+15550100001", from_=SENDER, body="One")
    sms.messages.create(to="+15550100002", from_=SENDER, body="Two")
    assert [text.sid for text in sms.messages.list(to="+15550100001", limit=20)] == [wanted.sid]
    assert len(sms.messages.list(limit=20)) == 2
    time.sleep(0.08)
    minute = timedelta(minutes=1)
    now = datetime.now(UTC)
    assert len(sms.messages.list(to="+15550100001", date_sent_after=now - minute)) == 1
    assert sms.messages.list(to="+15550100001", date_sent_after=now + minute) == []


def test_the_sdk_walks_through_all_pages(sms):
    sids = [sms.messages.create(to="+15550100001", from_=SENDER, body=f"{n}").sid for n in range(7)]
    assert [text.sid for text in sms.messages.list(to="+15550100001", page_size=3)] == sids[::-1]


def test_a_queued_message_can_be_canceled_and_a_sent_one_cannot(sms, sandbox):
    sandbox.play(switches={"sent_after_s": 60, "delivered_after_s": 60})
    waiting = sms.messages.create(to="+15550100001", from_=SENDER, body="Fire.")
    assert sms.messages(waiting.sid).update(status="canceled").status == "canceled"
    sandbox.play(switches={"sent_after_s": 0, "delivered_after_s": 0})
    gone = sms.messages.create(to="+15550100001", from_=SENDER, body="Fire!")
    with pytest.raises(TwilioRestException) as caught:
        sms.messages(gone.sid).update(status="canceled")
    assert caught.value.code == 30409


def test_status_callbacks_are_signed_and_keep_the_query_of_their_url(sms, receiver):
    url = f"{receiver.url}/twilio/status?d=delivery-1&x=a%20b"
    created = sms.messages.create(to="+15550100001", from_=SENDER, body="Fire.", status_callback=url)
    assert receiver.wait_for(2) == ["sent", "delivered"]
    for path, headers, fields in receiver.got:
        assert path == "/twilio/status?d=delivery-1&x=a%20b"
        assert fields["MessageSid"] == created.sid
        assert headers["I-Twilio-Idempotency-Token"]
        assert RequestValidator("auth-token").validate(url, fields, headers["X-Twilio-Signature"])
        assert not RequestValidator("other").validate(url, fields, headers["X-Twilio-Signature"])


def test_an_unregistered_sender_fails_later_with_30034(sms, sandbox, receiver):
    sandbox.play(senders={SENDER: "unregistered"}, switches={"sent_after_s": 0.02, "delivered_after_s": 0.04})
    created = sms.messages.create(to="+15550100001", from_=SENDER, body="Fire.", status_callback=receiver.url)
    assert created.error_code is None
    assert receiver.wait_for(2) == ["sent", "undelivered"]
    assert receiver.got[1][2]["ErrorCode"] == "30034"
    assert sms.messages(created.sid).fetch().error_code == 30034


def test_receipts_can_come_twice_and_in_the_wrong_order(sms, sandbox, receiver):
    sandbox.play(
        {"provider": "twilio", "effect": {"kind": "receipts", "order": "reversed", "copies": 2}},
        switches={"sent_after_s": 0.02, "delivered_after_s": 0.1},
    )
    sms.messages.create(to="+15550100001", from_=SENDER, body="Fire.", status_callback=receiver.url)
    statuses = receiver.wait_for(4)
    assert sorted(statuses) == ["delivered", "delivered", "sent", "sent"]
    assert statuses[0] == "delivered"
    tokens = {headers["I-Twilio-Idempotency-Token"] for _, headers, _ in receiver.got}
    assert len(tokens) == 2


def test_receipts_can_tell_of_a_failure_or_never_come(sms, sandbox, receiver):
    sandbox.play(
        {"provider": "twilio", "match": {"first": 1}, "effect": {"kind": "receipts", "outcome": "none"}},
        {"provider": "twilio", "effect": {"kind": "receipts", "outcome": "undelivered", "code": 30007}},
        switches={"sent_after_s": 0.01, "delivered_after_s": 0.02},
    )
    sms.messages.create(to="+15550100001", from_=SENDER, body="1", status_callback=receiver.url)
    sms.messages.create(to="+15550100002", from_=SENDER, body="2", status_callback=receiver.url)
    assert receiver.wait_for(2) == ["sent", "undelivered"]
    assert {fields["To"] for _, _, fields in receiver.got} == {"+15550100002"}
    assert receiver.got[1][2]["ErrorCode"] == "30007"


def test_callbacks_never_leave_this_machine(sms, sandbox):
    for url in ("http://192.0.2.1/x", "https://127.0.0.1/x", "http://127.0.0.1.evil.example/x"):
        sms.messages.create(to="+15550100001", from_=SENDER, body="Fire.", status_callback=url)
    assert sandbox.state()["callbacks"] == {"waiting": 0, "posted": 0, "failed": 0, "refused": 6}


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("555-0100", 21211),
        ("+15005550001", 21211),
        ("+15005550009", 21614),
        ("+15005550004", 21610),
        ("+15005550002", 21612),
        ("+15005550003", 21408),
        ("+15550100077", 21614),
        ("+15550100078", 21610),
    ],
)
def test_special_numbers_are_refused_with_their_codes(sms, sandbox, to, code):
    sandbox.play(numbers={"+15550100077": "landline", "+15550100078": 21610})
    with pytest.raises(TwilioRestException) as caught:
        sms.messages.create(to=to, from_=SENDER, body="Fire.")
    assert (caught.value.status, caught.value.code) == (400, code)
    assert sandbox.state()["texts"] == 0


def test_whoever_opts_out_gets_21610_from_then_on(sms, sandbox):
    sms.messages.create(to="+15550100001", from_=SENDER, body="Fire.")
    sandbox.control("opt-out", {"number": "+15550100001"})
    with pytest.raises(TwilioRestException) as caught:
        sms.messages.create(to="+15550100001", from_=SENDER, body="Update.")
    assert caught.value.code == 21610


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"From": SENDER, "Body": "x"}, 21604),
        ({"To": "+15550100001", "Body": "x"}, 21603),
        ({"To": "+15550100001", "From": SENDER}, 21602),
        ({"To": "+15550100001", "From": SENDER, "Body": "x" * 1601}, 21617),
    ],
)
def test_missing_and_too_long_parameters_have_codes(sandbox, form, code):
    url = f"{sandbox.url}/2010-04-01/Accounts/AC{'0' * 32}/Messages.json"
    answer = requests.post(url, data=form, auth=("AC", "t"), timeout=5)
    assert answer.json()["code"] == code


def test_basic_authentication_is_needed_and_may_be_dead(sms, sandbox):
    answer = requests.get(f"{sandbox.url}/2010-04-01/Accounts/AC1.json", timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)
    sandbox.control("credentials", {"provider": "twilio", "dead": "*"})
    with pytest.raises(TwilioRestException) as caught:
        sms.messages.create(to="+15550100001", from_=SENDER, body="Fire.")
    assert caught.value.code == 20003


def test_account_and_balance_can_be_read(sms):
    assert sms.api.accounts(sms.account_sid).fetch().status == "active"
    assert sms.balance.fetch().currency == "USD"


def test_an_unknown_message_is_404(sms):
    with pytest.raises(TwilioRestException) as caught:
        sms.messages("SM" + "f" * 32).fetch()
    assert (caught.value.status, caught.value.code) == (404, 20404)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("”" + "x" * 69, 1),
        ("”" + "x" * 70, 2),
        ("🚨" * 35, 1),
        ("🚨" * 36, 2),
        ("", 1),
    ],
)
def test_parts_are_counted_as_they_are_billed(text, parts):
    assert segments(text) == parts
