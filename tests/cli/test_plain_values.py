import pytest
import typer
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.core import TyperCommand

from alerting.cli.group import COMMANDS, build
from alerting.cli.plain import _CONVERT, plain


def params_of(command):
    yield from command.params
    for below in getattr(command, "commands", {}).values():
        yield from params_of(below)


GROUP = build()
CONTEXT = typer.Context(TyperCommand("alert"))
PARAMS = [*GROUP.params, *(p for name in COMMANDS for p in params_of(GROUP.get_command(None, name)))]
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.text(), max_size=3), st.tuples(st.text())
)


def converted(param, value):
    """What typer itself makes of a value, past what stands in front."""
    return type(param).get_runtime_param(param).coerce(value, param=param, ctx=CONTEXT)


@settings(deadline=None, max_examples=400)
@given(param=st.sampled_from(PARAMS), value=VALUES)
@example(param=next(p for p in PARAMS if p.name == "config"), value="\0")
def test_a_plain_value_is_what_typer_would_make_of_it(param, value):
    found = plain(value, param)

    if found is not _CONVERT:
        assert found == converted(param, value)
        assert type(found) is type(converted(param, value))


@pytest.mark.parametrize(
    "param", [p for p in PARAMS if not p.type_descriptor.is_choice], ids=lambda param: param.name
)
def test_a_default_is_what_typer_would_make_of_it(param):
    found = plain(param.default, param)

    assert found is not _CONVERT
    assert found == converted(param, param.default)


@pytest.mark.parametrize(
    "words",
    [
        ("send", "gas-leak", "-v", "place=Hall", "--confirm", "Hall", "--run-key", "caf\udce9"),
        ("close", "L-7K2QXD", "--reason", "told by radio, caf\udce9"),
        ("ack", "caf\udce9"),
        ("measure", "caf\udce9"),
    ],
    ids=lambda words: words[0],
)
def test_a_word_that_is_no_text_here_is_refused_with_its_name_before_anything_is_done(alert, words):
    """As a terminal set to Latin-1 sends it: no record could keep it."""
    done = alert("--sandbox", *words)

    assert done.returncode == 2
    assert "holds a byte that is no UTF-8 (0xE9; is LANG a UTF-8 one?); write it without" in done.stderr
    assert f"alert {words[0]} --help" in done.stderr
    assert not (alert.home / "state").exists()


def test_a_number_out_of_bounds_is_still_refused(alert):
    done = alert("preview", "gas-leak", "-v", "place=Baker Hall", "--next", "0")

    assert done.returncode == 2
    assert "1<=x<=1440" in done.stderr or "greater than or equal to 1" in done.stderr
