"""Whoever stands still in the middle of a transaction loses it: what it held is taken over."""

import time
from contextlib import ExitStack
from dataclasses import replace

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from alerting.clock import SystemClock
from alerting.errors import LedgerLost
from alerting.ledger.postgres import connection, ledger
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.scrutiny import SharedCopy
from alerting.secret import Secret
from alerting.testing.builders import A_MOMENT_US as NOW
from alerting.testing.ledger_steps import LEASE, SMS, opened, plan

SOON_S = 1


@pytest.fixture
def hosts(fresh_place, monkeypatch):
    """Two hosts that have little patience."""
    monkeypatch.setattr(connection, "IDLE_S", SOON_S)
    monkeypatch.setattr(ledger, "IDLE_S", SOON_S)
    monkeypatch.setattr(ledger, "_SWEEP_S", 0.1)
    place = fresh_place()
    made = [PostgresLedger.open(place, clock=SystemClock()) for _ in range(2)]
    yield made
    for one in made:
        one.close()


def test_a_batch_locked_by_somebody_who_stands_still_is_taken_over(hosts):
    frozen, other = hosts
    opened(frozen)
    plan(frozen, 3)
    with frozen.transaction():
        batch = frozen.lease(SMS, owner="frozen", at=NOW, until=NOW + LEASE)

    def taken():
        with other.transaction():
            return other.lease(SMS, owner="other", at=NOW + 2 * LEASE, until=NOW + 3 * LEASE)

    def stands_still():
        with frozen.transaction():
            frozen.renew([batch], until=NOW + LEASE)
            assert taken() is None, "it is locked"
            assert len(eventually(taken).rows) == 3

    with pytest.raises(LedgerLost):
        stands_still()


def test_only_our_own_who_stand_still_here_are_ended(hosts, fresh_place, fresh_database):
    """An administrator at a prompt, and another campus on the same server, keep what they have begun."""
    _, other = hosts
    address = fresh_place().address.reveal()
    begun = "BEGIN; SELECT pg_current_xact_id()"
    with ExitStack() as sessions:

        def session(at, name):
            made = psycopg.connect(at, autocommit=True, application_name=name)
            sessions.callback(made.close)
            made.execute(begun)
            return made

        administrator, elsewhere = session(address, "psql"), session(fresh_database, "alert")
        ours = session(address, "alert").info.backend_pid

        def ended():
            with other.transaction():
                other.lease("email-main", owner="other", at=NOW, until=NOW + LEASE)
            return not other._connection.do("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (ours,))

        eventually(ended)
        assert administrator.execute("SELECT 1").fetchall() == elsewhere.execute("SELECT 1").fetchall()


def test_an_auditor_may_think_for_as_long_as_he_likes(hosts, fresh_place):
    opened(hosts[0])
    place = hosts[0]._place
    with SharedCopy.open(place) as copy:
        assert len(list(copy.alerts())) == 1
        time.sleep(SOON_S + 0.5)
        with hosts[1].transaction():
            assert hosts[1].lease(SMS, owner="other", at=NOW, until=NOW + LEASE) is None
        assert len(list(copy.audit())) == 1


def test_the_server_asks_whether_a_host_is_still_there(fresh_place):
    place = fresh_place()
    told = conninfo_to_dict(place.address.reveal())
    over_the_network = make_conninfo(place.address.reveal(), host="127.0.0.1", port=told["port"])
    host = PostgresLedger.open(replace(place, address=Secret(over_the_network)), clock=SystemClock())
    names = ("idle", "interval", "count")
    assert [host._connection.do(f"SHOW tcp_keepalives_{name}") for name in names] == [
        [("5",)],
        [("2",)],
        [("3",)],
    ]
    host.close()


def eventually(look):
    until = time.monotonic() + 10
    while not (found := look()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found
