"""A record that one host kept alone becomes history of the common one: whole, once, under new numbers."""

import shutil
from contextlib import closing

import pytest

from alerting.archive import Archive
from alerting.audit.verify import verify_file, verify_opened
from alerting.clock import FrozenClock
from alerting.errors import LedgerBusy, LedgerUnavailable, NotAllowed
from alerting.ledger.lock import RunnerLock
from alerting.ledger.merged import MERGED, MERGES, merged_from
from alerting.ledger.merging import Merger, open_source
from alerting.ledger.rows import NoteRow, OccurrenceRow, ReplyRow
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.delivery import State
from alerting.testing.builders import A_MOMENT_US as NOW
from alerting.testing.builders import accepted, an_actor, an_alert, an_opening, rejected
from alerting.testing.ledger_lists import listed
from alerting.testing.ledger_receipts import a_receipt
from alerting.testing.ledger_steps import ID, SMS, cancel, opened, sent, settle

OTHER = "L-0THER1"
LATER = NOW + 60_000_000


def story(ledger, alert_id, *, run_key="once", rows=(accepted, rejected, accepted)):
    """An alert that has come to rest, with something in every table."""
    alert = an_alert(id=alert_id, run_key=run_key)
    opened(ledger, alert=alert)
    batch = sent(ledger, len(rows), alert=alert)
    settle(ledger, batch, *(how(row) for how, row in zip(rows, batch.rows, strict=True)))
    with ledger.transaction():
        ledger.apply([a_receipt(batch.rows[0].id)], at=NOW)
        ledger.planned(alert_id, recipients=len(rows), notes={"no_phone": 2})
        ledger.release(batch, not_before=0)
        ledger.settle_alert(alert_id, at=LATER)


@pytest.fixture
def alone(tmp_path):
    """The record of a host that sent alone."""
    folder = tmp_path / "alone"
    folder.mkdir(mode=0o700)
    ledger = SqliteLedger.open(folder / "ledger.db", clock=FrozenClock())
    story(ledger, ID)
    with ledger.transaction():
        ledger.keep_replies([ReplyRow(SMS, "phone:+14135550000", "safe \U0001f600", NOW, "SM1")])
        ledger.take_occurrence(
            OccurrenceRow(drill="d", planned_local="2026-09-01T10:00", due_at=NOW, at=NOW, alert=ID)
        )
        ledger.add_note(ID, NoteRow(NOW, "note", "calm", "kim"), actor=an_actor())
    ledger.close()
    return folder / "ledger.db"


@pytest.fixture(params=["sqlite", "postgres"])
def common(request, tmp_path):
    """The common record, which knows an alert of its own."""
    folder = tmp_path / "common"
    folder.mkdir(mode=0o700)
    shared = request.getfixturevalue("fresh_place")() if request.param == "postgres" else None
    archive = Archive(base=folder, state=folder, clock=FrozenClock(), shared=shared)
    with closing(archive.filled()) as ledger:
        story(ledger, OTHER, run_key="another")
    return archive


def told(ledger):
    return (
        ledger.alert(ID),
        ledger.tally(ID),
        [(d.channel, d.address, d.state, d.attempt, d.provider_id, d.reason) for d in ledger.deliveries(ID)],
        [(a.attempt, a.began_at, a.outcome, a.provider_id) for a in ledger.attempts(ID)],
        [(r.status, r.heard_at, r.provider_id) for r in ledger.receipts(ID)],
        [(reply.address, reply.text) for reply in ledger.replies()],
        ledger.notes(ID),
        ledger.progress(ID),
    )


def test_it_is_there_as_it_was_once_and_the_whole_record_verifies(alone, common):
    assert verify_file(alone).broken == []
    done = common.merged(alone, actor=an_actor())
    assert (done.alerts, done.known) == ((ID,), ())
    assert done.rows["delivery"] == 3
    with (
        closing(common.own_reader()) as here,
        closing(SqliteLedger.open(alone, write=False, clock=FrozenClock())) as there,
    ):
        assert told(here) == told(there)
        assert [o.alert for o in here.occurrences_of("d")] == [ID]
        assert merged_from(here.audit(MERGES)).keys() == {ID}
        acts = [(act.action, act.actor, act.at) for act in here.audit(ID)]
        assert acts == [(act.action, act.actor, act.at) for act in there.audit(ID)], (
            "who did it, and when, stays"
        )
    assert verify_opened(common.copy).broken == []

    again = common.merged(alone, actor=an_actor())
    assert (again.alerts, again.known, again.rows) == ((), (ID,), {})
    with closing(common.own_reader()) as here:
        assert sum(act.action == MERGED for act in here.audit(MERGES)) == 1
    with closing(common.filled()) as ledger:
        story(ledger, "L-AFTER0", run_key="after")
    assert verify_opened(common.copy).broken == []


