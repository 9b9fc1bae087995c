"""Connections of our own: forms of answers, and exactly what is known of a request that failed."""

import asyncio
import os
import select
import socket
import ssl
import struct
import subprocess
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

import pytest

from alerting.channels.sms import pool
from alerting.channels.sms.transport import Transport
from alerting.channels.sms.wire import Reply, Target
from alerting.channels.web_answer import Silence

OK = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
async def transport():
    transport = Transport(deadline=timedelta(seconds=2), in_flight=4)
    yield transport
    transport.close()


@asynccontextmanager
async def serving(answer, tls=None):
    """Serve ``answer(reader, writer, connection, requests)`` after each request; yield what came."""
    seen, writers = [], []

    async def serve(reader, writer):
        writers.append(writer)
        number, of_it = len(writers), 0
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                of_it += 1
                seen.append((number, await reader.readexactly(length)))
                await answer(writer, number, of_it)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    seen_url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.sockets[0].getsockname()[1]}/x"
    try:
        yield seen_url, seen
    finally:
        listener.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def saying(*pieces):
    async def answer(writer, _connection, _request):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    return answer


def post(transport, url, body=b"To=1"):
    return transport.exchange(Target("POST", url, ()), body)


@pytest.mark.parametrize("cut", [1, 12, 30, 42, 43])
async def test_an_answer_in_two_pieces_is_one_answer(transport, cut):
    async with serving(saying(OK[:cut], OK[cut:])) as (url, seen):
        assert [(await post(transport, url))[:2] for _ in range(2)] == [(201, b"{}")] * 2
    assert [connection for connection, _ in seen] == [1, 1]


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", False),
        (b"HTTP/1.1 201 Created\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\n{}", True),
        (b"HTTP/1.0 201 Created\r\nContent-Length: 2\r\n\r\n{}", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, True),
        (OK + b"more than was announced", False),
    ],
    ids=["chunked", "closing", "keeping", "HTTP/1.0", "after an interim one", "with a tail"],
)
async def test_a_connection_is_used_again_where_its_answer_allows(transport, answer, kept):
    async with serving(saying(answer)) as (url, seen):
        assert [(await post(transport, url))[:2] for _ in range(2)] == [(201, b"{}")] * 2
    assert [connection for connection, _ in seen] == [1, 1 if kept else 2]


async def test_a_body_without_a_length_ends_with_the_connection(transport):
    async def answer(writer, _connection, _request):
        writer.write(b"HTTP/1.1 201 Created\r\n\r\n{}")
        writer.close()

    async with serving(answer) as (url, _):
        assert (await post(transport, url))[:2] == (201, b"{}")


async def test_a_connection_the_other_side_closed_meanwhile_is_not_used(transport):
    async def once(writer, _connection, _request):
        writer.write(OK)
        await writer.drain()
        writer.close()

    async with serving(once) as (url, seen):
        assert (await post(transport, url)).status == 201
        await asyncio.sleep(0.05)
        assert (await post(transport, url)).status == 201
    assert [connection for connection, _ in seen] == [1, 2]


async def test_what_waits_for_a_connection_is_told_until_it_leaves(transport):
    gate, here, ends = asyncio.Event(), asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def when_told(writer, _connection, _request):
        here.release()
        await gate.wait()
        writer.write(OK)

    async with serving(when_told) as (url, _), asyncio.timeout(5):
        target = Target("POST", url, ())
        assert len(transport.waiting) == 0
        for _ in range(6):
            transport.begin(target, b"To=1", lambda _: ends.release())
        assert len(transport.waiting) == 6, "no connection is there yet"
        for _ in range(4):
            await here.acquire()
        assert len(transport.waiting) == 2, "four connections are all there may be"
        gate.set()
        for _ in range(6):
            await ends.acquire()
        assert len(transport.waiting) == 0
        transport.begin(target, b"To=1", lambda _: ends.release())
        assert len(transport.waiting) == 0, "it left at once over a connection that was kept"


async def test_a_connection_idle_for_long_is_not_trusted(transport, monkeypatch):
    async with serving(saying(OK)) as (url, seen):
        await post(transport, url)
        monkeypatch.setattr(pool, "IDLE_S", -1)
        await post(transport, url)
    assert [connection for connection, _ in seen] == [1, 2]


