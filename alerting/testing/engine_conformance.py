"""What every engine must do, as tests: whoever runs the lanes, the ledger says the same in the end.

Inherit and give one fixture, ``house``: an open house over an empty ledger::

    class TestMine(EngineConformance):
        @pytest.fixture
        def house(self): ...
"""

# A number in a test is an example, not a constant in need of a name.
# ruff: noqa: PLR2004

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from alerting.channels.base import Channel, Envelope
from alerting.clock import SystemClock, micros
from alerting.engine.base import Engine
from alerting.ledger.base import Ledger, LedgerReader, LedgerWriter
from alerting.ledger.rows import NewDelivery
from alerting.model.outcome import Accepted, Deferred, Outcome, Reason, Rejected
from alerting.testing.builders import a_lane, an_actor, an_alert, an_opening, some_capabilities

TEXTS, MAILS = "sms-main", "email-main"
Said = Mapping[str, Counter[tuple[str, str, int]]]


class House(Protocol):
    """A ledger with an engine for it."""

    writer: LedgerWriter

    def engine(self, channels: Mapping[str, Channel]) -> Engine:
        """Return an engine that sends on these channels."""
        ...

    def reader(self) -> LedgerReader:
        """Return what reads the ledger."""
        ...


class Answering:
    """A channel that answers as it is told by a person's number and the attempt."""

    def __init__(self, name: str, answer: Callable[[int, int], Outcome], *, rate_per_s: float = 1e6) -> None:
        self.name, self._answer = name, answer
        self.capabilities = some_capabilities(rate_per_s=rate_per_s)
        self.calls: Counter[str] = Counter()

    async def send(self, envelope: Envelope) -> Outcome:
        """Answer."""
        self.calls[str(envelope.address)] += 1
        return self._answer(int(envelope.address.value[-4:]), envelope.attempt)

    async def aclose(self) -> None:
        """Nothing is open."""


def taken(person: int, attempt: int) -> Outcome:
    """Take everything."""
    return Accepted(f"{person}-{attempt}")


def mixed(person: int, attempt: int) -> Outcome:
    """Refuse every tenth person, put off every seventh once, take the others."""
    if person % 10 == 0:
        return Rejected(Reason.INVALID_ADDRESS)
    if person % 7 == 0 and attempt == 1:
        return Deferred(Reason.RATE_LIMITED, timedelta(milliseconds=50))
    return taken(person, attempt)


class EngineConformance:
    """Inherit in a class whose name begins with Test."""

    async def test_one_broadcast_comes_to_one_result(self, house: House) -> None:
        """Every person once, the refused refused, the put-off tried again, batch by batch."""
        texts, mails = Answering(TEXTS, mixed), Answering(MAILS, taken)
        alert_id = await _opened(house, 120)
        async with asyncio.timeout(30):
            await house.engine({TEXTS: texts, MAILS: mails}).run(stop=asyncio.Event())
        refused, late = len(range(0, 120, 10)), len([n for n in range(120) if n % 10 and n % 7 == 0])
        assert _said(house, alert_id) == {
            TEXTS: {("accepted", "", 1): 120 - refused - late, ("accepted", "", 2): late}
            | {("rejected", "invalid_address", 1): refused},
            MAILS: {("accepted", "", 1): 30},
        }
        assert texts.calls.total() == 120 + late
        record = house.reader().alert(alert_id)
        assert record is not None
        assert record.settled_at is not None

    async def test_what_is_stopped_is_given_back_and_what_is_cancelled_is_not_sent(
        self, house: House
    ) -> None:
        """A second engine goes on where the first was stopped, until somebody cancels."""
        slow = Answering(TEXTS, taken, rate_per_s=60.0)
        alert_id = await _opened(house, 400)
        stop = asyncio.Event()
        async with asyncio.timeout(30):
            running = asyncio.create_task(
                house.engine({TEXTS: slow, MAILS: Answering(MAILS, taken)}).run(stop=stop)
            )
            await _until(lambda: slow.calls.total() > 10)
            stop.set()
            await running
        assert not house.reader().leased(at=micros(SystemClock().now()))
        had = slow.calls.total()
        async with asyncio.timeout(30):
            running = asyncio.create_task(
                house.engine({TEXTS: slow, MAILS: Answering(MAILS, taken)}).run(stop=asyncio.Event())
            )
            await _until(lambda: slow.calls.total() > had + 5)
            await house.writer.do(_cancelled(alert_id))
            await running
        assert set(slow.calls.values()) == {1}
        said = _said(house, alert_id)[TEXTS]
        assert said["accepted", "", 1] == slow.calls.total() < 400
        assert sum(said.values()) == 400


def _cancelled(alert_id: str) -> Callable[[Ledger], object]:
    now = micros(SystemClock().now())
    return lambda ledger: ledger.cancel(alert_id, actor=an_actor(), at=now)


async def _opened(house: House, people: int) -> str:
    now = SystemClock().now()
    alert = an_alert(created_at=now, expires_at=now + timedelta(minutes=5))

    def change(ledger: Ledger) -> None:
        ledger.open_alert(an_opening(a_lane(TEXTS), a_lane(MAILS), alert=alert), at=micros(now))
        for first in range(0, people, 50):
            ledger.add_batch(
                alert.id, TEXTS, _people("phone:+1413555{:04d}", first, min(first + 50, people)), priority=50
            )
        ledger.add_batch(alert.id, MAILS, _people("email:p{:04d}", 0, 30), priority=50)
        ledger.planned(alert.id, recipients=people, notes={})

    await house.writer.do(change)
    return alert.id


def _people(form: str, first: int, end: int) -> list[NewDelivery]:
    return [NewDelivery(address=form.format(n), recipient=str(n)) for n in range(first, end)]


def _said(house: House, alert_id: str) -> Said:
    told: dict[str, Counter[tuple[str, str, int]]] = {}
    for row in house.reader().deliveries(alert_id):
        told.setdefault(row.channel, Counter())[
            str(row.state), row.reason if row.state == "rejected" else "", row.attempt
        ] += 1
    return told


async def _until(look: Callable[[], bool]) -> None:
    while not look():  # noqa: ASYNC110 - it looks at what a channel counts
        await asyncio.sleep(0.01)
