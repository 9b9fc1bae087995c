"""Each wall taken away in a copy of the program: the test that guards it must fail."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WALLS, SENT, CREDENTIALS = "drills/test_walls.py", "broadcast/test_modes.py", "drills/test_credentials.py"

#: (file of the program, the wall, what is left without it, the test that must fail)
REMOVED = {
    "status": (
        "drills/exercise.py",
        "return replace(template, status=status, drill=True)",
        "return template",
        f"{WALLS}::test_the_template_of_a_real_alert_is_an_exercise_in_a_drill",
    ),
    "id": (
        "service/opening.py",
        "new_alert_id(live=subject.live)",
        "new_alert_id(live=True)",
        f"{WALLS}::test_a_drill_has_the_id_and_the_status_of_a_drill_in_the_record",
    ),
    "words": (
        "rendering/render.py",
        'return f"{wall} {text} {wall}"',
        "return text",
        f"{WALLS}::test_every_channel_and_the_subject_begin_and_end_with_the_word",
    ),
    "second look at the words": (
        "drills/exercise.py",
        "    if bare:\n",
        "    if False:\n",
        f"{WALLS}::test_a_plan_without_the_words_is_refused_whoever_made_it",
    ),
    "second look at the mode": (
        "drills/exercise.py",
        "    refuse_unwalled(plan)\n    if real",
        "    if real",
        f"{WALLS}::test_a_plan_of_a_real_alert_is_never_opened_as_a_drill",
    ),
    "audience": (
        "drills/exercise.py",
        "if name in programme.audiences}",
        "}",
        f"{WALLS}::test_an_audience_that_is_not_on_the_list_is_out_of_reach",
    ),
    "channels": (
        "drills/exercise.py",
        "if wired.carries(live=False)}",
        "}",
        f"{WALLS}::test_a_channel_for_real_alerts_is_out_of_reach_by_name_by_default_and_as_a_fallback",
    ),
    "feeds": (
        "drills/exercise.py",
        "return drill.rehearsal or not wired.channel.capabilities.feeds",
        "return True",
        f"{WALLS}::test_a_public_feed_is_used_only_when_the_drill_names_it",
    ),
    "not a drill": (
        "rendering/leftover.py",
        "return any(_FORBIDDEN",
        "return False and any(_FORBIDDEN",
        f"{WALLS}::test_no_drill_says_that_it_is_none",
    ),
    "not during a real alert": (
        "drills/exercise.py",
        "if real := in_force(ledger, at):",
        "if real := None:",
        f"{WALLS}::test_no_drill_starts_while_a_real_alert_is_in_force",
    ),
    "said first": (
        "drills/force.py",
        "return replace(plan, warnings=(told, *plan.warnings))",
        "return plan",
        f"{WALLS}::test_a_real_alert_within_a_running_drill_says_so_first",
    ),
    "mode at send time": (
        "broadcast/sending.py",
        "if not self._carries(live=envelopes[0].live):",
        "if False:",
        f"{SENT}::test_a_channel_of_the_other_mode_is_never_called",
    ),
    "mode given to the lane": (
        "app.py",
        "mode=next(",
        "mode='both' or next(",
        f"{CREDENTIALS}::test_the_lane_of_a_channel_knows_its_mode",
    ),
    "credentials": (
        "cli/drill_app.py",
        "sandbox=invented, live=False)",
        "sandbox=invented, live=None)",
        f"{CREDENTIALS}::test_a_drill_needs_and_holds_no_credential_of_a_real_alert",
    ),
    "making way": (
        "cli/drill_app.py",
        "        self._make_way(request.template)",
        "        return super().plan(request, as_of=self.clock.now())",
        f"{CREDENTIALS}::test_a_process_of_a_drill_makes_way_when_a_real_alert_reaches_it[plan]",
    ),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """The exit code of pytest for each wall's test, run against a copy without that wall."""
    home = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "alerting", home / "alerting", ignore=shutil.ignore_patterns("__pycache__"))
    jobs = {"none": ("drills/exercise.py", "", "", WALLS), **REMOVED}
    (home / "jobs.json").write_text(json.dumps(jobs))
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("without_walls.py")), str(ROOT)],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        timeout=240,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("wall", REMOVED)
def test_without_this_wall_a_test_fails(outcomes, wall):
    assert outcomes[wall] == int(pytest.ExitCode.TESTS_FAILED)


def test_with_every_wall_standing_they_all_pass(outcomes):
    assert outcomes["none"] == 0


@pytest.mark.parametrize("wall", REMOVED)
def test_each_wall_still_stands_where_it_is_taken_away(wall):
    name, stands, _, _ = REMOVED[wall]
    assert (ROOT / "alerting" / name).read_text().count(stands) == 1
