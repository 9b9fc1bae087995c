"""The sandbox inside the caller's own loop, and many requests at once."""

import asyncio

import aiohttp
import pytest

from alerting.sandbox.script import ScriptError
from alerting.sandbox.server import Sandbox

FORM = {"From": "+15550199999", "Body": "Fire."}


async def test_two_sandboxes_in_one_loop_know_nothing_of_each_other():
    async with Sandbox(seed=1) as one, Sandbox(seed=2) as two, aiohttp.ClientSession() as session:
        headers = {"Authorization": "Bearer t"}
        async with session.post(
            one.http_url + "/2/tweets", json={"text": "Fire."}, headers=headers
        ) as answer:
            assert answer.status == 201
        assert (len(one.world.posts), len(two.world.posts)) == (1, 0)
        assert {one.http_port, one.smtp_port}.isdisjoint({two.http_port, two.smtp_port})


async def test_hundreds_of_creates_at_once_are_all_kept_once():
    async with Sandbox() as box, aiohttp.ClientSession() as session:
        url = f"{box.http_url}/2010-04-01/Accounts/AC1/Messages.json"
        headers = {"Authorization": "Basic QUMxOnQ="}

        async def create(number):
            async with session.post(
                url, data={**FORM, "To": f"+1555{number:07d}"}, headers=headers
            ) as answer:
                return (await answer.json())["sid"]

        sids = await asyncio.gather(*(create(number) for number in range(400)))
        assert len(set(sids)) == len(box.world.texts) == len(box.world.phones) == 400


async def test_it_may_be_stopped_twice_and_the_port_is_free_again():
    box = await Sandbox().start()
    await box.stop()
    await box.stop()
    again = Sandbox(http_port=box.http_port, smtp_port=box.smtp_port)
    async with again:
        assert again.http_url == box.http_url


async def test_a_taken_smtp_port_leaves_nothing_running():
    async with Sandbox() as box:
        other = Sandbox(smtp_port=box.smtp_port)
        with pytest.raises(OSError, match="in use"):
            await other.start()
        await other.stop()


def test_a_bad_script_is_refused_before_anything_listens():
    with pytest.raises(ScriptError, match="write"):
        Sandbox(faults=[{"effect": "rset"}])
