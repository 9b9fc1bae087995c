import pytest

from alerting.audience.check import check
from alerting.audience.csvfile import CsvAudience

TEXT = """phone,email,language,groups
4135550100,ann@example.edu,en,staff;night
(413) 555-0100,bob@example.edu,es,staff
bad,,en,staff

,Ann@EXAMPLE.edu,,students
,ann@example.EDU,,students
"""


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(TEXT)
    return CsvAudience(path, region="US")


def test_a_report_counts_rows_people_and_different_addresses(source):
    report = check(source)
    assert (report.name, report.rows, report.recipients) == ("people.csv", 5, 4)
    assert (report.phones, report.emails) == (1, 3)
    assert report.languages == {"": 2, "en": 1, "es": 1}
    assert report.groups == {"staff": 2, "students": 2, "night": 1}


def test_a_report_names_both_lines_of_a_duplicate_and_masks_the_address(source):
    report = check(source)
    assert [(d.address, d.line, d.first_line) for d in report.duplicates] == [
        ("phone:+14***0100", 3, 2),
        ("email:a***@example.edu", 7, 2),
    ]
    assert report.duplicates_total == 2


def test_examples_are_cut_to_a_bound_and_totals_are_not(source):
    report = check(source, most=0)
    assert (report.refused, report.refused_total) == ((), 1)
    assert (report.duplicates, report.duplicates_total) == ((), 2)
