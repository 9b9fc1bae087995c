"""A list as it is kept: each address once, everybody in order, and where else a person can be reached."""

import sqlite3

import pytest

from alerting.audience.csvfile import CsvAudience
from alerting.audience.roster import roster_of
from alerting.model.audience import AddressKind

PHONE, EMAIL = AddressKind.PHONE, AddressKind.EMAIL


@pytest.fixture
def roster(tmp_path):
    def kept(text):
        path = tmp_path / "people.csv"
        path.write_text(text)
        source = CsvAudience(path, region="US")
        return roster_of(source, name="all", list_path=path, salt="", directory=tmp_path / "rosters")

    return kept


def asked(roster, kind, **more):
    with sqlite3.connect(roster.path) as db:
        return db.execute(roster.listed(kind, **more)).fetchall()


def test_an_address_belongs_to_the_first_who_has_it_and_the_others_keep_theirs(roster):
    kept = roster(
        "id,phone,email\n1,413-555-0100,ann@example.edu\n2,413-555-0100,bob@example.edu\n"
        "3,413-555-0101,ann@example.edu\n4,413-555-0100,ann@example.edu\n"
    )

    assert asked(kept, PHONE) == [(0, "phone:+14135550100", "1", ""), (1, "phone:+14135550101", "3", "")]
    assert [address for _, address, *_ in asked(kept, EMAIL)] == [
        "email:ann@example.edu",
        "email:bob@example.edu",
    ]
    counts = kept.counts()
    assert (counts.recipients, counts.duplicates, counts.addresses) == (4, 4, {"phone": 2, "email": 2})


def test_an_address_is_found_twice_however_far_apart(roster):
    people = [f"{n},413-{555 + n // 10_000}-{n % 10_000:04d},p{n}@example.edu" for n in range(12_000)]
    kept = roster("id,phone,email\n" + "\n".join([*people, people[0], people[-1], people[5_000]]))

    assert kept.counts().duplicates == 6
    assert [place for place, *_ in asked(kept, PHONE)] == list(range(12_000))


def test_a_person_with_several_numbers_is_told_by_each_and_else_by_the_first_of_the_other_kind(roster):
    kept = roster(
        "id,phone,mobile,email,mail2\n"
        "7,413-555-0100,413-555-0101,ann@example.edu,a@example.edu\n8,413-555-0102,,,\n"
    )

    assert asked(kept, PHONE, fallback=EMAIL) == [
        (0, "phone:+14135550100", "7", "email:ann@example.edu"),
        (1, "phone:+14135550101", "7", "email:ann@example.edu"),
        (2, "phone:+14135550102", "8", ""),
    ]
    assert asked(kept, EMAIL, fallback=PHONE) == [
        (0, "email:ann@example.edu", "7", "phone:+14135550100"),
        (1, "email:a@example.edu", "7", "phone:+14135550100"),
    ]
    assert asked(kept, PHONE, fallback=PHONE)[1] == (1, "phone:+14135550101", "7", "phone:+14135550101")
    both = ["email:ann@example.edu", "email:a@example.edu", "email:nobody@example.edu"]
    assert [entry.mate(PHONE) for entry in kept.entries(EMAIL, among=both)] == ["phone:+14135550100"] * 2


def test_places_are_counted_where_not_everybody_has_an_address(roster):
    kept = roster("phone,email\n413-555-0100,\n,b@example.edu\n413-555-0102,c@example.edu\n")

    assert asked(kept, PHONE) == [
        (0, "phone:+14135550100", "line 2", ""),
        (1, "phone:+14135550102", "line 4", ""),
    ]
    assert [place for place, *_ in asked(kept, EMAIL)] == [0, 1]


def test_a_feed_is_no_persons(roster):
    kept = roster("phone\n413-555-0100\n")

    assert asked(kept, AddressKind.FEED) == []
    assert [row[3] for row in asked(kept, PHONE, fallback=AddressKind.FEED)] == [""]


def test_some_of_a_list_are_found_by_their_addresses(roster):
    kept = roster("phone,email\n413-555-0100,a@example.edu\n413-555-0101,\n")
    question = kept.listed(PHONE, fallback=EMAIL)

    found = kept.among(question, {"phone:+14135550100", "phone:+14135559999"})

    assert found == [("phone:+14135550100", "line 2", "email:a@example.edu")]
    assert kept.among(question, frozenset()) == []
