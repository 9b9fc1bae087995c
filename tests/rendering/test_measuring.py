# ruff: noqa: RUF001  (characters that look alike are what is tested)
import time
import unicodedata
from pathlib import Path

import hypothesis.vendor
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich._emoji_codes import EMOJI

from alerting.rendering.gsm import BASIC, EXTENSION
from alerting.rendering.links import COMMON, COUNTRY, links
from alerting.rendering.measure import sms, weighted

GSM_TEXT = st.text(alphabet=sorted(BASIC | EXTENSION), max_size=700)
ANY_TEXT = st.text(max_size=400)


def parts_one_by_one(text):
    """Cut a text the slow way, from the rules: pairs are never split."""
    gsm = set(text) <= BASIC | EXTENSION
    widths = [
        (2 if c in EXTENSION else 1) if gsm else len(c.encode("utf-16-le", "surrogatepass")) // 2
        for c in text
    ]
    alone, joined = (160, 153) if gsm else (70, 67)
    if sum(widths) <= alone:
        return 1 if text else 0
    parts, used = 1, 0
    for width in widths:
        if used + width > joined:
            parts, used = parts + 1, 0
        used += width
    return parts


def test_the_gsm_tables_are_those_of_the_standard():
    assert len(BASIC) == 127
    assert set("^{}\\[~]|€\f") == EXTENSION
    assert not BASIC & EXTENSION
    assert set("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà") <= BASIC


@pytest.mark.parametrize("character", ["ç", "`", "\t", "“", "’", "—", "–", "…", "á", "Á", "\u00a0"])
def test_one_of_these_characters_switches_the_whole_text_to_ucs2(character):
    size = sms(f"NSU ALERT {character}{character}")
    assert (size.encoding, size.foreign) == ("UCS-2", (character,))


@pytest.mark.parametrize(
    ("text", "segments", "units", "left"),
    [
        ("", 0, 0, 160),
        ("a" * 160, 1, 160, 0),
        ("a" * 161, 2, 161, 145),
        ("a" * 306, 2, 306, 0),
        ("a" * 307, 3, 307, 152),
        ("€" * 80, 1, 160, 0),
        ("a" * 159 + "€", 2, 161, 145),
        ("a" * 152 + "€" + "a" * 151, 2, 305, 0),
        ("a" * 152 + "€" + "a" * 152, 3, 306, 152),
        ("я" * 70, 1, 70, 0),
        ("я" * 71, 2, 71, 63),
        ("я" * 134, 2, 134, 0),
        ("я" * 66 + "😷" + "я" * 66, 3, 134, 66),
    ],
)
def test_texts_at_the_edges_take_these_segments(text, segments, units, left):
    size = sms(text)
    assert (size.segments, size.units, size.left) == (segments, units, left)


@given(GSM_TEXT)
def test_plain_texts_are_cut_as_the_rules_say(text):
    assert sms(text).encoding == "GSM-7"
    assert sms(text).segments == parts_one_by_one(text)


@given(ANY_TEXT)
def test_any_text_is_cut_as_the_rules_say_and_leaves_what_is_left(text):
    size = sms(text)
    assert size.segments == parts_one_by_one(text)
    assert 0 <= size.left <= size.per_segment
    assert size.units <= max(1, size.segments) * size.per_segment
    assert bool(size.foreign) == (size.encoding == "UCS-2")


@given(ANY_TEXT, ANY_TEXT)
def test_more_text_never_takes_fewer_segments(one, two):
    assert sms(one).segments <= sms(one + two).segments
    assert sms(two).segments <= sms(one + two).segments


@given(GSM_TEXT, GSM_TEXT)
def test_two_plain_texts_joined_take_as_many_units_as_both(one, two):
    assert sms(one + two).units == sms(one).units + sms(two).units


def test_a_text_is_measured_in_microseconds():
    text = "NSU ALERT 3:05pm: GAS LEAK at Baker Hall. ".ljust(160, "x")
    best = min(_timed(text) for _ in range(200))
    assert best < 15e-6


