"""The kind ``sms.twilio``, through its port and against the sandbox."""

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from math import inf
from urllib.parse import parse_qs, parse_qsl, quote_plus

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from alerting.channels.base import Absent, CannotTell, Found, Lookup, Probe, Retractable, Surroundings
from alerting.channels.sms.account import Account
from alerting.channels.sms.channel import build
from alerting.channels.sms.codes import REASONS, reason_for
from alerting.channels.sms.config import TwilioConfig
from alerting.channels.sms.lookup import NEWEST, Listed, Sought, verdict
from alerting.channels.sms.outcomes import outcome_of
from alerting.channels.sms.transport import Transport
from alerting.channels.sms.wire import Reply
from alerting.channels.web_answer import Silence
from alerting.clock import FrozenClock, SystemClock
from alerting.model.audience import Address, AddressKind
from alerting.model.message import Unit
from alerting.model.outcome import Accepted, Deferred, Reason, Rejected, Scope, Unknown
from alerting.sandbox.script import Script
from alerting.sandbox.server import Sandbox
from alerting.secret import Secret
from alerting.testing.builders import a_content, an_envelope

ACCOUNT = "AC" + "0" * 32
SERVICE = "MG" + "1" * 32
KEY = "SK" + "2" * 32


def config(**overrides):
    made = {"name": "sms-main", "account_sid": ACCOUNT, "auth_token": Secret("t0ken"), "from": "+15005550006"}
    if "messaging_service" in overrides:
        del made["from"]
    return TwilioConfig(**{**made, "deadline_s": 2, "lookup_after_s": 0, **overrides})


def channel_at(base_url, *, clock=None, callback_url="", **overrides):
    surroundings = Surroundings(
        clock=clock or SystemClock(), campus="Campus", base_url=base_url, callback_url=callback_url
    )
    return build(config(**overrides), surroundings)


@pytest.fixture
async def sandbox():
    async with Sandbox(seed=1) as running:
        yield running


@pytest.fixture
async def channel(sandbox):
    made = channel_at(sandbox.http_url)
    yield made
    await made.aclose()


def play(sandbox, **effect):
    operation = effect.pop("operation", "create")
    sandbox.faults.play(
        Script.parse([{"provider": "twilio", "operation": operation, "effect": effect}]), seed=0
    )


@asynccontextmanager
async def serving(serve):
    """A server whose conversations have ended when the block has."""
    talks = set()

    async def one(reader, writer):
        talks.add(asyncio.current_task())
        await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        if talks:
            await asyncio.wait(talks, timeout=2)


