"""What one HTTP exchange of the SMS channel costs, beside the ways it could have been done.

    python -m benchmarks.transport [--requests 20000] [--rounds 3] [--in-flight 50] [--tls]

A stub in a process of its own, on another core where the machine has one, answers like Twilio without
waiting. The figures are CPU microseconds a request (user and system time of the client) and ratios to
aiohttp with a dict for a body, of the best round of each; rounds are interleaved.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from alerting.channels.base import Surroundings
from alerting.channels.sms.channel import build
from alerting.channels.sms.config import TwilioConfig
from alerting.channels.sms.curl import CurlDriver
from alerting.channels.sms.transport import Transport
from alerting.channels.sms.wire import Limits, Target
from alerting.clock import SystemClock
from alerting.secret import Secret
from alerting.testing.builders import an_envelope

Exchange = Callable[[], Awaitable[object]]
SID = "SM" + "0" * 32
ACCOUNT = "AC" + "0" * 32
ANSWER = json.dumps(
    {
        "sid": SID,
        "account_sid": ACCOUNT,
        "body": "ACTIVE THREAT at Library. Run, hide, fight. " * 3,
        "status": "queued",
        "error_code": None,
        "date_created": "Tue, 01 Sep 2026 02:14:03 +0000",
        "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{SID}.json",
    }
).encode()
HEAD = (
    b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nDate: Tue, 01 Sep 2026 02:14:03 GMT\r\n"
    b"Twilio-Request-Id: RQ0\r\nTwilio-Concurrent-Requests: 3\r\nContent-Length: %d\r\n\r\n"
)
FORM = {
    "To": "+15550100",
    "ValidityPeriod": "900",
    "RiskCheck": "disable",
    "From": "+15005550006",
    "Body": "ACTIVE THREAT at Library. Run, hide, fight. " * 3,
}
BODY = (
    b"To=%2B15550100&ValidityPeriod=900&RiskCheck=disable&From=%2B15005550006&Body=" + b"ACTIVE+THREAT" * 12
)
HEADERS = ("Content-Type: application/x-www-form-urlencoded", "Authorization: Basic c2VjcmV0")


class Stub(asyncio.Protocol):
    """Answers every request with the same message."""

    def connection_made(self, transport):
        self.transport, self.held = transport, b""

    def data_received(self, data):
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            length = self.held[:end].lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            whole = end + 4 + int(length or 0)
            if len(self.held) < whole:
                return
            self.held = self.held[whole:]
            self.transport.write(HEAD % len(ANSWER) + ANSWER)


async def stub(folder: str) -> None:
    context = None
    if folder:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", 0, ssl=context, backlog=500)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Ways:
    """Each way gives an exchange to repeat, and what closes it."""

    def __init__(self, url: str, in_flight: int, authorities: str) -> None:
        self.url, self.in_flight, self.authorities = url, in_flight, authorities

    def channel(self):
        """Everything ``send`` does: splice, exchange, read the answer, make an outcome."""
        config = TwilioConfig(
            name="sms", account_sid=ACCOUNT, auth_token=Secret("t"), sender="+15005550006",
            in_flight=self.in_flight,
        )  # fmt: skip
        made = build(config, Surroundings(clock=SystemClock(), campus="", base_url=self.url))
        envelope = an_envelope(expires_at=datetime.now(UTC) + timedelta(hours=1))
        return partial(made.send, envelope), made.aclose

    def transport(self):
        """The exchange alone, and the answer's JSON."""
        transport = Transport(deadline=timedelta(seconds=10), in_flight=self.in_flight)
        target = Target("POST", self.url + "/x", HEADERS)

        async def exchange():
            return json.loads((await transport.exchange(target, BODY)).body)

        return exchange, _later(transport.close)

    def libcurl(self):
        """The same over libcurl, as where a proxy is named."""
        limits = Limits(10.0, self.authorities)
        driver = CurlDriver(asyncio.get_running_loop(), limits, self.in_flight)
        target = Target("POST", self.url + "/x", HEADERS)

        async def exchange():
            waiting = asyncio.get_running_loop().create_future()
            driver.start(target, BODY, waiting.set_result)
            return json.loads((await waiting).body)

        return exchange, _later(driver.close)

    def aiohttp_bytes(self):
        import aiohttp

        headers = dict(line.split(": ") for line in HEADERS)
        session = aiohttp.ClientSession(connector=self._connector(), cookie_jar=aiohttp.DummyCookieJar())

        async def exchange():
            async with session.post(self.url + "/x", data=BODY, headers=headers) as response:
                return json.loads(await response.read())

        return exchange, session.close

    def aiohttp_dict(self):
        import aiohttp

        session = aiohttp.ClientSession(connector=self._connector())

        async def exchange():
            async with session.post(self.url + "/x", data=FORM) as response:
                return await response.json()

        return exchange, session.close

    def _connector(self):
        import aiohttp

        context = ssl.create_default_context(cafile=self.authorities)
        return aiohttp.TCPConnector(limit=self.in_flight, ssl=context)


def _later(close):
    async def closing():
        close()

    return closing


WAYS = ("channel", "transport", "libcurl", "aiohttp_bytes", "aiohttp_dict")


async def measured(way: str, url: str, options: argparse.Namespace, authorities: str) -> float:
    """Return CPU microseconds a request; connections are opened before."""
    exchange, close = getattr(Ways(url, options.in_flight, authorities), way)()

    async def worker(times: int) -> None:
        for _ in range(times):
            await exchange()

    await asyncio.gather(*(worker(5) for _ in range(options.in_flight)))
    each = options.requests // options.in_flight
    before = resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.gather(*(worker(each) for _ in range(options.in_flight)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    await close()
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return spent * 1e6 / (each * options.in_flight)


def certificate(folder: str) -> str:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem", "-days", "1", "-subj", "/CN=stub",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return f"{folder}/cert.pem"


def pin(core: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--requests", type=int, default=20_000)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--in-flight", type=int, default=50)
    asked.add_argument("--tls", action="store_true")
    asked.add_argument("--stub", metavar="FOLDER")
    options = asked.parse_args()
    if options.stub is not None:
        pin(1)
        asyncio.run(stub(options.stub))
    with tempfile.TemporaryDirectory() as folder:
        authorities = certificate(folder)
        os.environ["REQUESTS_CA_BUNDLE"] = authorities
        command = [sys.executable, "-m", "benchmarks.transport", "--stub", folder if options.tls else ""]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            pin(0)
            port = server.stdout.readline().strip()
            url = f"{'https' if options.tls else 'http'}://127.0.0.1:{port}"
            best = dict.fromkeys(WAYS, float("inf"))
            for _ in range(options.rounds):
                for way in WAYS:
                    best[way] = min(best[way], asyncio.run(measured(way, url, options, authorities)))
            server.terminate()
    print(f"{options.in_flight} in flight, {'TLS 1.3' if options.tls else 'plain HTTP'}")
    for way in WAYS:
        print(f"{way:14} {best[way]:7.1f} us  {best[way] / best['aiohttp_dict']:5.2f} of aiohttp_dict")


if __name__ == "__main__":
    main()
