"""HTTP exchanges many at once, inside the running event loop.

A transport may be built anywhere. It opens nothing until the first exchange, in the process and the
loop that use it; a process must not be forked from one that has used it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sized
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING

from alerting.channels.sms.origin import Origin
from alerting.channels.sms.pool import Pool
from alerting.channels.sms.wire import Done, Limits, Reply, Target, authorities
from alerting.channels.web_answer import Silence

if TYPE_CHECKING:
    from alerting.channels.sms.curl import CurlDriver


class Transport:
    """Makes HTTP exchanges; each ends by its deadline, is made once, and follows no redirect.

    Connections are kept and reused, at most ``in_flight`` of them to a host; exchanges beyond that wait
    for one, inside their deadline. Where one of the usual variables names a proxy, libcurl carries them:
    it knows every kind of proxy, for three times the work.
    """

    def __init__(self, *, deadline: timedelta, in_flight: int) -> None:
        self._deadline_s = deadline.total_seconds()
        self._in_flight = in_flight
        self._loop: asyncio.AbstractEventLoop | None = None
        self._limits = Limits(self._deadline_s, "")
        self._pools: dict[Origin, Pool] = {}
        self._curl: CurlDriver | None = None
        self._aimed: tuple[Target | None, Pool | CurlDriver | None] = (None, None)
        #: The exchanges with the last target that have not left, as far as can be told: the newest.
        self.waiting: Sized = ()

    async def exchange(self, target: Target, body: bytes = b"") -> Reply | Silence:
        """Make one request and return what is known of its answer; never raises for the network."""
        waiting: asyncio.Future[Reply | Silence] = asyncio.get_running_loop().create_future()

        def done(end: Reply | Silence) -> None:
            if not waiting.done():
                waiting.set_result(end)

        driver = self._to(target)
        driver.start(target, body, done, inf)
        try:
            return await waiting
        except asyncio.CancelledError:
            driver.abandon(done)
            raise

    def begin(self, target: Target, body: bytes, done: Done, leave_by: float = inf) -> None:
        """Make one request and return at once; ``done`` is told its end, later, in this loop.

        A request that has no connection by ``leave_by``, in the loop's seconds, does not leave.
        """
        aimed, driver = self._aimed
        # A loop that still runs is the one that asks: one that had ended would have to be left behind.
        if driver is None or aimed is not target or self._loop is None or not self._loop.is_running():
            driver = self._to(target)
        driver.start(target, body, done, leave_by)

    def close(self) -> None:
        """End what is under way and give back every socket; may be called twice."""
        pools, self._pools = self._pools, {}
        curl, self._curl = self._curl, None
        self._aimed, self.waiting, self._loop = (None, None), (), None
        for driver in (*pools.values(), curl):
            if driver is not None:
                driver.close()

    def _to(self, target: Target) -> Pool | CurlDriver:
        """Return what carries an exchange with this target in the running loop."""
        driver = self._driver(target)
        self._aimed, self.waiting = (target, driver), driver.waiting
        return driver

    def _driver(self, target: Target) -> Pool | CurlDriver:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self.close()
            self._loop, self._limits = loop, Limits(self._deadline_s, authorities())
        if proxied(target.url, os.environ):
            from alerting.channels.sms.curl import CurlDriver

            self._curl = self._curl or CurlDriver(loop, self._limits, self._in_flight)
            return self._curl
        origin = Origin.of(target.url)
        if origin not in self._pools:
            self._pools[origin] = Pool(loop, origin, self._limits, self._in_flight)
        return self._pools[origin]


def proxied(url: str, environ: Mapping[str, str]) -> bool:
    """Say whether a variable names a proxy for such a URL; exceptions to it are for libcurl to judge."""
    names = {f"{url.partition(':')[0]}_proxy".lower(), "all_proxy"}
    return any(value and name.lower() in names for name, value in environ.items())
