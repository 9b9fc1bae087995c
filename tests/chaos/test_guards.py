"""Lines the promises rest on: each is taken out of a copy of the program, and a test must notice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
LANE, MODES, RETRY = (f"tests/broadcast/test_{name}.py" for name in ("lane", "modes", "retry"))
LEDGERS, HANDING = "tests/conformance/test_ledgers.py", "tests/e2e/test_handing_over.py"
PROMISES, ROLLS = "tests/chaos/test_promises.py", "tests/ledger/test_rolls.py"


class Guard(NamedTuple):
    """A line as it stands in a file, what it becomes, and the test that must fail then."""

    file: str
    line: str
    without: str
    test: str
    named: str


GUARDS = {
    "an attempt is on record before it is made": Guard(
        "ledger/working.py",
        'self._db.run("begin_run", (batch.epoch, at, first, last))',
        "pass",
        PROMISES,
        "test_an_attempt_is_on_record_before_it_is_made",
    ),
    "so it is where rows do not follow one another": Guard(
        "ledger/working.py",
        'self._db.run("begin_attempts", (batch.epoch, at, self._db.ids(claimed)))',
        "pass",
        PROMISES,
        "test_attempts_are_on_record_before_they_are_made_where_rows_do_not_follow_one_another",
    ),
    "a run is claimed as a whole or not at all": Guard(
        "ledger/working.py",
        'if self._db.run("claim_run", (at, first, last, first, last, rows)) != rows:',
        'if self._db.run("claim_run", (at, first, last, first, last, rows)) < 0:',
        PROMISES,
        "test_rows_in_a_run_one_of_which_was_claimed_are_claimed_without_that_one",
    ),
    "only what was claimed is sent": Guard(
        "broadcast/turn.py",
        "answer.claimed[hold] = frozenset(ledger.claim(hold.batch, ids, at=turn.now))",
        "answer.claimed[hold] = frozenset(ids)",
        PROMISES,
        "test_only_what_was_claimed_is_sent",
    ),
    "a former owner of a batch is not believed": Guard(
        "ledger/settling.py",
        "return self._ours or (",
        "return True or (",
        PROMISES,
        "test_a_former_owner_of_a_batch_moves_nothing",
    ),
    "a former owner of a batch claims nothing": Guard(
        "ledger/working.py",
        "if fence.epoch != batch.epoch or ",
        "if ",
        PROMISES,
        "test_a_former_owner_of_a_batch_claims_nothing",
    ),
    "a result of an earlier attempt moves nothing": Guard(
        "ledger/settling.py",
        "if result.attempt != row.attempt or result.state",
        "if result.state",
        PROMISES,
        "test_a_result_of_an_earlier_attempt_moves_nothing",
    ),
    "what is settled stays settled": Guard(
        "ledger/settling.py",
        " or result.state not in REACH[row.state]:",
        ":",
        PROMISES,
        "test_what_is_settled_stays_settled",
    ),
    "an address is planned once": Guard(
        "ledger/migrations/0001_first.sql",
        "CREATE UNIQUE INDEX delivery_address",
        "CREATE INDEX delivery_address",
        LEDGERS,
        "test_an_address_is_planned_once_on_a_channel",
    ),
    "an alert is not sent after its life": Guard(
        "broadcast/lane.py",
        "if turn.now >= hold.facts.life.expires_at and hold.drain():",
        "if False and hold.drain():",
        LANE,
        "test_an_alert_found_after_its_life_sends_nothing",
    ),
    "a drill never leaves by a channel for real alerts": Guard(
        "broadcast/lane.py",
        'return self.mode in ("both", "live" if live else "drill")',
        "return True",
        MODES,
        "test_a_channel_of_the_other_mode_is_never_called",
    ),
    "what was previewed is what is sent": Guard(
        "service/order.py",
        "if plan.digest != digest:",
        "if False:",
        HANDING,
        "test_a_template_changed_between_preview_and_hand_over_is_refused",
    ),
    "a run key opens one alert": Guard(
        "service/opening.py",
        "if earlier := ledger.alert_of_run(run_key):",
        "if earlier := None:",
        "tests/e2e/test_sending.py",
        "test_a_run_key_used_again_sends_nothing_twice_and_says_so",
    ),
    "a commit is on disk when it returns": Guard(
        "ledger/connection.py",
        'self.do("PRAGMA synchronous = FULL")',
        'self.do("PRAGMA synchronous = NORMAL")',
        "tests/ledger/test_sqlite.py",
        "test_a_commit_is_on_disk_when_it_returns",
    ),
    "what the provider has is not sent again": Guard(
        "broadcast/reconcile.py",
        'return _settled(row, State.ACCEPTED, "found", now)._replace(',
        'return _settled(row, State.PENDING, "found", now)._replace(',
        RETRY,
        "test_what_the_provider_has_is_adopted",
    ),
    "a possible repeat is flagged": Guard(
        "broadcast/reconcile.py",
        "return again._replace(due_at=now, maybe_twice=True)",
        "return again._replace(due_at=now)",
        RETRY,
        "test_when_nobody_can_tell_a_live_message_goes_again_marked_and_a_drill_does_not",
    ),
    "a provider that asks for time gets it": Guard(
        "broadcast/retry.py",
        "wait = max(next_wait(row.attempt, rng=rng), wait_s)",
        "wait = next_wait(row.attempt, rng=rng)",
        PROMISES,
        "test_a_provider_that_asks_for_time_gets_it",
    ),
    "a result of a cancelled alert does not wait again": Guard(
        "ledger/settling.py",
        "if state is _PENDING and self._stopped:",
        "if False:",
        PROMISES,
        "test_what_was_leaving_when_its_alert_was_cancelled_does_not_wait_again",
    ),
    "no process is forked with the ledger open": Guard(
        "cli/launch.py",
        "    app.let_go()\n",
        "",
        HANDING,
        "test_a_sender_holds_its_own_locks_on_the_ledger",
    ),
    "the sender leaves the terminal": Guard(
        "cli/launch.py",
        "    os.setsid()\n",
        "",
        "tests/e2e/test_leaving.py",
        "test_ctrl_c_by_a_whole_process_group_does_not_reach_the_sender",
    ),
    "a list is the one that was accepted": Guard(
        "ledger/rolls.py",
        "if digest.hexdigest() != roll.digest:",
        "if False:",
        ROLLS,
        "test_a_list_that_is_not_what_was_accepted_is_never_written",
    ),
    "a list makes the rows that were counted": Guard(
        "ledger/rolls.py",
        "if self._add_rows(roll, upto) != expected:",
        "if self._add_rows(roll, upto) < 0:",
        ROLLS,
        "test_a_roll_that_counts_others_than_its_list_holds_is_never_written",
    ),
    "a batch waits for its rows": Guard(
        "ledger/rolls.py",
        "held = (lane.alert, lane.channel, priority, _NEVER)",
        "held = (lane.alert, lane.channel, priority, 0)",
        LEDGERS,
        "test_nothing_is_leased_before_its_rows_are_there",
    ),
    "an alert that is stopped stops the rows that are not written": Guard(
        "ledger/rolls.py",
        'self._db.run("end_rolls", (state.value, at, reason, alert))',
        "pass",
        ROLLS,
        "test_cancelling_stops_all_at_once_and_the_rows_come_cancelled",
    ),
    "whoever opens the ledger writes what was accepted": Guard(
        "ledger/sqlite.py",
        "            ledger.unroll_all()",
        "            pass",
        ROLLS,
        "test_whoever_opens_the_ledger_for_writing_writes_what_was_accepted",
    ),
    "how far a list has come is on record with its rows": Guard(
        "ledger/rolls.py",
        'self._db.run("write_on", (upto, roll.alert, roll.channel))',
        'self._db.run("write_on", (roll.places, roll.alert, roll.channel))',
        "tests/chaos/test_rolls_killed.py",
        "test_at_whatever_statement",
    ),
    "a list stays until its rows are written": Guard(
        "ledger/migrations/0005_rolls.sql",
        "WHEN EXISTS (SELECT 1 FROM roll WHERE alert = OLD.alert)",
        "WHEN 0",
        ROLLS,
        "test_the_database_itself_keeps_what_is_not_written",
    ),
    "an owner that is ending takes no orders": Guard(
        "engine/control.py",
        "if self._closed or not line",
        "if not line",
        "tests/engine/test_control.py",
        "test_a_request_that_comes_while_closing_is_not_begun",
    ),
}


@pytest.mark.parametrize("name", GUARDS)
def test_a_guard_that_is_taken_out_is_missed(tmp_path, name):
    guard = GUARDS[name]
    shutil.copytree(ROOT / "alerting", tmp_path / "alerting", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "alerting" / guard.file
    text = path.read_text()
    assert text.count(guard.line) == 1, f"{guard.file} reads otherwise now; this table has to follow"
    path.write_text(text.replace(guard.line, guard.without))

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "--rootdir",
            str(ROOT),
            "-c",
            str(ROOT / "pyproject.toml"),
            "--basetemp",
            str(tmp_path / "work"),
            str(ROOT / guard.test),
            "-k",
            guard.named,
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    # 1: tests ran and failed; anything else is a mistake of this table.
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
