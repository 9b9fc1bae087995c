"""One watched call: bounded in time, and sure about what left."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

import pytest

from alerting.channels.web_answer import Answer, Silence, shown
from alerting.channels.web_session import MOST_BYTES, Wire, converse
from alerting.model.outcome import Deferred, Reason, Unknown
from alerting.secret import Secret

HEADER = re.compile(rb"^([\w-]+): *(.*)\r?$", re.MULTILINE)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def served(converse_with, tls=None):
    """A server of one thread that hands each connection to a function, with what it has read."""
    seen = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                try:
                    if tls:
                        peer = tls.wrap_socket(peer, server_side=True)
                    converse_with(peer, seen)
                except OSError:
                    continue
                finally:
                    peer.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def read(peer):
    """The whole request: what is left unread would turn the server's close into a reset."""
    peer.settimeout(5)
    request = b""
    while b"\r\n\r\n" not in request:
        request += peer.recv(65_536) or b"\r\n\r\n"
    head, _, body = request.partition(b"\r\n\r\n")
    length = next((int(v) for k, v in HEADER.findall(head) if k.lower() == b"content-length"), 0)
    while len(body) < length:
        body += peer.recv(65_536) or b" " * length
    return head + b"\r\n\r\n" + body


def answering(raw):
    def answer(peer, seen):
        seen.append(read(peer))
        peer.sendall(raw)

    return answer


def post(session):
    return session.post("https://provider.example/2/posts", json={"text": "hello"})


def get(session):
    return session.get("https://provider.example/2/posts?token=t0ken-in-a-query")


def calls_running():
    return sum(thread.name == "provider-call" for thread in threading.enumerate())


async def calls_end(most, *, within_s):
    until = monotonic() + within_s
    while calls_running() > most and monotonic() < until:  # noqa: ASYNC110  # a thread's end has no event
        await asyncio.sleep(0.01)
    return calls_running() <= most


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=here"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, str(cert)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class TestWhatLeft:
    async def test_an_answer_comes_back_as_it_was_on_the_wire(self):
        with served(answering(OK)) as (port, seen):
            said = await converse(post, within_s=5, base_url=f"http://127.0.0.1:{port}")
        assert isinstance(said, Answer)
        assert (said.status, said.body, said.headers["content-type"]) == (200, b"{}", "application/json")
        assert seen[0].startswith(b"POST /2/posts HTTP/1.1")

    async def test_a_base_url_may_have_a_path_of_its_own(self):
        with served(answering(OK)) as (port, seen):
            await converse(get, within_s=5, base_url=f"http://127.0.0.1:{port}/x-stand-in/")
        assert seen[0].startswith(b"GET /x-stand-in/2/posts?token=")

    async def test_a_name_that_does_not_resolve_sent_nothing(self):
        said = await converse(post, within_s=5, base_url="http://nowhere.invalid")
        assert said.outcome == Deferred(Reason.UNCONNECTED, None, said.detail)

    async def test_a_refused_connection_sent_nothing_and_tells_no_address(self):
        said = await converse(get, within_s=5, base_url="http://127.0.0.1:1")
        assert said == Silence(sent=False, detail="ConnectionRefusedError: Connection refused")

    async def test_a_handshake_that_never_ends_sent_nothing(self):
        began = monotonic()
        with served(lambda peer, seen: seen.append(peer.recv(1) and sleep(1.0))) as (port, _):
            said = await converse(post, within_s=0.4, base_url=f"https://127.0.0.1:{port}")
            took = monotonic() - began
        assert (said.sent, said.late) == (False, True)
        assert isinstance(said.outcome, Deferred)
        assert took < 0.8

    async def test_a_connection_closed_without_an_answer_leaves_it_open(self):
        with served(lambda peer, seen: seen.append(read(peer))) as (port, _):
            said = await converse(post, within_s=5, base_url=f"http://127.0.0.1:{port}")
        assert said.sent
        assert isinstance(said.outcome, Unknown)

    def test_after_the_cut_nothing_leaves_any_more(self):
        wire = Wire()
        assert wire.cut() is False
        with pytest.raises(ConnectionAbortedError):
            wire.leave()

    async def test_nothing_leaves_after_the_deadline_though_the_loop_stood_still_with_the_call(self):
        """Somebody else may have taken the message over meanwhile, looked it up, and sent it."""

        def stopped(session):
            sleep(0.4)
            post(session)

        with served(answering(OK)) as (port, seen):
            call = asyncio.create_task(converse(stopped, within_s=0.1, base_url=f"http://127.0.0.1:{port}"))
            await asyncio.sleep(0)
            sleep(0.8)  # noqa: ASYNC251 - the whole process stands still
            said = await call
        assert said.sent is False
        assert b"".join(seen).strip() == b"", "it connected, and not a byte of the request followed"

    async def test_without_time_left_nothing_is_called(self):
        called = []
        said = await converse(called.append, within_s=0)
        assert (said.sent, called) == (False, [])

    async def test_a_mistake_of_ours_is_not_taken_for_the_providers(self):
        with pytest.raises(ZeroDivisionError):
            await converse(lambda _: 1 / 0, within_s=5)

    async def test_what_a_library_makes_of_the_answer_does_not_count(self):
        def careless(session):
            session.get("http://provider.example/").json()["missing"]

        with served(answering(OK)) as (port, _):
            said = await converse(careless, within_s=5, base_url=f"http://127.0.0.1:{port}")
        assert isinstance(said, Answer)


