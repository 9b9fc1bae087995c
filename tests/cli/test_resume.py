"""Going on with what an interrupted sender left behind."""

import asyncio
import json
import subprocess

from alerting.engine.control import Listener
from alerting.ledger.lock import RunnerLock


def test_nothing_waits(alert):
    done = alert("resume")

    assert (done.returncode, done.stdout) == (
        0,
        "Nothing is waiting: every accepted delivery has come to rest.\n",
    )
    assert json.loads(alert("resume", "--json").stdout) == {"v": 1, "kind": "resume", "alerts": []}


def test_a_life_that_is_over_ends_the_waiting_and_sends_nothing(alert, waiting):
    """The alert is from years ago: nobody is told of it today."""
    done = alert("resume", "--json", env=alert.credentials)

    assert done.returncode == 4
    [told] = json.loads(done.stdout)["alerts"]
    assert (told["alert"], told["settled"]) == (waiting, True)
    assert {trouble["state"] for trouble in told["troubles"]} == {"expired"}


def test_the_same_in_the_foreground_of_a_service_manager(alert, waiting):
    assert alert("resume", "--foreground", "--json", env=alert.credentials).returncode == 4


def test_a_second_owner_is_refused(alert, home, waiting):
    with RunnerLock(home / "state"):
        done = alert("resume", "--foreground", env=alert.credentials)

    assert done.returncode == 75
    assert "another process owns this ledger" in done.stderr


def test_missing_tokens_are_told_before_anything_is_touched(alert, home, waiting):
    done = alert("resume")

    assert done.returncode == 2
    assert "the variable X_CONSUMER_KEY is not set" in done.stderr
    assert not (home / "state" / "sender.log").exists()


async def test_who_is_at_work_is_asked_to_look_again(alert, home, waiting):
    asked, verbs = asyncio.Event(), []

    async def answer(told):
        verbs.append(told["verb"])
        if told["verb"] == "resume":
            asked.set()
        return {"ok": True, "seq": 1, "hash": ""}

    with RunnerLock(home / "state"):
        listener = await Listener(answer).start(home / "state")
        with alert.start("resume", "--json", env=alert.credentials, stdout=subprocess.DEVNULL):
            async with asyncio.timeout(20):
                await asked.wait()
        await listener.aclose()

    assert verbs == ["acts", "resume"]
