import contextlib
import csv
import io
import os
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerting.audience.csvfile import CsvAudience
from alerting.audience.source import Refused, masked
from alerting.errors import AudienceProblem
from alerting.model.audience import Address, Recipient

ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
ANN = Address.parse("phone:+14135550100")
ANN_MAIL = Address.parse("email:ann@example.edu")
BOB = Address.parse("phone:+14135550101")


@pytest.fixture
def entries(tmp_path):
    """Read a list given as text or bytes."""

    def read(content, *, region="US", groups=()):
        path = tmp_path / "people.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(CsvAudience(path, region=region, groups=groups).read())

    return read


def reached(entries):
    return [address for entry in entries if isinstance(entry, Recipient) for address in entry.addresses]


def refused(entries):
    return [entry for entry in entries if isinstance(entry, Refused)]


@pytest.mark.parametrize(
    "header",
    [
        "id,phone,email",
        "ID,Mobile Phone,E-Mail",
        "Person ID,Cell,Mail",
        "student_id,MOBILE,e-mail address",
        "NetID,Phone Number,Email 1",
    ],
)
def test_columns_are_known_by_any_usual_name(entries, header):
    [person] = entries(f"{header}\n7,413-555-0100,ann@example.edu\n")
    assert person == Recipient(addresses=(ANN, ANN_MAIL), id="7", line=2)


def test_columns_come_in_any_order_and_others_are_left_alone(entries):
    text = "Name,E-Mail,Building,Groups,Lang,Phone\nAnn,ann@example.edu,North,a; b,en_US,4135550100\n"
    [person] = entries(text)
    assert set(person.addresses) == {ANN, ANN_MAIL}
    assert person.groups == ("a", "b")
    assert person.language == "en-US"


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_delimiter_line_end_and_byte_order_mark_do_not_matter(entries, sign, end, mark):
    rows = [["id", "phone", "email"], ["7", "4135550100", "ann@example.edu"]]
    content = mark + end.join(sign.join(row) for row in rows).encode()
    assert reached(entries(content)) == [ANN, ANN_MAIL]


def test_a_line_that_names_the_delimiter_is_obeyed_and_counted(entries):
    [person] = entries("sep=;\nphone;email\n4135550100;ann@example.edu\n")
    assert person.line == 3


def test_blank_lines_are_nobody_and_are_counted(entries):
    people = entries("\n\nphone\n\n4135550100\n,,\n\n4135550101\n")
    assert [(person.addresses, person.line) for person in people] == [((ANN,), 5), ((BOB,), 8)]


def test_a_row_with_one_good_and_one_bad_address_keeps_the_good_one_and_reports_the_bad_one(entries):
    bad, person = entries("phone,email\n555-0100,ann@example.edu\n")
    assert person.addresses == (ANN_MAIL,)
    assert (bad.line, bad.field, bad.reason) == (2, "phone", "too few digits")
    assert str(bad.problem("people.csv")).startswith('people.csv:2: phone: "555-**00" too few digits; ')


def test_several_columns_of_phones_all_count_and_the_same_number_counts_once(entries):
    [person] = entries("phone,mobile,cell 2\n4135550100,413-555-0101,(413) 555-0100\n")
    assert person.addresses == (ANN, BOB)


def test_a_row_with_no_address_is_reported_and_words_for_nothing_are_no_address(entries):
    [row] = entries("name,phone,email\nAnn,n/a,-\n")
    assert (row.line, row.field, row.reason) == (2, "phone, email", "no address at all")


def test_a_short_row_lacks_its_last_cells_and_a_long_one_is_explained(entries):
    people = entries("phone,email\n4135550100\nSmith, Ann,4135550101,x@example.edu\n")
    assert reached(people) == [ANN]
    assert {"the row has 4 cells for 2 columns; put a cell that holds commas in quotes"} == {
        entry.fix for entry in refused(people)
    }


def test_a_refused_value_is_masked():
    assert masked("ann.smith@exa_mple.edu") == "a***@exa_mple.edu"
    assert masked("413-555-01") == "413-***-01"
    assert [masked(cell) for cell in ("Ann", "12345", "a@b")] == ["A**", "1****", "***@b"]
    assert masked("x" * 500) == "xxx***xx"
    assert masked("a\x1b[31m\u202eb") == "a?[***?b"


def test_only_the_groups_asked_for_are_read_and_capitals_do_not_matter(entries):
    text = "phone,groups\n4135550100,Staff|Night Shift\n4135550101,students\nbad,students\n"
    assert reached(entries(text, groups=["night  shift", "faculty"])) == [ANN]
    assert refused(entries(text, groups=["staff"])) == []