@asynccontextmanager
async def answering(*answers):
    """A server that gives these answers in turn, (status, body), and keeps the requests' targets."""
    targets = []

    async def serve(reader, writer):
        while head := await reader.readline():
            targets.append(head.decode().split()[1])
            length = (await reader.readuntil(b"\r\n\r\n")).lower().partition(b"content-length: ")[2]
            await reader.readexactly(int(length.partition(b"\r\n")[0] or 0))
            status, body = answers[len(targets) - 1]
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            writer.write(b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n\r\n%s" % (status, len(raw), raw))

    async with serving(serve) as url:
        yield url, targets


# -- settings


def test_the_settings_say_what_the_channel_can():
    can = channel_at("", segments=3, rate_per_s=100, price_per_segment=0.0079).capabilities
    assert can.address_kind is AddressKind.PHONE
    assert (can.shape.unit, can.shape.limit, can.shape.slots) == (Unit.SEGMENTS, 3, ("sms", "message"))
    assert (can.rate_per_s, can.in_flight, can.max_batch, can.cost_per_unit) == (100, 50, 1, 0.0079)
    assert not can.receipts


def test_there_are_receipts_only_where_they_can_reach_us_and_are_wanted():
    here = "https://alerts.example.edu"
    assert channel_at("", callback_url=here).capabilities.receipts
    assert not channel_at("", callback_url=here, status_callback=False).capabilities.receipts


def test_a_look_up_waits_half_a_minute_unless_told_otherwise():
    plain = TwilioConfig(name="sms", account_sid=ACCOUNT, auth_token=Secret("t"), sender="+15005550006")
    assert build(plain, Surroundings(clock=FrozenClock(), campus="")).capabilities.quarantine == timedelta(
        seconds=30
    )


def test_the_channel_has_the_powers_it_claims():
    made = channel_at("")
    assert isinstance(made, Lookup)
    assert isinstance(made, Probe)
    assert isinstance(made, Retractable)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"from": "5550100"}, 'write it like "+14135550100" or "24639"'),
        ({"from": "ALERT"}, "neither a number nor a short code"),
        ({"from": None}, "give exactly one of from and messaging_service"),
        ({"messaging_service": SERVICE, "from": "24639"}, "both from and messaging_service"),
        ({"auth_token": None}, "give auth_token, or api_key and api_secret"),
        ({"api_key": KEY}, "api_key and api_secret go together"),
        ({"api_secret": Secret("s")}, "api_key and api_secret go together"),
        ({"account_sid": "AC123"}, "account_sid"),
        ({"segments": 11}, "segments"),
        ({"segments": 0}, "segments"),
        ({"validity_cap_s": 5}, "validity_cap_s"),
        ({"risk_check": "maybe"}, "risk_check"),
        ({"edge": "api.evil.example"}, "edge"),
        ({"sms_encoding": "x"}, "sms_encoding"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_what_to_write(wrong, said):
    with pytest.raises(ValidationError) as refused:
        config(**wrong)
    assert said in str(refused.value)


@pytest.mark.parametrize("sender", ["+15005550006", "24639", "611"])
def test_a_number_and_a_short_code_may_send(sender):
    assert config(**{"from": sender}).sender == sender


def test_neither_reading_settings_nor_building_a_channel_imports_the_sdk():
    code = (
        "import sys; from alerting.channels.sms.config import TwilioConfig;"
        "assert 'asyncio' not in sys.modules and 'pycurl' not in sys.modules;"
        "import alerting.channels.sms.channel;"
        "heavy = {'twilio', 'requests', 'aiohttp'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_the_sdks_own_clients_for_http_are_never_imported_for_sending():
    code = (
        "import sys, alerting.channels.sms.client as c; c.Client('a', 'b', http_client=c.Capture('')).messages;"
        "assert 'aiohttp' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


# -- sending


async def test_texts_that_wait_for_a_connection_are_told_until_they_have_left(channel):
    content, done = a_content(), asyncio.Semaphore(0)
    await channel.prepare(content)
    assert channel.held == 0
    for n in range(3):
        envelope = an_envelope(address=Address(AddressKind.PHONE, f"+1413555010{n}"), content=content)
        assert channel.submit(envelope, lambda _: done.release(), inf)
    assert channel.held == 3
    async with asyncio.timeout(5):
        for _ in range(3):
            await done.acquire()
    assert channel.held == 0


async def test_a_text_arrives_from_the_configured_sender_with_its_words(channel, sandbox):
    outcome = await channel.send(an_envelope(7, content=a_content("Gás & Co: 100% +1 “out” 🚨")))
    [text] = sandbox.world.texts.values()
    assert outcome == Accepted(text.sid)
    assert (text.to, text.sender) == ("+15550000007", "+15005550006")
    assert text.body == "Gás & Co: 100% +1 “out” 🚨"
    assert text.status_callback is None


async def test_a_messaging_service_and_an_api_key_serve_as_well(sandbox):
    made = channel_at(
        sandbox.http_url, messaging_service=SERVICE, api_key=KEY, api_secret=Secret("s"), auth_token=None
    )
    assert isinstance(await made.send(an_envelope()), Accepted)
    await made.aclose()
    [text] = sandbox.world.texts.values()
    assert text.service == SERVICE
    assert text.account == ACCOUNT


async def test_the_receipts_address_carries_the_deliverys_key(sandbox):
    made = channel_at(sandbox.http_url, callback_url="http://127.0.0.1:1/")
    envelopes = [an_envelope(n) for n in range(3)]
    for envelope in envelopes:
        await made.send(envelope)
    await made.aclose()
    assert [text.status_callback for text in sandbox.world.texts.values()] == [
        f"http://127.0.0.1:1/twilio/status?d={envelope.key}" for envelope in envelopes
    ]


@pytest.mark.parametrize(
    ("life_s", "cap_s", "sent"),
    [(600.9, 36_000, 600), (90_000, 36_000, 36_000), (900, 300, 300), (0.2, 36_000, 1), (-5, 36_000, 1)],
)
async def test_twilio_tries_no_longer_than_the_alert_lives(life_s, cap_s, sent):
    clock = FrozenClock()
    made = channel_at("http://127.0.0.1:1", clock=clock, validity_cap_s=cap_s)
    form = await form_of(made, an_envelope(expires_at=clock.now() + timedelta(seconds=life_s)))
    assert form["ValidityPeriod"] == [str(sent)]
    assert form["RiskCheck"] == ["disable"]
    assert "SmartEncoded" not in form


async def test_each_of_two_alerts_in_turn_is_tried_until_its_own_end():
    clock = FrozenClock()
    made = channel_at("http://127.0.0.1:1", clock=clock)
    ends = [clock.now() + timedelta(seconds=life_s) for life_s in (600, 90)]
    forms = await forms_of(made, *(an_envelope(expires_at=ends[n % 2]) for n in range(4)))
    assert [form["ValidityPeriod"] for form in forms] == [["600"], ["90"], ["600"], ["90"]]


async def form_of(made, envelope):
    """What the channel puts on the wire for an envelope."""
    [form] = await forms_of(made, envelope)
    return form


async def forms_of(made, *envelopes):
    """What one channel puts on the wire for envelopes, one after the other."""
    seen = []

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        seen.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

    async with serving(serve) as url:
        pointed = build(made._config, Surroundings(clock=made._clock, campus="", base_url=url))
        for envelope in envelopes:
            await pointed.send(envelope)
        await pointed.aclose()
    return [parse_qs(form.decode()) for form in seen]


async def test_texts_of_several_alerts_do_not_mix(channel, sandbox):
    texts = [f"Alert {n}" for n in range(40)]
    await asyncio.gather(
        *(channel.send(an_envelope(n, content=a_content(text))) for n, text in enumerate(texts))
    )
    for n, text in enumerate(texts):
        [sid] = sandbox.world.phones[f"+1555{n:07d}"]
        assert sandbox.world.texts[sid].body == text


async def test_a_region_and_an_edge_choose_the_host():
    account = Account(config(region="ie1", edge="dublin"), Transport(deadline=timedelta(1), in_flight=1))
    target = (await account.prepare("x")).target
    assert target.url == f"https://api.dublin.ie1.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


# -- the contract with the SDK


@pytest.mark.parametrize("sender", [{"from": "24639"}, {"messaging_service": SERVICE}], ids=str)
@pytest.mark.parametrize("callback", ["", "https://a.example.edu:8443/base/twilio/status"])
async def test_what_is_spliced_is_what_the_sdk_sends_byte_for_byte(sender, callback, monkeypatch):
    """The SDK with its own synchronous client over requests, caught before the wire."""
    from twilio.http.http_client import TwilioHttpClient
    from twilio.rest import Client

    caught = []

    def catch(_session, request, **_):
        caught.append(request)
        response = requests.Response()
        response.status_code, response._content = 201, b"{}"
        return response

    monkeypatch.setattr(requests.Session, "send", catch)
    account = Account(config(**sender), Transport(deadline=timedelta(1), in_flight=1), callback_url=callback)
    text = "Gás 100% & more: 'a'=\"b\" +1 ~/?#[]@ 🚨\nSecond line; ünïcode %(to)s %s"
    prepared = await account.prepare(text)
    plain = Client(ACCOUNT, "t0ken", http_client=TwilioHttpClient())
    fields = {"from_": sender["from"]} if "from" in sender else {"messaging_service_sid": SERVICE}
    for number, life_s in (("+15550100", 1), ("+442071838750", 36_000), ("whatsapp:+15550100", 900)):
        key = f"{number[-4:]}abcdef" * 3
        receipts = {"status_callback": f"{callback}?d={key}"} if callback else {}
        plain.messages.create(
            to=number, body=text, validity_period=life_s, risk_check="disable", **fields, **receipts
        )
        expected = caught[-1].body
        wire = expected if isinstance(expected, bytes) else expected.encode()
        assert prepared.body(to=number, key=key, life_s=life_s) == wire
        assert prepared.target.url == caught[-1].url
        headers = dict(line.split(": ", 1) for line in prepared.target.headers)
        ours = {name: value for name, value in caught[-1].headers.items() if name in headers}
        assert headers == ours
        assert "Authorization" in headers


@settings(max_examples=50, deadline=None)
@given(text=st.text(min_size=1, max_size=300), to=st.text(min_size=1, max_size=20))
def test_no_text_and_no_recipient_can_break_the_form(text, to):
    account = Account(
        config(), Transport(deadline=timedelta(1), in_flight=1), callback_url="https://h.example/s"
    )
    text, to = (word.encode("utf-8", "replace").decode() for word in (text, to))
    body = asyncio.run(account.prepare(text)).body(to=to, key="f" * 32, life_s=60)
    fields = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
    assert dict(fields)["Body"] == text
    assert dict(fields)["To"] == to
    assert [name for name, _ in fields] == [
        "To",
        "StatusCallback",
        "ValidityPeriod",
        "RiskCheck",
        "From",
        "Body",
    ]


# -- outcomes


@pytest.mark.parametrize(("code", "reason"), sorted(REASONS.items()))
async def test_every_code_of_the_table_reaches_the_lane_with_its_reason(code, reason):
    outcome = outcome_of(reply(400, {"code": code, "message": "said", "status": 400}), FrozenClock())
    assert outcome.reason is reason
    assert outcome.detail == f"{code} said"
    passing = reason in (Reason.RATE_LIMITED, Reason.QUEUE_FULL, Reason.UNAVAILABLE)
    assert isinstance(outcome, Deferred if passing else Rejected)


@pytest.mark.parametrize("code", sorted(REASONS))
async def test_the_sdks_exception_for_a_code_means_the_same(code):
    """What ``retract`` hears through the SDK, and what ``send`` reads itself, agree."""
    said = {"code": code, "message": "said", "status": 400}
    async with answering((400, said)) as (url, _):
        made = channel_at(url)
        outcome = await made.retract("SM1")
        await made.aclose()
    assert outcome.reason is reason_for(code)
    assert type(outcome) is type(outcome_of(reply(400, said), FrozenClock()))


def reply(status, body=b"", **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return Reply(status, raw, f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode())


SID = {"sid": "SM1", "status": "queued", "error_code": None}
SAID = {"message": "no"}


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (reply(201, SID), Accepted("SM1")),
        (reply(200, SID), Accepted("SM1")),
        (reply(201, b'{"sid":"SM1","price":NaN}'), Accepted("SM1")),
        (reply(201, {**SID, "status": "failed", "error_code": 30007}), Rejected(Reason.FILTERED, "30007")),
        (reply(201, {**SID, "status": "failed", "error_code": 99999}), Accepted("SM1")),
        (Silence(sent=False, detail="refused"), Deferred(Reason.UNCONNECTED, detail="refused")),
        (Silence(sent=False, late=True, detail="x"), Deferred(Reason.UNCONNECTED, detail="x")),
        (Silence(sent=True, late=True, detail="x"), Unknown(Reason.TIMEOUT, "x")),
        (Silence(sent=True, detail="reset"), Unknown(Reason.UNREADABLE, "reset")),
        (reply(500, {"code": 20500, "message": "x"}), Unknown(Reason.UNAVAILABLE, "20500 x")),
        (reply(503, {"code": 20503, "message": "x"}), Unknown(Reason.UNAVAILABLE, "20503 x")),
        (reply(503, b"<html>"), Unknown(Reason.UNAVAILABLE, "HTTP 503")),
        (reply(302, b""), Unknown(Reason.UNREADABLE, "HTTP 302")),
        (reply(303, {"code": 21211}), Unknown(Reason.UNREADABLE, "21211")),
        (reply(400, b"<html>"), Unknown(Reason.UNREADABLE, "HTTP 400")),
        (reply(404, {"message": "?"}), Unknown(Reason.UNREADABLE, "HTTP 404 ?")),
        (reply(400, {"code": 29999, "message": "new"}), Rejected(Reason.UNRECOGNISED, "29999 new")),
        (reply(400, SAID | {"status": 400}), Rejected(Reason.UNRECOGNISED, "HTTP 400 no")),
        (reply(405, SAID | {"code": 405, "status": 405}), Rejected(Reason.UNRECOGNISED, "HTTP 405 no")),
        (reply(404, SAID | {"status": 404}), Rejected(Reason.AUTH, "HTTP 404 no")),
        (reply(404, {"type": "t", "title": "no", "status": 404}), Rejected(Reason.AUTH, "HTTP 404 no")),
        (reply(404, SAID | {"code": 20099}), Rejected(Reason.AUTH, "20099 no")),
        (reply(403, SAID | {"code": 20099}), Rejected(Reason.FORBIDDEN, "20099 no")),
        (reply(401, SAID | {"code": 20099}), Rejected(Reason.AUTH, "20099 no")),
        (reply(404, b"<html>"), Unknown(Reason.UNREADABLE, "HTTP 404")),
        (reply(400, SAID | {"status": 502}), Unknown(Reason.UNREADABLE, "HTTP 400 no")),
        (reply(502, SAID | {"status": 502}), Unknown(Reason.UNAVAILABLE, "HTTP 502 no")),
        (reply(400, {"code": "21610"}), Rejected(Reason.OPTED_OUT, "21610")),
        (reply(400, {"code": True}), Unknown(Reason.UNREADABLE, "HTTP 400")),
        (reply(401, b""), Rejected(Reason.AUTH, "HTTP 401")),
        (reply(402, b""), Rejected(Reason.NO_CREDIT, "HTTP 402")),
        (reply(403, b"<html>"), Rejected(Reason.FORBIDDEN, "HTTP 403")),
        (reply(407, b""), Deferred(Reason.UNCONNECTED, detail="HTTP 407")),
        (reply(408, b""), Deferred(Reason.UNAVAILABLE, detail="HTTP 408")),
        (reply(429, {"code": 29999}), Deferred(Reason.RATE_LIMITED, detail="29999")),
        (
            reply(400, {"type": "t", "title": "bad", "status": 400, "code": 21211, "detail": "why"}),
            Rejected(Reason.INVALID_ADDRESS, "21211 why"),
        ),
    ],
    ids=str,
)
def test_each_end_of_a_call_means_one_thing(end, expected):
    assert outcome_of(end, FrozenClock()) == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"42", b'"SM1"', b'{"sid":null}', b'{"sid":NaN}', b'{"sid":""}', b'{"sid":7}', b'{"sid":"SM\\ud800"}',
     b"\xff\xfe\xff", b"[" * 200_000, b'{"sid":{"a":1}}', b"<html>201</html>"],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_a_success_that_names_no_message_is_unknown(body):
    assert outcome_of(reply(201, body), FrozenClock()).reason is Reason.UNREADABLE
    assert isinstance(outcome_of(reply(201, body), FrozenClock()), Unknown)


@settings(max_examples=200, deadline=None)
@given(status=st.integers(200, 599), body=st.binary(max_size=200), head=st.binary(max_size=100))
def test_no_answer_makes_the_reading_of_it_fail(status, body, head):
    outcome = outcome_of(Reply(status, body, head), FrozenClock())
    assert isinstance(outcome, Unknown | Rejected | Deferred)


NAME = "SM" + "0123456789abcdef" * 2
LEAVES = st.sampled_from([NAME, "SM1", "", None, 21610, "failed", "queued", '"sid": "', "{"])
KEYS = st.sampled_from(["sid", "status", "body", "error_code", 'x"sid', "account_sid", '"sid":'])
ANSWERS = st.dictionaries(
    KEYS, st.one_of(LEAVES, st.lists(LEAVES, max_size=2), st.dictionaries(KEYS, LEAVES, max_size=2))
)


@settings(deadline=None)
@given(answer=ANSWERS, tight=st.booleans())
@example(answer={"of": {"sid": NAME}}, tight=True)
@example(answer={'x"sid': NAME}, tight=False)
@example(answer={"sid": NAME, "status": "failed", "error_code": 21610}, tight=True)
def test_a_usual_answer_means_what_it_means_when_all_of_it_is_read(answer, tight):
    text = json.dumps(answer, separators=(",", ":") if tight else None).encode()
    clock = FrozenClock()

    # White space before it is not usual, and changes nothing.
    assert outcome_of(Reply(201, text, b""), clock) == outcome_of(Reply(201, b" " + text, b""), clock)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("0", timedelta(0)),
        ("86000", timedelta(seconds=86_000)),
        ("Tue, 01 Sep 2026 02:14:33 GMT", timedelta(seconds=30)),
        ("Mon, 31 Aug 2026 02:14:33 GMT", timedelta(0)),
        ("-3", None),
        ("soon", None),
        ("", None),
    ],
)
def test_the_providers_own_wait_is_kept(header, wait):
    outcome = outcome_of(reply(429, {"code": 20429}, Retry_After=header), FrozenClock())
    assert outcome == Deferred(Reason.RATE_LIMITED, wait, "20429")


