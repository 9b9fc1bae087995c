"""HTTP exchanges on libcurl, inside the running event loop: the way through a proxy.

asyncio pays several microseconds for every change of a reader, and libcurl changes two per request; an
epoll of our own pays half of one, and hands over everything that became ready in one wake-up.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Sized
from io import BytesIO
from pathlib import Path
from typing import Final

import pycurl

from alerting.channels.sms.wire import CLOSED, CONNECT_S, IDLE_S, MOST_BYTES, Done, Limits, Reply, Target
from alerting.channels.web_answer import Silence

_IN: Final = select.EPOLLIN
_OUT: Final = select.EPOLLOUT
_WATCH: Final = {pycurl.POLL_IN: _IN, pycurl.POLL_OUT: _OUT, pycurl.POLL_INOUT: _IN | _OUT}


class Wire:
    """A curl handle that is loaded, run by a multi handle, and read; then loaded again.

    libcurl sends a request a second time by itself when a kept-alive connection dies before the first
    byte of the answer, a POST as well (https://github.com/curl/curl/pull/18417). A text may have gone
    out by then. It cannot do so with a body it is unable to rewind, so bodies are given to it by a
    read function and never as POSTFIELDS.
    """

    __slots__ = ("_body", "_chunks", "_connect_s", "_lines", "_target", "curl", "done")

    def __init__(self, limits: Limits) -> None:
        self.done: Done | None = None
        self._body = BytesIO()
        self._chunks: list[bytes] = []
        self._lines: list[bytes] = []
        self._target: Target | None = None
        self._connect_s = min(limits.deadline_s, CONNECT_S)
        self.curl = pycurl.Curl()
        self._prepare(limits)

    def _prepare(self, limits: Limits) -> None:
        curl = self.curl
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.TIMEOUT_MS, int(limits.deadline_s * 1000))
        curl.setopt(pycurl.MAXFILESIZE, MOST_BYTES)
        curl.setopt(pycurl.MAXAGE_CONN, IDLE_S)
        place = pycurl.CAPATH if Path(limits.authorities).is_dir() else pycurl.CAINFO
        curl.setopt(place, limits.authorities)
        curl.setopt(pycurl.WRITEFUNCTION, self._chunks.append)
        curl.setopt(pycurl.HEADERFUNCTION, self._lines.append)

    def load(self, target: Target, body: bytes, done: Done, connect_s: float) -> None:
        """Make ready for one exchange, whose end ``done`` is told; it may wait so long for a connection."""
        self.done = done
        # Nothing would mean the library's own limit.
        most_ms = max(1, int(min(connect_s, self._connect_s) * 1000))
        self.curl.setopt(pycurl.CONNECTTIMEOUT_MS, most_ms)
        self._chunks.clear()
        self._lines.clear()
        if target is not self._target:
            self._aim(target)
        self._body = BytesIO(body)
        if target.method == "POST":
            self.curl.setopt(pycurl.POSTFIELDSIZE, len(body))
            self.curl.setopt(pycurl.READFUNCTION, self._body.read)

    def _aim(self, target: Target) -> None:
        self._target = target
        self.curl.setopt(pycurl.URL, target.url)
        # Without this an Expect header may hold a body back for a second.
        self.curl.setopt(pycurl.HTTPHEADER, [*target.headers, "Expect:"])
        self.curl.unsetopt(pycurl.CUSTOMREQUEST)
        if target.method == "POST":
            self.curl.setopt(pycurl.POST, 1)
            return
        self.curl.setopt(pycurl.HTTPGET, 1)
        if target.method != "GET":
            self.curl.setopt(pycurl.CUSTOMREQUEST, target.method)

    def reply(self) -> Reply:
        """Return what came back after an exchange that ended well."""
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return Reply(self.curl.getinfo(pycurl.RESPONSE_CODE), body, b"".join(self._lines))

    def silence(self, code: int, words: str) -> Silence:
        """Return what is known after an exchange that failed with a curl code.

        libcurl asks for the body only when names, connection, proxy tunnel and TLS are done and the
        request is about to leave, and it counts what it has written of the request. As long as both are
        nothing, the request has not left. Its times cannot be used: all are stamped on failure too.
        """
        sent = self._body.tell() > 0 or self.curl.getinfo(pycurl.REQUEST_SIZE) > 0
        return Silence(sent=sent, late=code == pycurl.E_OPERATION_TIMEDOUT, detail=f"curl {code}: {words}")

    def tell(self, end: Reply | Silence) -> None:
        """Hand the end of the exchange to whoever still waits for it."""
        done, self.done = self.done, None
        if done is not None:
            done(end)


class CurlDriver:
    """A curl multi handle that lives in one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits, in_flight: int) -> None:
        self.loop = loop
        self._limits = limits
        self._free: list[Wire] = []
        self._busy: dict[pycurl.Curl, Wire] = {}
        self._watched: set[int] = set()
        self._nudged = False
        self._closed = False
        self._due: float | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._epoll = select.epoll()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._time)
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, in_flight)
        self._multi.setopt(pycurl.M_MAXCONNECTS, in_flight)
        loop.add_reader(self._epoll.fileno(), self._ready)

    def start(self, target: Target, body: bytes, done: Done, leave_by: float) -> None:
        """Begin an exchange, whose end ``done`` is told."""
        wire = self._free.pop() if self._free else Wire(self._limits)
        wire.load(target, body, done, leave_by - self.loop.time())
        self._busy[wire.curl] = wire
        # This asks for a nudge through _time; exchanges started in one turn of the loop share it.
        self._multi.add_handle(wire.curl)

    #: Which exchanges no connection carries yet is not known: libcurl would have to be asked about each.
    waiting: Sized = ()

    def abandon(self, done: Done) -> None:
        """Stop an exchange nobody waits for any more."""
        for wire in [wire for wire in self._busy.values() if wire.done is done]:
            self._release(wire.curl).done = None

    def close(self) -> None:
        """End what is under way, telling whoever waits, and give back every socket."""
        self._closed = True
        if not self.loop.is_closed():
            self.loop.remove_reader(self._epoll.fileno())
        if self._alarm is not None:
            self._alarm.cancel()
        for curl in list(self._busy):
            self._release(curl).tell(CLOSED)
        for wire in self._free:
            wire.curl.close()
        self._multi.close()
        self._epoll.close()

    def _release(self, curl: pycurl.Curl) -> Wire:
        wire = self._busy.pop(curl)
        self._multi.remove_handle(curl)
        self._free.append(wire)
        return wire

    def _watch(self, what: int, fd: int, _multi: object, _data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            if fd in self._watched:
                self._watched.discard(fd)
                self._epoll.unregister(fd)
        elif fd in self._watched:
            self._epoll.modify(fd, _WATCH[what])
        else:
            self._watched.add(fd)
            self._epoll.register(fd, _WATCH[what])

    def _time(self, wait_ms: int) -> None:
        if wait_ms == 0:
            if not self._nudged:
                self._nudged = True
                self.loop.call_soon(self._nudge)
            return
        self._due = None if wait_ms < 0 else self.loop.time() + wait_ms / 1000
        # An alarm that rings too early is set again; only a nearer one is worth replacing it.
        if self._due is not None and (self._alarm is None or self._alarm.when() > self._due):
            self._set_alarm(self._due)

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self.loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        due, self._due = self._due, None
        if due is None:
            return
        if self.loop.time() < due:
            self._due = due
            self._set_alarm(due)
            return
        self._nudge()
        self._ask_again()

    def _ask_again(self) -> None:
        """Set the alarm once more: libcurl is silent about a timeout it has named before."""
        if self._due is None and self._busy and (wait_ms := self._multi.timeout()) >= 0:
            self._time(max(wait_ms, 1))

    def _nudge(self) -> None:
        self._nudged = False
        if not self._closed:
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._collect()

    def _ready(self) -> None:
        act = self._multi.socket_action
        for fd, event in self._epoll.poll(0):
            act(fd, (event & ~_OUT and pycurl.CSELECT_IN) | (event & _OUT and pycurl.CSELECT_OUT))
        self._collect()

    def _collect(self) -> None:
        """Take every exchange that has ended from curl, and tell whoever waits for it."""
        more = 1
        while more:
            more, done, failed = self._multi.info_read()
            for curl in done:
                wire = self._release(curl)
                wire.tell(wire.reply())
            for curl, code, words in failed:
                wire = self._release(curl)
                wire.tell(wire.silence(code, words))
