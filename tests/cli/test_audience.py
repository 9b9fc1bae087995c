import json

import pytest


def test_a_list_is_reported_with_line_field_and_reason_of_every_cell_refused(alert, home):
    (home / "list.csv").write_text(
        "id,phone,email,groups\n"
        "1,413-555-0100,ann@example.edu,staff\n"
        "2,12345,bob@example.edu,staff\n"
        "3,413-555-0100,not a mailbox,students\n"
    )

    done = alert("audience", "check", "list.csv")

    assert done.returncode == 0
    assert done.stdout.startswith("list.csv: 3 people of 3 rows can be reached")
    assert "list.csv:3: phone:" in done.stdout
    assert "list.csv:4: email:" in done.stdout
    assert "list.csv:4: phone:+14***0100 is in line 2 too; it is told once" in done.stdout
    assert "bob@example.edu" not in done.stdout
    assert "555-0100" not in done.stdout
    assert "groups: staff 2, students 1" in done.stdout


@pytest.fixture
def long_list(home):
    bad = "".join(f"{n},12,\n" for n in range(30))
    (home / "list.csv").write_text(f"id,phone,email\n0,4135550100,\n{bad}")


def test_the_first_twenty_are_shown_and_the_rest_counted(alert, long_list):
    done = alert("audience", "check", "list.csv")

    assert done.stdout.count("list.csv:") == 1 + 20
    assert "… 10 more refused; --all shows them" in done.stdout


def test_all_shows_every_one(alert, long_list):
    done = alert("audience", "check", "list.csv", "--all")

    assert done.stdout.count("list.csv:") == 1 + 30
    assert "--all" not in done.stdout


def test_an_audience_is_checked_by_name_within_its_groups(alert):
    everyone = json.loads(alert("audience", "check", "everyone", "--json").stdout)
    staff = json.loads(alert("audience", "check", "staff", "--json").stdout)

    assert 0 < staff["recipients"] < everyone["recipients"]
    assert (
        set(staff["refused"][0]) == {"line", "field", "value", "reason", "fix"} if staff["refused"] else True
    )
    assert everyone["refused_total"] >= staff["refused_total"]


def test_a_list_that_reaches_nobody_is_unusable(alert, home):
    (home / "list.csv").write_text("id,phone\n1,12\n")

    done = alert("audience", "check", "list.csv")

    assert done.returncode == 2
    assert "0 people of 1 row can be reached" in done.stdout


@pytest.mark.parametrize(
    ("raw", "words"),
    [(b"", "is empty"), (b"PK\x03\x04xx", "Excel"), (b"name,shoe size\nAnn,38\n", "no column of phones")],
)
def test_a_file_that_is_no_list_is_refused_in_words(alert, home, raw, words):
    (home / "list.csv").write_bytes(raw)

    done = alert("audience", "check", "list.csv")

    assert done.returncode == 2
    assert words in done.stderr


def test_neither_file_nor_audience_is_answered_with_the_nearest(alert):
    done = alert("audience", "check", "everyon")

    assert done.returncode == 2
    assert "write everyone" in done.stderr


def test_a_file_is_checked_even_where_nothing_is_configured(alert, home):
    (home / "channels.yaml").unlink()

    assert alert("audience", "check", "demo/people.csv").returncode == 0


def test_a_file_that_is_not_there_is_told_as_such_even_where_nothing_is_configured(alert, home):
    (home / "channels.yaml").unlink()
    done = alert("audience", "check", "lists/staf.csv")
    assert (done.returncode, done.stderr) == (
        2,
        "alert: lists/staf.csv: no such file; name a CSV file that is there\n",
    )


def test_audiences_are_listed_with_files_that_are_missing(alert, home):
    (home / "demo" / "people.csv").rename(home / "demo" / "folk.csv")

    done = alert("audience", "list")

    assert done.returncode == 0
    assert "THE FILE IS NOT THERE" in done.stdout
    told = json.loads(alert("audience", "list", "--json").stdout)
    assert [one["name"] for one in told["audiences"] if one["default"]] == ["everyone"]
    assert not any(one["there"] for one in told["audiences"])
