"""Keeping watch beside ``alert serve``: providers are asked, the answer of ``alert ready`` is looked at.

When it turns to no, the people on call are told, and once more when it is yes again. While it is yes,
a signal is given every minute; an outside monitor that misses it knows that this machine, this program or
the answer is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alerting.duty import address_of
from alerting.errors import ConfigProblem, words_of
from alerting.keys import is_notice
from alerting.oncall.book import Book
from alerting.oncall.concerns import Looking
from alerting.oncall.copy import Unreachable, fetch
from alerting.oncall.notice import Concern, Kind, one_line
from alerting.oncall.signals import Signals
from alerting.probing import known, probe_all

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.oncall.answer import Answer

#: Seconds between two answers; two of them in a row must be no before anybody is called.
EVERY_S: Final = 60.0
_NOES: Final = 2
_NAMED: Final = 3
_READY, _AGAIN = "ready", "ready-again"


@dataclass(slots=True, kw_only=True)
class Watchman:
    """Looks every minute. ``assess`` gives the answer; it runs in a thread of its own."""

    app: App
    signals: Signals
    assess: Callable[[], Answer]
    noes: int = 0
    answer: Answer | None = None
    _asked_at: datetime | None = field(default=None)

    async def look(self) -> Answer:
        """Ask the providers when it is time, then answer, then give the signal."""
        await self._ask()
        answer = await asyncio.to_thread(self.assess)
        if self.answer is None or self.answer.ready is not answer.ready:
            reasons = [look.what for look in answer.reasons]
            self.app.log.info("ready.answered", ready=answer.ready, reasons=reasons)
        self.answer = answer
        self.noes = 0 if answer.ready else self.noes + 1
        if answer.ready:
            await asyncio.to_thread(self._signal)
        return answer

    async def _ask(self) -> None:
        """Probe every channel: when it is time, and at each look while one of them fails.

        Never while an alert waits to leave: the lanes have the providers to themselves then.
        """
        told, now = self.app.config.on_call, self.app.clock.now()
        assert told is not None
        failing = any(probed.broken for probed in known(self.app.state).probes.values())
        due = self._asked_at is None or failing or now - self._asked_at >= told.probe_every
        if due and not await asyncio.to_thread(self._sending):
            self._asked_at = now
            await probe_all(self.app)

    def _sending(self) -> bool:
        ledger = self.app.own_reader()
        if ledger is None:
            return False
        try:
            return any(not is_notice(alert_id) for alert_id, _ in ledger.unsettled())
        finally:
            ledger.close()

    def _signal(self) -> None:
        told = self.app.config.on_call
        if told is None or not told.signal:
            return
        try:
            give(address_of(told.signal, self.app.environ, "on_call.signal"))
        except (Unreachable, OSError, ConfigProblem) as error:
            self.app.log.warning("signal.failed", why=str(error))

    # -- for those who tell it ------------------------------------------------------------------

    def concerns(self, look: Looking) -> Sequence[Concern]:
        """Return what follows from the last answers and probes."""
        found = [*_ending(self.app), *_low(self.app, look.book)]
        episode = str(look.book.episodes.get(_READY, 0))
        if self.answer is not None and self.noes >= _NOES:
            found.append(_not_ready(self.answer, episode))
        if self.answer is not None and self.answer.ready and look.book.standing(_READY):
            found.append(_ready_again(episode))
        return found

    def ends(self, book: Book) -> list[str]:
        """Return the topics that are over: readiness, and channels whose last probe was good."""
        over = [_READY] if self.answer is not None and self.answer.ready else []
        for name, probed in known(self.app.state).probes.items():
            notice = book.standing(f"channel:{name}")
            if notice is None or probed.at <= notice.opened_at or probed.broken or not probed.found:
                continue
            self.signals.troubles.pop(name, None)
            over.append(notice.topic)
        told = [one for one in known(self.app.state).probes.values() if one.found and not one.broken]
        return [*over, *(topic for one in told if not one.low and book.standing(topic := _topic(one.name)))]


def _not_ready(answer: Answer, episode: str) -> Concern:
    reasons = "; ".join(one_line(str(look)) for look in answer.reasons[:_NAMED])
    return Concern(
        kind=Kind.READY,
        topic=_READY,
        mark=episode,
        title="nobody could send right now, or not everywhere",
        what=f"NOT READY: {reasons}",
        commands=("alert ready --probe",),
    )


def _ready_again(episode: str) -> Concern:
    return Concern(
        kind=Kind.READY,
        topic=_AGAIN,
        mark=episode,
        title="ready again",
        what="READY AGAIN: an alert could be sent right now",
        escalates=False,
    )


def _ending(app: App) -> Sequence[Concern]:
    """Return what ends soon, once for each end: a token, a version of an interface, a certificate."""
    return [
        Concern(
            kind=Kind.EXPIRY,
            topic=f"expiry:{probed.name}:{check.what}",
            # Without the days that are left, which count down.
            mark=check.detail.partition(",")[0],
            title=f"ends soon: {probed.name}, {check.what}",
            what=f"ENDS SOON: {probed.name}, {check.what}: {check.detail}; {check.fix}",
            commands=(f"alert channels check {probed.name}",) if probed.name != probed.kind else (),
            escalates=False,
        )
        for probed in known(app.state).probes.values()
        for check in probed.ending
    ]


def _topic(channel: str) -> str:
    return f"low:{channel}"


def _low(app: App, book: Book) -> Sequence[Concern]:
    """Return what little is left of, once until there was enough of it again."""
    return [
        Concern(
            kind=Kind.EXPIRY,
            topic=_topic(probed.name),
            mark=str(book.episodes.get(_topic(probed.name), 0)),
            title=f"runs low: {probed.name}",
            what=f"RUNS LOW: {probed.name}: {check.detail}; {check.fix}",
            commands=(f"alert channels check {probed.name}",),
            escalates=False,
        )
        for probed in known(app.state).probes.values()
        for check in probed.low
    ]


def give(address: str) -> None:
    """Give the signal: fetch an address, or touch a file.

    Raises:
        Unreachable: nobody answered at the address.
        OSError: the file cannot be touched.
    """
    if address.startswith(("http://", "https://")):
        fetch(address)
    else:
        Path(address.removeprefix("file://")).touch()


@asynccontextmanager
async def watching(watchman: Watchman, *, every_s: float = EVERY_S) -> AsyncIterator[None]:
    """Keep watch beside whatever else a process does; it stops on leaving."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_watch(watchman, stop, every_s))
        try:
            yield
        finally:
            stop.set()


async def _watch(watchman: Watchman, stop: asyncio.Event, every_s: float) -> None:
    while not stop.is_set():
        try:
            await watchman.look()
        except Exception as error:  # noqa: BLE001 - no look may end the lanes it runs beside
            watchman.app.log.warning("notice.failed", why=words_of(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), timeout=every_s)