def _timed(text):
    begin = time.perf_counter()
    for _ in range(20):
        sms(text)
    return (time.perf_counter() - begin) / 20


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("—", 1),
        ("“", 1),
        ("…", 2),
        ("•", 2),
        ("é", 1),
        ("е\u0301", 2),
        ("e\u0301", 1),
        ("я", 1),
        ("א", 1),
        ("ก", 1),
        ("火", 2),
        ("한", 2),
        ("\u200d", 1),
        ("\u200e", 2),
        ("😷", 2),
        ("👨\u200d👩\u200d👧\u200d👦", 2),
        ("👨👩👧👦", 8),
        ("👍🏽", 2),
        ("🔥🏽", 4),
        ("🇺🇸", 2),
        ("🇺🇰", 4),
        ("🏴󠁧󠁢󠁳󠁣󠁴󠁿", 2),
        ("1\ufe0f\u20e3", 2),
        ("©", 2),
        ("©\ufe0e", 3),
        ("❤\ufe0f\u200d🔥", 2),
        ("a\ufe0f", 3),
    ],
)
def test_x_weighs_these_characters_so(text, weight):
    assert weighted(text).weighted == weight


def test_every_named_emoji_weighs_two():
    assert {name for name, emoji in EMOJI.items() if weighted(emoji).weighted != 2} == set()


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("https://nsu.edu/alert", 23),
        ("http://a.co", 23),
        ("nsu.edu/alert", 23),
        ("https://nsu.edu/" + "a" * 300, 23),
        ("Hi http://test.co", 26),
        ("See nsu.edu/alert. Now", 32),
        ("(nsu.edu)", 25),
        ("Go to nsu.edu, now", 34),
        ("https://en.wikipedia.org/wiki/A_(b)", 23),
        ("HTTPS://NSU.EDU", 23),
        ("nsu.edu/a nsu.edu/b", 47),
        ("https://nsu.edu/火", 25),
        ("火nsu.edu", 25),
        ("police@nsu.edu", 14),
        ("@nsu.edu", 8),
        ("at 3.05pm", 9),
        ("Leave now.Stay out", 18),
        ("a.nosuchtld", 11),
        ("https://a.nosuchtld", 23),
        ("a.nosuchtld/" + "b" * 40, 52),
    ],
)
def test_a_link_weighs_23_with_or_without_its_scheme(text, weight):
    assert weighted(text).weighted == weight


@pytest.mark.parametrize("text", ["", "a" * 281, "火" * 141, "a\ufeffb", "a\ufffe", "a\uffff"])
def test_x_would_not_take_these(text):
    assert not weighted(text).fits


@pytest.mark.parametrize("text", ["a", "a" * 280, "火" * 140, "a" * 256 + " https://nsu.edu/" + "b" * 99])
def test_x_takes_these(text):
    assert weighted(text).fits


@given(st.text(max_size=200))
def test_composed_and_decomposed_texts_weigh_the_same(text):
    assert weighted(text) == weighted(unicodedata.normalize("NFC", text))
    assert weighted(unicodedata.normalize("NFD", text)).weighted == weighted(text).weighted


@given(st.text(st.sampled_from("ab1.-_@:/ \u3000\x1f\n,é(edu"), max_size=30))
def test_no_link_is_overlooked_where_no_word_seems_to_hold_one(text):
    assert list(links(text)) == list(links(f"{text} nsu.edu"))[:-1]


def test_sentences_without_a_link_are_not_searched_for_one(monkeypatch):
    """What searches takes a millisecond to compile, of a first post that waits for it."""
    monkeypatch.setattr("alerting.rendering.links._LINK", "(")
    assert list(links("LEAVE on foot now. No flames...\nNext update 3:05.")) == []


@given(st.text(alphabet=st.characters(exclude_characters="."), max_size=200))
def test_without_links_a_text_weighs_at_most_two_a_character(text):
    assert weighted(text).weighted <= 2 * len(unicodedata.normalize("NFC", text))


def test_the_two_letter_domains_are_all_there_are():
    listed = Path(hypothesis.vendor.__file__).with_name("tlds-alpha-by-domain.txt").read_text("utf-8")
    everywhere = {line.lower() for line in listed.splitlines() if not line.startswith("#")}
    assert {word for word in everywhere if len(word) == 2} == COUNTRY
    assert everywhere >= COMMON