@contextmanager
def resetting_server(answers):
    """Answer one request on each connection, then reset it; ``answers`` collects their bodies."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            answers.append(one.recv(65_536).rpartition(b"\r\n\r\n")[2])
            one.sendall(OK)
            time.sleep(0.02)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


async def test_a_request_no_byte_of_which_the_kernel_took_goes_over_another_connection(transport):
    bodies = []
    with resetting_server(bodies) as url:
        assert (await post(transport, url, b"To=1")).status == 201
        asyncio.get_running_loop().call_soon(time.sleep, 0.1)  # so that nobody notices the reset
        await asyncio.sleep(0)
        assert (await post(transport, url, b"To=2")).status == 201
    assert bodies == [b"To=1", b"To=2"]


async def test_a_request_larger_than_the_kernel_takes_arrives_whole(transport):
    body = os.urandom(8_000_000)
    async with serving(saying(OK)) as (url, seen):
        assert (await post(transport, url, body)).status == 201
    assert seen == [(1, body)]


async def test_an_answer_given_before_the_request_was_heard_ends_the_connection(transport):
    refused = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await refused.wait()
        writer.transport.abort()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    end = await post(transport, url, bytes(8_000_000))
    refused.set()
    listener.close()
    assert end.status == 413


async def test_the_second_address_of_a_host_is_tried_when_the_first_refuses(transport, monkeypatch):
    async with serving(saying(OK)) as (url, seen):
        port = int(url.split(":")[2].split("/")[0])
        places = [(2, 1, 6, "", ("127.0.0.9", port)), (2, 1, 6, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
        ends = await asyncio.gather(*(post(transport, f"http://two.example:{port}/x") for _ in range(4)))
    assert [end.status for end in ends] == [201] * 4
    assert len(seen) == 4


async def test_a_dead_host_tells_everyone_who_waits():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        transport = Transport(deadline=timedelta(seconds=5), in_flight=3)
        ends = await asyncio.gather(*(post(transport, url) for _ in range(20)))
        transport.close()
    assert {(type(end), end.sent, end.late) for end in ends} == {(Silence, False, False)}


async def test_closing_says_of_what_waits_that_it_has_not_left():
    transport = Transport(deadline=timedelta(seconds=5), in_flight=1)

    heard = asyncio.Event()

    async def silence(_writer, _connection, _request):
        heard.set()
        await asyncio.sleep(5)

    async with serving(silence) as (url, seen):
        calls = [asyncio.create_task(post(transport, url)) for _ in range(2)]
        await asyncio.wait_for(heard.wait(), 2)
        assert len(seen) == 1
        transport.close()
        assert [(await call).sent for call in calls] == [True, False]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=stub"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(
        ["openssl", *words.split(), *names], cwd=folder, check=True, capture_output=True, timeout=30
    )
    return folder


@pytest.fixture
def encrypted(certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


async def test_large_requests_and_answers_go_through_tls_whole(transport, encrypted):
    body, told = os.urandom(3_000_000), os.urandom(900_000)
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told)
    async with serving(saying(answer), encrypted) as (url, seen):
        assert [(await post(transport, url, body)).body for _ in range(2)] == [told] * 2
    assert seen == [(1, body)] * 2


async def test_an_end_of_tls_that_was_not_announced_is_no_end_of_a_body(transport, encrypted):
    """Whoever cuts the connection could otherwise shorten an answer."""

    async def cut(writer, _connection, _request):
        writer.write(b"HTTP/1.1 201 Created\r\n\r\n{}")
        await writer.drain()
        writer.transport.get_extra_info("ssl_object")
        writer.transport._ssl_protocol._transport.abort()

    async with serving(cut, encrypted) as (url, _):
        end = await post(transport, url)
    assert isinstance(end, Silence), end
    assert end.sent


async def test_an_announced_end_of_tls_ends_a_body(transport, encrypted):
    async def answer(writer, _connection, _request):
        writer.write(b"HTTP/1.1 201 Created\r\n\r\n{}")
        writer.close()

    async with serving(answer, encrypted) as (url, _):
        assert (await post(transport, url))[:2] == (201, b"{}")


async def test_what_a_request_says_is_what_the_sdk_asked_for(transport):
    heads = []

    async def serve(reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            heads.append(head.decode())
            writer.write(OK)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    host = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    for method, path in (("GET", "/a?b=c"), ("DELETE", "/a"), ("POST", "")):
        end = await transport.exchange(Target(method, f"http://{host}{path}", ("X-One: 1",)), b"")
        assert isinstance(end, Reply)
    listener.close()
    transport.close()
    lines = f"HTTP/1.1\r\nHost: {host}\r\nX-One: 1\r\n"
    assert heads == [
        f"GET /a?b=c {lines}\r\n",
        f"DELETE /a {lines}\r\n",
        f"POST / {lines}Content-Length: 0\r\n\r\n",
    ]


async def test_what_comes_while_answers_are_taken_needs_no_turn_of_the_loop(transport, monkeypatch):
    """An epoll that tells one event at a time stands for answers that come one by one, while others are taken."""

    make = select.epoll

    class OneByOne:
        def __init__(self):
            self._all = make()

        def __getattr__(self, name):
            return getattr(self._all, name)

        def poll(self, timeout):
            return self._all.poll(timeout, 1)

    monkeypatch.setattr(pool.select, "epoll", OneByOne)
    loop, order, ended = asyncio.get_running_loop(), [], asyncio.Event()

    def done(_reply):
        order.append("answer")
        loop.call_soon(order.append, "turn")
        if order.count("answer") == 4:
            ended.set()

    with socket.create_server(("127.0.0.1", 0)) as door:
        target = Target("POST", f"http://127.0.0.1:{door.getsockname()[1]}/", ())
        for _ in range(4):
            transport.begin(target, b"x", done)
        callers = [(await asyncio.to_thread(door.accept))[0] for _ in range(4)]
        for caller in callers:
            assert await asyncio.to_thread(caller.recv, 1000)
        for caller in callers:
            caller.sendall(OK)
        time.sleep(0.05)  # noqa: ASYNC251 - the loop stands still until all have come
        async with asyncio.timeout(2):
            await ended.wait()
        for caller in callers:
            caller.close()

    assert order[:4] == ["answer"] * 4
