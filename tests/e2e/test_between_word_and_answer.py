"""What may happen between a preview, the word typed below it, and the owner's answer."""

import signal
import socket
import sys
import threading
from pathlib import Path

import pytest
from campus import Campus, until
from warm import WHOLE, bare_campus, serving, typed

SHIFTED = str(Path(__file__).with_name("shifted.py"))
HILL = ("send", "hazard", "-v", "place=Hill", "--no-wait")


class Jumping(Campus):
    """A campus whose clocks say what a file says."""

    def words(self, *args):
        return [sys.executable, SHIFTED, str(self.home / "shift"), *super().words(*args)[1:]]

    def jump(self, seconds):
        (self.home / "shift").write_text(str(seconds))


@pytest.fixture
def campus(tmp_path, box):
    (tmp_path / "shift").write_text("0")
    made = bare_campus(tmp_path, box, Jumping)
    yield made
    made.close()


@pytest.mark.parametrize("way", [(), (WHOLE,)], ids=["by the owner", "by the command"])
def test_a_word_typed_after_two_minutes_is_asked_for_once_more_below_the_time_as_it_is_now(
    campus, serve, way
):
    """The text says when it was written; people must not read an old time in a new warning."""
    jumps = iter((121, 130))
    code, seen = typed(campus, *way, *HILL, answer=b"Hill\n", before_answer=lambda: campus.jump(next(jumps)))

    assert code == 8, seen
    assert seen.count("older than two minutes") == 1
    first, second = (part.partition("NSU ALERT ")[2].split(":")[:2] for part in seen.split("Type Hill")[:2])
    assert first != second
    [record] = campus.alerts()
    assert campus.given.counts()["texts"] <= 3
    campus.settled(record.alert.id)


def test_the_first_ctrl_c_after_the_word_waits_for_what_became_of_it(campus, serve):
    """It comes too late to stop anything, and the officer should know what went out."""

    def leave(process):
        place = Path(f"/proc/{process.pid}")

        def asks():
            # It has asked when it waits for the answer; before that it runs, or waits for its turn to.
            asleep = (place / "stat").read_text().rpartition(")")[2].split()[0] == "S"
            return asleep and any("socket" in str(file.readlink()) for file in (place / "fd").iterdir())

        until(asks, 10, "the command does not ask")
        process.send_signal(signal.SIGINT)
        serve.send_signal(signal.SIGCONT)

    code, seen = typed(
        campus,
        *HILL,
        answer=b"Hill\n",
        before_answer=lambda: serve.send_signal(signal.SIGSTOP),
        after_answer=leave,
    )

    [record] = campus.alerts()
    assert code == 8, seen
    assert f"{record.alert.id} is being sent. Follow it with" in seen


def test_what_changed_while_the_owner_died_is_refused_as_by_the_owner(campus, serve):
    def change():
        serve.kill()
        serve.wait(10)
        campus.template("hazard", words="ANOTHER HAZARD")

    code, seen = typed(campus, *HILL, answer=b"Hill\n", before_answer=change)

    assert code == 2, seen
    assert "changed after the preview; nothing was sent" in seen
    assert campus.alerts() == []


def test_an_answer_of_the_owner_that_is_lost_sends_nothing_twice(campus, serve):
    """The command carries out itself what it has no answer to, under the key the owner was given."""
    path = campus.state / "engine.sock"
    inner = path.with_name("inner.sock")
    path.rename(inner)
    lost = []

    def pass_on(caller):
        with caller, socket.socket(socket.AF_UNIX) as owner:
            owner.connect(str(inner))
            line = caller.makefile("rb").readline()
            owner.sendall(line)
            answer = owner.makefile("rb").readline()
            if b'"confirmed"' in line and not lost:
                lost.append(answer)
            else:
                caller.sendall(answer)

    with socket.create_server(str(path), family=socket.AF_UNIX) as server:
        server.settimeout(20)

        def forward():
            for _ in range(3):
                pass_on(server.accept()[0])

        between = threading.Thread(target=forward)
        between.start()
        done = campus(*HILL, "--confirm", "Hill", "--json")
        between.join(20)
    path.unlink()
    inner.rename(path)

    [record] = campus.alerts()
    assert record.alert.id.encode() in lost[0]
    assert (done.returncode, done.stderr) == (8, ""), "nobody else has sent the same"
    assert f'"alert": "{record.alert.id}", "again": true' in done.stdout
    campus.settled(record.alert.id)
    assert campus.given.counts()["texts"] == 3


def test_no_real_alert_goes_where_rehearsals_are_kept_nor_comes_from_there(campus):
    """Stand-ins would take it and reach nobody; and what a rehearsal has left would go to everybody."""
    state, campus.state = campus.state, campus.state / "sandbox"
    with serving(campus, "--sandbox"):
        told = [
            campus("--state", campus.state, *words, code=75).stderr
            for words in ((*HILL, "--confirm", "Hill"), ("serve",))
        ]
    campus("--sandbox", "sandbox", "stop")

    assert all(
        "nothing real may go there or come from there; name the folder it lies in" in one for one in told
    )
    assert campus.alerts() == []
    assert campus("--state", state, "status").returncode == 0
