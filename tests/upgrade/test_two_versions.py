"""Two versions side by side while hosts are brought up to date: this program, and one that is a step newer.

With an older tree of the project itself: ``tests/upgrade/side_by_side.py``.
"""

from contextlib import closing

import pytest
from campus import phone
from two_versions import HERE, WIDER, OneHost, Shared, grown, version_of

PEOPLE = 60


@pytest.fixture
def newer(tmp_path):
    """A program that is one step newer on both stores, and lets this one go on where it shares a record."""
    wider = f"-- least: {version_of(HERE)}\n{WIDER.format('text')}"
    return grown(HERE, tmp_path / "newer-tree", postgres=wider, sqlite=WIDER.format("TEXT"))


def test_both_send_follow_and_stop_what_the_other_opened_and_the_older_is_told_when_it_must_go(
    tmp_path, box, fresh_database, newer
):
    with closing(Shared(tmp_path, box, fresh_database, older=HERE, newer=newer, people=PEOPLE)) as hosts:
        alert = hosts.widen()
        assert hosts.lost_and_doubled() == ([], [])
        hosts.cross(alert)
        assert hosts.lost_and_doubled() == ([], [])
        assert hosts.prove() == {"older": [], "newer": []}
        assert "use that version, or a newer one" in hosts.narrow()


def test_on_one_host_the_newer_waits_for_the_older_and_goes_on_where_it_ended(tmp_path, box, newer):
    with closing(OneHost(tmp_path / "one", box, older=HERE, newer=newer, people=PEOPLE)) as host:
        texts = host.follow()
        assert texts == dict.fromkeys(map(phone, range(PEOPLE)), 1)
        assert "newer version" in host.rest()
