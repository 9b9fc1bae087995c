"""What a command says is what is on record, at whatever moment somebody leaves or dies."""

import pytest
from fate import meddled
from warm import bare_campus

HILL = ("send", "hazard", "-v", "place=Hill", "--confirm", "Hill", "--no-wait")


@pytest.fixture
def campus(tmp_path, box):
    made = bare_campus(tmp_path, box)
    yield made
    made.close()


PRESSED_AS_IT_IS_HEARD = """
import _socket
class Socket(_socket.socket):
    def recv(self, size):
        heard = super().recv(size)
        if b"alert_id" in heard: signal.raise_signal(signal.SIGINT)
        return heard
_socket.socket = Socket
"""


def test_ctrl_c_in_the_very_moment_the_owner_answers_does_not_lose_the_answer(campus, serve):
    done = meddled(campus, PRESSED_AS_IT_IS_HEARD, *HILL, code=8)

    [record] = campus.alerts()
    assert f"{record.alert.id} is being sent" in done.stdout
    campus.settled(record.alert.id)


PRESSED_AGAIN_AND_AGAIN = """
from alerting.cli import dispatch, front
asked = front._asked
def pressed(path, request, *more, **given):
    told = asked(path, request, *more, **given)
    if request["verb"] == "confirmed": signal.raise_signal(signal.SIGINT)
    return told
def once_more(*told, **given):
    signal.raise_signal(signal.SIGINT)
    return ()
front._asked, dispatch.parting = pressed, once_more
"""


def test_ctrl_c_held_down_after_the_word_never_says_that_nothing_was_sent(campus, serve):
    """A terminal repeats a held key thirty times a second, also while a command says that it was left."""
    done = meddled(campus, PRESSED_AGAIN_AND_AGAIN, *HILL, code=130)

    assert "What was done by then is on record" in done.stderr
    assert "othing was sent" not in done.stdout + done.stderr
    [record] = campus.alerts()
    campus.settled(record.alert.id)
