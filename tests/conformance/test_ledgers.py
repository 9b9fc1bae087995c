import pytest

from alerting.clock import FrozenClock
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.sqlite import SqliteLedger
from alerting.testing.ledger_conformance import LedgerConformance
from alerting.testing.ledger_rolls import LedgerRolls


class TestSqlite(LedgerConformance, LedgerRolls):
    @pytest.fixture
    def open_ledger(self, tmp_path):
        return lambda: SqliteLedger.open(tmp_path / "ledger.sqlite", clock=FrozenClock())

    def open_fresh(self, folders):
        return SqliteLedger.open(folders.mktemp("ledger") / "ledger.sqlite", clock=FrozenClock())


class TestPostgres(LedgerConformance):
    @pytest.fixture(autouse=True)
    def somewhere(self, fresh_place):
        self.fresh_place = fresh_place

    @pytest.fixture
    def open_ledger(self, fresh_place):
        place = fresh_place()
        return lambda: PostgresLedger.open(place, clock=FrozenClock())

    def open_fresh(self, folders):
        return PostgresLedger.open(self.fresh_place(), clock=FrozenClock())
