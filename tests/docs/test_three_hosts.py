"""The page that leads from one machine to three is true, as typed."""

import contextlib
import os
import signal

import pytest
from console import ROOT, Reader, steps

PAGE = ROOT / "docs/from-one-to-three.md"


class Operator(Reader):
    """A reader who has been given a database."""

    address = ""

    def _environment(self):
        return {**super()._environment(), "ALERT_LEDGER": self.address}

    def leave(self):
        for name in ("two", "three"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                os.kill(int((self.home / f"{name}.pid").read_text()), signal.SIGKILL)
            self.type(f"alert --sandbox --state {name} sandbox stop")
        super().leave()


@pytest.fixture
def operator(tmp_path, fresh_database):
    person = Operator.settled(tmp_path)
    person.address = fresh_database
    yield person
    person.leave()


def test_the_page_shows_what_its_commands_say(operator):
    assert steps(PAGE)
    operator.follow(PAGE)
