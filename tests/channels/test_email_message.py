"""What is on the wire, for any words whatever: nothing lost, nothing that breaks out."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.parser import BytesParser
from email.policy import compat32, default
from email.utils import parseaddr

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alerting.channels.email.header import field, mailbox_field, on_one_line, wire_mailbox
from alerting.channels.email.message import Letterhead, compose, head
from alerting.model.message import Content, Unit

AT = datetime(2026, 9, 1, 2, 14, 3, tzinfo=UTC)
LETTERHEAD = Letterhead(mailbox="alerts@example.edu", from_name="Campus", list_id="a.example.edu")
FIELDS = [
    *("Message-ID", "To", "From", "Subject", "List-Id", "Date", "Auto-Submitted", "X-Auto-Response-Suppress"),
    *("Importance", "X-Priority", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
]
INJECTIONS = (
    "x\r\nBcc: eve@example.org",
    "=?utf-8?q?x=0D=0ABcc:_eve=40example.org?=",
    "\n.\r\nMAIL FROM:<>\r\n",
)


def content(text, subject="", html=""):
    return Content(text=text, subject=subject, html=html, size=1, limit=9, unit=Unit.CHARACTERS)


def as_written(text):
    """What mail can carry of a text: line ends are line ends, and there are no control characters."""
    plain = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", text.replace("\r\n", "\n").replace("\r", "\n"))
    return plain if plain.endswith("\n") else plain + "\n"


def whole(text, subject="", html=""):
    mail = compose(content(text, subject, html), letterhead=LETTERHEAD, date=AT, live=True)
    return head(message_id="<k@example.edu>", to=b"ann@example.edu") + mail


def parsed(wire):
    return BytesParser(policy=default).parsebytes(re.sub(rb"(?m)^\.\.", b".", wire))


def part(message, kind):
    return message.get_body((kind,)).get_content().replace("\r\n", "\n")


@settings(max_examples=150, deadline=None)
@given(text=st.text(), subject=st.text(), html=st.text())
@example(text=INJECTIONS[2], subject=INJECTIONS[0], html="")
@example(text="a\r.\rb", subject=INJECTIONS[1], html=INJECTIONS[2])
@example(text="\x00\x0b\x85\u2028", subject="逃げて" * 100, html="x" * 3000)
@example(text="From here\n.\n" + "y" * 2000, subject="a" * 2000, html="")
def test_any_words_arrive_as_they_were_and_bring_nothing_along(text, subject, html):
    wire = whole(text, subject, html)
    assert wire.isascii()
    assert max(map(len, wire.split(b"\r\n"))) <= 998
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", wire)
    assert not re.search(rb"(?m)^\.(?!\.)", wire)
    message = parsed(wire)
    extra = {"Content-Transfer-Encoding"} if html else set()
    assert sorted(message.keys()) == sorted(set(FIELDS) - extra)
    assert part(message, "plain") == as_written(text)
    if html:
        assert part(message, "html") == as_written(html)
    if on_one_line(subject):
        assert message["Subject"] == on_one_line(subject)


@settings(max_examples=150, deadline=None)
@given(name=st.text(max_size=100))
@example(name='Campus "Safety", \\ Inc. (alerts) <eve@example.org>')
@example(name=INJECTIONS[0])
@example(name=INJECTIONS[1])
def test_any_name_stands_beside_the_mailbox_and_never_replaces_it(name):
    # Read by the older parser: the newer one of Python 3.11 puts blanks between encoded words of a name.
    raw = BytesParser(policy=compat32).parsebytes(mailbox_field("From", "alerts@example.edu", name))
    assert raw.keys() == ["From"]
    shown, mailbox = parseaddr(raw["From"])
    assert mailbox == "alerts@example.edu"
    assert str(make_header(decode_header(shown))) == on_one_line(name)


@given(subject=st.text(max_size=300))
def test_no_encoded_word_is_longer_than_readers_take(subject):
    lines = field("Subject", subject).decode().removesuffix("\r\n").split("\r\n")
    assert all(line.startswith(" ") for line in lines[1:])
    if len(lines) > 1:
        assert max(map(len, lines)) <= 76


@given(text=st.text(max_size=60) | st.from_regex(r"[a-z.@<>\r\n ,;:\\\"]{1,30}", fullmatch=True))
@example("ann@example.edu\n")
@example("ann@example.edu>\r\nRSET")
def test_a_mailbox_on_the_wire_is_one_word_without_brackets(text):
    mailbox = wire_mailbox(text)
    if mailbox is not None:
        assert re.fullmatch(rb"[^\s<>,;:()\[\]\\\"\x00-\x20\x7f-\xff]+@[A-Za-z0-9.-]+", mailbox)


@pytest.mark.parametrize(
    "mailbox", ["ann@example.edu", "o'neil+x@a-b.example", "a.b@mailhost", "x" * 64 + "@example.edu"]
)
def test_an_ordinary_mailbox_is_taken_as_it_is(mailbox):
    assert wire_mailbox(mailbox) == mailbox.encode()


def test_a_mail_without_a_subject_borrows_its_first_line():
    assert parsed(whole("\n\n  Run now.  \nMore"))["Subject"] == "Run now."


def test_the_same_mail_is_made_of_the_same_bytes():
    assert whole("Run.", "Now", "<b>Run.</b>") == whole("Run.", "Now", "<b>Run.</b>")


def test_a_line_that_begins_with_a_dot_is_stuffed_once():
    assert b"\r\n..\r\n...x\r\n" in whole(".\n..x\n", "s")


@given(thread=st.lists(st.text(max_size=30) | st.just("<a@b.example>"), max_size=15))
def test_a_thread_names_mails_of_ours_and_nothing_else(thread):
    lines = head(message_id="<k@d.example>", to=b"a@b.example", thread=thread).decode().split("\r\n")
    ours = min(10, thread.count("<a@b.example>"))
    assert lines[:2] == ["Message-ID: <k@d.example>", "To: a@b.example"]
    refs = ["References: <a@b.example>", *[" <a@b.example>"] * (ours - 1)]
    assert lines[2:-1] == (["In-Reply-To: <a@b.example>", *refs] if ours else [])
