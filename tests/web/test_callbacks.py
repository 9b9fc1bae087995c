"""The endpoints: measured and verified before anything is read, durable before the answer."""

import asyncio
import json
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from alerting.channels.base import Forged, Reading
from alerting.clock import SystemClock
from alerting.errors import LedgerUnavailable
from alerting.ledger.rows import Applied
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.model.receipt import Receipt, ReceiptStatus
from alerting.telemetry import QuietLog
from alerting.testing.builders import A_MOMENT
from alerting.web.callbacks import LARGEST_BODY
from alerting.web.serving import Served, bind, serving

PUBLIC = "https://alerts.example.edu/hooks"
GENUINE = b"genuine"


class Reader:
    """Believes one body; a GET is a challenge to be echoed."""

    paths = ("/hook",)

    def __init__(self):
        self.seen = []

    def read(self, path, callback):
        self.seen.append(callback)
        if callback.method == "GET":
            return Reading(status=200, body=callback.query.encode())
        if not callback.body.startswith(GENUINE):
            return Forged("wrong")
        receipt = Receipt(
            channel="c",
            status=ReceiptStatus.SENT,
            at=A_MOMENT,
            provider_id=callback.body.decode(),
            dedupe=callback.body.decode(),
        )
        return Reading(receipts=(receipt,))


class Writer:
    """A ledger's writer that can be slow, full or broken."""

    def __init__(self, ledger):
        self.ledger, self.hold, self.broken, self.calls = ledger, asyncio.Event(), None, 0
        self.hold.set()

    async def do(self, change):
        await self.hold.wait()
        if self.broken:
            raise self.broken
        self.calls += 1
        with self.ledger.transaction():
            return change(self.ledger)


@pytest.fixture
def ledger(tmp_path):
    opened = SqliteLedger.open(tmp_path / "l.db", clock=SystemClock())
    yield opened
    opened.close()


@pytest.fixture
async def web(ledger):
    async with running(Writer(ledger)) as found:
        yield found


@asynccontextmanager
async def running(writer, **over):
    reader = Reader()
    channels = {"c": SimpleNamespace(channel=reader)}
    served = Served(
        writer=writer,
        clock=SystemClock(),
        log=QuietLog(),
        public_url=PUBLIC,
        channels=lambda: channels,
    )
    for name, value in over.items():
        setattr(served.intake, name, value)
    port = free_port()
    async with serving(served, ("127.0.0.1", port)):
        try:
            yield SimpleNamespace(served=served, reader=reader, port=port, writer=writer)
        finally:
            if isinstance(writer, Writer):
                writer.hold.set()


async def until(true):
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def free_port():
    with bind("127.0.0.1", 0) as listener:
        return listener.getsockname()[1]


async def ask(web, raw, *, within_s=5):
    """Write raw bytes; return (status, head, body)."""
    async with asyncio.timeout(within_s):
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        try:
            writer.write(raw)
            answer = await reader.read()
        finally:
            writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), head.decode().lower(), body


def post(body, *, path="/hook", method="POST", headers=()):
    lines = [f"{method} {path} HTTP/1.1", "Host: evil.example", "Connection: close", *headers]
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_a_genuine_call_is_on_disk_before_it_is_answered(web, ledger):
    status, head, body = await ask(web, post(GENUINE))
    assert (status, body, ledger.orphans()) == (204, b"", 1)
    assert "server:" not in head


async def test_the_address_is_the_configured_one_never_the_caller_s(web):
    await ask(web, post(GENUINE, path="/hook?d=1%202"))
    await ask(web, post(GENUINE, path="/hooks/hook"))
    first, second = web.reader.seen
    assert (first.url, first.query) == (f"{PUBLIC}/hook", "d=1%202")
    assert second.url == f"{PUBLIC}/hook", "a proxy may leave the beginning of the path on"


async def test_what_proves_nothing_is_refused_and_counted(web, ledger):
    assert (await ask(web, post(b"forged")))[0] == 403
    assert (web.served.refusals.total, ledger.orphans()) == (1, 0)


@pytest.mark.parametrize("headers", [("Content-Length: 262145",), ("Transfer-Encoding: chunked",)], ids=str)
async def test_a_large_body_is_refused_before_it_is_verified(web, headers):
    large = GENUINE + b"x" * LARGEST_BODY
    # Neither is ever finished: what has been said so far is too much already.
    body = b"%x\r\n%b" % (len(large), large) if "chunked" in headers[0] else b""
    assert (await ask(web, post(body, headers=headers)))[0] == 413
    assert web.reader.seen == []
    assert web.served.refusals.total == 1


async def test_a_body_of_the_largest_size_is_read(web):
    body = GENUINE + b"x" * (LARGEST_BODY - len(GENUINE))
    assert (await ask(web, post(body)))[0] == 204


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"])
async def test_other_methods_are_refused(web, method):
    assert (await ask(web, post(GENUINE, method=method)))[0] == 405
    assert web.reader.seen == []


@pytest.mark.parametrize("path", ["/", "/hook/", "/hook2", "/../hook", "/docs", "/hooks/hooks/hook"])
async def test_other_paths_are_nothing(web, path):
    assert (await ask(web, post(GENUINE, path=path)))[0] == 404
    assert web.reader.seen == []


async def test_a_challenge_is_answered(web):
    status, _, body = await ask(web, post(b"", method="GET", path="/hook?hub=1"))
    assert (status, body) == (200, b"hub=1")


