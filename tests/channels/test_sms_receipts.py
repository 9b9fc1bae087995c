"""What Twilio posts to us: believed only when signed as configured, read without guessing."""

import base64
import hashlib
import hmac
import os
import random
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from alerting.channels.base import Callback, Forged, ReceiptReader, StatusPoll, Surroundings
from alerting.channels.sms.channel import build
from alerting.channels.sms.config import TwilioConfig
from alerting.channels.sms.receipts import INBOUND_PATH, STATUS_PATH, STATUSES
from alerting.clock import FrozenClock
from alerting.model.receipt import ReceiptStatus
from alerting.secret import Secret

FORGERIES = int(os.environ.get("ALERT_FORGERIES", "1000"))
TOKEN = "0123456789abcdef0123456789abcdef"
SHARED = "shared-key-secret-0123456789"
ACCOUNT = "AC" + "0" * 32
OURS, THEIRS = "+15005550006", "+15550100001"
PUBLIC = "https://alerts.example.edu/hooks"
KEY = "0123456789abcdef0123456789abcdef"
SHA1, SHA256 = "HMAC_SHA1", "HMAC_SHA256"


def channel(**settings):
    given = {
        "name": "sms-main",
        "account_sid": ACCOUNT,
        "auth_token": Secret(TOKEN),
        "sender": OURS,
        **settings,
    }
    around = Surroundings(clock=FrozenClock(), campus="Example", callback_url=PUBLIC)
    return build(TwilioConfig(**given), around)


class Many(dict):
    def getlist(self, name):
        return self[name]


def signed(url, fields, *, token=TOKEN, algorithm=SHA1):
    return RequestValidator(token).compute_signature(url, Many(fields), algorithm)


def call(fields, *, path=STATUS_PATH, query=f"d={KEY}.1024", token=TOKEN, algorithm=SHA1, **over):
    """A call as Twilio makes it: fields are lists, so that names may repeat."""
    url = f"{PUBLIC}{path}"
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
        "i-twilio-idempotency-token": "IT1",
        "x-twilio-signature": signed(
            f"{url}?{query}" if query else url, fields, token=token, algorithm=algorithm
        ),
    }
    if algorithm == SHA256:
        headers["x-twilio-webhooks-signature-settings"] = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"
    made = Callback(
        method="POST", url=url, query=query, headers=headers, body=urlencode(fields, doseq=True).encode()
    )
    return made._replace(**over)


def status(word="delivered", **more):
    fields = {
        "AccountSid": ACCOUNT,
        "MessageSid": "SM1",
        "MessageStatus": word,
        "To": THEIRS,
        "From": OURS,
        **more,
    }
    return {name: value if isinstance(value, list) else [value] for name, value in fields.items()}


def inbound(body, **more):
    fields = {"AccountSid": ACCOUNT, "MessageSid": "SM2", "From": THEIRS, "To": OURS, "Body": body, **more}
    return {name: [value] for name, value in fields.items()}


def test_the_sdk_s_published_vector_is_accepted():
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signed(url, {n: [v] for n, v in fields.items()}, token="12345") == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_a_genuine_status_becomes_a_receipt():
    (receipt,) = channel().read(STATUS_PATH, call(status("undelivered", ErrorCode="30003"))).receipts
    assert (receipt.channel, receipt.status) == ("sms-main", ReceiptStatus.UNDELIVERED)
    assert (receipt.key, receipt.provider_id, receipt.address) == (f"{KEY}.1024", "SM1", f"phone:{THEIRS}")
    assert (receipt.reason, receipt.detail, receipt.at) == ("unreachable", "30003", FrozenClock().now())


def test_a_genuine_status_is_answered_with_nothing():
    reading = channel().read(STATUS_PATH, call(status()))
    assert (reading.status, reading.body) == (204, b"")


#: https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
DOCUMENTED = {
    "accepted",
    "scheduled",
    "queued",
    "sending",
    "sent",
    "delivered",
    "undelivered",
    "failed",
    "read",
    "canceled",
    "partially_delivered",
}


def test_every_documented_status_has_a_meaning():
    assert set(STATUSES) == DOCUMENTED


def test_an_unknown_status_is_kept_and_proves_no_arrival():
    (receipt,) = channel().read(STATUS_PATH, call(status("teleported"))).receipts
    assert (receipt.status, receipt.detail) == (ReceiptStatus.QUEUED, "teleported")


def test_a_repeat_has_the_same_name_and_another_event_has_not():
    ours = channel()

    def name(word, token):
        made = call(status(word))
        made.headers["i-twilio-idempotency-token"] = token
        return ours.read(STATUS_PATH, made).receipts[0].dedupe

    assert name("sent", "IT1") == name("sent", "IT1")
    assert len({name("sent", "IT1"), name("sent", "IT2"), name("delivered", "IT1")}) == 3


