"""Other ways to drive curl's multi handle, for ``benchmarks.transport`` to compare with."""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
from collections import deque

import pycurl


class Readers:
    def __init__(self, in_flight):
        self.loop, self.busy, self.alarm = asyncio.get_running_loop(), {}, None
        self.multi = pycurl.CurlMulti()
        self.multi.setopt(pycurl.M_MAXCONNECTS, in_flight)
        self.multi.setopt(pycurl.M_SOCKETFUNCTION, self.watch)
        self.multi.setopt(pycurl.M_TIMERFUNCTION, self.time)

    def start(self, wire):
        self.busy[wire.curl] = wire
        self.multi.add_handle(wire.curl)

    def watch(self, what, fd, _multi, _data):
        if what == pycurl.POLL_REMOVE or not what & pycurl.POLL_IN:
            self.loop.remove_reader(fd)
        if what == pycurl.POLL_REMOVE or not what & pycurl.POLL_OUT:
            self.loop.remove_writer(fd)
        if what != pycurl.POLL_REMOVE and what & pycurl.POLL_IN:
            self.loop.add_reader(fd, self.act, fd, pycurl.CSELECT_IN)
        if what != pycurl.POLL_REMOVE and what & pycurl.POLL_OUT:
            self.loop.add_writer(fd, self.act, fd, pycurl.CSELECT_OUT)

    def time(self, wait_ms):
        if self.alarm is not None:
            self.alarm.cancel()
        self.alarm = None
        if wait_ms >= 0:
            self.alarm = self.loop.call_later(wait_ms / 1000, self.act, pycurl.SOCKET_TIMEOUT, 0)

    def act(self, fd, events):
        self.multi.socket_action(fd, events)
        for wire in ended(self.multi, self.busy):
            wire.tell(wire.reply())

    def close(self):
        self.multi.close()


class Threaded:
    def __init__(self, in_flight):
        self.loop, self.busy, self.queue = asyncio.get_running_loop(), {}, deque()
        self.due, self.known, self.asleep, self.stopping = None, set(), False, False
        self.bell = os.eventfd(0, os.EFD_NONBLOCK)
        self.epoll = select.epoll()
        self.epoll.register(self.bell, select.EPOLLIN)
        self.multi = pycurl.CurlMulti()
        self.multi.setopt(pycurl.M_MAXCONNECTS, in_flight)
        self.multi.setopt(pycurl.M_SOCKETFUNCTION, self.watch)
        self.multi.setopt(pycurl.M_TIMERFUNCTION, self.time)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def start(self, wire):
        self.queue.append(wire)
        if self.asleep:
            self.asleep = False
            os.eventfd_write(self.bell, 1)

    def watch(self, what, fd, _multi, _data):
        if what == pycurl.POLL_REMOVE:
            self.known.discard(fd)
            self.epoll.unregister(fd)
            return
        mask = {1: select.EPOLLIN, 2: select.EPOLLOUT, 3: select.EPOLLIN | select.EPOLLOUT}[what]
        (self.epoll.modify if fd in self.known else self.epoll.register)(fd, mask)
        self.known.add(fd)

    def time(self, wait_ms):
        self.due = None if wait_ms < 0 else time.monotonic() + wait_ms / 1000

    def run(self):
        while not self.stopping:
            self.asleep = True
            wait = -1 if self.due is None else max(0.0, self.due - time.monotonic())
            events = self.epoll.poll(0 if self.queue else wait)
            self.asleep = False
            for fd, event in events:
                if fd == self.bell:
                    os.eventfd_read(self.bell)
                else:
                    self.multi.socket_action(fd, (event & ~4 and 1) | (event & 4 and 2))
            fresh = bool(self.queue)
            while self.queue:
                wire = self.queue.popleft()
                self.busy[wire.curl] = wire
                self.multi.add_handle(wire.curl)
            if fresh or (self.due is not None and time.monotonic() >= self.due):
                self.multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            if done := list(ended(self.multi, self.busy)):
                self.loop.call_soon_threadsafe(self.tell, done)

    def tell(self, done):
        for wire in done:
            wire.tell(wire.reply())

    def close(self):
        self.stopping = True
        os.eventfd_write(self.bell, 1)
        self.thread.join()
        self.multi.close()
        self.epoll.close()
        os.close(self.bell)


def ended(multi, busy):
    more = 1
    while more:
        more, done, failed = multi.info_read()
        assert not failed, failed
        for curl in done:
            multi.remove_handle(curl)
            yield busy.pop(curl)