class TestDeadline:
    @pytest.mark.parametrize(
        "drip",
        [
            pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200, id="in the headers"),
            pytest.param(
                b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + b" " * 900,
                id="in the body",
            ),
        ],
    )
    async def test_one_byte_at_a_time_does_not_hold_past_it(self, drip):
        def trickle(peer, seen):
            seen.append(read(peer))
            for byte in drip:
                peer.sendall(bytes([byte]))
                sleep(0.01)

        began = monotonic()
        with served(trickle) as (port, _):
            said = await converse(post, within_s=0.5, base_url=f"http://127.0.0.1:{port}")
            took = monotonic() - began
        assert (said.sent, said.late) == (True, True)
        assert said.outcome.reason is Reason.TIMEOUT
        assert took < 0.7

    async def test_the_thread_of_a_call_that_was_cut_ends(self):
        before = calls_running()
        with served(lambda peer, seen: seen.append(read(peer)) or sleep(1)) as (port, _):
            await converse(post, within_s=0.2, base_url=f"http://127.0.0.1:{port}")
            assert await calls_end(before, within_s=0.5)

    async def test_an_endless_body_is_kept_up_to_a_megabyte(self):
        def pour(peer, seen):
            seen.append(read(peer))
            peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n[")
            while True:
                peer.sendall(b" " * 65_536)

        with served(pour) as (port, _):
            said = await converse(post, within_s=5, base_url=f"http://127.0.0.1:{port}")
        assert isinstance(said, Answer)
        assert (said.whole, len(said.body), said.document) == (False, MOST_BYTES, {})


class TestTrust:
    @pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    async def test_the_usual_variables_name_the_authorities(self, certificate, monkeypatch, variable):
        context, path = certificate
        monkeypatch.setenv(variable, path)
        with served(answering(OK), context) as (port, _):
            said = await converse(post, within_s=5, base_url=f"https://127.0.0.1:{port}")
        assert isinstance(said, Answer)

    async def test_a_certificate_nobody_vouches_for_sends_nothing(self, certificate):
        with served(answering(OK), certificate[0]) as (port, seen):
            said = await converse(post, within_s=5, base_url=f"https://127.0.0.1:{port}")
        assert (said.sent, seen) == (False, [])
        assert "self-signed certificate" in said.detail

    async def test_a_netrc_does_not_put_its_credentials_over_the_calls_own(self, tmp_path, monkeypatch):
        netrc = tmp_path / "netrc"
        netrc.write_text("default login somebody password else\n")
        monkeypatch.setenv("NETRC", str(netrc))
        with served(answering(OK)) as (port, seen):
            await converse(
                lambda session: session.get(
                    "http://provider.example/", headers={"Authorization": "Bearer us"}
                ),
                within_s=5,
                base_url=f"http://127.0.0.1:{port}",
            )
        assert b"Authorization: Bearer us\r\n" in seen[0]

    async def test_a_call_over_tls_is_cut_as_well(self, certificate, monkeypatch):
        context, path = certificate
        monkeypatch.setenv("SSL_CERT_FILE", path)
        before = calls_running()
        with served(lambda peer, seen: seen.append(read(peer)) or sleep(1), context) as (port, seen):
            said = await converse(post, within_s=0.4, base_url=f"https://127.0.0.1:{port}")
            assert await calls_end(before, within_s=0.4)
        assert (said.sent, said.late, len(seen)) == (True, True, 1)


class TestProxies:
    async def test_the_providers_proxy_does_not_stand_before_a_base_url(self, monkeypatch):
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with served(answering(OK)) as (port, _):
            said = await converse(post, within_s=5, base_url=f"http://127.0.0.1:{port}")
        assert isinstance(said, Answer)

    async def test_a_proxy_that_refuses_the_tunnel_sent_nothing(self, monkeypatch):
        with served(answering(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as (port, seen):
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
            said = await converse(post, within_s=5)
        assert seen[0].startswith(b"CONNECT provider.example:443")
        assert isinstance(said.outcome, Deferred)


class TestAnswers:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("7", 7),
            ("0", 0),
            ("999999999999", 86_400),
            ("Sat, 21 Nov 2026 12:01:00 GMT", 60),
            ("Sat, 21 Nov 2020 12:01:00 GMT", 0),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("\u0661", None),
        ],
    )
    def test_a_wait_is_read_in_both_forms(self, value, seconds):
        answer = Answer(status=429, headers={"retry-after": value}, body=b"")
        wait = answer.retry_after(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
        assert wait == (None if seconds is None else timedelta(seconds=seconds))

    def test_a_date_is_measured_on_the_providers_clock(self):
        headers = {"retry-after": "Sat, 21 Nov 2026 12:01:00 GMT", "date": "Sat, 21 Nov 2026 12:00:30 GMT"}
        answer = Answer(status=429, headers=headers, body=b"")
        assert answer.retry_after(datetime(2030, 1, 1, tzinfo=UTC)) == timedelta(seconds=30)

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"{", b'{"a":NaN}', b'{"a":Infinity}', b"\xff", b"[" * 99_999]
    )
    def test_what_is_not_a_strict_json_object_is_an_empty_one(self, body):
        assert Answer(status=200, headers={}, body=body).document == {}

    def test_words_are_shown_without_secrets_controls_and_length(self):
        text = shown(
            "a\x00b\nc \x1b[31m" + "s3cret-value " + "x" * 999, hide=[Secret("s3cret-value"), Secret("")]
        )
        assert text.startswith("a b c [31m*** xxx")
        assert len(text) == 200
