"""Lists that an alert is accepted with, whole, and whose rows are written a moment later."""

import sqlite3
from contextlib import closing

import pytest

from alerting.audit.verify import verify_file
from alerting.clock import FrozenClock
from alerting.errors import AudienceProblem, LedgerDamaged, LedgerUnavailable
from alerting.ledger import rolls
from alerting.ledger.rolling import Rolling
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.delivery import State
from alerting.testing.builders import an_actor, an_address, an_alert
from alerting.testing.ledger_lists import listed
from alerting.testing.ledger_steps import (
    END,
    ID,
    MAIL,
    NOW,
    SMS,
    cancel,
    lease_or_none,
    opened,
)

COUNT = 25


@pytest.fixture
def ledger(open_ledger):
    return open_ledger()


def accept(ledger, folder, *, channels=(SMS, MAIL), count=COUNT, alert_id=ID, **more):
    """Open an alert whose people are in a list; return how many deliveries that makes."""
    rows = listed(folder, count, size=10, **more)
    with ledger.transaction():
        opened(ledger, alert=an_alert(id=alert_id))
        made = ledger.roll(alert_id, dict.fromkeys(channels, rows), priority=50)
        ledger.planned(alert_id, recipients=count, notes={})
    return made


def accept_rows(ledger, rows):
    with ledger.transaction():
        opened(ledger)
        ledger.roll(ID, {SMS: rows}, priority=50)


def unroll(ledger):
    """Write all that waits, one transaction after the other; return the channels in turn."""
    found = []
    while True:
        with ledger.transaction():
            channel = ledger.unroll()
        if channel is None:
            return found
        found.append(channel)


def told(ledger, alert_id=ID):
    """Everything the port answers about an alert, besides what a batch is leased with."""
    return (
        [(tally.channel, tally.counts) for tally in ledger.tally(alert_id)],
        ledger.failures(alert_id),
        ledger.unsettled(),
        sorted(
            (row.channel, row.id, row.address, row.state, row.reason) for row in ledger.deliveries(alert_id)
        ),
        [list(ledger.recipients(alert_id, channel)) for channel in (SMS, MAIL)],
        [list(ledger.recipients(alert_id, channel, reached_only=True)) for channel in (SMS, MAIL)],
        sorted((row.channel, row.id) for row in ledger.deliveries(alert_id, address=str(an_address(7)))),
    )


def rows_in(path):
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute("SELECT count(*) FROM delivery").fetchone()[0]


def files(path):
    return sorted(file.name for file in path.parent.iterdir() if file.name.startswith((path.name, ".")))


def test_a_file_can_keep_lists(ledger):
    assert isinstance(ledger, Rolling)


def test_before_its_rows_are_written_an_alert_reads_as_it_does_afterwards(
    ledger, open_ledger, tmp_path, path
):
    assert accept(ledger, tmp_path) == 2 * COUNT
    assert rows_in(path) == 0
    before = told(open_ledger(write=False))
    assert unroll(ledger) == [SMS, MAIL]
    assert rows_in(path) == 2 * COUNT
    assert told(ledger) == before
    assert before[0][0][1][State.PENDING] == COUNT


@pytest.mark.parametrize("when", ["batch.id, channel.name", "FROM roll_part", "FROM delivery"])
def test_who_reads_while_the_rows_are_written_meets_everybody_once(ledger, open_ledger, tmp_path, when):
    accept(ledger, tmp_path)
    expected = told(ledger)[3]
    reader = open_ledger(write=False)
    reader._connection.raw.set_trace_callback(lambda said: when in said and unroll(ledger))
    rows = reader.deliveries(ID)
    assert sorted((row.channel, row.id, row.address, row.state, row.reason) for row in rows) == expected
    assert ledger.rolled() == {}


def test_a_long_list_is_written_in_several_transactions_in_turn_with_others(
    ledger, tmp_path, monkeypatch, path
):
    monkeypatch.setattr(rolls, "AT_ONCE", 10)
    accept(ledger, tmp_path)
    before = told(ledger)
    with ledger.transaction():
        assert ledger.unroll() == SMS
    assert rows_in(path) == 10
    assert told(ledger) == before
    assert len(lease_or_none(ledger).rows) == 10
    assert lease_or_none(ledger, skip=[1]) is None
    assert unroll(ledger) == [MAIL, SMS, MAIL, SMS, MAIL]
    assert rows_in(path) == 2 * COUNT


