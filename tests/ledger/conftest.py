import pytest

from alerting.clock import FrozenClock
from alerting.ledger.sqlite import SqliteLedger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def open_ledger(path):
    opened = []

    def opener(*, write=True, at=path, **options):
        opened.append(SqliteLedger.open(at, write=write, clock=FrozenClock(), **options))
        return opened[-1]

    yield opener
    for ledger in opened:
        ledger.close()
