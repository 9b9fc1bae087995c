import runpy
from pathlib import Path

import phonenumbers
import pytest

from alerting.audience.check import check
from alerting.audience.csvfile import CsvAudience
from alerting.audience.source import Refused
from alerting.model.audience import AddressKind

DEMO = Path(__file__).parents[2] / "demo"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(DEMO / "make_people.py"))


@pytest.fixture(scope="module")
def entries():
    return list(CsvAudience(DEMO / "people.csv", region="US").read())


def test_the_list_in_the_repository_is_what_the_script_writes(script):
    assert (DEMO / "people.csv").read_bytes() == script["text"]().encode()


def test_the_list_has_two_thousand_phones_and_two_thousand_mailboxes():
    report = check(CsvAudience(DEMO / "people.csv", region="US"))
    assert (report.phones, report.emails) == (2_000, 2_000)
    assert report.duplicates_total == 2
    assert set(report.groups) == {"students", "residents", "staff", "faculty"}


def test_every_number_is_one_kept_for_fiction_and_valid(entries):
    phones = {
        str(a.value) for e in entries if not isinstance(e, Refused) for a in e.addresses if "phone" in str(a)
    }
    assert all(number[5:10] == "55501" for number in phones)
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in phones)


def test_the_people_with_a_story_are_in_the_list(script, entries):
    values = {
        address.value for entry in entries if not isinstance(entry, Refused) for address in entry.addresses
    }
    assert {script["OPTED_OUT"], script["LANDLINE"], script["BOUNCING"]} <= values


def test_awkward_rows_are_refused_for_different_reasons_and_one_half_is_kept(entries):
    refused = [entry for entry in entries if isinstance(entry, Refused)]
    assert len({entry.reason for entry in refused}) == 8
    kept = {entry.line: entry for entry in entries if not isinstance(entry, Refused)}
    halves = [kept[entry.line] for entry in refused if entry.line in kept]
    assert [[address.kind for address in half.addresses] for half in halves] == [[AddressKind.EMAIL]]
