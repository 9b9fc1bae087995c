# ruff: noqa: RUF001  (characters that look alike are what is tested)
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.errors import TemplateProblem
from alerting.rendering.leftover import denies_drill, leftover
from alerting.rendering.measure import sms
from alerting.rendering.sanitise import refused, sanitise


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("“Baker’s”", '"Baker\'s"'),
        ("Baker – Hall — now…", "Baker - Hall - now..."),
        ("a\u00a0b\u202fc\td", "a b c d"),
        ("• leave", "* leave"),
        ("½ mile", "1/2 mile"),
        ("Muñoz, Núñez", "Muñoz, Nuñez"),
        ("façade", "facade"),
        ("soft\u00adhyphen", "softhyphen"),
        ("one\r\ntwo", "one\ntwo"),
    ],
)
def test_look_alikes_become_plain_and_are_reported(text, plain):
    clean = sanitise(text)
    assert clean.text == plain
    assert sms(clean.text).encoding == "GSM-7"
    assert all(old in text for old, _ in clean.replaced)


def test_accents_stay_where_the_text_is_ucs2_anyway():
    assert sanitise("Núñez 火").text == "Núñez 火"


def test_plain_text_is_left_alone():
    assert sanitise("GAS LEAK at Baker Hall").replaced == ()


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\u202e", "\u2066", "\u200f", "\u200b", "\ufeff", "\ue000"],
)
def test_control_and_direction_characters_are_refused_by_name(character):
    with pytest.raises(TemplateProblem, match=f"U\\+{ord(character):04X}"):
        sanitise(f"GAS{character}LEAK")


@given(st.text(max_size=200))
def test_sanitising_twice_changes_nothing_more(text):
    if refused(text.replace("\r\n", "\n")):
        with pytest.raises(TemplateProblem):
            sanitise(text)
    else:
        once = sanitise(text).text
        assert sanitise(once).text == once
        assert sms(once).segments <= max(1, 3 * sms(text).segments)


@pytest.mark.parametrize(
    "text",
    [
        "[building]", "at [BUILDING NAME]", "<place>", "<Building Name>", "at BUILDING NAME", "TODO", "TBD",
        "XXX", "xxxx", "INSERT LOCATION", "call ____", "at ???", "YOUR NAME",
    ],
)  # fmt: skip
def test_what_was_meant_to_be_replaced_is_found(text):
    assert leftover(text)


@pytest.mark.parametrize(
    "text",
    [
        "Baker Hall",
        "<https://nsu.edu>",
        "<a@b.edu>",
        "3 < 5",
        "Room 12 (north)",
        "AT&T Hall",
        "{{ 7*7 }}",
    ],
)
def test_ordinary_words_are_no_leftovers(text):
    assert leftover(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "not a drill", "NOT A DRILL", "n o t  a  d r i l l", "not-a-drill", "NOT\nA\nDRILL", "nOt.a.DrIlL!",
        "notadrill", "nоt а drill", "n0t a dri11", "not\u00a0a\u200bdrill", "ｎｏｔ ａ ｄｒｉｌｌ", "nót á dríll",
        "This isn't a drill", "this is no drill", "not a test", "NOT AN EXERCISE",
    ],
)  # fmt: skip
def test_a_denial_of_the_drill_is_seen_however_it_is_written(text):
    assert denies_drill(text)


@pytest.mark.parametrize(
    "text",
    ["This is a drill", "Do not drill here", "We cannot attest to it", "Drill. No emergency", "no action"],
)
def test_ordinary_words_deny_no_drill(text):
    assert not denies_drill(text)


def test_a_byte_in_another_encoding_is_told_as_one_and_no_control_character():
    typed = "Caf\xe9".encode("latin-1").decode("utf-8", "surrogateescape")
    assert refused(typed) == ("a byte that is no UTF-8 (0xE9; is LANG a UTF-8 one?)",)
