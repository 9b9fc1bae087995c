"""A provider that accepts everything at once: the messages endpoint as the SMS provider speaks it.

Run as ``python -m benchmarks.stub --ready FILE [--latency MS] [--tls CERT KEY] [--core N] [--mood M]
[--arrivals]``. It answers every POST with 201 and a fresh sid after the latency, counts, and keeps the
busiest second it saw; with ``--arrivals`` by when requests reached this machine, since a process that has
to wait for its turn reads together what came apart. ``GET /counts`` tells, ``GET /reset`` begins anew.
Moods: ``ok``, ``hang`` (reads and never answers), ``storm`` (429, Retry-After 1). It ends by itself when
nothing came for two minutes.

One bare epoll loop: about 12 us a request, so that it is not what is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

_HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_BODY = (
    b'{"body":"x","num_segments":"1","direction":"outbound-api","from":"+15550100000","date_updated":'
    b'"Sat, 21 Nov 2026 02:14:03 +0000","price":null,"error_message":null,"uri":"/x","account_sid":"AC0",'
    b'"num_media":"0","to":"+15550100001","date_created":"Sat, 21 Nov 2026 02:14:03 +0000","status":"queued",'
    b'"sid":"SM%032d","date_sent":null,"messaging_service_sid":null,"error_code":null,"price_unit":"USD",'
    b'"api_version":"2010-04-01","subresource_uris":{}}'
)
_POST = b'{"data":{"id":"%d","text":"x"}}'
_REFUSAL = b'{"code": 20429, "message": "Too many requests"}'
_STORM = (
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_REFUSAL), _REFUSAL)
)
_IDLE_S = 120
#: Has the kernel say with what it hands over when that arrived.  socket(7), Linux
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("qq")


class Counter:
    """How many came, and how many at most within any second. Times are of the machine's wall clock."""

    def __init__(self, watch: str) -> None:
        self._watch = watch
        self.reset()

    def add(self, arrived: float | None) -> int:
        now = time.time()
        self.total += 1
        if arrived is not None:
            self._arrived.append(arrived)
        if self.total == 1:
            self.first_at = now
            self.first_cpu = cpu_by_process(self._watch) if self._watch else {}
        self.last_at = now
        self._recent.append(now)
        while now - self._recent[0] >= 1.0:
            self._recent.popleft()
        self.busiest = max(self.busiest, len(self._recent))
        return self.total

    def reset(self) -> None:
        self.total = self.busiest = 0
        self.first_at = 0.0
        self.first_cpu: dict[int, float] = {}
        self.last_at = time.time()
        self._recent: deque[float] = deque()
        self._arrived: list[float] = []

    def told(self) -> dict[str, float]:
        names = ("total", "busiest", "first_at", "last_at")
        each = {f"first_cpu_of_{process}": spent for process, spent in self.first_cpu.items()}
        told = {name: getattr(self, name) for name in names}
        if self._arrived:
            told["busiest"] = busiest(sorted(self._arrived))
        return {**told, "first_cpu_s": sum(self.first_cpu.values()), **each}