def test_numbers_in_twilios_words_are_masked():
    words = "The 'To' number +15005550001 is not valid, nor 15005550002; see 21211 and RQ0123456789"
    outcome = outcome_of(reply(400, {"code": 21211, "message": words}), FrozenClock())
    assert "+15005550001" not in outcome.detail
    assert "5005550002" not in outcome.detail
    assert "+15***0001" in outcome.detail
    assert "see 21211 and RQ0123456789" in outcome.detail


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("+15005550001", Reason.INVALID_ADDRESS),
        ("+15005550002", Reason.UNROUTABLE),
        ("+15005550003", Reason.UNROUTABLE),
        ("+15005550004", Reason.OPTED_OUT),
        ("+15005550009", Reason.NOT_MOBILE),
    ],
)
async def test_twilios_magic_numbers_are_refused_for_the_address(channel, to, reason):
    outcome = await channel.send(an_envelope(address=Address(AddressKind.PHONE, to)))
    assert isinstance(outcome, Rejected)
    assert outcome.reason is reason
    assert reason.scope is Scope.ADDRESS


# -- look-up


async def test_a_message_whose_answer_was_lost_is_found(channel, sandbox):
    since = datetime.now(UTC)
    play(sandbox, kind="reset", when="after")
    assert isinstance(await channel.send(an_envelope()), Unknown)
    [sid] = sandbox.world.texts
    assert await channel.find(an_envelope(), since) == Found(sid)