def test_two_hosts_that_merge_one_record_at_once_take_it_in_once(alone, fresh_place, tmp_path, meanwhile):
    common = Archive(base=tmp_path, state=tmp_path, clock=FrozenClock(), shared=fresh_place())

    def merge(ledger):
        with closing(open_source(alone)) as there:
            return Merger(source=there, ledger=ledger, host="desk").merge(actor=an_actor(), at=LATER)

    with closing(common.filled()) as one, closing(common.filled()) as two:
        with one.transaction():
            assert merge(one).alerts == (ID,)
            late = meanwhile(two, merge)
        done = late.result(10)
    assert (done.alerts, done.known, done.rows) == ((), (ID,), {})


def test_people_who_are_in_a_list_only_are_merged_as_well(tmp_path, common):
    """Their alert was stopped before they had rows, and nothing opened that record for writing since."""
    path = tmp_path / "stopped" / "ledger.db"
    path.parent.mkdir(mode=0o700)
    with closing(SqliteLedger.open(path, clock=FrozenClock())) as ledger:
        with ledger.transaction():
            opened(ledger)
            assert ledger.roll(ID, {SMS: listed(tmp_path, 25, size=10)}, priority=50) == 25
            ledger.planned(ID, recipients=25, notes={})
        cancel(ledger)

    assert common.merged(path, actor=an_actor()).rows["delivery"] == 25
    with closing(common.own_reader()) as here:
        assert {d.state for d in here.deliveries(ID)} == {State.CANCELLED}
        assert len(list(here.deliveries(ID))) == 25


def test_what_came_since_is_merged_as_well_and_a_run_key_used_on_both_stands_in_no_way(alone, common):
    common.merged(alone, actor=an_actor())
    with closing(SqliteLedger.open(alone, clock=FrozenClock())) as ledger:
        story(ledger, "L-SECND2", run_key="another")
    done = common.merged(alone, actor=an_actor())
    assert (done.alerts, done.known) == (("L-SECND2",), (ID,))
    with closing(common.own_reader()) as here:
        assert len(list(here.deliveries("L-SECND2"))) == 3
        assert here.alert_of_run("another") == OTHER
        assert len(list(here.replies())) == 1
    assert verify_opened(common.copy).broken == []


def test_what_has_not_come_to_rest_is_refused_and_nothing_is_kept(alone, common):
    with closing(SqliteLedger.open(alone, clock=FrozenClock())) as ledger:
        opened(ledger, alert=an_alert(id="L-M0V1NG", run_key="moving"))
    with pytest.raises(NotAllowed, match=r"L-M0V1NG.*has not come to rest.*--local"):
        common.merged(alone, actor=an_actor())
    with closing(common.own_reader()) as here:
        assert here.alert(ID) is None


def test_a_record_somebody_sends_from_is_refused(alone, common, monkeypatch):
    monkeypatch.setattr("alerting.archive._SEALING_S", 0.1)
    with RunnerLock(alone.parent), pytest.raises(LedgerBusy):
        common.merged(alone, actor=an_actor())


def test_another_alert_of_the_same_id_is_never_taken_for_the_same(alone, common):
    with closing(common.filled()) as ledger, ledger.transaction():
        ledger.open_alert(an_opening(SMS, alert=an_alert(id=ID, run_key="mine")), at=NOW + 1)
    with pytest.raises(LedgerUnavailable, match="is another alert here"):
        common.merged(alone, actor=an_actor())


def test_an_empty_record_is_refused(tmp_path, common):
    folder = tmp_path / "empty"
    folder.mkdir(mode=0o700)
    SqliteLedger.open(folder / "ledger.db", clock=FrozenClock()).close()
    with pytest.raises(LedgerUnavailable, match="empty"):
        common.merged(folder / "ledger.db", actor=an_actor())


