"""Each guard taken away in a copy of the program: the test that holds it must fail."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECOND, GATE, FILE = (f"authority/test_{name}.py" for name in ("second_person", "gate", "operators_file"))

#: (file of the program, the guard, what is left without it, the test that must fail)
REMOVED = {
    "second person": (
        "authority/admission.py",
        "alone = bool(",
        "alone = False and bool(",
        f"{SECOND}::test_a_standard_template_is_not_sent_by_one_person",
    ),
    "class": (
        "authority/grounds.py",
        "if subject.alert_class is AlertClass.STANDARD:",
        "if False:",
        f"{SECOND}::test_a_standard_template_is_not_sent_by_one_person",
    ),
    "unreviewed": (
        "authority/grounds.py",
        "if not reviewed:",
        "if False:",
        f"{SECOND}::test_an_unreviewed_template_is_never_immediate",
    ),
    "edited": (
        "authority/reviews.py",
        '.get("sha256") == digest',
        '.get("sha256")',
        f"{SECOND}::test_editing_a_reviewed_template_drops_the_mark_and_undoing_the_edit_brings_it_back",
    ),
    "free text": (
        "authority/grounds.py",
        "for variable in subject.free_text:",
        "for variable in ():",
        f"{SECOND}::test_free_text_needs_a_second_person_and_a_note_does_not",
    ),
    "large list": (
        "authority/grounds.py",
        "> rules.large_list:",
        "> 10**9:",
        f"{SECOND}::test_a_very_large_list_needs_a_second_person",
    ),
    "own request": (
        "authority/approvals.py",
        "if asked.by in people:",
        "if False:",
        f"{SECOND}::test_nobody_approves_their_own_request",
    ),
    "own request by another's token": (
        "gate.py",
        "else (by_token, by_account)",
        "else (by_token,)",
        f"{GATE}::test_an_approval_needs_an_approver_and_knows_whose_account_holds_the_token",
    ),
    "changed text": (
        "authority/admission.py",
        "or not _same(asked, order):",
        "or False:",
        f"{SECOND}::test_an_approval_for_a_changed_text_is_void",
    ),
    "expiry": (
        "authority/approvals.py",
        "late = self.decided is Standing.OPEN and",
        "late = False and",
        f"{SECOND}::test_a_request_expires_after_ten_minutes",
    ),
    "decided once": (
        "authority/approvals.py",
        "match asked.standing(now):",
        "match Standing.OPEN:",
        f"{SECOND}::test_what_was_rejected_or_is_void_cannot_be_approved_any_more",
    ),
    "public drill": (
        "authority/practice.py",
        "        if why:\n",
        "        if False:\n",
        f"{SECOND}::test_a_drill_with_grounds_is_started_by_nobody_alone",
    ),
    "reason": (
        "authority/admission.py",
        "if len(words) < REASON:",
        "if False:",
        f"{SECOND}::test_a_word_is_no_reason_for_breaking_the_glass",
    ),
    "mark of the broken glass": (
        "authority/admission.py",
        "if reason and plan.second:",
        "if False:",
        f"{SECOND}::test_breaking_the_glass_sends_at_once_with_a_reason_and_tells_all_approvers",
    ),
    "many alerts": (
        "authority/admission.py",
        "< rules.broadcasts:",
        "< 10**9:",
        f"{SECOND}::test_a_fourth_real_alert_within_ten_minutes_is_asked_about_once_more",
    ),
    "own review": (
        "authority/aftermath.py",
        "if one.by in people:",
        "if False:",
        f"{SECOND}::test_what_was_sent_alone_waits_a_day_for_somebody_else_to_look_at_it",
    ),
    "a review is owed": (
        "authority/admission.py",
        "aftermath.owe(",
        "(lambda *_, **__: None)(",
        f"{SECOND}::test_it_is_reviewed_once_and_nothing_else_is",
    ),
    "notices of strangers": (
        "gate.py",
        "if peer.uid in owners else",
        "if True else",
        f"{GATE}::test_a_notice_is_answered_by_whoever_is_on_the_roster_under_that_account_and_by_no_stranger",
    ),
    "follow-ups are not held up": (
        "authority/admission.py",
        "return plan.subject.live and plan.subject.msg_type is MsgType.ALERT",
        "return plan.subject.live",
        f"{SECOND}::test_what_follows_an_alert_is_never_asked_about_and_is_no_alert_more",
    ),
    "the kernel's word": (
        "engine/control.py",
        '{**request, "peer": peer}',
        '{"peer": peer, **request}',
        "engine/test_control.py::test_who_asks_is_told_by_the_kernel_whatever_they_say",
    ),
    "role": (
        "gate.py",
        "if not person.may(roles):",
        "if False:",
        f"{GATE}::test_a_role_gives_what_the_page_says_and_nothing_else",
    ),
    "strangers": (
        "gate.py",
        "    if not people:\n        raise NotAllowed(_stranger",
        "    if not people:\n        return\n        raise NotAllowed(_stranger",
        f"{GATE}::test_an_account_that_is_nobodys_may_do_nothing_that_needs_a_role",
    ),
    "the caller, not the owner": (
        "gate.py",
        'peer = Peer(*told["peer"]) if "peer" in told else this_process()',
        "peer = this_process()",
        f"{GATE}::test_the_account_of_the_caller_decides_not_that_of_the_owner",
    ),
    "a token that was never made": (
        "gate.py",
        "if by_token is None:",
        "if False:",
        f"{FILE}::test_a_token_stands_before_the_account_and_both_are_told",
    ),
    "enter alone": (
        "cli/keyboard.py",
        'return " ".join(given.split()).casefold() ==',
        'return not given.strip() or " ".join(given.split()).casefold() ==',
        f"{GATE}::test_a_word_is_the_same_in_any_case_and_nothing_at_all_is_no_word",
    ),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """The exit code of pytest for each guard's test, run against a copy without that guard."""
    home = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "alerting", home / "alerting", ignore=shutil.ignore_patterns("__pycache__"))
    (home / "jobs.json").write_text(json.dumps({"none": ("gate.py", "", "", GATE), **REMOVED}))
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/drills/without_walls.py"), str(ROOT)],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        timeout=240,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("guard", REMOVED)
def test_without_this_guard_a_test_fails(outcomes, guard):
    assert outcomes[guard] == int(pytest.ExitCode.TESTS_FAILED)


def test_with_every_guard_standing_they_all_pass(outcomes):
    assert outcomes["none"] == 0


@pytest.mark.parametrize("guard", REMOVED)
def test_each_guard_still_stands_where_it_is_taken_away(guard):
    name, stands, _, _ = REMOVED[guard]
    assert (ROOT / "alerting" / name).read_text().count(stands) == 1
