"""The line between commands: one socket, one request, one answer, whoever calls and however badly."""

import asyncio
import json
import os
import socket
import stat
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerting.engine import control
from alerting.engine.control import Listener, Unanswered, ask, socket_path
from alerting.errors import LedgerBusy, LedgerUnavailable


async def echo(request):
    return {"ok": True, "heard": dict(request)}


@pytest.fixture
async def owner(tmp_path):
    """A process that owns the ledger of a directory, as far as others can tell."""
    listener = await Listener(echo).start(tmp_path)
    yield listener
    await listener.aclose()


async def said(state, raw, *, half=False):
    """Write bytes to the socket and return everything that comes back."""
    reader, writer = await asyncio.open_unix_connection(str(socket_path(state)))
    writer.write(raw)
    if half:
        writer.write_eof()
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


async def asked(state, request):
    return await asyncio.to_thread(ask, state, request, timeout=5)


async def test_a_request_is_answered(owner, tmp_path):
    heard = (await asked(tmp_path, {"verb": "look"}))["heard"]
    assert {name: heard[name] for name in ("v", "verb")} == {"v": 1, "verb": "look"}


@pytest.mark.parametrize("lie", [[0, 1], None, "root"])
async def test_who_asks_is_told_by_the_kernel_whatever_they_say(owner, tmp_path, lie):
    heard = (await asked(tmp_path, {"verb": "look", "peer": lie}))["heard"]
    assert heard["peer"] == [os.getuid(), os.getpid()]


async def test_the_socket_is_for_its_owner_only(owner, tmp_path):
    assert stat.S_IMODE(socket_path(tmp_path).stat().st_mode) == 0o600


async def test_a_stale_socket_of_a_dead_owner_is_replaced(tmp_path):
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(str(socket_path(tmp_path)))
    with pytest.raises(LedgerBusy):
        await asked(tmp_path, {})

    listener = await Listener(echo).start(tmp_path)

    assert (await asked(tmp_path, {}))["ok"]
    await listener.aclose()
    assert not socket_path(tmp_path).exists()


async def test_a_path_too_long_for_a_socket_lies_in_a_directory_of_this_user_alone(tmp_path):
    state = tmp_path / ("deep" * 30)
    state.mkdir()
    listener = await Listener(echo).start(state)

    path = socket_path(state)

    assert len(os.fsencode(path)) <= 100
    assert path.parent == Path(f"/tmp/alerting-{os.getuid()}")
    assert path.parent.stat().st_uid == os.getuid()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (await asked(state, {}))["ok"]
    await listener.aclose()


def test_a_directory_others_can_write_to_is_not_trusted(tmp_path, monkeypatch):
    taken = tmp_path / "taken"
    taken.mkdir()
    taken.chmod(0o777)
    monkeypatch.setattr(control, "Path", lambda _: taken)

    with pytest.raises(LedgerUnavailable, match="not a directory of this user alone"):
        socket_path(tmp_path / ("deep" * 30))


@pytest.mark.parametrize(
    "raw", [b"garbage\n", b"[1, 2]\n", b"null\n", b"[" * 20_000 + b"\n", b"\xff\xfe\n", b"\n"]
)
async def test_a_line_that_is_no_request_is_refused_in_words(owner, tmp_path, raw):
    told = json.loads(await said(tmp_path, raw))

    assert told["ok"] is False
    assert told["problems"] == [["", "this is not a request", ""]]


@pytest.mark.parametrize("raw", [b"", b'{"v": 1', b'{"v": 1, "verb": "open"}'])
async def test_half_a_line_is_not_carried_out(tmp_path, raw):
    heard = []

    async def handler(request):
        heard.append(request)
        return {}

    listener = await Listener(handler).start(tmp_path)

    assert await said(tmp_path, raw, half=True) == b""
    assert heard == []
    await listener.aclose()


async def test_a_line_without_end_is_cut_off(owner, tmp_path):
    try:
        answer = await said(tmp_path, b"x" * (3 << 20))
    except ConnectionError:
        answer = b""

    assert answer == b""
    assert (await asked(tmp_path, {}))["ok"]


@pytest.mark.parametrize("version", [0, 2, "1", None])
async def test_another_version_is_told_what_is_spoken_here(owner, tmp_path, version):
    told = json.loads(await said(tmp_path, json.dumps({"v": version, "verb": "open"}).encode() + b"\n"))

    assert told["ok"] is False
    assert f"speaks version 1, not {version!r}" in told["problems"][0][1]


@given(raw=st.binary(max_size=300))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_the_owner_goes_on_listening(tmp_path, raw):
    async def play():
        listener = await Listener(echo).start(tmp_path)
        await said(tmp_path, raw + b"\n")
        answer = await asked(tmp_path, {"verb": "look"})
        await listener.aclose()
        return answer

    assert asyncio.run(play())["heard"]["verb"] == "look"


async def test_a_caller_that_says_nothing_holds_up_neither_the_others_nor_the_end(owner, tmp_path):
    _, silent = await asyncio.open_unix_connection(str(socket_path(tmp_path)))

    assert (await asked(tmp_path, {}))["ok"]
    async with asyncio.timeout(1):
        await owner.aclose()
    silent.close()


async def test_closing_finishes_the_answers_that_were_begun(tmp_path):
    begun, go = asyncio.Event(), asyncio.Event()

    async def slowly(request):
        begun.set()
        await go.wait()
        return {"ok": True}

    listener = await Listener(slowly).start(tmp_path)
    waiting = asyncio.create_task(asked(tmp_path, {}))
    await begun.wait()
    closing_ = asyncio.create_task(listener.aclose())
    await asyncio.sleep(0.05)
    assert not closing_.done()
    go.set()

    assert await waiting == {"ok": True}
    await closing_


async def test_a_request_that_comes_while_closing_is_not_begun(tmp_path):
    """Its sender asks again; begun here it would be opened and never be sent."""
    heard = []

    async def handler(request):
        heard.append(request)
        return {"ok": True}

    listener = await Listener(handler).start(tmp_path)
    _, writer = await asyncio.open_unix_connection(str(socket_path(tmp_path)))
    await asyncio.sleep(0.05)
    await listener.aclose()
    writer.write(b'{"v": 1, "verb": "open"}\n')
    await asyncio.sleep(0.05)
    writer.close()

    assert heard == []


def test_nobody_there_is_told_apart_from_nobody_answering(tmp_path):
    with pytest.raises(LedgerBusy) as absent:
        ask(tmp_path, {}, timeout=1)
    assert not isinstance(absent.value, Unanswered)

    with closing(socket.socket(socket.AF_UNIX)) as mute:
        mute.bind(str(socket_path(tmp_path)))
        mute.listen()
        with pytest.raises(Unanswered, match=r"does not answer.*may be done or not.*before you repeat"):
            ask(tmp_path, {}, timeout=0.1)


def test_a_refusal_of_a_rooms_own_kind_is_raised_as_the_error_it_belongs_to():
    from alerting.engine.control import raise_refusal, refusal
    from alerting.errors import PlanRefused, Problem
    from alerting.rendering.fit import Unfit

    with pytest.raises(PlanRefused, match="too long; write less") as told:
        raise_refusal(refusal(Unfit(Problem(where="sms-main", what="too long", fix="write less"))))

    assert told.value.exit_code == 2