def test_asking_for_groups_of_a_list_without_groups_is_a_problem(entries):
    with pytest.raises(AudienceProblem, match="no column of groups"):
        entries("phone\n4135550100\n", groups=["staff"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"PK\x03\x04rest of a workbook", "Excel workbook"),
        ("phone\n4135550100\n".encode("utf-16"), "UTF-16"),
        ("phone\n4135550100\n".encode("utf-16-le"), "UTF-16"),
        (b"4135550100,ann@example.edu\n", "line 1 is a person"),
        (b"\nann@example.edu\n", "line 2 is a person"),
        (b"name,building\nAnn,North\n", r"no column of phones or mailboxes \(n\*\*\*, bui\*\*\*ng\)"),
        (b'"phone\n4135550100\n', "line 1: a quote is opened and never closed"),
    ],
)
def test_a_file_that_is_no_list_of_people_is_refused_as_a_whole(entries, content, words):
    with pytest.raises(AudienceProblem, match=words) as caught:
        entries(content)
    assert caught.value.problems[0].where == "people.csv"
    assert caught.value.problems[0].fix


def test_a_missing_file_a_folder_and_a_pipe_are_problems_not_crashes(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    wrong = (
        (tmp_path / "gone.csv", "No such file"),
        (tmp_path, "directory"),
        (tmp_path / "pipe.csv", "pipe"),
    )
    for path, words in wrong:
        with pytest.raises(AudienceProblem, match=words):
            list(CsvAudience(path, region="US").read())


@pytest.mark.parametrize(
    "damaged",
    [
        '"Ann,413,ann@example.edu',
        '"Ann',
        f'"{"x" * 200_000}"',
        "y" * 200_000,
        "z" * (1 << 21),
        "\0\0\0",
        "bad,bad,bad",
        '"a""',
    ],
)
def test_everybody_around_a_damaged_row_is_still_reached(entries, damaged):
    rows = [
        "name,phone,email",
        "Ann,4135550100,",
        damaged,
        '"Bob ""B"" Hill",4135550101,',
        'Cy,,"cy@example.edu"',
    ]
    people = entries("\n".join(rows) + "\n")
    assert reached(people) == [ANN, BOB, Address.parse("email:cy@example.edu")]
    assert [entry.line for entry in refused(people)][:1] == [3]
    assert [entry.line for entry in people if isinstance(entry, Recipient)] == [2, 4, 5]


def test_a_quote_left_open_in_the_last_row_is_told_and_the_cells_before_it_are_used(entries):
    damaged, person = entries('phone,notes\n4135550100,"never closed')
    assert damaged.reason == "a quote is opened and never closed"
    assert person.addresses == (ANN,)


def test_a_quote_that_closes_hundreds_of_lines_later_swallows_nobody(entries):
    # 5'10" at the end of a line closes what was opened far above: to any reader of CSV a fine row.
    text = 'phone,height\n"4135550100,5\n' + "4135550101,6\n" * 300 + "4135550101,5'10\"\n"
    people = entries(text)
    assert reached(people) == [BOB] * 301
    assert [(entry.line, entry.reason) for entry in refused(people)] == [
        (2, "a quote is opened and never closed")
    ]


def test_bytes_that_are_not_utf_8_spoil_their_own_cell_only(entries):
    content = "id,phone,email,groups\nJosé,4135550100,josé@example.edu,Québec\n".encode("latin-1")
    bad, person = entries(content, groups=["québec"])
    assert (person.addresses, person.id, person.groups) == ((ANN,), "José", ("Québec",))
    assert bad.field == "email"
    assert bad.value.isascii()


people = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=8),
            "phone": st.integers(0, 99).map(lambda line: f"+141355501{line:02d}"),
            "email": st.from_regex(r"[a-z]{1,8}@example\.edu", fullmatch=True),
            "language": st.sampled_from(["", "en", "pt-BR"]),
            "groups": st.sampled_from(["", "staff", "staff;night shift"]),
            "notes": st.lists(st.sampled_from([*"ab \"',;\t|\n", "\r\n"]), max_size=12).map("".join),
        }
    ),
    max_size=8,
)


@ONE_FOLDER
@given(
    people=people,
    order=st.permutations(["id", "phone", "email", "language", "groups", "notes"]),
    sign=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_whatever_csv_writes_is_read_back_with_the_right_lines(
    *, entries, people, order, sign, end, quoting, mark
):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, order, delimiter=sign, lineterminator=end, quoting=quoting)
    writer.writeheader()
    expected = []
    for person in people:
        line = out.getvalue().count("\n") + 1
        writer.writerow(person)
        expected.append(
            Recipient(
                addresses=tuple(
                    Address.parse(f"{kind}:{person[kind]}") for kind in order if kind in ("phone", "email")
                ),
                id=person["id"],
                language=person["language"],
                groups=tuple(filter(None, person["groups"].split(";"))),
                line=line,
            )
        )
    assert entries(mark + out.getvalue()) == expected


@ONE_FOLDER
@given(st.binary(max_size=300) | st.text('ab@.,;"\n\r\0413 5', max_size=300).map(str.encode))
def test_no_bytes_whatever_crash_the_reader(entries, content):
    for entry in entries(b"phone,email,notes\n" + content):
        assert entry.line > 1
    with contextlib.suppress(AudienceProblem):
        entries(content)


def test_a_long_list_is_streamed(tmp_path):
    path = tmp_path / "people.csv"
    row = "4135550100,ann@example.edu,notes of some length to make the file larger\n"
    path.write_text("phone,email,notes\n" + row * 20_000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in CsvAudience(path, region="US").read()) == 20_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 4
