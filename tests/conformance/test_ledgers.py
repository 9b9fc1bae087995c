import pytest

from alerting.clock import FrozenClock
from alerting.ledger.sqlite import SqliteLedger
from alerting.testing.ledger_conformance import LedgerConformance


class TestSqlite(LedgerConformance):
    @pytest.fixture
    def open_ledger(self, tmp_path):
        return lambda: SqliteLedger.open(tmp_path / "ledger.sqlite", clock=FrozenClock())

    def open_fresh(self, folders):
        return SqliteLedger.open(folders.mktemp("ledger") / "ledger.sqlite", clock=FrozenClock())
