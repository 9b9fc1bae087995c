# ruff: noqa: RUF001  (characters that look alike are what is tested)
import pytest
from campus_shapes import SHAPES

from alerting.errors import PlanRefused
from alerting.model.message import Message, Shape, Unit
from alerting.rendering.fit import Unfit, fit

SMS = SHAPES["sms"]
TWO = Shape(unit=Unit.SEGMENTS, limit=2)


def said(*, shape=SMS, **blocks):
    with pytest.raises(Unfit) as caught:
        fit(Message(blocks=blocks), shape)
    return str(caught.value.problems[0])


def test_the_first_slot_the_message_has_is_taken():
    message = Message(blocks={"message": "long", "sms": "short"})
    assert fit(message, SMS).text == "short"
    assert fit(message, SHAPES["x"]).text == "long"


def test_a_text_message_is_measured_in_words():
    content = fit(Message(blocks={"message": "a" * 142}), SMS)
    assert (content.size, content.limit, content.unit) == (1, 1, Unit.SEGMENTS)
    assert content.notes == ("1 segment, GSM-7, 142 of 160, 18 free",)


def test_only_the_text_message_is_made_plain_and_says_so():
    message = Message(blocks={"message": "“Núñez” – go"})
    content = fit(message, SMS)
    assert content.text == '"Nuñez" - go'
    assert content.notes[0].startswith("1 segment, GSM-7, 12 of 160")
    assert "“ by '\"'" in content.notes[1]
    assert fit(message, SHAPES["x"]).text == "“Núñez” – go"


@pytest.mark.parametrize(
    ("text", "shape", "told"),
    [
        ("a" * 163, SMS, "sms: 3 too long: 2 segments, GSM-7, 163 of 306, 143 free; the limit is 1"),
        ("a" * 310, TWO, "message: 4 too long: 3 segments"),
        ("火" * 75, SMS, "5 too long: 2 segments, UCS-2"),
        ("火" * 75, SMS, "火 cut the room from 160 to 70"),
        ("a" * 285, SHAPES["x"], "5 too long: 285 of 280 as X counts"),
        ("a" * 12, Shape(unit=Unit.CHARACTERS, limit=10), "2 too long: 12 of 10 characters"),
        (" ", SMS, "there is no text to send"),
        ("", SHAPES["email"], "there is no text to send"),
    ],
)
def test_a_text_that_does_not_fit_is_refused_by_how_much(text, shape, told):
    assert told in said(shape=shape, **{shape.slots[0]: text})


def test_what_does_not_fit_refuses_the_plan():
    assert issubclass(Unfit, PlanRefused)


def test_two_segments_are_fine_where_two_are_allowed():
    assert fit(Message(blocks={"message": "a" * 306}), TWO).size == 2


def test_mail_has_subject_and_html_and_others_have_neither():
    message = Message(blocks={"message": "m", "email": "e", "subject": "s", "email_html": "<p>h</p>"})
    mail = fit(message, SHAPES["email"])
    assert (mail.text, mail.subject, mail.html) == ("e", "s", "<p>h</p>")
    other = fit(message, SHAPES["facebook"])
    assert (other.text, other.subject, other.html) == ("m", "", "")


def test_the_title_is_the_subject_of_a_message_that_has_none():
    assert fit(Message(blocks={"message": "m"}), SHAPES["email"], title="Gas leak").subject == "Gas leak"


def test_mail_without_text_takes_the_words_of_its_html():
    html = '<h1>Gas</h1>\n<p>LEAVE &amp; wait.<br>Now.</p>\n<ul>\n<li>One</li>\n<li><a href="https://a.edu/x">two</a></li>\n</ul>\n<p>End</p>'
    content = fit(Message(blocks={"message": "short", "email_html": html}), SHAPES["email"])
    assert content.text == "Gas\n\nLEAVE & wait.\nNow.\n\n- One\n- two (https://a.edu/x)\n\nEnd"


def test_characters_are_counted_composed():
    content = fit(Message(blocks={"message": "e\u0301"}), SHAPES["facebook"])
    assert (content.text, content.size) == ("é", 1)
