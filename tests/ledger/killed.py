"""A process that writes until it is killed, and says on stdout what it was promised.

Every line is written after the commit it speaks of.
"""

import os
import random
import sys
from pathlib import Path

from alerting.clock import SystemClock
from alerting.ledger.sqlite import SqliteLedger
from alerting.ledger.writer import GroupWriter
from alerting.testing.builders import A_MOMENT_US, accepted, an_alert, an_opening, some_deliveries

ROWS = 20
NOW = A_MOMENT_US


def tell(line):
    os.write(1, f"{line}\n".encode())


def open_whole(alert_id):
    def change(ledger):
        ledger.open_alert(an_opening(alert=an_alert(id=alert_id)), at=NOW)
        ledger.add_batch(alert_id, "sms-main", some_deliveries(ROWS), priority=50)
        ledger.planned(alert_id, recipients=ROWS, notes={})

    return change


def claim(batch, ids):
    return lambda ledger: ledger.claim(batch, ids, at=NOW)


def settle(batch, results):
    return lambda ledger: ledger.settle(batch, results)


def main(path, seed):
    rng = random.Random(seed)
    writer = GroupWriter(lambda: SqliteLedger.open(Path(path), clock=SystemClock()), window_s=0.001)
    owner = f"process {os.getpid()}"
    for number in range(10_000):
        alert_id = f"L-{seed:03d}{number:03d}"
        opened = writer.submit(open_whole(alert_id))
        opened.add_done_callback(lambda _, told=alert_id: tell(f"opened {told}"))
        batch = writer.submit(lambda ledger: ledger.lease("sms-main", owner=owner, at=NOW, until=NOW)).result(
            10
        )
        rows = rng.sample(batch.rows, rng.randint(1, len(batch.rows)))
        ids = [row.id for row in rows]
        claimed = writer.submit(claim(batch, ids)).result(10)
        tell(f"claimed {' '.join(map(str, claimed))}")
        for row in rows:
            if row.id in claimed:
                future = writer.submit(settle(batch, [accepted(row)]))
                future.add_done_callback(lambda _, told=row.id: tell(f"accepted {told}"))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
