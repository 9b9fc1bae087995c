"""Taking back runs beside the lanes: again after a crash, patiently, and one provider without the others."""

import asyncio
import json
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest
from scene import LEE, UPDATE, Campus

from alerting.channels.base import Capabilities
from alerting.cli import undone
from alerting.clock import SystemClock, micros
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.model.audience import AddressKind
from alerting.model.delivery import State
from alerting.model.message import Shape, Unit
from alerting.model.outcome import Accepted, Deferred, Reason, Rejected
from alerting.service.incident import Follow
from alerting.service.recall import note_trouble, outcome_of_recall, trouble_of_recall
from alerting.service.retreat import Recalls
from alerting.telemetry import QuietLog
from alerting.testing.builders import accepted, rejected, unanswered


class ListLog:
    """A log a test can read."""

    def __init__(self):
        self.told = []

    def info(self, event, **fields):
        self.told.append((event, fields))

    warning = error = info


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


def owner(path, provider, **more):
    """Return what takes back in a process that owns the ledger, and its writer."""
    writer = GroupWriter(lambda: SqliteLedger.open(path, clock=SystemClock()))
    log = more.pop("log", None) or QuietLog()
    recalls = Recalls(
        channel=lambda name: provider if name == provider.name else Provider(name),
        reader=lambda: SqliteLedger.open(path, write=False, clock=SystemClock()),
        writer=writer,
        clock=SystemClock(),
        log=log,
        nudge=lambda: None,
        **{"pauses": (), **more},
    )
    return recalls, writer


async def take_back(path, provider, *, stop=None, **more):
    recalls, writer = owner(path, provider, **more)
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


async def test_what_an_owner_left_undone_is_found_however_many_alerts_came_since(tmp_path, request):
    campus = Campus(tmp_path, request.config.rootpath / "templates")
    wrong = campus.send()
    campus.settle(wrong, [accepted, rejected, accepted, accepted])
    recall = campus.follow(wrong, Follow.RECALL)
    for _ in range(12):
        campus.send()
    campus.ledger.close()
    path = tmp_path / "ledger.db"
    await take_back(path, Provider("texts"))
    assert read(path, lambda ledger: outcome_of_recall(ledger, recall))["taken_back"] == 3


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


class Broken(Provider):
    """A channel whose adapter breaks so many times, a call at a time."""

    def __init__(self, name, times):
        super().__init__(name, self.fail)
        self.left = times

    def fail(self, provider_id):
        if self.left:
            self.left -= 1
            raise ValueError("gone to ann@example.edu")
        return Accepted(provider_id)


async def test_what_broke_off_is_begun_again_by_the_same_owner_and_counts_each_message_once(scene):
    path, _, recall = scene
    log = ListLog()
    provider = Broken("texts", 1)
    await take_back(path, provider, pauses=(0.0,), log=log)
    told = read(path, lambda ledger: outcome_of_recall(ledger, recall))
    assert (told["asked"], told["taken_back"], told["spared"]) == (3, 3, 3)
    assert len(provider.asked) == 4, "what was taken back is not asked about again"
    [(event, fields)] = [one for one in log.told if one[0].startswith("recall.")]
    assert (event, fields["alert"], fields["again_in_s"]) == ("recall.failed", recall, 0.0)
    assert read(path, lambda ledger: trouble_of_recall(ledger, recall)) == "", "nobody is called for that"


async def test_what_breaks_off_again_and_again_is_told_once_and_left_in_the_end(scene):
    path, _, recall = scene
    log = ListLog()
    for _ in range(2):
        await take_back(path, Broken("texts", 99), pauses=(0.0,) * 4, log=log)
    assert [event for event, _ in log.told] == [*["recall.failed"] * 4, "recall.left"] * 2
    asked = read(path, lambda ledger: [a for a in ledger.audit(recall) if a.action == "notice.wanted"])
    assert [json.loads(act.body)["to"] for act in asked] == ["on-call"]
    assert "ann@" not in asked[0].body
    assert recall in read(path, lambda ledger: trouble_of_recall(ledger, recall))
    await take_back(path, Provider("texts"))
    assert read(path, lambda ledger: trouble_of_recall(ledger, recall)) == ""


async def test_what_was_left_in_the_end_is_begun_anew_when_somebody_asks_for_it(scene):
    path, _, recall = scene
    provider = Broken("texts", 4)
    recalls, writer = owner(path, provider)

    async def at_rest(*, again=False):
        recalls.look(again=again)
        while await recalls.busy(asyncio.Event()):
            pass
        return read(path, lambda ledger: outcome_of_recall(ledger, recall))

    async with asyncio.timeout(20):
        assert await at_rest() is None
        assert await at_rest() is None
        assert await at_rest(again=True) is None
        assert (await at_rest(again=True))["taken_back"] == 3
    await recalls.aclose()
    writer.close()


async def test_what_another_host_takes_back_is_left_to_it_until_it_ends(scene):
    path, _, recall = scene
    provider, busy = Provider("texts"), [True]

    @contextmanager
    def alone(word):
        assert word == f"recall {recall}"
        yield not busy

    recalls, writer = owner(path, provider, alone=alone)
    async with asyncio.timeout(20):
        for at_work in (True, False):
            busy[:] = [True] * at_work
            recalls.look()
            while await recalls.busy(asyncio.Event()):
                pass
            assert len(provider.asked) == (0 if at_work else 3)
    await recalls.aclose()
    writer.close()


def acts_of(path, alert):
    return read(path, lambda ledger: [act.action for act in ledger.audit(alert)])


async def test_what_another_host_finished_since_the_look_is_not_taken_back_again(scene):
    path, _, recall = scene
    other, late = Provider("texts", lambda _: Rejected(Reason.BAD_REQUEST)), Provider("texts")

    @contextmanager
    def alone(_):
        """It lets go of the recall, finished, just before we may have it."""
        asyncio.run(take_back(path, other))
        yield True

    await take_back(path, late, alone=alone)
    assert (len(other.asked), late.asked) == (3, [])
    assert acts_of(path, recall).count("alert.taken_back") == 1


async def test_of_two_hosts_that_take_back_the_first_to_end_tells_what_came_of_it(scene):
    """One was cut off for so long that the other was let in, and comes back."""
    path, _, recall = scene

    class CutOff(Provider):
        async def retract(self, provider_id):
            if not self.asked:
                self.asked.append(provider_id)
                await take_back(path, Provider("texts"))
            return await super().retract(provider_id)

    await take_back(path, CutOff("texts"))
    assert acts_of(path, recall).count("alert.taken_back") == 1
    assert read(path, lambda ledger: outcome_of_recall(ledger, recall))["taken_back"] == 3


def test_whoever_waits_for_a_recall_that_is_stuck_is_told_and_let_go(campus, capsys):
    wrong = campus.send()
    campus.settle(wrong, [accepted] * 4)
    recall = campus.follow(wrong, Follow.RECALL)
    with campus.ledger.transaction():
        note_trouble(campus.ledger, recall, "OSError", at=micros(campus.clock.now()))
    app = SimpleNamespace(
        reader=lambda: campus.ledger,
        house=lambda: campus.house,
        lock=lambda: SimpleNamespace(held_by=lambda: 1),
    )
    undone.tell(SimpleNamespace(app=app), wrong, decided_at=campus.clock.now(), wait=True)
    assert f"RECALL STUCK: for {recall}" in capsys.readouterr().err
    [line] = undone.told(campus.ledger, recall)
    assert line.endswith("(OSError). To try it again at once: alert resume")
    assert undone.told(campus.ledger, wrong) == []


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
