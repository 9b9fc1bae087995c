"""The quick way of reading an answer and the careful one never disagree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.channels.sms.response import Reader, plain
from alerting.channels.sms.wire import MOST_BYTES, Reply
from alerting.channels.web_answer import Silence

LINES = st.sampled_from(
    [
        b"Content-Length: 2",
        b"content-length:\t2 ",
        b"Content-Length : 2",
        b"Content-Length: 3",
        b"Content-Length: +2",
        b"Content-Length: 2, 2",
        b"Transfer-Encoding: chunked",
        b"TRANSFER-ENCODING: identity",
        b"Connection: keep-alive",
        b"Connection: close",
        b"connection: Upgrade",
        b"Date: Tue, 01 Sep 2026 02:14:03 GMT",
        b"X-Odd: a\nContent-Length: 2",
        b"X-Odd: a\r",
        b" folded",
        b"\tfolded: Content-Length: 2",
        b"no colon",
        b"",
    ]
)
STARTS = st.sampled_from(
    [
        b"HTTP/1.1 201 Created",
        b"HTTP/1.1 201",
        b"HTTP/1.1 201 ",
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 304 Same",
        b"HTTP/1.1 2011 ?",
        b"http/1.1 200 OK",
        b"HTTP/1.1 20",
    ]
)
BODIES = st.sampled_from([b"", b"{", b"{}", b"{}{", b"2\r\n{}\r\n0\r\n\r\n"])


@given(STARTS, st.lists(LINES, max_size=4), BODIES)
def test_what_is_read_at_once_reads_the_same_with_care(start, lines, body):
    data = b"\r\n".join([start, *lines]) + b"\r\n\r\n" + body
    quick = plain(data)
    if isinstance(quick, Reply):
        reader = Reader("POST")
        careful = reader.feed(data)
        assert careful[:2] == quick[:2]
        assert reader.kept
        assert careful.full().headers == quick.full().headers


@given(st.binary(max_size=40), st.data())
def test_a_part_of_an_answer_is_never_taken_for_the_whole(body, data):
    whole = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\nServer: a\r\n\r\n%b" % (len(body), body)
    cut = data.draw(st.integers(0, len(whole) - 1))
    missing = plain(whole[:cut])
    assert 0 < missing <= len(whole) - cut
    assert plain(whole).body == body
    assert plain(whole + b"H") == 0


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n continued",
        b"HTTP/1.1 200 OK\r\nA: b\nTransfer-Encoding: chunked\r\nContent-Length: 2",
        b"HTTP/1.1 103 Early\r\nContent-Length: 2",
        b"HTTP/1.1 204 None\r\nContent-Length: 2",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d" % (MOST_BYTES + 1),
        b"HTTP/1.1 200 OK\r\nServer: a",
    ],
)
def test_anything_but_the_plainest_form_is_read_with_care(head):
    assert plain(head + b"\r\n\r\n{}") == 0


def test_a_head_without_end_is_read_with_care_once_it_is_long():
    assert plain(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 1_000) == 1
    long = b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000
    assert plain(long) == 0
    assert isinstance(Reader("GET").feed(long), Silence)


def test_an_answer_with_two_lengths_is_refused():
    reader = Reader("POST")
    end = reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}")
    assert isinstance(end, Silence)
    assert end.sent


def test_a_request_for_a_switch_of_protocols_is_no_answer():
    end = Reader("POST").feed(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
    assert isinstance(end, Silence)
