"""The word an officer types: nothing else opens anything, and a slip costs one line."""

import io
import sys

import pytest

from alerting.cli.keyboard import typed
from alerting.errors import NotConfirmed


@pytest.fixture
def types(monkeypatch):
    """Have these lines typed."""

    def lines(text):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    return lines


@pytest.mark.parametrize("text", ["Baker Hall\n", "  BAKER  hall\n", "Baker Hal\nBaker Hall\n", "Baker Hall"])
def test_the_word_or_a_slip_and_then_the_word_is_taken(types, text):
    types(text)
    assert typed("? ", "Baker Hall") is None


@pytest.mark.parametrize(
    "text",
    ["", "\n", "y\n", "\nBaker Hall\n", "Mary Hall\nBaker Hall\n", "Baker Hal\nBaker Hal\n", "Baker Hal\n"],
)
def test_nothing_else_is(types, text):
    types(text)
    with pytest.raises(NotConfirmed, match="nothing was sent"):
        typed("? ", "Baker Hall")


@pytest.mark.parametrize(
    "lost", [OSError(5, "Input/output error"), UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "")]
)
def test_a_terminal_that_gives_no_text_has_given_no_word(monkeypatch, lost):
    """It was closed, or it sends letters of another alphabet."""

    class Lost(io.StringIO):
        def readline(self, *_):
            raise lost

    monkeypatch.setattr(sys, "stdin", Lost())
    with pytest.raises(NotConfirmed, match="nothing was sent"):
        typed("? ", "Baker Hall")


def test_a_word_is_shown_once_more_without_what_may_not_reach_a_terminal(types, capsys):
    types("Baker Hall\n\n")
    with pytest.raises(NotConfirmed):
        typed("? ", "Baker Hall\x1b[2J")
    said = capsys.readouterr().err
    assert "Almost. Type Baker Hall" in said
    assert "\x1b" not in said
