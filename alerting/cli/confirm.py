"""Having an officer repeat what they are about to do. Enter alone never sends.

A real alert's prompt names the act, the place, the people and the channels, and wants the place typed.
Practice has another look and another word, so that no hand learns one for the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.cli.face import Face, interactive
from alerting.cli.keyboard import same, typed
from alerting.cli.words import clean, plural
from alerting.errors import NotConfirmed, Problem

if TYPE_CHECKING:
    from alerting.broadcast.plan import Plan


def confirm(plan: Plan, given: str, *, alone: bool) -> None:
    """Have the plan's word repeated; ``given`` is what a script gave for it.

    ``alone`` says that nobody can approve here: a person is then asked for the template's name as well,
    where a second one would have been asked.

    Raises:
        NotConfirmed: they did not; nothing was opened.
    """
    word = plan.subject.confirm_word if plan.subject.live else f"DRILL {plan.subject.confirm_word}"
    if given:
        _script(given, word)
        return
    if not interactive():
        what = "nobody is at the terminal to confirm; nothing was sent"
        raise NotConfirmed(Problem(where="", what=what, fix=f'--confirm "{word}"'))
    for question, expected in questions(plan, alone=alone):
        typed(question, expected)


def questions(plan: Plan, *, alone: bool) -> list[tuple[str, str]]:
    """Return what a person is asked, in turn, each with the word that has to be typed."""
    word = plan.subject.confirm_word
    asked = [
        (_live(plan), word) if plan.subject.live else (_practice(plan, f"DRILL {word}"), f"DRILL {word}")
    ]
    if alone and plan.second:
        name = plan.subject.template
        why = clean("; ".join(plan.second))
        asked.append((f"Nobody can approve this here, and {why}.\nType {name} too, to send it alone: ", name))
    return asked


def _script(given: str, word: str) -> None:
    if not same(given, word):
        what = f"{given!r} is not {word!r}; nothing was sent"
        raise NotConfirmed(Problem(where="--confirm", what=what, fix=f'--confirm "{word}"'))


def _live(plan: Plan) -> str:
    subject, word = plan.subject, plan.subject.confirm_word
    what = f"{subject.title}, {word}" if word != subject.template else subject.title
    people = f"to {plural(plan.crowd.recipients, 'person', 'people')}, " if plan.crowd.recipients else ""
    return clean(
        f"SEND THIS FOR REAL: {what}: {people}{plural(plan.deliveries, 'message')} on {_channels(plan)}.\n"
        f"Type {word} to send (Ctrl-C: nothing is sent): "
    )


def _practice(plan: Plan, word: str) -> str:
    messages = plural(plan.deliveries, "practice message")
    return clean(
        f"~~~ practice ~~~ {plan.subject.title}: {messages} on {_channels(plan)}.\n"
        f"~~~ practice ~~~ To send it write: {word}\n> "
    )


def _channels(plan: Plan) -> str:
    return ", ".join(lane.channel for lane in plan.lanes if not lane.fallback_only)


def again(face: Face, plan: Plan) -> bool:
    """Ask once more where many real alerts went out just now; say whether one more is meant.

    Without a terminal nothing is asked, and the process that opens alerts refuses.

    Raises:
        NotConfirmed: it is not meant.
    """
    from alerting.authority.admission import begins, just_sent
    from alerting.gate import rules_of

    if not begins(plan) or not interactive():
        return False
    count = just_sent(face.app.reader(), face.app.clock.now())
    if count < rules_of(face.app.config).broadcasts:
        return False
    typed(f"{count} real alerts went out within 10 minutes. Type AGAIN to send one more: ", "AGAIN")
    return True