async def test_a_message_that_never_arrived_is_surely_absent_once_the_list_is_complete(sandbox):
    clock = FrozenClock(datetime.now(UTC))
    made = channel_at(sandbox.http_url, clock=clock, lookup_after_s=30)
    since = clock.now()
    assert await made.find(an_envelope(), since) == Absent(certain=False)
    clock.advance(timedelta(seconds=31))
    assert await made.find(an_envelope(), since) == Absent(certain=True)
    await made.aclose()


@pytest.mark.parametrize(
    "effect",
    [
        {"kind": "status", "status": 500},
        {"kind": "dead_token"},
        {"kind": "html", "status": 200},
        {"kind": "empty", "status": 200},
        {"kind": "status", "status": 200, "body": "[]"},
        {"kind": "status", "status": 200, "body": '{"messages":[7]}'},
        {"kind": "status", "status": 200, "body": '{"messages":[{"date_created":"Mon, 99 Foo 2026"}]}'},
        {"kind": "reset"},
    ],
    ids=str,
)
async def test_a_list_that_cannot_be_had_tells_nothing(channel, sandbox, effect):
    play(sandbox, operation="list", **effect)
    assert isinstance(await channel.find(an_envelope(), datetime.now(UTC)), CannotTell)


SINCE = datetime(2026, 9, 1, 2, 0, tzinfo=UTC)