@pytest.mark.parametrize("port", ["", ":443"])
def test_the_signature_may_be_over_the_address_with_or_without_its_port(port):
    fields, query = status(), f"d={KEY}.1"
    url = f"https://alerts.example.edu{port}/hooks{STATUS_PATH}?{query}"
    made = call(fields, query=query)
    made.headers["x-twilio-signature"] = signed(url, fields)
    assert channel().read(STATUS_PATH, made).receipts


def test_repeated_names_are_verified_and_never_guessed():
    fields = status(MessageStatus=["delivered", "failed"])
    reading = channel().read(STATUS_PATH, call(fields))
    assert reading.status == 204
    assert not reading.receipts
    same = status(MessageStatus=["delivered", "delivered"])
    assert channel().read(STATUS_PATH, call(same)).receipts[0].status is ReceiptStatus.DELIVERED


def json_call(body, *, digest=None):
    digest = digest or hashlib.sha256(body).hexdigest()
    query = f"d={KEY}.1&bodySHA256={digest}"
    made = call({}, query=query, body=body)
    made.headers["content-type"] = "application/json"
    return made


def test_json_is_covered_by_the_digest_in_the_signed_address():
    body = b'{"AccountSid": "%b", "MessageSid": "SM1", "MessageStatus": "sent"}' % ACCOUNT.encode()
    ours = channel()
    assert ours.read(STATUS_PATH, json_call(body)).receipts[0].status is ReceiptStatus.SENT
    for forged in (
        json_call(body, digest="0" * 64),
        json_call(body)._replace(body=body.replace(b"sent", b"read")),
        json_call(body)._replace(query=f"d={KEY}.1"),
    ):
        assert isinstance(ours.read(STATUS_PATH, forged), Forged)


def test_json_without_a_digest_is_not_covered_and_not_believed():
    made = call({}, body=b'{"MessageSid": "SM1"}')
    made.headers["content-type"] = "application/json"
    assert channel().read(STATUS_PATH, made) == Forged("its body is not covered by the signature")


# The scheme is ours to choose


def test_a_shared_key_demands_sha256():
    ours = channel(webhook_key=Secret(SHARED))
    assert ours.read(STATUS_PATH, call(status(), token=SHARED, algorithm=SHA256)).receipts


def test_no_header_downgrades_a_shared_key():
    ours = channel(webhook_key=Secret(SHARED))
    for token in (TOKEN, SHARED):
        old = call(status(), token=token)
        assert isinstance(ours.read(STATUS_PATH, old), Forged)
        old.headers["x-twilio-webhooks-signature-settings"] = "key=k,algorithm=HMAC_SHA256"
        assert isinstance(ours.read(STATUS_PATH, old), Forged)
        old.headers["x-twilio-webhooks-signature-settings"] = "key=k,algorithm=HMAC_SHA1"
        assert isinstance(ours.read(STATUS_PATH, old), Forged)


def test_the_token_s_scheme_is_not_upgraded_by_a_header_either():
    new = call(status(), token=TOKEN, algorithm=SHA256)
    assert channel().read(STATUS_PATH, new) == Forged("signed by another scheme than the configured one")


def test_without_a_secret_nothing_is_read_and_no_receipt_is_asked_for():
    ours = channel(auth_token=None, api_key="SK" + "0" * 32, api_secret=Secret("x"))
    assert ours.paths == ()
    assert not ours.capabilities.receipts


def test_a_channel_reads_receipts_and_can_be_polled():
    assert isinstance(channel(), ReceiptReader)
    assert isinstance(channel(), StatusPoll)
    assert channel().paths == (STATUS_PATH, INBOUND_PATH)


# Forgeries


