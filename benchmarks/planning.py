"""From a list of people with phone and mailbox to durable deliveries on two channels.

``python -m benchmarks.planning PEOPLE.CSV`` prints CPU seconds.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from pathlib import Path

from alerting.audience.csvfile import CsvAudience
from alerting.audience.roster import Roster, roster_of
from alerting.clock import SystemClock, micros
from alerting.ledger.rows import Actor, NewList, Opening
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.audience import AddressKind
from alerting.testing.builders import a_lane, an_alert


def main() -> None:
    gc.set_threshold(100_000)
    path = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        began = time.process_time()
        source = CsvAudience(path, region="US")
        roster = roster_of(source, name="everyone", list_path=path, salt="", directory=Path(name))
        count = planned(roster)
        print(time.process_time() - began)
    assert count == 2 * roster_size(path), count


def planned(roster: Roster) -> int:
    """Open an alert for a roster in a new ledger beside it; return how many deliveries are durable."""
    clock, alert, count = SystemClock(), an_alert(), 0
    ledger = SqliteLedger.open(roster.path.with_name("ledger.db"), clock=clock)
    with ledger.transaction():
        lanes = (a_lane(channel="sms"), a_lane(channel="mail"))
        opening = Opening(alert=alert, lanes=lanes, actor=Actor(name="bench"), digest="d")
        ledger.open_alert(opening, at=micros(clock.now()))
        for channel, kind in (("sms", AddressKind.PHONE), ("mail", AddressKind.EMAIL)):
            rows = NewList(roster.path, roster.listed(kind), roster.digest)
            count += ledger.add_list(alert.id, channel, rows, priority=1)
        ledger.planned(alert.id, recipients=count, notes={})
    ledger.close()
    return count


def roster_size(path: Path) -> int:
    with path.open(encoding="utf-8") as file:
        return sum(1 for _ in file) - 1


if __name__ == "__main__":
    main()
