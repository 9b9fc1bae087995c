"""The log of events: a line each, in a file that may be moved, full or somebody else's."""

import json

import pytest

from alerting.telemetry import LazyLog


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_log_file_that_is_moved_away_is_begun_anew_and_kept_for_its_owner(tmp_path):
    path, old = tmp_path / "engine.log", tmp_path / "engine.log.1"
    log = LazyLog(str(path))
    log.flush()
    log.info("lane.started", channel="sms-main")
    path.rename(old)
    log.info("lane.stopped", channel="sms-main")

    assert [line["event"] for line in lines(old)] == ["lane.started"]
    assert [line["event"] for line in lines(path)] == ["lane.stopped"]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("place", ["/dev/full", "/nonexistent/engine.log"])
def test_a_log_that_cannot_be_written_stops_nobody_and_is_told_on_stderr(capsys, place):
    log = LazyLog(place)
    log.error("ledger.failed", error="disk full")
    log.flush()

    assert json.loads(capsys.readouterr().err)["event"] == "ledger.failed"
