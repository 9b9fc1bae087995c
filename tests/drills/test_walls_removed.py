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
PROGRAMS = "drills/test_walls_of_programs.py"
BARE = f"{WALLS}::test_a_plan_without_the_words_is_refused_whoever_made_it"

#: (file of the program, the wall, what is left without it, the test that must fail)
REMOVED = {
    "status": (
        "drills/exercise.py",
        "return template._replace(status=status, drill=True)",
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
        BARE,
    ),
    "second look at the beginning": (
        "drills/exercise.py",
        "return begun and",
        "return",
        f"{BARE}[not first]",
    ),
    "second look at the end": (
        "drills/exercise.py",
        "and ended and",
        "and",
        f"{BARE}[not last]",
    ),
    "second look at the subject": (
        "drills/exercise.py",
        "and named and",
        "and",
        f"{BARE}[no subject's]",
    ),
    "second look at the page": (
        "drills/exercise.py",
        "(not content.html or content.html.count(word) > 1)",
        "True",
        f"{BARE}[not around the page]",
    ),
    "words around a mail": (
        "rendering/render.py",
        'return f"{_SENTENCES[wall]}\\n\\n{text}\\n\\n{_SENTENCES[wall]}"',
        "return text",
        f"{WALLS}::test_every_channel_and_the_subject_begin_and_end_with_the_word",
    ),
    "words around a page": (
        "rendering/render.py",
        'return f"{mark}\\n{text}\\n{mark}"',
        "return text",
        f"{WALLS}::test_every_channel_and_the_subject_begin_and_end_with_the_word",
    ),
    "second look at the mode": (
        "drills/exercise.py",
        "    refuse_unwalled(plan)\n    if detail",
        "    if detail",
        f"{WALLS}::test_a_plan_of_anything_else_is_never_opened_as_a_drill",
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
    "fallbacks": (
        "drills/exercise.py",
        'wired._replace(fallback="")',
        "wired",
        f"{WALLS}::test_a_channel_for_real_alerts_is_out_of_reach_by_name_by_default_and_as_a_fallback",
    ),
    "default audience": (
        "drills/exercise.py",
        'default_audience="",',
        "default_audience=house.default_audience,",
        f"{WALLS}::test_an_audience_that_is_not_on_the_list_is_out_of_reach",
    ),
    "feeds": (
        "drills/exercise.py",
        "return drill.rehearsal or not wired.channel.capabilities.feeds",
        "return True",
        f"{WALLS}::test_a_public_feed_is_used_only_when_the_drill_names_it",
    ),
    "not a drill": (
        "rendering/leftover.py",
        "return any(word in letters",
        "return False and any(word in letters",
        f"{WALLS}::test_no_drill_says_that_it_is_none",
    ),
    "not a drill, in templates": (
        "rendering/leftover.py",
        "return any(word in letters",
        "return False and any(word in letters",
        f"{WALLS}::test_no_template_of_either_kind_says_that_it_is_no_drill",
    ),
    "not during a real alert": (
        "drills/exercise.py",
        "if real := in_force(ledger, at):",
        "if real := None:",
        f"{WALLS}::test_no_drill_starts_while_a_real_alert_is_in_force",
    ),
    "said first": (
        "drills/force.py",
        "return plan._replace(warnings=(told, *plan.warnings))",
        "return plan",
        f"{WALLS}::test_a_real_alert_within_a_running_drill_says_so_first",
    ),
    "said first by the program": (
        "app.py",
        "return beside_drill(plan, ledger, at=as_of) if plan.subject.live else plan",
        "return plan",
        f"{PROGRAMS}::test_the_plan_of_a_real_alert_says_first_that_a_drill_is_running",
    ),
    "CAP status": (
        "publishing/cap.py",
        'Status.EXERCISE: "Exercise",',
        'Status.EXERCISE: "Actual",',
        f"{PROGRAMS}::test_a_drill_is_an_exercise_in_cap",
    ),
    "public feed": (
        "publishing/feed.py",
        "for record in ledger.alerts(limit=SHOWN) if record.alert.live]",
        "for record in ledger.alerts(limit=SHOWN)]",
        f"{PROGRAMS}::test_a_drill_is_never_in_the_public_feed",
    ),
    "verb": (
        "cli/dispatch.py",
        "if not (plan.subject.live or request.follows):",
        "if False:",
        "cli/test_drill.py::test_send_refuses_a_template_for_practice_and_drill_wraps_a_real_one",
    ),
    "a template for practice is no real alert": (
        "rendering/render.py",
        "if template.drill and core.status is Status.ACTUAL:",
        "if False:",
        f"{WALLS}::test_a_template_for_practice_is_never_rendered_as_a_real_alert",
    ),
    "mode at send time, as a stream": (
        "broadcast/sending.py",
        "if not self._carries(live=facts.life.live):",
        "if False:",
        f"{SENT}::test_a_channel_of_the_other_mode_is_never_called",
    ),
    "mode in whoever sends": (
        "engines.py",
        "        rules=app.rules,\n",
        "",
        f"{PROGRAMS}::test_whoever_sends_refuses_a_drill_on_a_channel_for_real_alerts",
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
    "credentials of real alerts": (
        "app.py",
        "live=self._live, without=left_out)",
        "live=False, without=left_out)",
        f"{CREDENTIALS}::test_with_drill_credentials_only_a_real_alert_cannot_be_sent",
    ),
    "stand-ins for a rehearsal": (
        "cli/drill_app.py",
        "sandbox=True, live=None)",
        "sandbox=False, live=None)",
        f"{CREDENTIALS}::test_a_rehearsal_needs_no_credential_at_all_and_uses_every_channel",
    ),
    "making way, by a channel": (
        "cli/drill_app.py",
        "            self._make_way(name)\n",
        "            pass\n",
        f"{CREDENTIALS}::test_a_process_of_a_drill_makes_way_when_a_real_alert_reaches_it[channel]",
    ),
    "making way": (
        "cli/drill_app.py",
        "        self._make_way(request.template)",
        "        return super().plan(request, as_of=self.clock.now())",
        f"{CREDENTIALS}::test_a_process_of_a_drill_makes_way_when_a_real_alert_reaches_it[plan]",
    ),
}


def outcomes(home):
    """The exit code of pytest for each wall's test, run against a copy of the program without that wall."""
    shutil.copytree(ROOT / "alerting", home / "alerting", ignore=shutil.ignore_patterns("__pycache__"))
    jobs = {"none": ("drills/exercise.py", "", "", WALLS), **REMOVED}
    (home / "jobs.json").write_text(json.dumps(jobs))
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("without_walls.py")), str(ROOT)],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        timeout=280,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_without_any_one_of_the_walls_its_test_fails_and_with_all_of_them_none_does(tmp_path):
    """One test for all: the program is imported once, and each wall is taken away in a fork of that."""
    passed, failed = int(pytest.ExitCode.OK), int(pytest.ExitCode.TESTS_FAILED)
    assert outcomes(tmp_path) == {"none": passed, **dict.fromkeys(REMOVED, failed)}


@pytest.mark.parametrize("wall", REMOVED)
def test_each_wall_still_stands_where_it_is_taken_away(wall):
    name, stands, _, _ = REMOVED[wall]
    assert (ROOT / "alerting" / name).read_text().count(stands) == 1