async def test_a_ledger_that_is_slow_makes_the_provider_come_again(ledger):
    async with running(Writer(ledger), patience_s=0.05) as web:
        web.writer.hold.clear()
        status, head, _ = await ask(web, post(GENUINE))
        assert status == 503
        assert "retry-after: 5" in head
        web.writer.hold.set()
        assert (await ask(web, post(GENUINE)))[0] == 204
    assert ledger.orphans() == 1, "what was committed late and told again is one receipt"


async def test_a_full_queue_says_so_at_once(ledger):
    async with running(Writer(ledger), most=1) as web:
        web.writer.hold.clear()
        queue, waiting = web.served.intake._queue, []
        for number, length in enumerate((0, 1), 1):
            waiting.append(asyncio.create_task(ask(web, post(GENUINE + b"%d" % number))))
            await until(lambda seen=number, n=length: len(web.reader.seen) == seen and len(queue) == n)
        assert (await ask(web, post(GENUINE + b"more"), within_s=0.5))[0] == 503
        web.writer.hold.set()
        assert sorted(status for status, _, _ in await asyncio.gather(*waiting)) == [204, 204]


async def test_a_ledger_that_fails_ends_the_service_and_acknowledges_nothing(ledger):
    told = []

    async def serve():
        async with running(Writer(ledger)) as web:
            web.writer.broken = LedgerUnavailable("disk full")
            told.append(asyncio.create_task(ask(web, post(GENUINE))))
            await asyncio.sleep(5)

    with pytest.raises(LedgerUnavailable, match="disk full"):
        await serve()
    assert (await told[0])[0] == 503
    assert ledger.orphans() == 0


async def test_one_reading_the_ledger_cannot_take_does_not_hold_up_others(ledger):
    class Picky(Writer):
        async def do(self, change):
            await self.hold.wait()
            return change(SimpleNamespace(apply=self.apply, orphans=lambda: 0))

        def apply(self, receipts, *, at):
            if any(receipt.provider_id.endswith("bad") for receipt in receipts):
                raise ZeroDivisionError
            return Applied(len(receipts), 0, 0)

    async with running(Picky(ledger)) as web:
        web.writer.hold.clear()
        bodies = [GENUINE + b"1", GENUINE + b"bad", GENUINE + b"2"]
        waiting = [asyncio.create_task(ask(web, post(body))) for body in bodies]
        await until(lambda: len(web.reader.seen) == 3)
        web.writer.hold.set()
        assert [status for status, _, _ in await asyncio.gather(*waiting)] == [204, 503, 204]


async def test_refusals_are_told_to_the_audit_with_counts_once_a_source(ledger):
    async with running(Writer(ledger)) as web:
        for _ in range(20):
            await ask(web, post(b"forged"))
        await ask(web, post(b"forged", headers=("X-Forwarded-For: 203.0.113.9",)))
        await ask(web, post(b"forged", headers=("X-Forwarded-For: <script>",)))
    rows = [row for row in ledger.audit() if row.action == "callback.refused"]
    counted = {}
    for row in rows:
        counted[row.subject] = counted.get(row.subject, 0) + json.loads(row.body)["why"]["wrong"]
    assert counted == {"127.0.0.1": 21, "203.0.113.9": 1}
    assert len(rows) <= 4


async def test_what_is_taken_in_while_it_ends_is_committed(ledger):
    async with running(Writer(ledger)) as web:
        web.writer.hold.clear()
        waiting = asyncio.create_task(ask(web, post(GENUINE)))
        await until(lambda: web.reader.seen)
        asyncio.get_running_loop().call_later(0.1, web.writer.hold.set)
    assert (await waiting)[0] == 204
    assert ledger.orphans() == 1


async def test_a_port_that_is_taken_is_said(ledger):
    from alerting.errors import UsageProblem

    with bind("127.0.0.1", 0) as taken, pytest.raises(UsageProblem, match="cannot listen"):
        async with serving(
            Served(
                writer=Writer(ledger), clock=SystemClock(), log=QuietLog(), public_url=PUBLIC, channels=dict
            ),
            ("127.0.0.1", taken.getsockname()[1]),
        ):
            pass


async def test_many_calls_share_a_commit(tmp_path):
    commits = []

    class Counting(SqliteLedger):
        def apply(self, receipts, *, at):
            commits.append(len(receipts))
            return super().apply(receipts, at=at)

    writer = GroupWriter(lambda: Counting.open(tmp_path / "g.db", clock=SystemClock()))
    async with running(writer) as web:
        answers = await asyncio.gather(*(ask(web, post(GENUINE + b"%d" % n)) for n in range(200)))
    writer.close()
    assert {status for status, _, _ in answers} == {204}
    assert sum(commits) == 200
    assert len(commits) < 100


class Mailbox:
    """A mailbox whose first mail is one nobody thought of."""

    def __init__(self):
        self.visits = 0

    def read_mail(self, raw):
        return ()

    def collect(self, take):
        self.visits += 1
        raise KeyError("ann@example.edu")


async def test_a_mail_nobody_thought_of_ends_neither_the_endpoints_nor_the_lanes(ledger):
    box, told = Mailbox(), []
    log = SimpleNamespace(
        info=lambda *_, **__: None, warning=lambda event, **fields: told.append((event, fields))
    )
    served = Served(
        writer=Writer(ledger),
        clock=SystemClock(),
        log=log,
        public_url=PUBLIC,
        channels=lambda: {"mail": SimpleNamespace(name="mail", channel=box)},
    )
    async with serving(served, ("127.0.0.1", free_port())):
        await until(lambda: told)
    assert box.visits == 1
    assert told == [("receipts.unread", {"channel": "mail", "words": "KeyError"})]
