"""HTTP exchanges many at once, on libcurl, inside the running event loop.

Why libcurl, and driven like this. CPU per request, 50 in flight, the answer's JSON read, best of three
interleaved rounds on one busy shared core; ``benchmarks/transport.py`` repeats the measurement:

======================================================  ==========  =======
way                                                     plain HTTP  TLS 1.3
======================================================  ==========  =======
this: one epoll of curl's sockets, itself in the loop    33 µs       33 µs
curl multi on a thread of its own                        33 µs       41 µs
curl multi, each socket a reader of the loop             57 µs       63 µs
aiohttp, bytes for a body                                97 µs      117 µs
aiohttp, a dict for a body                              142 µs      173 µs
======================================================  ==========  =======

asyncio pays several microseconds for every change of a reader, and libcurl changes two per request; an
epoll of our own pays half of one, and hands over everything that became ready in one wake-up. A thread
saves nothing and would add hand-overs. libcurl brings deadlines, proxies, name service and TLS with it, so
that a message needs neither a task nor a timer.

A transport may be built anywhere. It opens nothing until the first exchange, in the process and the
loop that use it; a process must not be forked from one that has used it.
"""

from __future__ import annotations

import asyncio
import select
from datetime import timedelta
from typing import Final

import pycurl

from alerting.channels.sms.wire import Done, Limits, Reply, Target, Wire, authorities
from alerting.channels.web_answer import Silence

_IN: Final = select.EPOLLIN
_OUT: Final = select.EPOLLOUT
_WATCH: Final = {pycurl.POLL_IN: _IN, pycurl.POLL_OUT: _OUT, pycurl.POLL_INOUT: _IN | _OUT}
_CLOSED: Final = Silence(sent=True, detail="this program closed the connection")


class Transport:
    """Makes HTTP exchanges; each ends by its deadline, is made once, and follows no redirect.

    Connections are kept and reused, at most ``in_flight`` of them; exchanges beyond that wait for one,
    inside their deadline. Proxies come from the usual variables.
    """

    def __init__(self, *, deadline: timedelta, in_flight: int) -> None:
        self._deadline_s = deadline.total_seconds()
        self._in_flight = in_flight
        self._driver: _Driver | None = None

    async def exchange(self, target: Target, body: bytes = b"") -> Reply | Silence:
        """Make one request and return what is known of its answer; never raises for the network."""
        waiting: asyncio.Future[Reply | Silence] = asyncio.get_running_loop().create_future()

        def done(end: Reply | Silence) -> None:
            if not waiting.done():
                waiting.set_result(end)

        driver = self._here()
        wire = driver.start(target, body, done)
        try:
            return await waiting
        except asyncio.CancelledError:
            driver.abandon(wire, done)
            raise

    def begin(self, target: Target, body: bytes, done: Done) -> None:
        """Make one request and return at once; ``done`` is told its end, later, in this loop."""
        self._here().start(target, body, done)

    def close(self) -> None:
        """End what is under way and give back every socket; may be called twice."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()

    def _here(self) -> _Driver:
        loop, driver = asyncio.get_running_loop(), self._driver
        return self._open(loop) if driver is None or driver.loop is not loop else driver

    def _open(self, loop: asyncio.AbstractEventLoop) -> _Driver:
        self.close()
        limits = Limits(self._deadline_s, authorities())
        self._driver = _Driver(loop, limits, self._in_flight)
        return self._driver


class _Driver:
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

    def start(self, target: Target, body: bytes, done: Done) -> Wire:
        wire = self._free.pop() if self._free else Wire(self._limits)
        wire.load(target, body, done)
        self._busy[wire.curl] = wire
        # This asks for a nudge through _time; exchanges started in one turn of the loop share it.
        self._multi.add_handle(wire.curl)
        return wire

    def abandon(self, wire: Wire, done: Done) -> None:
        """Stop an exchange nobody waits for any more, unless the wire has moved on."""
        if wire.done is done:
            self._release(wire.curl).done = None

    def close(self) -> None:
        self._closed = True
        if not self.loop.is_closed():
            self.loop.remove_reader(self._epoll.fileno())
        if self._alarm is not None:
            self._alarm.cancel()
        for curl in list(self._busy):
            self._release(curl).tell(_CLOSED)
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