def listed(body="Run.", status="queued", after_s=1.0, sid="SM1"):
    return Listed(sid, body, status, SINCE + timedelta(seconds=after_s))


def judged(*entries, rewritten=False):
    sought = Sought(text="Run.", since=SINCE, complete_at=SINCE, rewritten=rewritten)
    return verdict(entries, sought, SINCE + timedelta(minutes=1))


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([listed()], Found("SM1")),
        ([listed(body="Hide."), listed(sid="SM2")], Found("SM2")),
        ([listed(after_s=-4)], Found("SM1")),
        ([listed(body="Sent from your Twilio trial account - Run.")], Found("SM1")),
        ([listed(status="undelivered")], Found("SM1")),
        ([listed(status="delivered")], Found("SM1")),
        ([listed(after_s=-6)], Absent(certain=True)),
        ([listed(status="failed"), listed(status="canceled")], Absent(certain=True)),
        ([listed(body="Do not Run.")], Absent(certain=True)),
        ([listed(body="Hide.")] * NEWEST, Absent(certain=False)),
        ([listed(body="Hide.")] * (NEWEST - 1) + [listed(after_s=-60)], Absent(certain=True)),
        ([Listed("SM1", "Run.", "queued", None)], CannotTell("Twilio's list has entries without a readable date")),
        ([], Absent(certain=True)),
    ],
    ids=range(13),
)  # fmt: skip
def test_the_list_is_judged_by_text_time_and_status(entries, expected):
    assert judged(*entries) == expected


