"""The checked copy of a list: on the disk before it counts, built anew when it is damaged, told in words."""

import hashlib
import os
import sqlite3

import pytest

from alerting.audience.csvfile import CsvAudience
from alerting.audience.roster import roster_of
from alerting.errors import AudienceProblem, LedgerUnavailable
from alerting.model.audience import AddressKind


@pytest.fixture
def people(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("phone\n+14135550101\n+14135550102\n")
    return path


def kept(people, folder, name="staff"):
    source = CsvAudience(people, region="US")
    return roster_of(source, name=name, list_path=people, salt="", directory=folder)


def numbers(roster):
    with sqlite3.connect(roster.path) as db:
        return [address for _, address, *_ in db.execute(roster.listed(AddressKind.PHONE))]


@pytest.mark.parametrize("left", [b"", b"SQLite format 3\0" + b"\xff" * 4000, b"half a page"])
def test_a_copy_a_power_cut_left_broken_is_built_anew(people, tmp_path, left):
    kept(people, tmp_path / "audiences")
    [path] = (tmp_path / "audiences").iterdir()
    path.write_bytes(left)
    assert len(numbers(kept(people, tmp_path / "audiences"))) == 2


def test_a_copy_is_called_by_what_it_holds_and_earlier_ones_are_removed(people, tmp_path):
    roster = kept(people, tmp_path / "audiences")
    assert roster.digest == hashlib.sha256(roster.path.read_bytes()).hexdigest()
    assert kept(people, tmp_path / "audiences").path == roster.path
    counts = roster.counts()
    roster.path.rename(tmp_path / "away")
    assert roster.counts() == counts, "read once"
    (tmp_path / "away").rename(roster.path)
    # As an earlier version called them, of this list and of another audience.
    head = roster.path.name.partition(".")[0]
    (tmp_path / "audiences" / f"{head}.roster").touch()
    (tmp_path / "audiences" / f"staff-night{head[5:]}.roster").touch()

    people.write_text("phone\n+14135550103\n")
    new = kept(people, tmp_path / "audiences")

    left = {path.name for path in (tmp_path / "audiences").iterdir()}
    assert left == {new.path.name, f"staff-night{head[5:]}.roster"}


def test_a_copy_is_on_the_disk_before_it_takes_its_name(people, tmp_path, monkeypatch):
    told = []
    fsync, link = os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda file: (told.append("sync"), fsync(file))[1])
    monkeypatch.setattr(os, "replace", lambda old, new: (told.append("name"), link(old, new))[1])
    kept(people, tmp_path / "audiences")
    assert told == ["sync", "name"]


def test_a_list_that_changes_takes_no_other_audiences_copy_away(people, tmp_path):
    night = kept(people, tmp_path / "audiences", "staff-night")
    kept(people, tmp_path / "audiences", "staff")
    people.write_text("phone\n+14135550103\n")
    assert numbers(kept(people, tmp_path / "audiences", "staff")) == ["phone:+14135550103"]
    assert len(numbers(night)) == 2
    assert len(list((tmp_path / "audiences").iterdir())) == 2


def test_a_list_that_changes_while_it_is_read_is_told_in_a_sentence(people, tmp_path):
    old = kept(people, tmp_path / "audiences")
    people.write_text("phone\n+14135550103\n")
    kept(people, tmp_path / "audiences")
    with pytest.raises(AudienceProblem, match="the list changed while it was being read; nothing was sent"):
        old.among(old.listed(AddressKind.PHONE), ["phone:+14135550101"])


def test_signs_in_the_path_that_mean_something_in_an_address_are_only_signs(people, tmp_path):
    assert len(numbers(kept(people, tmp_path / "100%?mode=rw#x"))) == 2


def test_a_copy_that_may_not_be_kept_there_says_where_and_why(people):
    with pytest.raises(
        LedgerUnavailable, match=r"people.csv/audiences: .* kept here \(Not a directory\)"
    ) as told:
        kept(people, people / "audiences")
    assert told.value.exit_code == 75


def test_a_disk_that_takes_no_more_is_told_in_words(people, tmp_path):
    with pytest.raises(
        LedgerUnavailable, match=r"audiences: .* kept here \(disk I/O error\); nothing was sent"
    ):
        _bounded(lambda: kept(people, tmp_path / "audiences"))
    assert list((tmp_path / "audiences").iterdir()) == []


def _bounded(work):
    """Do it while no file may grow beyond a few pages, as on a disk that is full."""
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        work()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, heard)
