"""The record on PostgreSQL can be proved, and people can be taken out of it."""

import subprocess

import psycopg
import pytest

from alerting.archive import Archive
from alerting.audit.acts import write
from alerting.audit.keeper import Keeper
from alerting.audit.people import StandIns
from alerting.audit.signer import stand_in_key
from alerting.audit.verify import verify_opened
from alerting.clock import FrozenClock
from alerting.errors import LedgerUnavailable
from alerting.ledger.postgres.forgetting import SharedForgetter
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.migrate import latest
from alerting.ledger.postgres.scrutiny import SharedCopy
from alerting.ledger.rows import ReplyRow
from alerting.model.receipt import ReceiptStatus
from alerting.testing.builders import A_MOMENT_US as NOW
from alerting.testing.builders import accepted, an_actor, rejected, unanswered
from alerting.testing.ledger_receipts import a_receipt
from alerting.testing.ledger_steps import ID, opened, sent, settle

_GUTTED = (
    "CREATE OR REPLACE FUNCTION stays_on_record() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RETURN NEW; END $$"
)
_REWRITTEN = (
    "ALTER TABLE audit DISABLE TRIGGER ALL; UPDATE audit SET actor = 'mallory' WHERE seq = 1;"
    " ALTER TABLE audit ENABLE TRIGGER ALL"
)


class Record:
    """An alert that was sent, and the keys it is sealed with."""

    def __init__(self, place, folder):
        self.place, self.state = place, folder
        self.archive = Archive(base=folder, state=folder, clock=FrozenClock(), shared=place)
        self.ledger = PostgresLedger.open(place, clock=FrozenClock())
        opened(self.ledger)
        batch = sent(self.ledger, 3)
        settle(
            self.ledger,
            batch,
            *(answer(row) for answer, row in zip((accepted, rejected, unanswered), batch.rows, strict=True)),
        )
        with self.ledger.transaction():
            self.ledger.apply(
                [a_receipt(batch.rows[0].id, ReceiptStatus.UNDELIVERED, detail="+14135550000 is off")], at=NOW
            )
            self.ledger.planned(ID, recipients=3, notes={})
            self.ledger.keep_replies([ReplyRow("sms-main", "phone:+14135550000", "I am safe", NOW, "SM1")])

    def keeper(self, state=None):
        return Keeper(
            state=state or self.state,
            opened=self.archive.copy,
            origin="test/alert-audit",
            admit=Archive(base=state, state=state, clock=FrozenClock(), shared=self.place).admit()
            if state
            else self.archive.admit(),
        )

    def seal(self, state=None):
        def record(acts):
            with self.ledger.transaction():
                return write(self.ledger, acts, actor=an_actor(), at=NOW)

        return self.keeper(state).checkpoint(record)

    def broken(self):
        return verify_opened(self.archive.copy, key=stand_in_key(self.state, make=False)).broken


@pytest.fixture
def record(fresh_place, tmp_path):
    made = Record(fresh_place(), tmp_path)
    yield made
    made.ledger.close()


@pytest.fixture
def change(postgres_address, record):
    """Return a function that changes the tables as their owner may."""

    def run(text):
        with psycopg.connect(postgres_address, autocommit=True) as server:
            server.execute(f"SET search_path TO {record.place.schema}")
            server.execute(text)

    return run


def test_an_untouched_record_is_whole(record):
    assert record.broken() == []
    record.seal()
    assert record.broken() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ALTER TABLE audit DISABLE TRIGGER audit_kept", "trigger audit_kept is not as this program made it"),
        ("DROP TRIGGER outcome_kept ON outcome", "trigger outcome_kept is missing"),
        ("CREATE TABLE stranger (a int)", "a table stranger this program never made"),
        (_GUTTED, "function stays_on_record is not as this program made it"),
        ("DROP INDEX audit_subject", "index audit_subject is missing"),
        ("UPDATE delivery SET state = 'delivered'", "delivery"),
        ("UPDATE batch SET n_accepted = n_accepted + 1", ID),
        ("DELETE FROM delivery", "belong to nothing"),
        ("UPDATE alert SET body = body || ' '", "not those that were opened"),
        ("UPDATE reply SET text = 'I am lost'", "reply are not those that were sealed"),
        (_REWRITTEN, "act 1 was changed"),
    ],
)  # fmt: skip
def test_what_was_changed_is_found(record, change, text, words):
    record.seal()
    change(text)
    assert any(words in told for told in record.broken()), record.broken()


def test_what_a_newer_version_added_is_no_damage_to_one_that_may_go_on_beside_it(record, change):
    change(f"""
        UPDATE meta SET value = '{latest() + 1}' WHERE name = 'schema';
        CREATE TABLE later (x int);
        ALTER TABLE alert ADD COLUMN aside text NOT NULL DEFAULT '';
        CREATE INDEX later_x ON later (x);
    """)
    record.seal()
    verdict = verify_opened(record.archive.copy, key=stand_in_key(record.state, make=False))
    assert verdict.broken == []
    assert f"it was brought to version {latest() + 1}" in verdict.notes[0]
    change("UPDATE alert SET body = body || ' '")
    assert any("not those that were opened" in told for told in record.broken())
    change(f"UPDATE meta SET value = '{latest() + 1}' WHERE name = 'least'")
    with pytest.raises(LedgerUnavailable, match="newer version"):
        record.broken()


def test_a_host_with_other_keys_does_not_seal(record, tmp_path_factory):
    record.seal()
    other = tmp_path_factory.mktemp("other")
    with pytest.raises(LedgerUnavailable, match=r"copy audit\.key and audit-signing\.key"):
        record.seal(other)
    subprocess.run(["cp", record.state / "audit.key", record.state / "audit-signing.key", other], check=True)
    record.seal(other)


def test_people_go_and_the_record_still_verifies(record, change):
    record.seal()
    hide = StandIns(key=stand_in_key(record.state), alert_id=ID)
    ledger = SharedForgetter.open(record.place, clock=FrozenClock())

    def person(row):
        return f"erased-{hide.person(row)}" if row.address.startswith("phone:") else ""

    gone = ledger.forget_alert(
        ID, person, lambda detail: f"erased-{hide.words(detail)}", actor=an_actor(), at=NOW
    )
    assert gone == 3
    assert ledger.forget_replies(NOW + 1, lambda a, t: "erased-x", actor=an_actor(), at=NOW) == 1
    assert ledger.forget_replies(NOW + 1, lambda a, t: "erased-x", actor=an_actor(), at=NOW) == 0
    ledger.wipe()
    ledger.close()
    with SharedCopy.open(record.place) as copy:
        everything = repr(
            [list(copy.rows(table)) for table in ("delivery", "outcome", "receipt", "reply", "trouble")]
        )
    assert "4135550" not in everything
    assert "I am safe" not in everything
    assert not [told for told in record.broken() if "trigger" in told]
    with pytest.raises(psycopg.errors.RaiseException):
        change("UPDATE outcome SET detail = 'x'")


def test_an_archive_on_postgresql_says_where_it_is_and_who_it_is(fresh_place, tmp_path):
    place = fresh_place()
    archive = Archive(base=tmp_path, state=tmp_path, clock=FrozenClock(), shared=place)
    assert archive.where.startswith("postgresql://")
    assert archive.own_reader() is None
    assert archive.owner != archive.owner, "two senders are never taken for one"
