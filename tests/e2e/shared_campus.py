"""A campus whose record is on PostgreSQL: several hosts, each with a state directory of its own."""

from __future__ import annotations

import contextlib
import json

from campus import Campus

from alerting.clock import SystemClock
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.ledger.postgres.place import Place
from alerting.secret import Secret


class SharedCampus(Campus):
    """One host; ``address`` is the database it shares with the others."""

    def __init__(self, home, box, address, **given):
        self.address = address
        super().__init__(home, box, **given)

    def configure(self, **changes):
        super().configure(**changes)
        path = self.home / "channels.yaml"
        whole = json.loads(path.read_text())
        path.write_text(json.dumps({**whole, "ledger": {"env": "ALERT_LEDGER"}}, indent=1))

    def environment(self, extra=None):
        return super().environment({"ALERT_LEDGER": self.address, **(extra or {})})

    @contextlib.contextmanager
    def ledger(self):
        place = Place(address=Secret(self.address), schema="alerting_sandbox" if self.box else "alerting")
        ledger = PostgresLedger.open(place, write=False, clock=SystemClock())
        try:
            yield ledger
        finally:
            ledger.close()

    def alerts(self):
        with self.ledger() as ledger:
            return list(ledger.alerts())

    def whole(self, alert_id=None):
        """Assert what holds at every moment; the server answers for its own files."""
        self.folds(alert_id)
