"""The SMS transport against servers that misbehave, over real sockets on loopback."""

import asyncio
import os
import socket
import ssl
import struct
import subprocess
import time
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from alerting.channels.sms.transport import Transport
from alerting.channels.sms.wire import MOST_BYTES, Reply, Target, authorities
from alerting.channels.web_answer import Silence

OK = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nX-Seen: yes\r\n\r\n{}"
HEADERS = ("Content-Type: application/x-www-form-urlencoded", "Authorization: Basic c2VjcmV0")


@pytest.fixture(autouse=True, params=["own connections", "libcurl"])
def no_proxies(request, monkeypatch):
    """No proxy; and once as where a proxy is named that nothing goes through, which libcurl judges."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    if request.param == "libcurl":
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
async def transport():
    transport = Transport(deadline=timedelta(seconds=0.6), in_flight=8)
    yield transport
    transport.close()


class Server:
    """Answers each request of a connection by ``answer(reader, writer, number)``, and counts them."""

    def __init__(self, answer, tls=None):
        self.answer, self.tls = answer, tls
        self.requests: list[bytes] = []
        self.connections = self.open = self.most_open = 0
        self.writers: set[asyncio.StreamWriter] = set()
        self.first = asyncio.Event()

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/x"

    async def serve(self, reader, writer):
        self.connections += 1
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        self.writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                self.requests.append(head + await reader.readexactly(int(length or 0)))
                self.first.set()
                await self.answer(reader, writer, len(self.requests))
                if writer.is_closing():
                    break
        self.open -= 1
        writer.close()


@asynccontextmanager
async def serving(answer, tls=None):
    server = Server(answer, tls)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls, backlog=500)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for writer in server.writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def saying(data):
    async def answer(_reader, writer, _number):
        writer.write(data)

    return answer


async def silent(reader, _writer, _number):
    await reader.read(1)


def reset(writer):
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def post(transport, url, body=b"To=%2B15550100", method="POST"):
    return transport.exchange(Target(method, url, HEADERS), body)


def files_open():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def arrived(server):
    """Wait until a request has arrived."""
    async with asyncio.timeout(2):
        await server.first.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_request_arrives_whole_and_its_answer_comes_back_with_its_headers(transport):
    async with serving(saying(OK)) as server:
        reply = await post(transport, server.url)
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert reply[:2] == (201, b"{}")
    assert reply.full().headers == {"content-length": "2", "x-seen": "yes"}
    assert head.startswith(b"POST /x HTTP/1.1\r\n")
    assert b"Authorization: Basic c2VjcmV0" in head
    assert b"Expect" not in head
    assert body == b"To=%2B15550100"


async def test_a_get_has_no_body_and_a_delete_is_a_delete(transport):
    async with serving(saying(OK)) as server:
        await post(transport, server.url, b"", "GET")
        await post(transport, server.url, b"", "DELETE")
        await post(transport, server.url, b"To=1")
    assert [request.split()[0] for request in server.requests] == [b"GET", b"DELETE", b"POST"]


async def test_headers_of_an_interim_answer_are_not_those_of_the_last(transport):
    early = b"HTTP/1.1 103 Early Hints\r\nRetry-After: 1\r\n\r\n"
    async with serving(saying(early + OK)) as server:
        reply = await post(transport, server.url)
    assert reply.status == 201
    assert "retry-after" not in reply.full().headers


async def test_a_refused_connection_was_surely_not_sent(transport):
    assert_unsent(await post(transport, f"http://127.0.0.1:{free_port()}/"))


async def test_a_name_that_does_not_exist_was_surely_not_sent(transport):
    assert_unsent(await post(transport, "http://nowhere.invalid/"))


async def test_a_refusal_after_a_success_on_the_same_handle_is_still_surely_not_sent(transport):
    async with serving(saying(OK)) as server:
        await post(transport, server.url)
    assert_unsent(await post(transport, f"http://127.0.0.1:{free_port()}/"))


async def test_a_connection_that_is_never_taken_was_surely_not_sent(transport):
    """A full backlog: the handshake of TCP never ends."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        crowd = [socket.socket() for _ in range(4)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        end = await post(transport, f"http://127.0.0.1:{full.getsockname()[1]}/")
        for one in crowd:
            one.close()
    assert_unsent(end)
    assert end.late


async def test_a_server_that_says_nothing_is_cut_at_the_deadline(transport):
    began = asyncio.get_running_loop().time()
    async with serving(silent) as server:
        end = await post(transport, server.url)
    assert_unknown(end)
    assert end.late
    assert 0.5 < asyncio.get_running_loop().time() - began < 1.5


