"""The drawing of a spread over time: one axis, honest shares, words for those who see no blocks."""

from alerting.broadcast.report import ChannelReport
from alerting.cli.spread import spread


def a_channel(name="sms-main", *, total=100, curve=(), arrivals=()):
    accepted, delivered = sum(n for _, n in curve), sum(n for _, n in arrivals)
    return ChannelReport(
        channel=name,
        kind="sms.twilio",
        total=total,
        accepted=accepted,
        delivered=delivered,
        failed=0,
        uncertain=0,
        waiting=total - accepted,
        cancelled=0,
        first_s=None,
        half_s=None,
        most_s=None,
        curve=tuple(curve),
        arrivals=tuple(arrivals),
    )


def cells(line):
    return line[-40:]


def test_each_row_grows_from_left_to_right_on_one_axis_and_is_full_only_when_all_came():
    fast = a_channel("email-main", curve=[(second, 20) for second in range(5)])
    slow = a_channel("sms-main", curve=[(second, 10) for second in range(10)], arrivals=[(8, 30), (19, 40)])
    head, mail, text, arrived = spread([fast, slow])

    assert head == "over time" + " " * 4 + "0 s" + "20 s".rjust(37)
    assert mail.startswith("email-main   ▁")
    assert cells(mail)[9:] == "█" * 31
    assert cells(text)[19:] == "█" * 21
    assert "█" not in cells(text)[:19]
    assert arrived.startswith("  delivered ")
    assert arrived.endswith("▅"), "70 of 100 is not all"
    for row in (mail, text, arrived):
        heights = ["▁▂▃▄▅▆▇█".index(cell) for cell in row[13:].strip()]
        assert heights == sorted(heights)


def test_a_reader_without_blocks_gets_digits_that_say_the_same():
    channel = a_channel("sms-mail", curve=[(second, 10) for second in range(10)])
    (_, row), (_, drawn) = spread([channel], blocks=False), spread([channel])

    assert row.isascii()
    assert row.startswith("sms-mail  1111")
    assert row.endswith("8889999#")
    assert len(row) == len(drawn)


def test_posts_and_what_has_not_begun_are_not_drawn():
    assert spread([a_channel("x-campus", total=1, curve=[(0, 1)]), a_channel()]) == []


def test_one_straggler_does_not_flatten_the_rest():
    channel = a_channel(total=1000, curve=[(0, 500), (1, 499), (7200, 1)])
    head, row = spread([channel])

    assert head.endswith("2.0 s")
    assert row.endswith("▇"), "the last one is still missing here"


def test_a_name_that_could_steer_a_terminal_is_made_harmless():
    assert not any("\x1b" in line for line in spread([a_channel("a\x1b[2J", curve=[(0, 1)])]))
