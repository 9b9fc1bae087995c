"""The process that runs rehearsals beside a server: started when they are due, and heard of when it fails."""

import time
from types import SimpleNamespace

import pytest

from alerting.rehearsals import Rehearsals


class Heard:
    """A log that keeps what it is told."""

    def __init__(self):
        self.events = []

    def info(self, event, **fields):
        self.events.append((event, fields))

    warning = error = info


@pytest.fixture
def server(tmp_path):
    """What is needed of a server whose configuration cannot be read."""
    (tmp_path / "channels.yaml").write_text("version: 7\n")
    config = SimpleNamespace(path=tmp_path / "channels.yaml")
    return SimpleNamespace(config=config, base=tmp_path / "state", log=Heard())


def test_a_rehearsal_that_cannot_be_read_is_told_with_its_exit_code(server):
    rehearsals = Rehearsals(server)
    rehearsals.look(True)
    [(event, started)] = server.log.events
    assert event == "drill.rehearsed"
    until = time.monotonic() + 30
    while len(server.log.events) == 1 and time.monotonic() < until:
        rehearsals.look(False)
        time.sleep(0.05)
    assert server.log.events[1:] == [("rehearsal.failed", {"pid": started["pid"], "code": 2})]
    rehearsals.look(False)
    assert len(server.log.events) == 2, "told once"


def test_nothing_is_started_while_nothing_is_due(server):
    Rehearsals(server).look(False)
    assert server.log.events == []


def test_a_process_that_cannot_be_started_is_told_and_ends_no_schedule(server, monkeypatch):
    monkeypatch.setattr("sys.executable", "/no/such/interpreter")
    Rehearsals(server).look(True)
    assert server.log.events == [("rehearsal.failed", {"why": "No such file or directory"})]
