"""A server that is there, but takes nobody or nobody who writes: no room, or another one is the primary."""

import itertools
import os
import time
from datetime import timedelta

import psycopg
import pytest

from alerting.clock import FrozenClock
from alerting.errors import LedgerLost
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.place import Place
from alerting.ledger.postgres.writer import SharedWriter
from alerting.secret import Secret
from alerting.testing.builders import an_actor

NUMBERS = itertools.count()
LONG, SHORT = timedelta(seconds=20), timedelta(seconds=0.2)
#: What turns a user away, and what takes it back.
WAYS = {
    "no more connections": ("CONNECTION LIMIT 0", "CONNECTION LIMIT -1"),
    "read-only": ("SET default_transaction_read_only = on", "RESET default_transaction_read_only"),
}


class Door:
    """A user of a database of its own, whom an administrator shuts out and lets in."""

    def __init__(self, admin, address, way):
        self._admin, (self._shuts, self._opens) = admin, WAYS[way]
        self.user = f"visitor{os.getpid()}_{next(NUMBERS)}"
        admin.execute(f"CREATE ROLE {self.user} LOGIN")
        admin.execute(f"GRANT CREATE ON DATABASE {admin.info.dbname} TO {self.user}")
        address = address.replace("postgres@", f"{self.user}@")
        self.place = Place(address=Secret(f"{address}&target_session_attrs=read-write"))
        self.tries = 0

    def shut(self):
        self._admin.execute(f"ALTER ROLE {self.user} {self._shuts}")
        self._admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (self.user,)
        )

    def open(self):
        self._admin.execute(f"ALTER ROLE {self.user} {self._opens}")

    def open_at_the_third_try(self, pause):
        self.tries += 1
        if self.tries == 3:
            self.open()
        time.sleep(min(pause, 0.01))


@pytest.fixture(params=WAYS)
def door(request, fresh_database):
    with psycopg.connect(fresh_database, autocommit=True) as admin:
        door = Door(admin, fresh_database, request.param)
        PostgresLedger.open(door.place, clock=FrozenClock()).close()
        door.words = request.param
        yield door
        admin.execute(f"DROP OWNED BY {door.user}; DROP ROLE {door.user}")


@pytest.fixture
def writer(door):
    made = []

    def make(patience=LONG):
        made.append(
            SharedWriter(
                lambda: PostgresLedger.open(door.place, clock=FrozenClock()),
                patience=patience,
                sleep=door.open_at_the_third_try if patience is LONG else time.sleep,
            )
        )
        return made[-1]

    yield make
    for one in made:
        one.close()


def act(ledger):
    ledger.record_act("probe", "s", {}, actor=an_actor(), at=1)
    return len(list(ledger.audit()))


def test_a_writer_that_is_turned_away_waits_and_does_its_work_once(door, writer):
    mine = writer()
    assert mine.submit(act).result(20) == 1
    door.shut()
    assert mine.submit(act).result(20) == 2
    assert door.tries == 3


def test_one_that_is_turned_away_before_it_began_waits_as_well(door, writer):
    door.shut()
    assert writer().submit(act).result(20) == 1
    assert door.tries == 3


def test_who_has_waited_long_enough_is_told_why_and_may_try_again(door, writer):
    door.shut()
    with pytest.raises(LedgerLost, match=door.words):
        writer(SHORT).submit(act).result(20)
    door.open()
    assert writer(SHORT).submit(act).result(20) == 1
