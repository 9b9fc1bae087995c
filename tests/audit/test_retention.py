from datetime import timedelta
from types import SimpleNamespace

import pytest

from alerting.audit.checkpoint import read
from alerting.audit.retention import forget, forgettable
from alerting.audit.signer import stand_in_key
from alerting.audit.verify import verify_file
from alerting.errors import LedgerBusy
from alerting.ledger.forgetting import Forgetter
from alerting.ledger.lock import RunnerLock
from alerting.ledger.sqlite import SqliteLedger
from tests.audit.conftest import AUDITOR, everything_on_disk


@pytest.fixture
def app(at_rest):
    """The part of the program retention asks: where the record is, what time it is, who owns it."""
    return SimpleNamespace(
        state=at_rest.state,
        clock=at_rest.clock,
        turn=lambda: RunnerLock(at_rest.state),
        forgetter=lambda: Forgetter.open(at_rest.path, clock=at_rest.clock),
        own_reader=lambda: SqliteLedger.open(at_rest.path, write=False, clock=at_rest.clock),
    )


def test_people_go_and_the_record_still_verifies(at_rest, app):
    kept = at_rest.checkpoint(everything=True)
    before = at_rest.ledger.tally("L-AAAAAA")
    texts = at_rest.ledger.alert("L-AAAAAA").lanes
    at_rest.clock.advance(timedelta(days=40))
    assert b"15550000001" in everything_on_disk(at_rest)
    at_rest.ledger.close()

    plan = forgettable(app, days=30)
    assert len(plan.alerts) == 5
    assert forget(app, plan, actor=AUDITOR) > 0

    disk = everything_on_disk(at_rest)
    for person in (b"1555000000", b"person1@example.edu", b"I am safe"):
        assert person not in disk.replace(b"phone:+15550000004", b"")  # asked to stop: stays on the register
    verdict = verify_file(
        at_rest.path, notes=read(at_rest.elsewhere), verifier=kept.verifier, key=stand_in_key(at_rest.state)
    )
    assert verdict.broken == []
    ledger = app.own_reader()
    assert ledger.tally("L-AAAAAA") == before
    assert ledger.alert("L-AAAAAA").lanes == texts
    assert list(ledger.audit("L-AAAAAA"))[-1].action == "people.forgotten"
    ledger.close()


def test_what_was_forgotten_is_not_forgotten_twice_and_later_edits_are_still_found(at_rest, app):
    at_rest.checkpoint(everything=True)
    at_rest.clock.advance(timedelta(days=40))
    forget(app, forgettable(app, days=30), actor=AUDITOR)

    assert not forgettable(app, days=30).anything
    copy = at_rest.copy()
    copy._raw.execute("UPDATE delivery SET recipient = 'p1' WHERE address LIKE 'phone:erased-%'")
    from alerting.audit.verify import verify

    assert "addresses" in verify(copy, key=stand_in_key(at_rest.state)).broken[0]


def test_what_is_younger_or_still_moving_is_kept(at_rest, app):
    at_rest.clock.advance(timedelta(days=29))
    assert not forgettable(app, days=30).anything
    at_rest.open("L-GGGGGG", "sms-main")
    at_rest.clock.advance(timedelta(days=60))
    assert "L-GGGGGG" not in forgettable(app, days=30).alerts


def test_copies_of_lists_go_too(at_rest, app):
    folder = at_rest.state / "audiences"
    folder.mkdir()
    (folder / "everyone.db").write_text("people")
    at_rest.clock.advance(timedelta(days=3650))
    at_rest.ledger.close()
    forget(app, forgettable(app, days=30), actor=AUDITOR)
    assert not list(folder.iterdir())


def test_nothing_is_forgotten_while_somebody_else_has_the_ledger(at_rest, app):
    at_rest.clock.advance(timedelta(days=40))
    with RunnerLock(at_rest.state), pytest.raises(LedgerBusy):
        forget(app, forgettable(app, days=30), actor=AUDITOR)


def test_the_triggers_are_back_afterwards(at_rest, app):
    at_rest.clock.advance(timedelta(days=40))
    at_rest.ledger.close()
    forget(app, forgettable(app, days=30), actor=AUDITOR)
    assert not any("trigger" in words for words in verify_file(at_rest.path).broken)