async def test_a_drip_cannot_outlive_the_deadline(transport):
    async def drip(_reader, writer, _number):
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.05)

    began = asyncio.get_running_loop().time()
    async with serving(drip) as server:
        end = await post(transport, server.url)
    assert_unknown(end)
    assert end.late
    assert asyncio.get_running_loop().time() - began < 1.5


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: nonsense\r\n\r\n{}",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x00\xff\xfe garbage\r\n\r\n",
        b"",
    ],
    ids=["partial body", "broken chunks", "broken length", "another protocol", "garbage", "nothing"],
)
async def test_an_answer_that_is_no_answer_leaves_it_unknown(transport, answer):
    async def broken(_reader, writer, _number):
        writer.write(answer)
        writer.close()

    async with serving(broken) as server:
        assert_unknown(await post(transport, server.url))
    assert len(server.requests) == 1


async def test_a_reset_after_the_request_was_read_leaves_it_unknown(transport):
    async def cut(_reader, writer, _number):
        reset(writer)

    async with serving(cut) as server:
        assert_unknown(await post(transport, server.url))


async def test_a_length_that_is_too_short_cuts_the_body(transport):
    async with serving(saying(b'HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n{"sid":"SM1"}')) as server:
        assert (await post(transport, server.url)).body == b'{"sid'


@pytest.mark.parametrize("how", [reset, lambda writer: writer.close()], ids=["reset", "closed"])
async def test_a_kept_connection_that_dies_is_not_posted_to_twice(transport, how):
    """libcurl repeats a request by itself here, unless it cannot rewind the body."""

    async def second_dies(_reader, writer, number):
        if number == 2:
            how(writer)
        else:
            writer.write(OK)

    async with serving(second_dies) as server:
        assert (await post(transport, server.url, b"To=1")).status == 201
        assert_unknown(await post(transport, server.url, b"To=2"))
        assert (await post(transport, server.url, b"To=3")).status == 201
    assert [request[-4:] for request in server.requests] == [b"To=1", b"To=2", b"To=3"]


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
async def test_a_huge_body_is_not_read_to_its_end(transport, announced):
    written = 0

    async def flood(_reader, writer, _number):
        nonlocal written
        kind = b"Content-Length: 100000000" if announced else b"Transfer-Encoding: chunked"
        writer.write(b"HTTP/1.1 201 Created\r\n" + kind + b"\r\n\r\n")
        for _ in range(1600):
            writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            await writer.drain()
            written += 65_536

    async with serving(flood) as server:
        assert_unknown(await post(transport, server.url))
    assert written < 20 * MOST_BYTES


async def test_a_redirect_is_not_followed(transport):
    async with serving(saying(OK)) as other:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n".encode()
        async with serving(saying(moved)) as server:
            assert (await post(transport, server.url)).status == 307
    assert other.requests == []


async def test_many_at_once_share_few_connections(transport):
    async with serving(saying(OK)) as server:
        ends = await asyncio.gather(*(post(transport, server.url, b"To=%d" % n) for n in range(200)))
    assert {end.status for end in ends} == {201}
    assert len({request.rpartition(b"=")[2] for request in server.requests}) == 200
    assert server.connections <= 8


async def test_waiting_for_a_connection_counts_and_is_surely_not_sent():
    for _ in range(5):
        transport = Transport(deadline=timedelta(seconds=0.4), in_flight=1)
        async with serving(silent) as server:
            first, second = await asyncio.gather(post(transport, server.url), post(transport, server.url))
            await asyncio.sleep(0.05)
        transport.close()
        # Between the end of the first and its own the second may have had a connection for an instant.
        if len(server.requests) == 1:
            break
    assert len(server.requests) == 1
    assert_unknown(first)
    assert_unsent(second)
    assert first.late
    assert second.late


async def test_what_waits_for_a_connection_after_it_should_have_left_does_not_leave():
    transport = Transport(deadline=timedelta(seconds=2), in_flight=1)
    gate, ends, ended = asyncio.Event(), [], asyncio.Semaphore(0)

    def done(end):
        ends.append(end)
        ended.release()

    async def when_told(_reader, writer, _number):
        await gate.wait()
        writer.write(OK)

    async with serving(when_told) as server, asyncio.timeout(5):
        target = Target("POST", server.url, HEADERS)
        transport.begin(target, b"To=1", done)
        await arrived(server)
        transport.begin(target, b"To=2", done, asyncio.get_running_loop().time() + 0.1)
        await asyncio.sleep(0)
        time.sleep(0.2)  # noqa: ASYNC251 - the process stands still, and then all comes at once
        gate.set()
        for _ in range(2):
            await ended.acquire()
        assert (await post(transport, server.url, b"To=3")).status == 201
    transport.close()
    assert [end.status for end in ends if isinstance(end, Reply)] == [201]
    [late] = [end for end in ends if isinstance(end, Silence)]
    assert_unsent(late)
    assert [request[-4:] for request in server.requests] == [b"To=1", b"To=3"]


