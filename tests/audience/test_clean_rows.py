"""The short loop over clean rows says what the long way says, row by row, whatever the list holds."""

import sqlite3

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alerting.audience.clean import Clean
from alerting.audience.csvfile import CsvAudience
from alerting.audience.roster import _rows, roster_of
from alerting.audience.source import Refused

ONE_FOLDER = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300
)
PHONES = st.sampled_from(
    [
        "413-555-0100",
        "+1 413 555 0101",
        "(413) 555-0102",
        "4135550103",
        "555-0100",
        "+44 20 7946 0958",
        "411-555-0100",
        "1-413-555-0100",
        " 413-555-0100",
        "413\t555\t0100",
        "4.13555E+09",
        "",
        "-",
        "n/a",
    ]
)
MAILS = st.sampled_from(
    [
        "ann@example.edu",
        "Ann.B@EXAMPLE.edu",
        "info@example.edu",
        "a@b",
        "ann@x.test",
        "a|b@example.edu",
        "",
        "ann@example.edu;bob@example.edu",
        "<ann@example.edu>",
        "ann@xn--a.edu",
        "ann @example.edu",
        "ünn@ex.edu",
        "a" * 65 + "@example.edu",
        "a@" + "b" * 63 + ".edu",
        " ann@example.edu",
        "ann@localhost",
        "x@-a.edu",
    ]
)
TEXTS = st.one_of(
    st.sampled_from(
        ["", "7", "  7  8 ", "Lee", "a\u200bb", "N/A", '"', '"a,b"', '"a\nb"', "a\rb", "x" * 300]
    ),
    st.text(max_size=4),
)
SIGNS = st.sampled_from([",", ";", "\t", "|"])
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])
HEADERS = st.sampled_from(
    [
        ("id", "phone", "email"),
        ("phone",),
        ("name", "email", "id"),
        ("phone", "mobile", "email"),
        ("email", "phone", "language", "groups"),
    ]
)
KINDS = {"phone": PHONES, "mobile": PHONES, "email": MAILS}


@st.composite
def lists(draw):
    header, sign, end = draw(HEADERS), draw(SIGNS), draw(ENDS)
    rows = [sign.join(header)]
    for _ in range(draw(st.integers(0, 6))):
        cells = [draw(KINDS.get(name, TEXTS)) for name in header]
        rows.append(sign.join(cells[: draw(st.integers(len(cells) - 1, len(cells) + 1)) or 1]))
    return end.join(rows) + draw(st.sampled_from(["", end]))


def as_entries(found):
    for entry in found:
        match entry:
            case Clean(rows=rows):
                yield from rows
            case Refused():
                yield entry
            case person:
                yield from _rows(person)


@ONE_FOLDER
@given(text=lists(), region=st.sampled_from(["US", "CA", "GB"]))
@example(text="phone\n413-555-0100\n\n413-555-0101\n", region="US")
@example(text='id,phone\n1,413-555-0100\n"2\n3",413-555-0101\n4,413-555-0102\n', region="US")
@example(text='id,phone\n1,413-555-0100\n"2,413-555-0101\n4,413-555-0102\n', region="US")
@example(text="phone,name\n413-555-0100,Ann\rLee\n413-555-0101,Bob\n", region="US")
@example(text="sep=;\nid;phone\n;413-555-0100\n", region="US")
@example(text='name,email\n",ann@example.edu\n"a,b",bob@example.edu\n,cid@example.edu\n', region="US")
def test_the_short_loop_says_what_the_long_way_says(tmp_path, text, region):
    path = tmp_path / "people.csv"
    path.write_bytes(text.encode(errors="surrogatepass"))
    audience = CsvAudience(path, region=region)

    assert list(as_entries(audience.quick())) == list(as_entries(audience.read()))


@ONE_FOLDER
@given(raw=st.binary(max_size=60))
def test_bytes_that_are_no_text_make_no_difference(tmp_path, raw):
    path = tmp_path / "people.csv"
    path.write_bytes(b"id,phone,email\n1,413-555-0100,a@example.edu\n" + raw + b"\n2,413-555-0101,\n")
    audience = CsvAudience(path, region="US")

    def told(how):
        try:
            return list(as_entries(how()))
        except ValueError as wrong:
            return str(wrong)

    assert told(audience.quick) == told(audience.read)


def test_a_list_for_some_groups_is_read_the_long_way(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("phone,groups\n413-555-0100,staff\n413-555-0101,students\n")

    [person] = CsvAudience(path, region="US", groups=["staff"]).quick()

    assert [address.value for address in person.addresses] == ["+14135550100"]


def test_clean_rows_are_taken_many_at_a_time(tmp_path):
    path = tmp_path / "people.csv"
    people = "".join(f"{n},413-555-{n:04d},p{n}@example.edu\n" for n in range(5_000))
    path.write_text("id,phone,email\n" + people)

    found = list(CsvAudience(path, region="US").quick())

    assert all(isinstance(batch, Clean) for batch in found)
    assert len(found) < 10
    assert sum(batch.people for batch in found) == 5_000


@pytest.mark.parametrize("odd", ["", "7,555-0100,a@b\n", '8,"413-555-0100",z@example.edu\n'])
def test_a_roster_counts_the_same_either_way(tmp_path, odd):
    path = tmp_path / "people.csv"
    rows = [f"{n},413-555-{n % 50:04d},p{n}@example.edu\n" for n in range(100)]
    path.write_text("id,phone,email\n" + "".join(rows[:40]) + odd + "".join(rows[40:]))
    audience = CsvAudience(path, region="US")

    class Long:
        name, read = audience.name, audience.read

    made = [
        roster_of(source, name=name, list_path=path, salt=name, directory=tmp_path / "rosters")
        for name, source in (("quick", audience), ("long", Long()))
    ]

    assert made[0].counts() == made[1].counts()
    kept = [
        sqlite3.connect(path).execute("SELECT * FROM entry ORDER BY id").fetchall()
        for path in _files(tmp_path)
    ]
    assert kept[0] == kept[1]


def _files(folder):
    return sorted((folder / "rosters").glob("*.roster"))