def busiest(at: Sequence[float]) -> int:
    """Return the most of these instants that lie within any second, wherever it begins."""
    most = first = 0
    for last, now in enumerate(at):
        while now - at[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def cpu_of(marker: str) -> float:
    """CPU seconds so far of every living process with the marker in its command line (Linux)."""
    return sum(cpu_by_process(marker).values())


def cpu_by_process(marker: str) -> dict[int, float]:
    """The same, by process."""
    spent: dict[int, float] = {}
    for task in Path("/proc").glob("[0-9]*/task/*/schedstat"):
        try:
            words = (task.parents[2] / "cmdline").read_bytes()
            if marker.encode() in words and b"benchmarks.stub" not in words:
                process, used = int(task.parts[2]), int(task.read_text().split()[0]) / 1e9
                spent[process] = spent.get(process, 0.0) + used
        except OSError:
            continue
    return spent


class Caller:
    """One connection."""

    __slots__ = ("buffer", "ready", "sock")

    def __init__(self, sock: socket.socket, *, ready: bool) -> None:
        self.sock, self.buffer, self.ready = sock, b"", ready


class Stub:
    def __init__(self, options: argparse.Namespace) -> None:
        self.counter = Counter(options.watch)
        self._latency, self._mood = options.latency / 1000, options.mood
        self._stamped = options.arrivals
        self._arrived: float | None = None
        self._callers: dict[int, Caller] = {}
        self._later: deque[tuple[float, Caller, bytes]] = deque()
        self._epoll = select.epoll()
        self._context = None
        if options.tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*options.tls)
        self._door = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._door.setblocking(False)  # noqa: FBT003
        self._epoll.register(self._door.fileno(), select.EPOLLIN)
        self.port = self._door.getsockname()[1]

    def run(self) -> None:
        while time.time() - self.counter.last_at < _IDLE_S:
            wait = 1.0
            if self._later:
                wait = max(0.0, self._later[0][0] - time.monotonic())
            for fd, _ in self._epoll.poll(wait):
                if fd == self._door.fileno():
                    self._enter()
                elif caller := self._callers.get(fd):
                    self._hear(caller)
            now = time.monotonic()
            while self._later and self._later[0][0] <= now:
                _, caller, answer = self._later.popleft()
                self._say(caller, answer)

    def _enter(self) -> None:
        while True:
            try:
                sock, _ = self._door.accept()
            except BlockingIOError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)  # noqa: FBT003
            if self._stamped:
                sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            self._callers[sock.fileno()] = Caller(sock, ready=not self._context)
            self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _hear(self, caller: Caller) -> None:
        try:
            if not caller.ready:
                caller.sock.do_handshake()  # type: ignore[attr-defined]
                caller.ready = True
            data = self._stamp(caller) if self._stamped else caller.sock.recv(65536)
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except OSError:
            data = b""
        if not data:
            fd = caller.sock.fileno()
            self._epoll.unregister(fd)
            del self._callers[fd]
            caller.sock.close()
            return
        caller.buffer += data
        self._read(caller)

    def _stamp(self, caller: Caller) -> bytes:
        """Read what has come, and note when the last of it arrived."""
        data, about, _, _ = caller.sock.recvmsg(65536, 64)
        for _, kind, told in about:
            if kind == _SO_TIMESTAMPNS:
                seconds, nanos = _TIMESPEC.unpack_from(told)
                self._arrived = seconds + nanos / 1e9
        return data

    def _read(self, caller: Caller) -> None:
        while (end := caller.buffer.find(b"\r\n\r\n")) >= 0:
            head = caller.buffer[:end].lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(caller.buffer) < end + 4 + length:
                if b"100-continue" in head:
                    caller.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            caller.buffer = caller.buffer[end + 4 + length :]
            self._answer(caller, head)

    def _answer(self, caller: Caller, head: bytes) -> None:
        if head.startswith((b"get /counts", b"get /reset")):
            told = json.dumps(self.counter.told()).encode()
            if b"/reset" in head[:12]:
                self.counter.reset()
            self._say(caller, _HEAD % (b"200 OK", len(told)) + told)
            return
        number = self.counter.add(self._arrived)
        body = _POST % number if head.startswith(b"post /2/tweets") else _BODY % number
        answer = _HEAD % (b"201 Created", len(body)) + body
        if self._mood == "hang":
            return
        if self._mood == "storm":
            answer = _STORM
        if self._latency:
            self._later.append((time.monotonic() + self._latency, caller, answer))
        else:
            self._say(caller, answer)

    def _say(self, caller: Caller, answer: bytes) -> None:
        try:
            caller.sock.send(answer)
        except OSError:
            caller.buffer = b""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ready", required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--core", type=int)
    parser.add_argument("--mood", choices=("ok", "hang", "storm"), default="ok")
    parser.add_argument("--arrivals", action="store_true", help="count by when requests reached this machine")
    parser.add_argument("--watch", default="", help="a word in the command lines whose CPU is told")
    options = parser.parse_args()
    if options.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    stub = Stub(options)
    draft = Path(f"{options.ready}.draft")
    draft.write_text(json.dumps({"port": stub.port, "pid": os.getpid()}))
    draft.replace(options.ready)
    stub.run()


if __name__ == "__main__":
    main()
