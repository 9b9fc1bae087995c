"""Taking back runs beside the lanes: again after a crash, patiently, and one provider without the others."""

import asyncio
from datetime import timedelta

import pytest
from scene import LEE, UPDATE, Campus

from alerting.channels.base import Capabilities
from alerting.clock import SystemClock
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.model.audience import AddressKind
from alerting.model.delivery import State
from alerting.model.message import Shape, Unit
from alerting.model.outcome import Accepted, Deferred, Reason, Rejected
from alerting.service.incident import Follow
from alerting.service.recall import outcome_of_recall
from alerting.service.retreat import Recalls
from alerting.telemetry import QuietLog
from alerting.testing.builders import accepted, rejected, unanswered


class Provider:
    """A channel that takes back what a function allows."""

    def __init__(self, name, answer=Accepted):
        self.name, self.answer, self.asked = name, answer, []
        self.capabilities = Capabilities(
            address_kind=AddressKind.PHONE,
            shape=Shape(unit=Unit.SEGMENTS, limit=2),
            rate_per_s=1.0,
            in_flight=1,
            deadline=timedelta(seconds=1),
        )

    async def send(self, envelope):
        raise AssertionError("a recall sends nothing by itself")

    async def retract(self, provider_id):
        self.asked.append(provider_id)
        return self.answer(provider_id)

    async def aclose(self):
        pass


@pytest.fixture
def scene(tmp_path, request):
    """A campus whose wrong alert reached three of four people, recalled; its ledger is closed again."""
    campus = Campus(tmp_path, request.config.rootpath / "templates")
    wrong = campus.send()
    campus.settle(wrong, [accepted, rejected, accepted, accepted])
    recall = campus.follow(wrong, Follow.RECALL)
    campus.ledger.close()
    return tmp_path / "ledger.db", wrong, recall


async def take_back(path, provider, *, stop=None):
    writer = GroupWriter(lambda: SqliteLedger.open(path, clock=SystemClock()))
    recalls = Recalls(
        lambda name: provider if name == provider.name else Provider(name),
        lambda: SqliteLedger.open(path, write=False, clock=SystemClock()),
        writer,
        SystemClock(),
        QuietLog(),
        lambda: None,
    )
    recalls.look()
    stop = stop or asyncio.Event()
    async with asyncio.timeout(20):
        while await recalls.busy(stop):
            pass
    await recalls.aclose()
    writer.close()


def read(path, question):
    ledger = SqliteLedger.open(path, write=False, clock=SystemClock())
    try:
        return question(ledger)
    finally:
        ledger.close()


def waiting(path, alert):
    return read(
        path, lambda ledger: len(list(ledger.deliveries(alert, channel="texts", states=(State.PENDING,))))
    )


async def test_who_is_spared_the_wrong_text_is_spared_the_correction(scene):
    path, wrong, recall = scene
    provider = Provider("texts")
    await take_back(path, provider)
    assert len(provider.asked) == 3
    assert waiting(path, recall) == 0
    states = read(path, lambda ledger: [d.state for d in ledger.deliveries(wrong, channel="texts")])
    assert states.count(State.UNDELIVERED) == 3
    told = read(path, lambda ledger: outcome_of_recall(ledger, recall))
    assert (told["asked"], told["taken_back"], told["spared"]) == (3, 3, 3)


async def test_who_has_the_wrong_text_is_told(scene):
    path, _, recall = scene
    await take_back(path, Provider("texts", lambda _: Rejected(Reason.BAD_REQUEST)))
    assert waiting(path, recall) == 3
    assert read(path, lambda ledger: outcome_of_recall(ledger, recall))["taken_back"] == 0


async def test_what_an_owner_left_undone_the_next_one_does_and_a_finished_recall_rests(scene):
    path, _, recall = scene
    stop = asyncio.Event()
    stop.set()
    await take_back(path, Provider("texts"), stop=stop)
    assert read(path, lambda ledger: outcome_of_recall(ledger, recall)) is None
    await take_back(path, Provider("texts"))
    assert read(path, lambda ledger: outcome_of_recall(ledger, recall))["spared"] == 3
    again = Provider("texts")
    await take_back(path, again)
    assert again.asked == []


async def test_a_provider_that_says_later_is_asked_again(scene):
    path, _, recall = scene
    busy = Provider("texts")
    busy.answer = lambda one: (
        Accepted(one) if busy.asked.count(one) > 1 else Deferred(Reason.RATE_LIMITED, timedelta(seconds=0.01))
    )
    await take_back(path, busy)
    assert read(path, lambda ledger: outcome_of_recall(ledger, recall))["taken_back"] == 3


async def test_an_adapter_that_breaks_ends_nothing_else(scene):
    path, _, recall = scene

    def broken(_):
        raise OSError("gone")

    await take_back(path, Provider("texts", broken))
    assert read(path, lambda ledger: outcome_of_recall(ledger, recall)) is None
    assert waiting(path, recall) == 3


def test_a_recall_reaches_who_only_a_later_message_of_the_incident_reached(campus):
    first = campus.send()
    campus.settle(first, [accepted, rejected, rejected, rejected])
    second = campus.follow(first, Follow.UPDATE, **UPDATE)
    campus.settle(second, [rejected, accepted, rejected, rejected])
    recall = campus.follow(second, Follow.RECALL)
    assert campus.addresses(recall) == campus.addresses(first)[:2]


def test_a_recall_reaches_whom_the_wrong_alert_may_have_reached(campus):
    first = campus.send()
    campus.settle(first, [unanswered, rejected, rejected, rejected])
    recall = campus.follow(first, Follow.RECALL)
    assert campus.addresses(recall) == campus.addresses(first)[:1]


async def test_who_gets_the_wrong_text_while_it_is_recalled_is_told_and_who_does_not_is_not(
    tmp_path, request
):
    campus = Campus(tmp_path, request.config.rootpath / "templates")
    wrong = campus.send()
    batch = campus.claimed("texts")
    recall = campus.follow(wrong, Follow.RECALL)
    assert campus.addresses(recall) == [], "all four were just leaving: nobody knows yet"
    with campus.ledger.transaction():
        campus.ledger.settle(batch, [accepted(batch.rows[0]), *map(rejected, batch.rows[1:])])
    campus.ledger.close()
    await take_back(tmp_path / "ledger.db", Provider("texts", lambda _: Rejected(Reason.BAD_REQUEST)))
    assert waiting(tmp_path / "ledger.db", recall) == 1


def test_a_page_the_wrong_alert_never_reached_is_not_corrected(campus):
    first = campus.send()
    campus.settle(first, [accepted] * 4)
    recall = campus.follow(first, Follow.RECALL)
    assert campus.addresses(recall, "page") == []


def test_who_joined_an_update_hears_the_all_clear_too(campus):
    first = campus.send()
    campus.people.count = 6
    campus.follow(first, Follow.UPDATE, joined=True, **UPDATE)
    campus.people.count = 9
    assert len(campus.addresses(campus.follow(first, Follow.ALL_CLEAR))) == 6


def test_a_recall_and_what_it_takes_back_are_on_record_from_its_opening(campus):
    first = campus.send()
    recall = campus.follow(first, Follow.RECALL, actor=LEE)
    (act,) = (act for act in campus.ledger.audit(recall) if act.action == "alert.recalled")
    assert (act.actor, first in act.body, '"delete_posts":false' in act.body) == ("lee", True, True)