def forgery(rng):
    """A call that is not Twilio's: something of it is wrong, most of it is right."""
    made = call(status(rng.choice(["sent", "delivered", "failed"])))
    good = made.headers["x-twilio-signature"]
    raw = bytearray(base64.b64decode(good))
    raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    body = bytearray(made.body)
    place = rng.randrange(len(body))
    body[place] = body[place] ^ 1 if chr(body[place]).isalnum() else ord("A")
    other = "".join(rng.choices("0123456789abcdef", k=32))
    url = f"{made.url}?{made.query}"
    wrong_digest = base64.b64encode(hmac.new(TOKEN.encode(), url.encode(), hashlib.sha1).digest()).decode()
    signatures = (
        "",
        base64.b64encode(raw).decode(),
        good[: rng.randrange(len(good))],
        good + "A",
        good.swapcase(),
        signed(url, status(), token=other),
        wrong_digest,
        "null",
        "é" * 28,
        "0" * rng.randrange(1, 5000),
        signed(url.replace("https", "http"), status()),
        signed(made.url, status()),
    )
    changes = (
        lambda: made._replace(body=bytes(body)),
        lambda: made._replace(body=made.body + b"&MessageStatus=read"),
        lambda: made._replace(body=made.body.replace(b"SM1", b"SM%d" % rng.randrange(2, 9))),
        lambda: made._replace(query=f"d={other}.1024"),
        lambda: made._replace(query=""),
        lambda: made._replace(url=made.url.replace("example", "exomple")),
        lambda: made._replace(body=rng.randbytes(rng.randrange(400))),
        lambda: made._replace(body=b""),
        *[
            lambda text=text: made._replace(headers={**made.headers, "x-twilio-signature": text})
            for text in signatures
        ],
        lambda: made._replace(headers={k: v for k, v in made.headers.items() if "signature" not in k}),
        lambda: made._replace(headers={**made.headers, "content-type": "application/json"}),
        lambda: made._replace(
            headers={
                **made.headers,
                "x-twilio-webhooks-signature-settings": rng.choice(
                    ["algorithm=HMAC_SHA256", "algorithm=none", "algorithm=MD5"]
                ),
            },
        ),
    )
    return rng.choice(changes)()


def test_every_forgery_is_refused():
    rng, ours = random.Random(23), channel()
    believed = [
        forged
        for forged in (forgery(rng) for _ in range(FORGERIES))
        if not isinstance(ours.read(STATUS_PATH, forged), Forged)
    ]
    assert not believed


def test_another_account_s_genuine_call_is_not_ours():
    assert channel().read(STATUS_PATH, call(status(AccountSid="AC" + "1" * 32))) == Forged(
        "of another account"
    )


def test_a_refusal_holds_no_secret():
    told = str(channel().read(STATUS_PATH, call(status(), token="wrong")))
    assert TOKEN not in told


def test_a_form_of_ten_thousand_fields_is_not_read():
    body = urlencode({f"f{n}": "x" for n in range(10_000)}).encode()
    assert isinstance(channel().read(STATUS_PATH, call({}, body=body)), Forged)


def test_only_posts_are_read():
    assert channel().read(STATUS_PATH, call(status(), method="GET")).status == 405


def test_a_handle_that_is_none_of_ours_is_left_out():
    for query in ("d=x", "d=", "", "d=" + "0" * 32 + ".1x"):
        assert channel().read(STATUS_PATH, call(status(), query=query)).receipts[0].key == ""


# What people write


@pytest.mark.parametrize(("body", "more", "expected"), [
    ("STOP", {}, ReceiptStatus.OPTED_OUT), (" stop. ", {}, ReceiptStatus.OPTED_OUT),
    ("Unsubscribe", {}, ReceiptStatus.OPTED_OUT), ("start", {}, ReceiptStatus.OPTED_IN),
    ("no more of this", {"OptOutType": "STOP"}, ReceiptStatus.OPTED_OUT),
    ("again please", {"OptOutType": "START"}, ReceiptStatus.OPTED_IN),
])  # fmt: skip
def test_stop_and_start_are_heard(body, more, expected):
    reading = channel().read(INBOUND_PATH, call(inbound(body, **more), path=INBOUND_PATH, query=""))
    (receipt,) = reading.receipts
    assert (receipt.status, receipt.address, reading.replies) == (expected, f"phone:{THEIRS}", ())


@pytest.mark.parametrize(("body", "more"), [
    ("stop the alarm in hall B, I am safe", {}), ("help", {}), ("INFO", {"OptOutType": "HELP"}), ("", {}),
    ("\x1b[2Jπ", {}),
])  # fmt: skip
def test_anything_else_is_a_reply_as_it_came(body, more):
    reading = channel().read(INBOUND_PATH, call(inbound(body, **more), path=INBOUND_PATH, query=""))
    (reply,) = reading.replies
    assert (reply.text, reply.address, reply.provider_id, reading.receipts) == (
        body,
        f"phone:{THEIRS}",
        "SM2",
        (),
    )


def test_twilio_is_told_to_answer_nothing():
    reading = channel().read(INBOUND_PATH, call(inbound("hello"), path=INBOUND_PATH, query=""))
    assert (reading.status, reading.content_type) == (200, "text/xml")
    assert reading.body.endswith(b"<Response/>")


def test_what_was_written_to_another_number_of_the_account_is_not_ours():
    reading = channel().read(
        INBOUND_PATH, call(inbound("STOP", To="+15550199999"), path=INBOUND_PATH, query="")
    )
    assert not reading.receipts
    service = {"sender": None, "messaging_service": "MG" + "0" * 32}
    fields = inbound("STOP", MessagingServiceSid="MG" + "0" * 32)
    assert channel(**service).read(INBOUND_PATH, call(fields, path=INBOUND_PATH, query="")).receipts
