"""Colour only repeats what the words say: a terminal gets it, a pipe and NO_COLOR do not."""

import os
import pty
import re
import subprocess

import pytest

_SEQUENCES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def shown(alert, recorded):
    """What ``alert status`` says of the recorded alert on a terminal."""

    def run(*more, **env):
        ours, theirs = pty.openpty()
        try:
            done = subprocess.run(
                alert.words("status", recorded, *more),
                cwd=alert.home,
                env=alert.environment({"TERM": "xterm", "COLUMNS": "60", **env}),
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=subprocess.PIPE,
                timeout=60,
                check=False,
            )
            os.close(theirs)
            theirs = -1
            text = b""
            while chunk := _chunk(ours):
                text += chunk
        finally:
            os.close(ours)
            if theirs >= 0:
                os.close(theirs)
        assert done.stderr == b""
        return text.decode().replace("\r\n", "\n")

    return run


def _chunk(end):
    try:
        return os.read(end, 65536)
    except OSError:  # the other end is closed, and everything has been read
        return b""


def test_a_terminal_shows_the_same_words_in_colour(shown, alert, recorded):
    plain = alert("status", recorded).stdout
    coloured = shown()

    assert "\x1b[" in coloured
    assert _SEQUENCES.sub("", coloured) == plain, "and no line is broken, however narrow the window"


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colour_gets_none(shown, alert, recorded, env):
    assert shown(**env) == alert("status", recorded).stdout


def test_whoever_follows_on_a_narrow_terminal_sees_the_figures_in_plain_lines(shown):
    wide, narrow = shown("--follow", COLUMNS="80"), shown("--follow", COLUMNS="40")

    assert "\x1b[?25l" in wide, "a table that is redrawn"
    assert "\x1b[?25l" not in narrow
    assert narrow.splitlines()[0].startswith("sms-main 2/3 2 failed")


def test_whoever_follows_on_a_terminal_without_blocks_sees_digits(shown):
    seen = shown("--follow", COLUMNS="80", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")

    assert "over time" in seen
    assert "\\u" not in seen


def test_a_pipe_gets_plain_lines(alert, recorded):
    assert "\x1b" not in alert("status", recorded).stdout
