import csv
import io
import json
import stat
import subprocess

import pytest

PHONES = ("+15550000000", "+15550000001", "+15550000002")


@pytest.fixture
def export(alert, recorded):
    """Export the recorded alert with these options."""

    def run(*options, **more):
        return alert("export", recorded, *options, env=alert.credentials, **more)

    return run


def test_the_record_is_whole_and_every_line_says_what_it_is(export, recorded):
    lines = [json.loads(line) for line in export().stdout.splitlines()]

    kinds = [line["kind"] for line in lines]
    first = ["alert", "lane", "lane", *["delivery"] * 3, *["attempt"] * 3, "receipt", "audit"]
    assert kinds[: len(first)] == first
    assert set(kinds[len(first) :]) <= {"audit"}
    assert all(line["v"] == 1 and line["alert"] == recorded for line in lines)
    assert [line["state"] for line in lines if line["kind"] == "delivery"] == [
        "undelivered",
        "accepted",
        "rejected",
    ]
    assert "alert.opened" in [line["action"] for line in lines if line["kind"] == "audit"]


def test_addresses_are_masked_even_in_the_words_of_a_provider(export):
    done = export()

    assert not any(address in done.stdout for address in (*PHONES, "ann@example.edu"))
    assert "phone:+15***0002" in done.stdout
    assert "*** is not a mobile number" in done.stdout
    assert "550 *** is full" in done.stdout


def test_addresses_are_written_in_full_only_when_asked_for(export):
    done = export("--addresses")

    assert all(address in done.stdout for address in (*PHONES, "ann@example.edu"))


def test_a_spreadsheet_gets_one_row_a_delivery_and_no_formula(export):
    done = export("--format", "csv")

    rows = list(csv.DictReader(io.StringIO(done.stdout, newline="")))
    assert [row["state"] for row in rows] == ["undelivered", "accepted", "rejected"]
    assert rows[1]["provider_id"] == "'=cmd|' /C calc'!A0"
    cells = [cell for row in csv.reader(io.StringIO(done.stdout, newline="")) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


def test_a_file_is_private_and_never_replaced_unless_forced(export, home):
    out = home / "record.jsonl"

    first = export("--out", out)
    assert first.returncode == 0
    count = len(out.read_text().splitlines())
    assert f"Wrote {count} lines" in first.stderr
    assert "masked" in first.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    out.write_text("mine")
    again = export("--out", out)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert out.read_text() == "mine"
    forced = export("--out", out, "--force", "--json")
    assert json.loads(forced.stdout) == {
        "v": 1,
        "kind": "export",
        "alert": "L-7K2QXD",
        "out": str(out),
        "format": "jsonl",
        "lines": count,
    }
    assert len(out.read_text().splitlines()) == count
    assert not list(home.glob(".record*"))


def test_a_ledger_is_never_written_over_not_even_when_forced(export, home):
    ledger = home / "state" / "ledger.db"
    before = ledger.read_bytes()

    done = export("--out", ledger, "--force")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"alert: {ledger}: is a ledger, or a copy of one; name a new file\n"
    assert ledger.read_bytes() == before


@pytest.mark.parametrize("place", ["nowhere/record.jsonl", "state"])
def test_a_place_that_cannot_be_written_is_refused_in_words(export, place):
    done = export("--out", place)

    assert done.returncode == 2
    assert done.stderr.startswith(f"alert: {place}: ")


def test_a_reader_that_leaves_early_is_no_error(alert, recorded):
    with alert.start(
        "export", recorded, env=alert.credentials, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        process.wait(20)


def test_a_mistyped_id_is_answered_with_the_nearest(alert, recorded):
    done = alert("export", "L-7K2QXE", env=alert.credentials)

    assert done.returncode == 2
    assert done.stderr == "alert: there is no alert L-7K2QXE; did you mean L-7K2QXD?\n"


def test_an_id_as_people_say_it_is_understood(alert, recorded):
    assert alert("export", "l-7k2qxd", env=alert.credentials).returncode == 0


def test_where_nothing_was_sent_there_is_nothing_to_export_and_nothing_is_made(alert, home):
    done = alert("export", "L-7K2QXD", env=alert.credentials)

    assert done.returncode == 2
    assert "nothing was ever sent from here" in done.stderr
    assert not (home / "state").exists()
