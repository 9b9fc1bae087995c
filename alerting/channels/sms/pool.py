"""Kept connections to one host, and the exchanges that go over them.

An epoll of our own holds the sockets, and that epoll is the one thing the event loop watches: a request
costs two system calls and a share of a wake-up, and neither a task, a future nor a timer.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from alerting.channels.sms.link import Link, Place, TlsLink
from alerting.channels.sms.origin import Origin, head_of, trusting
from alerting.channels.sms.response import Reader, plain
from alerting.channels.sms.wire import CLOSED, CONNECT_S, IDLE_S, Done, Limits, Reply, Target
from alerting.channels.web_answer import Silence, shown
from alerting.named import NamedTuple

if TYPE_CHECKING:
    import ssl

_IN: Final = select.EPOLLIN
_OUT: Final = select.EPOLLOUT
#: Seconds an address is given before the host's next one is tried, and how long addresses are believed.
_ADDRESS_S: Final = 1.0
_NAMES_S: Final = 60.0
#: What ends within so many seconds ends together, so that looking at deadlines costs nothing, and nothing
#: leaves that would have no time for an answer.
_GRAIN_S: Final = 0.02
_LATE: Final = Silence(sent=False, late=True, detail="the deadline has passed")
_TOO_OLD: Final = Silence(sent=False, detail="it waited too long for a connection")
#: Events taken in one turn of the loop, until others have theirs: some milliseconds' work.
_A_TURN: Final = 64


class Waiting(NamedTuple):
    """An exchange that no connection carries yet."""

    due: float
    data: bytes
    method: str
    done: Done
    leave_by: float


class Pool:
    """At most ``in_flight`` connections; an exchange beyond that waits for one, inside its deadline."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, origin: Origin, limits: Limits, in_flight: int
    ) -> None:
        self._loop, self._origin, self._limits, self._most = loop, origin, limits, in_flight
        self._links: dict[int, Link] = {}
        self._idle: list[Link] = []
        self.waiting: deque[Waiting] = deque()  #: exchanges no connection carries yet: the newest
        self._dialing = 0
        self._places: list[Place] = []
        self._believed_until = 0.0
        self._finding: asyncio.Future[list[Place]] | None = None
        self._context: ssl.SSLContext | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._target: Target | None = None
        self._head = b""
        self._closed = False
        self._epoll = select.epoll()
        loop.add_reader(self._epoll.fileno(), self._ready)

    # -- exchanges --------------------------------------------------------------------------------

    def start(self, target: Target, body: bytes, done: Done, leave_by: float) -> None:
        """Begin an exchange, whose end ``done`` is told."""
        if target is not self._target:
            self._target, self._head = target, head_of(target)
        method = target.method
        data = b"%b%d\r\n\r\n%b" % (self._head, len(body), body) if method == "POST" else self._head
        now = self._loop.time()
        due = now + self._limits.deadline_s
        if self._alarm is None:
            self._alarm = self._loop.call_at(due, self._sweep)
        while self._idle:
            link = self._idle.pop()
            if now - link.due < IDLE_S and self._carry(link, due, data, method, done):
                return
            self._drop(link)
        self.waiting.append(Waiting(due, data, method, done, leave_by))
        self._grow()

    def abandon(self, done: Done) -> None:
        """Stop an exchange nobody waits for any more."""
        for entry in [entry for entry in self.waiting if entry.done is done]:
            self.waiting.remove(entry)
        for link in [link for link in self._links.values() if link.done is done]:
            self._drop(link)
        self._grow()

    def close(self) -> None:
        """End what is under way, telling whoever waits, and give back every socket."""
        self._closed = True
        if not self._loop.is_closed():
            self._loop.remove_reader(self._epoll.fileno())
        if self._alarm is not None:
            self._alarm.cancel()
        waiting = list(self.waiting)
        self.waiting.clear()
        for link in list(self._links.values()):
            self._end(link, CLOSED)
        for entry in waiting:
            entry.done(Silence(sent=False, detail=CLOSED.detail))
        self._epoll.close()

    def _carry(self, link: Link, due: float, data: bytes, method: str, done: Done) -> bool:
        """Send a request over an idle connection; False when nothing of it could leave there."""
        try:
            link.say(data)
        except OSError:
            return False
        link.due, link.method, link.done = due, method, done
        if link.left:
            self._epoll.modify(link.fd, _IN | _OUT)
        return True

    def _free(self, link: Link) -> None:
        """Give a connection to the exchange that has waited longest, or keep it."""
        while self.waiting:
            due, data, method, done, leave_by = entry = self.waiting.popleft()
            if self._loop.time() > leave_by:
                self._loop.call_soon(done, _TOO_OLD)
                continue
            if self._carry(link, due, data, method, done):
                return
            # The connection has died, and nothing of this exchange has left: it waits on, as the first.
            self.waiting.appendleft(entry)
            self._drop(link)
            self._grow()
            return
        link.due = self._loop.time()
        self._idle.append(link)

    # -- what comes -------------------------------------------------------------------------------

    def _ready(self) -> None:
        """Take what has come, and what comes meanwhile: a turn of the loop costs more than an answer."""
        handled = 0
        while handled < _A_TURN and not self._closed and (events := self._epoll.poll(0)):
            handled += len(events)
            self._take(events)

    def _take(self, events: Sequence[tuple[int, int]]) -> None:
        links = self._links
        for fd, event in events:
            link = links.get(fd)
            if link is None:
                continue
            try:
                if event == _IN and link.ready:
                    self._hear(link)  # nearly always
                elif not link.ready:
                    self._advance(link)
                else:
                    if event & _OUT:
                        self._flush(link)
                    if event & ~_OUT:
                        self._hear(link)
            except OSError as error:
                self._lost(link, error)

    def _hear(self, link: Link) -> None:
        data = link.hear()
        if data is None:
            return
        done = link.done
        if done is None or link.reader is not None or not data:
            self._hear_more(link, data)
            return
        if link.held:
            data, link.held = link.held + data, b""
        reply = plain(data)
        if type(reply) is Reply:
            if link.left or link.ended:
                self._end(link, reply)  # it answered before it had heard everything, or ends after it
                return
            link.done = None
            self._free(link)
            done(reply)
        elif reply and not link.ended:
            link.held = data
        else:
            self._hear_more(link, data)

    def _hear_more(self, link: Link, data: bytes) -> None:
        """Take an answer that is not plain, or the end of a connection."""
        if link.done is None:
            self._drop(link)  # an idle connection ends, or the other side speaks out of turn
            return
        if link.reader is None:
            link.reader = Reader(link.method)
            if link.held and not data:
                link.reader.feed(link.held)
            link.held = b""
        end = link.reader.feed(data)
        if end is None and link.ended and data:
            end = link.reader.feed(b"")
        if end is None:
            return
        if isinstance(end, Silence) or not link.reader.kept or link.left or link.ended:
            self._end(link, end)
            return
        link.reader = None
        done, link.done = link.done, None
        self._free(link)
        done(end)

    def _flush(self, link: Link) -> None:
        if link.left:
            link.flush()
        if not link.left:
            self._epoll.modify(link.fd, _IN)

    def _lost(self, link: Link, error: OSError) -> None:
        if not link.ready:
            self._unreached(link, Silence(sent=False, detail=_words(error)))
        elif link.done is not None:
            self._end(link, Silence(sent=link.begun, detail=_words(error)))
        else:
            self._drop(link)
            self._grow()

    def _end(self, link: Link, end: Reply | Silence) -> None:
        """Give a connection up, and tell whoever waits for it."""
        done, link.done = link.done, None
        self._drop(link)
        self._grow()
        if done is not None:
            done(end)

    def _drop(self, link: Link) -> None:
        if self._links.get(link.fd) is not link:
            return
        del self._links[link.fd]
        if link in self._idle:
            self._idle.remove(link)
        self._dialing -= not link.ready
        self._epoll.unregister(link.fd)
        link.close()

    # -- connecting -------------------------------------------------------------------------------

    def _grow(self) -> None:
        """Dial as many connections as exchanges wait for, within the limit."""
        while not self._closed and self._dialing < len(self.waiting) and len(self._links) < self._most:
            if self._loop.time() >= self._believed_until:
                self._find()
                return
            self._dial(self._places)

    def _find(self) -> None:
        if self._finding is None:
            self._finding = self._loop.run_in_executor(None, self._look_up)
            self._finding.add_done_callback(self._found)

    def _look_up(self) -> list[Place]:
        """Return where the host is; runs in a thread, since names and certificates may take long."""
        if self._origin.tls and self._context is None:
            self._context = trusting(self._limits.authorities)
        found = socket.getaddrinfo(self._origin.host, self._origin.port, type=socket.SOCK_STREAM)
        return [(family, address) for family, _, _, _, address in found]

    def _found(self, finding: asyncio.Future[list[Place]]) -> None:
        self._finding = None
        if self._closed or finding.cancelled():
            return
        if (error := finding.exception()) is None:
            self._places, self._believed_until = finding.result(), self._loop.time() + _NAMES_S
            self._grow()
            return
        waiting = list(self.waiting)
        self.waiting.clear()
        for entry in waiting:
            entry.done(Silence(sent=False, detail=_words(error)))

    def _dial(self, places: list[Place]) -> None:
        """Begin a connection to the first of these places."""
        place, *others = places
        try:
            if self._context is not None:
                link: Link = TlsLink(place, self._context, self._origin.host)
            else:
                link = Link(place)
        except OSError as error:
            self._next_place(others, Silence(sent=False, detail=_words(error)))
            return
        most = _ADDRESS_S if others else CONNECT_S
        link.due = self._loop.time() + min(most, self._limits.deadline_s)
        self._links[link.fd] = link
        self._dialing += 1
        self._epoll.register(link.fd, _IN | _OUT)

    def _advance(self, link: Link) -> None:
        if not link.advance():
            self._epoll.modify(link.fd, _IN | _OUT if link.left else _IN)
            return
        self._dialing -= 1
        if link.place is not self._places[0]:
            self._places = [link.place, *(place for place in self._places if place is not link.place)]
        self._flush(link)
        self._free(link)

    def _unreached(self, link: Link, why: Silence) -> None:
        self._drop(link)
        known = link.place in self._places
        self._next_place(self._places[self._places.index(link.place) + 1 :] if known else [], why)

    def _next_place(self, others: list[Place], why: Silence) -> None:
        """Try another address of the host, or tell whoever has waited longest that there is none."""
        if others and self.waiting:
            self._dial(others)
        elif self.waiting:
            self.waiting.popleft().done(why)
            self._loop.call_soon(self._grow)

    # -- deadlines --------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """End everything whose time has come, and ring again for the next."""
        now = self._loop.time()
        ended = now + _GRAIN_S
        while self.waiting and self.waiting[0].due <= ended:
            self.waiting.popleft().done(_LATE)
        for link in [link for link in self._links.values() if link.due <= ended or not link.ready]:
            if self._links.get(link.fd) is not link:
                continue  # somebody who was told has ended it
            if not link.ready and (link.due <= ended or not self.waiting):
                self._unreached(link, _LATE)
            elif link.ready and link.done is not None:
                self._end(link, Silence(sent=link.begun, late=True, detail=_LATE.detail))
        dues = [link.due for link in self._links.values() if link.done is not None or not link.ready]
        if self.waiting:
            dues.append(self.waiting[0].due)
        self._alarm = None
        if dues and not self._closed:
            self._alarm = self._loop.call_at(max(min(dues), ended), self._sweep)


def _words(error: BaseException) -> str:
    return shown(f"{type(error).__name__}: {getattr(error, 'strerror', '') or error}")
