"""Two officers on two hosts in the same moment: people hear it once, and nothing goes past what they saw."""

import pytest
from scene import KIM, LEE, UPDATE

from alerting.errors import PlanRefused
from alerting.ledger.postgres.ledger import PostgresLedger
from alerting.service.incident import Follow, follow_up, past_of, story
from alerting.service.opening import open_alert
from alerting.service.planning import Past, Request, make_plan

BOUND_S = 10


@pytest.fixture
def hosts(campus, fresh_place):
    """Two connections to one record, which is the campus's."""
    place = fresh_place()
    ledgers = [PostgresLedger.open(place, clock=campus.clock) for _ in range(2)]
    campus.ledger.close()
    campus.ledger = ledgers[0]
    yield ledgers
    for ledger in ledgers:
        ledger.close()


def decided(campus, request, past, *, actor, key):
    """Return what opens a confirmed plan in whichever ledger it is given."""
    now = campus.clock.now()
    plan = make_plan(campus.house, request, as_of=now, past=past)
    return lambda ledger: open_alert(ledger, campus.house, plan, actor=actor, run_key=key, at=now)


def gas_leak(campus, *, actor=LEE, key):
    request = Request(template="gas-leak", values={"place": "Baker Hall"})
    return decided(campus, request, Past(), actor=actor, key=key)


@pytest.mark.parametrize("key", ["lee", "kim"], ids=["one run key", "two officers"])
def test_the_same_alert_confirmed_twice_in_one_moment_is_one_alert(campus, hosts, meanwhile, key):
    first, second = hosts
    lees, kims = gas_leak(campus, key="lee"), gas_leak(campus, actor=KIM, key=key)

    with first.transaction():
        opened = lees(first)
        other = meanwhile(second, kims)

    again = other.result(BOUND_S)
    assert (again.alert_id, again.again) == (opened.alert_id, True)
    assert again.joined == ("" if key == "lee" else "lee")
    assert [record.alert.id for record in first.alerts()] == [opened.alert_id]


def test_an_update_confirmed_in_the_moment_of_the_all_clear_tells_nobody(campus, hosts, meanwhile):
    first, second = hosts
    incident = campus.send()

    def follows(verb, *, actor, **values):
        told = story(first, incident)
        request = follow_up(campus.house, told, verb, values=values)
        return decided(campus, request, past_of(first, told), actor=actor, key=actor.name)

    over = follows(Follow.ALL_CLEAR, actor=LEE)
    news = follows(Follow.UPDATE, actor=KIM, **UPDATE)
    with first.transaction():
        over(first)
        other = meanwhile(second, news)

    with pytest.raises(PlanRefused, match=r"closed at .* by lee \(All clear\); nothing was sent"):
        other.result(BOUND_S)
    assert len(list(first.alerts())) == 2
