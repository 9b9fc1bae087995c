"""Workers, server, sender and PostgreSQL killed at random: the others finish, and nothing is lost or doubled.

``ALERT_SIEGE_KILLS`` asks for more than the usual number of strikes; ``ALERT_SIEGE_SEED`` for another
series. With ``-s`` the figures are printed.
"""

import json
import os
import random
import statistics
from types import SimpleNamespace

import pytest
from campus import CHANNELS
from siege import FAULTS, Siege, verdict

from alerting.model.delivery import State

KILLS = int(os.environ.get("ALERT_SIEGE_KILLS") or 6)
SEED = int(os.environ.get("ALERT_SIEGE_SEED") or 11)
#: Most strikes at one alert: it has to come to rest as well.
A_TIME = 9


@pytest.fixture
def siege(tmp_path, box):
    made = Siege(tmp_path, box, random.Random(SEED))
    yield made
    made.close()


def test_whoever_is_killed_the_others_finish_and_nothing_is_lost_or_doubled(siege, box):
    alerts, stories = 0, []
    box.play(*FAULTS)
    while (done := siege.strikes.total()) < KILLS and not stories:
        place = f"Hall-{alerts:03d}"
        # Nobody can ask a relay, so mails wait some seconds after each death: not every round has the time.
        channels = CHANNELS if siege.rng.random() < 0.2 and KILLS > A_TIME else CHANNELS[:3]
        alert_id = siege.alert(place, channels=channels, most=min(A_TIME, KILLS - done))
        stories += siege.account(alert_id, place, channels)
        alerts += 1
    print(json.dumps(figures(siege, alerts)))  # noqa: T201 - for whoever asked with -s
    assert not stories
    assert siege.wrong.total() == 0


@pytest.mark.parametrize(
    ("state", "marked", "copies", "word"),
    [
        (State.ACCEPTED, False, 1, ""),
        (State.ACCEPTED, True, 2, ""),
        (State.UNRESOLVED, False, 0, ""),
        (State.UNRESOLVED, False, 1, ""),
        (State.ACCEPTED, False, 0, "lost"),
        (State.ACCEPTED, True, 0, "lost"),
        (State.ACCEPTED, False, 2, "doubled without a word"),
        (State.UNRESOLVED, False, 2, "doubled without a word"),
    ],
)
def test_the_siege_itself_sees_what_is_lost_or_doubled(state, marked, copies, word):
    delivery = SimpleNamespace(state=state, maybe_twice=marked)
    assert verdict(delivery, copies) == word


def figures(siege, alerts):
    spans = sorted(siege.takeovers)
    return {
        "seed": SEED,
        "alerts": alerts,
        "strikes": dict(siege.strikes),
        "lost": siege.wrong["lost"],
        "doubled_without_a_word": siege.wrong["doubled without a word"],
        "doubled_and_flagged": dict(+siege.flagged),
        "takeovers": len(spans),
        "takeover_s": {
            "median": round(statistics.median(spans), 1) if spans else None,
            "longest": round(spans[-1], 1) if spans else None,
        },
    }