def test_where_a_service_may_have_rewritten_the_text_another_text_leaves_doubt():
    assert judged(listed(body="Run"), rewritten=True) == Absent(certain=False)
    assert judged(rewritten=True) == Absent(certain=True)


# -- taking back, and checking


async def test_a_queued_message_can_be_cancelled_and_a_sent_one_cannot(channel, sandbox):
    sandbox.faults.play(Script.parse({"switches": {"sent_after_s": 60}}), seed=0)
    first = await channel.send(an_envelope(1))
    assert await channel.retract(first.provider_id) == first
    assert sandbox.world.counts["canceled"] == 1
    sandbox.faults.play(Script.parse({"switches": {"sent_after_s": 0, "delivered_after_s": 0}}), seed=0)
    second = await channel.send(an_envelope(2))
    await asyncio.sleep(0.01)
    refused = await channel.retract(second.provider_id)
    assert isinstance(refused, Rejected)
    assert refused.detail.startswith("30409")


async def test_a_check_looks_at_account_balance_and_sender_and_sends_nothing(channel, sandbox):
    findings = await channel.check()
    assert [finding.what for finding in findings] == ["account", "balance", "headroom", "sender"]
    assert [finding.money for finding in findings] == [None, 250.0, None, None]
    assert all(finding.ok for finding in findings), findings
    assert not sandbox.world.texts