def test_a_channel_says_whether_it_has_more_to_do_than_to_wait_for_its_rows(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr(rolls, "AT_ONCE", 10)
    accept(ledger, tmp_path)
    assert ledger.rolled() == {SMS: False, MAIL: False}
    with ledger.transaction():
        ledger.unroll()
    assert ledger.rolled() == {SMS: True, MAIL: False}
    unroll(ledger)
    assert ledger.rolled() == {}


def test_what_is_urgent_is_written_first(ledger, tmp_path):
    for number, priority in ((1, 10), (2, 80)):
        with ledger.transaction():
            opened(ledger, alert=an_alert(id=f"L-000{number}", run_key=f"key {number}"))
            rows = listed(tmp_path, COUNT, name=f"list {number}", size=10)
            ledger.roll(f"L-000{number}", {[SMS, MAIL][number - 1]: rows}, priority=priority)
    assert unroll(ledger) == [MAIL, SMS]


def test_the_list_is_gone_with_its_last_row_and_no_page_remembers_it(ledger, tmp_path, path):
    accept(ledger, tmp_path)
    unroll(ledger)
    ledger._connection.do("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger._connection.do("DELETE FROM delivery")
    ledger.close()
    assert files(path) == [path.name]
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT count(*) FROM roll").fetchall() == [(0,)]
        assert raw.execute("SELECT count(*) FROM roll_part").fetchall() == [(0,)]
    # The list is a database of its own, which would be known by its first words.
    assert path.read_bytes().count(b"SQLite format 3\0") == 1


def test_whoever_opens_the_ledger_for_writing_writes_what_was_accepted(ledger, open_ledger, tmp_path, path):
    accept(ledger, tmp_path)
    before = told(ledger)
    (tmp_path / "list.sqlite").unlink()
    ledger.close()
    assert told(open_ledger(write=False)) == before
    again = open_ledger()
    assert not again.rolled()
    assert rows_in(path) == 2 * COUNT
    assert told(again) == before


def test_a_transaction_that_is_taken_back_leaves_no_list(ledger, tmp_path):
    def fail():
        with ledger.transaction():
            opened(ledger)
            ledger.roll(ID, {SMS: listed(tmp_path, 3, name="three", size=10)}, priority=50)
            ledger._write_out(ID, SMS)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not ledger.rolled()
    # The next alert gets the numbers of the one that never was.
    accept(ledger, tmp_path, channels=(SMS,))
    unroll(ledger)
    assert len(list(ledger.deliveries(ID))) == COUNT


def test_a_list_that_is_gone_or_damaged_is_told_before_anything_is_accepted(ledger, tmp_path):
    rows = listed(tmp_path, 3_000, size=10)
    whole = rows.path.read_bytes()
    # A digit of somebody's number, which no look at the file's structure would find.
    other = whole.replace(str(an_address(7)).encode(), str(an_address(8)).encode(), 1)
    assert other != whole
    for damage, words in (
        (None, "changed while it was being read"),
        (whole[:8192], "is damaged"),
        (other, "is damaged"),
    ):
        rows.path.unlink() if damage is None else rows.path.write_bytes(damage)
        with pytest.raises(AudienceProblem, match=words):
            accept_rows(ledger, rows)
    assert ledger.alert(ID) is None


# -- what meets a list that is not written ---------------------------------------------------------


def test_cancelling_stops_all_at_once_and_the_rows_come_cancelled(ledger, tmp_path, monkeypatch, path):
    monkeypatch.setattr(rolls, "AT_ONCE", 10)
    accept(ledger, tmp_path)
    with ledger.transaction():
        ledger.unroll()
    assert cancel(ledger).stopped == 2 * COUNT
    assert rows_in(path) == 10
    before = told(ledger)
    assert before[0][0][1][State.CANCELLED] == COUNT
    with ledger.transaction():
        assert not ledger.settle_alert(ID, at=NOW), "not before every row is on record"
    unroll(ledger)
    assert told(ledger) == before
    assert ledger.alert(ID).settled_at is not None
    assert lease_or_none(ledger) is None
    assert verify_file(path).broken == []


def test_an_alert_whose_life_ends_before_expires_whole(ledger, tmp_path, path):
    accept(ledger, tmp_path)
    with ledger.transaction():
        assert ledger.expire(ID, at=END) == 2 * COUNT
    before = told(ledger)
    assert sum(failure[-1] for failure in before[1]) == 2 * COUNT
    assert verify_file(path).broken == []
    unroll(ledger)
    assert told(ledger) == before
    assert verify_file(path).broken == []


def test_lists_are_written_beside_one_that_is_planned_in_the_same_transaction(ledger, tmp_path, path):
    accept(ledger, tmp_path)
    before = told(ledger)
    with ledger.transaction():
        opened(ledger, alert=an_alert(id="L-OTHER0", run_key="other"))
        ledger.add_list("L-OTHER0", SMS, listed(tmp_path, 40, name="other"), priority=50)
        while ledger.unroll():
            pass
    assert told(ledger)[3:] == before[3:]
    assert len(list(ledger.deliveries("L-OTHER0"))) == 40
    assert verify_file(path).broken == []


# -- what can go wrong ---------------------------------------------------------------------------


def test_a_full_disk_is_told_and_what_was_accepted_stays(ledger, open_ledger, tmp_path):
    accept(ledger, tmp_path, count=3_000)
    before = told(ledger)
    ((pages,),) = ledger._connection.do("PRAGMA page_count")
    ledger._connection.do(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerUnavailable, match="disk is full"):
        unroll(ledger)
    assert told(ledger) == before
    ledger._connection.do("PRAGMA max_page_count = 1000000")
    unroll(ledger)
    assert told(ledger) == before


def test_where_the_list_cannot_be_laid_out_it_is_told_and_kept(ledger, tmp_path, monkeypatch):
    accept(ledger, tmp_path)
    before = told(ledger)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(rolls.os, "open", full)
        with pytest.raises(LedgerUnavailable, match="it is kept, and tried again"):
            unroll(ledger)
    assert told(ledger) == before
    unroll(ledger)
    assert told(ledger) == before


def test_a_list_that_is_not_what_was_accepted_is_never_written(ledger, open_ledger, tmp_path, path):
    accept(ledger, tmp_path)
    for said in ("DROP TRIGGER roll_part_kept", "UPDATE roll_part SET bytes = zeroblob(length(bytes))"):
        ledger._connection.do(said)
    with pytest.raises(LedgerDamaged, match="is not the one it was accepted with"):
        unroll(ledger)
    assert rows_in(path) == 0
    with pytest.raises(LedgerDamaged, match="restore the last backup"):
        open_ledger()
    assert any("not the one that was accepted" in words for words in verify_file(path).broken)


def test_a_roll_that_counts_others_than_its_list_holds_is_never_written(ledger, tmp_path, path):
    accept(ledger, tmp_path)
    ledger._connection.do("UPDATE batch SET n_pending = n_pending + 1 WHERE id = 2")
    with pytest.raises(LedgerDamaged, match="does not hold the people that were counted"):
        unroll(ledger)
    assert rows_in(path) == 0


@pytest.mark.parametrize(
    "said",
    [
        "DELETE FROM roll",
        "DELETE FROM roll_part",
        "UPDATE roll_part SET n = n + 1",
        "UPDATE roll SET written = places + 1",
    ],
)
def test_the_database_itself_keeps_what_is_not_written(ledger, tmp_path, said):
    accept(ledger, tmp_path)
    with pytest.raises(sqlite3.IntegrityError):
        ledger._connection.do(said)


def test_what_a_killed_process_laid_out_is_removed_by_the_next(ledger, open_ledger, tmp_path, path):
    accept(ledger, tmp_path)
    left = path.with_name(f".{path.name}.list.4711.00ff")
    left.write_bytes(b"people")
    ledger.close()
    open_ledger()
    assert not left.exists()


def test_a_record_with_a_list_is_whole_and_so_is_its_copy(ledger, tmp_path, path):
    accept(ledger, tmp_path)
    assert verify_file(path).broken == []
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("VACUUM INTO ?", (str(copy),))
    verdict = verify_file(copy)
    assert (verdict.broken, verdict.deliveries) == ([], 2 * COUNT)
    restored = SqliteLedger.open(copy, clock=FrozenClock())
    assert told(restored) == told(ledger)
    assert rows_in(copy) == 2 * COUNT
    restored.close()


def test_an_act_says_which_list_was_accepted(ledger, tmp_path, path):
    accept(ledger, tmp_path)
    [planned] = [act for act in ledger.audit(ID) if act.action == "alert.planned"]
    assert '"lists":{"email-main":"' in planned.body
    with ledger.transaction():
        ledger.record_act("noted", ID, {}, actor=an_actor(), at=NOW)
    ledger._connection.do("UPDATE roll SET digest = 'another'")
    assert any("not the one that was accepted" in words for words in verify_file(path).broken)