def act(path, action, subject):
    with closing(SqliteLedger.open(path, clock=FrozenClock())) as ledger, ledger.transaction():
        ledger.record_act(action, subject, {}, actor=an_actor(), at=LATER)


def acts_here(common, subject):
    with closing(common.own_reader()) as here:
        return [row.action for row in here.audit(subject)]


def test_what_was_done_beside_any_alert_is_merged_once_however_often_its_record_is(alone, common):
    act(alone, "template.reviewed", "templates")
    act(alone, "audit.sealed", "seals")
    common.merged(alone, actor=an_actor())
    act(alone, "template.edited", "templates")
    act(alone, "alert.noted", ID)
    done = common.merged(alone, actor=an_actor())

    assert done.alerts == ()
    assert acts_here(common, "templates") == ["template.reviewed", "template.edited"]
    assert acts_here(common, "seals") == [], "seals are over the numbers of their own record"
    assert acts_here(common, MERGES).count(MERGED) == 2
    assert verify_opened(common.copy).broken == []


def test_what_was_done_to_a_merged_alert_since_is_merged_once_and_in_its_order(alone, common):
    """An all clear that the host still sent alone ends the incident here, too."""
    common.merged(alone, actor=an_actor())
    act(alone, "alert.noted", ID)
    with closing(SqliteLedger.open(alone, clock=FrozenClock())) as ledger:
        with ledger.transaction():
            ledger.cancel(ID, actor=an_actor("kim"), at=LATER, reason="superseded")
            ledger.record_act("incident.closed", ID, {"alert": "L-C1EAR0"}, actor=an_actor("kim"), at=LATER)
        story(ledger, "L-C1EAR0", run_key="all clear")
    with closing(common.filled()) as ledger, ledger.transaction():
        ledger.record_act("alert.noted", ID, {"by": "an auditor here"}, actor=an_actor("pat"), at=LATER)
    done = common.merged(alone, actor=an_actor())

    assert done.alerts == ("L-C1EAR0",)
    since = ["alert.noted", "alert.noted", "alert.cancelled", "incident.closed"]
    assert acts_here(common, ID)[-4:] == since
    with closing(common.own_reader()) as here:
        assert [row.actor for row in here.audit(ID)][-3:] == ["lee", "kim", "kim"]
        record = here.alert(ID)
        assert (record.cancel_reason, record.settled_at is None) == ("superseded", False)
    again = common.merged(alone, actor=an_actor())
    assert (again.alerts, again.acts, again.rows) == ((), 0, {})
    assert acts_here(common, ID)[-4:] == since
    assert verify_opened(common.copy).broken == []


def test_what_tells_of_rows_stays_with_the_rows_it_tells_of(alone, common):
    common.merged(alone, actor=an_actor())
    with closing(SqliteLedger.open(alone, clock=FrozenClock())) as ledger, ledger.transaction():
        ledger.record_act("people.forgotten", ID, {"deliveries": 3}, actor=an_actor(), at=LATER)
    assert common.merged(alone, actor=an_actor()).acts == 0
    assert "people.forgotten" not in acts_here(common, ID)


def test_the_record_that_this_one_is_a_copy_of_brings_what_it_has_more(alone, tmp_path):
    act(alone, "template.reviewed", "templates")
    folder = tmp_path / "copy"
    folder.mkdir(mode=0o700)
    shutil.copy(alone, folder / "ledger.db")
    copy = Archive(base=folder, state=folder, clock=FrozenClock())
    act(folder / "ledger.db", "template.edited", "templates")
    assert copy.merged(alone, actor=an_actor()).acts == 0
    act(alone, "template.read", "templates")
    assert copy.merged(alone, actor=an_actor()).acts == 1
    assert acts_here(copy, "templates") == ["template.reviewed", "template.edited", "template.read"]


def test_the_record_of_another_host_is_merged_whole_however_much_another_had_before(alone, common, tmp_path):
    for number in range(5):
        act(alone, f"template.read{number}", "templates")
    common.merged(alone, actor=an_actor())
    folder = tmp_path / "second"
    folder.mkdir(mode=0o700)
    act(folder / "ledger.db", "template.written", "second")
    common.merged(folder / "ledger.db", actor=an_actor())

    assert acts_here(common, "second") == ["template.written"]
    assert len(acts_here(common, "templates")) == 5