async def test_a_check_with_a_dead_token_says_so_and_stops(channel, sandbox):
    play(sandbox, operation="account", kind="dead_token")
    [finding] = await channel.check()
    assert not finding.ok
    assert "credentials refused" in finding.detail
    assert "t0ken" not in repr(finding)


ACTIVE = (200, {"sid": ACCOUNT, "status": "active", "type": "Full", "friendly_name": "Campus"})
MONEY = (200, {"balance": "25.5", "currency": "USD"})
TOLL_FREE = "+18005550006"
FREE = {"sid": "PN" + "0" * 32, "phone_number": TOLL_FREE, "capabilities": {"sms": True}}
NUMBER = {"phone_number": "+15005550006", "capabilities": {"sms": True}}


def numbers(*found, kind="incoming_phone_numbers"):
    return (200, {kind: found, "page": 0, "page_size": 50})


def verified(*states):
    return (200, {"verifications": [{"status": state} for state in states], "meta": {"key": "verifications"}})


@pytest.mark.parametrize(
    ("overrides", "answers", "told"),
    [
        ({}, [ACTIVE, MONEY, numbers(NUMBER)], [True, True, True, True]),
        ({}, [ACTIVE, MONEY, numbers()], [True, True, True, False]),
        ({}, [ACTIVE, MONEY, numbers({**NUMBER, "capabilities": {"sms": False}})], [True, True, True, False]),
        ({"balance_low": 30}, [ACTIVE, MONEY, numbers(NUMBER)], [True, True, False, True]),
        ({"from": TOLL_FREE}, [ACTIVE, MONEY, numbers(FREE), verified("TWILIO_APPROVED")], [True] * 4),
        (
            {"from": TOLL_FREE},
            [ACTIVE, MONEY, numbers(FREE), verified("PENDING_REVIEW")],
            [True] * 3 + [False],
        ),
        ({"from": TOLL_FREE}, [ACTIVE, MONEY, numbers(FREE), verified()], [True] * 3 + [False]),
        (
            {"from": "24639"},
            [ACTIVE, MONEY, numbers({"short_code": "24639"}, kind="short_codes")],
            [True, True, True, True],
        ),
        ({"messaging_service": SERVICE}, [ACTIVE, MONEY, (200, {"friendly_name": "S"})], [True] * 4),
        ({"messaging_service": SERVICE}, [ACTIVE, MONEY, (500, {})], [True, True, True, False]),
        ({}, [ACTIVE, (200, {"balance": "-1.00"}), numbers(NUMBER)], [True, False, False, True]),
        ({}, [ACTIVE, (200, {"balance": None}), numbers(NUMBER)], [True, False, True]),
        ({}, [(200, {"status": "suspended", "type": "Full"})], [False]),
        ({}, [(200, {"status": "active", "type": "Trial"})], [False]),
        ({}, [(200, b"<html>")], [False]),
    ],
    ids=range(15),
)
async def test_a_check_finds_what_would_stop_an_alert(overrides, answers, told):
    async with answering(*answers) as (url, lines):
        made = channel_at(url, **overrides)
        findings = await made.check()
        await made.aclose()
    assert [finding.ok for finding in findings] == told, findings
    assert all(finding.detail for finding in findings)
    assert all(finding.fix for finding in findings if not finding.ok)
    if len(told) == 4 and "from" not in overrides and "messaging_service" not in overrides:
        assert f"PhoneNumber={quote_plus('+15005550006')}" in lines[2]
