"""A line of ``alert send`` that is read without typer means what typer would have made of it."""

import inspect

from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.cli import dispatch, sending, spoken
from alerting.cli.front import split
from alerting.cli.straight import plain, sent

TAKE_A_WORD = [
    *("-v", "--value", "--to", "--channels", "--incident", "--evidence", "--reported", "--confirmed"),
    *("--confirm", "--run-key", "--break-glass"),
]
FLAGS = ["--wait", "--no-wait", "--one-more", "--json"]
ODD = ["--next", "--help", "-h", "--", "-", "--js", "--to=staff", "-vplace=B", "--nothing", "", "3"]
PIECES = st.lists(
    st.tuples(
        st.sampled_from(TAKE_A_WORD), st.sampled_from(["place=Hall", "x"]) | st.text(min_size=1, max_size=6)
    )
    | st.tuples(st.sampled_from(FLAGS)),
    max_size=6,
)
ODD_PIECES = st.lists(st.tuples(st.sampled_from([*ODD, *TAKE_A_WORD, *FLAGS, "gas-leak"])), max_size=2)
WORDS = st.tuples(PIECES, st.just([("gas-leak",)]), PIECES, st.just([]) | ODD_PIECES).map(
    lambda parts: [word for part in parts for piece in part for word in piece]
)
#: What stands for a word that is left out, of the line's reader and of what it hands on; typer has no `more`.
DEFAULTS = {
    name: told.default
    for reader in (sending.send, dispatch.dispatch)
    for name, told in inspect.signature(reader).parameters.items()
    if told.default is not inspect.Parameter.empty and name != "more"
}


@settings(max_examples=300, deadline=None)
@given(WORDS)
def test_whatever_is_read_straight_is_what_typer_reads(words):
    told = plain(words)

    if told is not None:
        assert _typed(words) == {**DEFAULTS, **told}


def test_a_line_as_an_officer_or_a_script_writes_it_is_read_straight():
    words = [
        "gas-leak",
        "-v",
        "place=Baker Hall",
        "--value",
        "who=all",
        "--confirm",
        "baker hall",
        "--no-wait",
    ]
    words += ["--json", "--to", "staff", "--channels", "x,sms", "--run-key", "k", "--incident", "L-AAAAAA"]

    told = plain(words)

    assert told is not None
    assert told["value"] == ["place=Baker Hall", "who=all"]
    assert _typed(words) == {**DEFAULTS, **told}


def test_what_is_not_plain_is_left_to_typer():
    assert plain([]) is None
    for words in (["--next", "5"], ["two"], ["--json", "--json"], ["--to", ""], ["--to", "--json"], ["-v"]):
        assert plain(["gas-leak", *words]) is None, words
    assert plain(["gas-leak", "--to", "caf\udce9"]) is None


def test_a_line_that_says_more_of_the_whole_program_is_left_to_typer(monkeypatch):
    monkeypatch.delenv("ALERT_CONFIG", raising=False)

    assert split(["--state", "s", "send", "gas-leak"]) == ("channels.yaml", "s", ["send", "gas-leak"])
    for words in (
        ["--sandbox"],
        ["--without", "x"],
        ["--config", ""],
        ["--state="],
        ["--version"],
        ["--config"],
    ):
        assert sent([*words, "send", "gas-leak"]) is None, words
    assert sent(["preview", "gas-leak"]) is None
    assert sent(["send", "gas-leak", "--help"]) is None


def _typed(words):
    told = spoken.given(spoken.reader("send"), words)
    # typer says () for an option that may be repeated and is not there.
    return {**told, "value": told["value"] or None}