async def test_five_hundred_calls_leave_no_file_open():
    transport = Transport(deadline=timedelta(seconds=5), in_flight=20)
    before = files_open()
    async with serving(saying(OK)) as server:
        for _ in range(10):
            await asyncio.gather(*(post(transport, server.url) for _ in range(50)))
        assert server.connections <= 20
        transport.close()
    await asyncio.sleep(0.05)
    assert files_open() <= before


async def test_a_cancelled_call_is_stopped_and_its_handle_serves_the_next(transport):
    gone = asyncio.Event()

    async def answer(reader, writer, number):
        if number > 1:
            writer.write(OK)
            return
        await reader.read(1)
        gone.set()

    async with serving(answer) as server:
        call = asyncio.create_task(post(transport, server.url))
        await arrived(server)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(gone.wait(), 0.4)
        assert (await post(transport, server.url)).status == 201


async def test_closing_tells_whoever_waits_and_may_be_done_twice(transport):
    async with serving(silent) as server:
        call = asyncio.create_task(post(transport, server.url))
        await arrived(server)
        transport.close()
        transport.close()
        assert_unknown(await call)


def test_one_transport_serves_one_loop_after_another():
    transport = Transport(deadline=timedelta(seconds=2), in_flight=2)

    async def once():
        async with serving(saying(OK)) as server:
            return (await post(transport, server.url)).status

    assert [asyncio.run(once()), asyncio.run(once())] == [201, 201]
    transport.close()


async def test_a_proxy_is_used_for_tls_and_sees_no_credentials(transport, monkeypatch):
    seen = []

    async def proxy(reader, writer):
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(proxy, "127.0.0.1", 0)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    end = await post(transport, "https://api.twilio.invalid/x")
    listener.close()
    assert seen[0].startswith(b"CONNECT api.twilio.invalid:443")
    assert b"Authorization" not in seen[0]
    assert_unsent(end)


def assert_unsent(end):
    assert isinstance(end, Silence)
    assert not end.sent
    assert end.detail


def assert_unknown(end):
    assert isinstance(end, Silence), end
    assert end.sent


# -- certificates


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority, and certificates for 127.0.0.1, for another host, and one of the past."""
    folder = tmp_path_factory.mktemp("ca")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=Test CA"
    )
    for name, host, dates in (
        ("good", "IP:127.0.0.1", ("-days", "7")),
        ("other", "DNS:elsewhere.example", ("-days", "7")),
        ("past", "IP:127.0.0.1", ("-days", "-1")),
    ):
        (folder / "san").write_text(f"subjectAltName={host}")
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed, *dates)
    return folder


def tls(folder, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


async def test_tls_with_a_trusted_certificate_works_and_is_kept(transport, authority, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority / "ca.pem"))
    async with serving(saying(OK), tls(authority, "good")) as server:
        for _ in range(5):
            assert (await post(transport, server.url)).status == 201
    assert server.connections == 1


@pytest.mark.parametrize("name", ["other", "past"])
async def test_a_certificate_of_another_host_or_of_the_past_is_surely_not_sent(
    transport, authority, monkeypatch, name
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority / "ca.pem"))
    async with serving(saying(OK), tls(authority, name)) as server:
        assert_unsent(await post(transport, server.url))
    assert server.requests == []


async def test_an_unknown_authority_is_surely_not_sent(transport, authority, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("CURL_CA_BUNDLE", str(authority / "other.pem"))
    async with serving(saying(OK), tls(authority, "good")) as server:
        assert_unsent(await post(transport, server.url))


async def test_a_missing_certificate_file_is_surely_not_sent(transport, authority, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority / "nowhere.pem"))
    async with serving(saying(OK), tls(authority, "good")) as server:
        assert_unsent(await post(transport, server.url))


async def test_a_server_that_hangs_in_the_handshake_was_surely_not_sent(transport):
    async def quiet(reader, writer):
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(quiet, "127.0.0.1", 0)
    end = await post(transport, f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/")
    listener.close()
    assert_unsent(end)
    assert end.late


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"REQUESTS_CA_BUNDLE": "/a", "CURL_CA_BUNDLE": "/b", "SSL_CERT_FILE": "/c"}, "/a"),
        ({"CURL_CA_BUNDLE": "/b", "SSL_CERT_FILE": "/c"}, "/b"),
        ({"REQUESTS_CA_BUNDLE": "", "SSL_CERT_FILE": "/c", "SSL_CERT_DIR": "/d"}, "/c"),
        ({"SSL_CERT_DIR": "/d"}, "/d"),
    ],
)
def test_the_usual_variables_name_the_trusted_certificates(environ, expected):
    assert authorities(environ) == expected


def test_without_a_variable_certifi_is_trusted():
    assert Path(authorities({})).is_file()


def test_a_reply_with_a_broken_head_is_still_a_reply():
    assert Reply(200, b"", b"HTTP/1.1 200\r\nno colon here\r\n\r\n").full().headers == {"no colon here": ""}
