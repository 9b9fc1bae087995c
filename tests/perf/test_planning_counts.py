"""What a long list costs, in things that can be counted: statements, and memory of our own."""

import tracemalloc

import pytest

from alerting.audience.csvfile import CsvAudience
from alerting.audience.roster import roster_of
from alerting.clock import FrozenClock
from alerting.ledger.rows import Actor, NewList, Opening
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.audience import AddressKind
from alerting.testing.builders import A_MOMENT_US, a_lane, an_alert

FEW, MANY = 5_000, 20_000


@pytest.fixture
def roster(tmp_path):
    def kept(count):
        path = tmp_path / f"people-{count}.csv"
        with path.open("w") as file:
            file.write("id,name,phone,email\n")
            file.writelines(
                f"{n},Ann,413-{555 + n // 10_000}-{n % 10_000:04d},p{n}@x.edu\n" for n in range(count)
            )
        source = CsvAudience(path, region="US")
        return roster_of(source, name=str(count), list_path=path, salt="", directory=tmp_path / "rosters")

    return kept


@pytest.fixture
def ledger(tmp_path):
    ledger = SqliteLedger.open(tmp_path / "ledger.db", clock=FrozenClock())
    yield ledger
    ledger.close()


def planned(ledger, roster, alert_id, count):
    alert = an_alert(id=alert_id, run_key=alert_id)
    with ledger.transaction():
        opening = Opening(alert=alert, lanes=(a_lane(),), actor=Actor(name="lee"), digest="d")
        ledger.open_alert(opening, at=A_MOMENT_US)
        rows = NewList(roster.path, roster.listed(AddressKind.PHONE), roster.digest)
        assert ledger.add_list(alert_id, "sms-main", rows, priority=1) == count
        ledger.planned(alert_id, recipients=count, notes={})


def peak(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_long_list_is_planned_by_as_many_statements_as_a_short_one(roster, ledger):
    said = []
    ledger._connection.raw.set_trace_callback(said.append)
    counts = []
    for number, count in enumerate((FEW, MANY)):
        said.clear()
        planned(ledger, roster(count), f"L-00000{number}", count)
        counts.append(len(said))

    assert counts[0] == counts[1] < 30


def test_no_row_of_a_list_becomes_a_value_when_it_is_planned(roster, ledger):
    many = roster(MANY)

    assert peak(lambda: planned(ledger, many, "L-000000", MANY)) < 10 * MANY


def test_checking_a_longer_list_takes_no_more_memory(roster):
    some, many = peak(lambda: roster(MANY // 2)), peak(lambda: roster(MANY))

    assert many - some < 10 * MANY // 2
