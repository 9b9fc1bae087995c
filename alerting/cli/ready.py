"""What may follow an alert, in words: which commands need nothing more, and what the others need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.broadcast.plan import Plan
    from alerting.ledger.rows import Actor
    from alerting.service.ready import Ready


def lines(waiting: Sequence[Ready], incident: str) -> list[str]:
    """Return one line for what is ready, and one for each that is not."""
    done = [f"alert {one.verb} {incident}" for one in waiting if one.texts]
    told = [f"ready to follow: {', '.join(done)}"] if done else []
    for one in waiting:
        if one.needs:
            asked = ", ".join(_asked(one, name) for name in one.needs)
            told.append(f"alert {one.verb} {incident} will need {asked}")
        elif one.trouble:
            told.append(f"alert {one.verb} {incident} CANNOT BE RENDERED: {one.trouble}")
    return told


def _asked(one: Ready, name: str) -> str:
    """Return a value that is missing as it is typed, or with what there is to choose from."""
    if found := one.choices.get(name):
        return f"-v {name}=" + " | ".join(f'"{choice}"' for choice in found)
    return f'-v {name}="{one.needs[name]}"'


def as_json(waiting: Sequence[Ready]) -> list[dict[str, Any]]:
    """Return what waits for scripts."""
    return [
        {
            "command": one.verb,
            "template": one.template,
            "ready": bool(one.texts),
            "texts": dict(one.texts),
            "needs": dict(one.needs),
            "choices": {name: list(found) for name, found in one.choices.items()},
            "trouble": one.trouble or None,
        }
        for one in waiting
    ]


def before(app: App, plan: Plan, actor: Actor) -> tuple[Ready, ...]:
    """Return what would wait if a plan were opened now; nothing for a plan that follows one itself."""
    from alerting.service.opening import alert_of
    from alerting.service.ready import before_opening

    if plan.supersedes:
        return ()
    house = app.house()
    return before_opening(house, plan, alert_of(house, plan, actor=actor, run_key="", at=plan.as_of))


def recorded(app: App, incident: str) -> list[str]:
    """Return the lines of what is on record as waiting."""
    from alerting.service.ready import waiting_for

    ledger = app.reader()
    return lines(waiting_for(ledger, incident), incident) if ledger else []
