import random
from datetime import timedelta
from functools import partial

import pytest

from alerting.broadcast.lane import Rules
from alerting.clock import SystemClock
from alerting.engine.distributed import DistributedEngine
from alerting.engine.embedded import EmbeddedEngine
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.listening import listen
from alerting.ledger.postgres.writer import SharedWriter
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.telemetry import QuietLog
from alerting.testing.engine_conformance import EngineConformance

CLOCK = SystemClock()


class House:
    """A ledger, its writer, and one kind of engine over them."""

    def __init__(self, open_ledger, writer, make):
        self.writer, self._open, self._make, self._readers = writer, open_ledger, make, []

    def engine(self, channels):
        return self._make(
            known=channels,
            channel=channels.__getitem__,
            writer=self.writer,
            clock=CLOCK,
            log=QuietLog(),
            rng=random.Random(4),
        )

    def reader(self):
        self._readers.append(self._open(write=False))
        return self._readers[-1]

    def close(self):
        for reader in self._readers:
            reader.close()
        self.writer.close()


class TestEmbedded(EngineConformance):
    @pytest.fixture
    def house(self, tmp_path):
        opened = partial(SqliteLedger.open, tmp_path / "ledger.db", clock=CLOCK)

        def make(*, known, **given):
            return EmbeddedEngine(owner="embedded", rules=lambda _: Rules(), **given)

        made = House(opened, GroupWriter(opened), make)
        yield made
        made.close()


class TestDistributed(EngineConformance):
    @pytest.fixture
    def house(self, fresh_place):
        place = fresh_place()
        opened = partial(PostgresLedger.open, place, clock=CLOCK)

        def make(*, known, **given):
            rules = partial(Rules, shared=True, lease=6.0)
            told = {"channels": known.keys, "listen": partial(listen, place), "rules": lambda _: rules()}
            return DistributedEngine(owner="one", **told, **given)

        made = House(opened, SharedWriter(opened, patience=timedelta(seconds=5)), make)
        yield made
        made.close()
