"""What a sender takes over from the command that forked it."""

import gc
import os
import subprocess
import sys

from alerting.cli.launch import resume
from alerting.errors import LedgerBusy


class Program:
    """As much of the program as a sender asks for before it finds that somebody else is sending."""

    def __init__(self, state):
        self.state, self.parent = state, os.getpid()

    def whole(self):
        return self

    def ready_state(self):
        pass

    def let_go(self):
        pass

    def lock(self):
        if os.getpid() != self.parent:
            (self.state / "frozen").write_text(f"{gc.get_freeze_count()} {len(gc.get_objects())}")
            raise LedgerBusy
        return self

    def held_by(self):
        return None


def test_a_sender_does_not_look_for_garbage_among_what_it_was_forked_with(tmp_path):
    here = len(gc.get_objects())

    assert resume(Program(tmp_path))

    assert os.waitpid(-1, 0)[1] == LedgerBusy().exit_code << 8
    frozen, looked_through = map(int, (tmp_path / "frozen").read_text().split())
    assert frozen > here * 0.9 > looked_through * 10


def test_who_has_started_a_sender_leaves_without_taking_itself_apart(capfd):
    """Each page that is let go of would be copied for the sender first."""
    code = (
        "import atexit, sys; atexit.register(print, 'apart');"
        " import alerting.cli as cli; cli._run = lambda _: print('told', end='') or 8;"
        " started = 'alerting.cli.launch' if sys.argv[1] else 'alerting.errors';"
        " __import__(started); cli.main()"
    )

    ended = [subprocess.run([sys.executable, "-c", code, started], check=False) for started in ("", "yes")]

    assert [done.returncode for done in ended] == [8, 8]
    assert capfd.readouterr().out == "toldapart\ntold"
