"""Who on duty could send: somebody who is reached by a call must also find a way in.

A name on a duty roster opens no door. Whoever is on duty and stands in ``operators.yaml`` as a sender,
with an account of this host or a token, can send; where nobody on duty can, that is said before the night.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from alerting.authority.people import Role
from alerting.config.operators import load_operators
from alerting.duty import duty_of
from alerting.errors import ConfigProblem
from alerting.oncall.answer import Level, Look

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.authority.people import Operators
    from alerting.oncall.person import Person


def ways_in(app: App, now: datetime) -> Iterator[Look]:
    """Look whether the people on duty could send; nothing to say without a roster or operators.yaml.

    Raises:
        ConfigProblem: operators.yaml cannot be used, so nobody at all can send.
    """
    operators = load_operators(app.config)
    try:
        duty = duty_of(app.config, state=app.state, environ=app.environ, now=now, ask=False)
    except ConfigProblem:
        return  # whoever looks at the roster says it
    on_duty = duty.on_duty(now) if duty else []
    if operators is None or not on_duty:
        return
    found = {stint.person.title: way_in(operators, stint.person) for stint in on_duty}
    if any(found.values()):
        detail = ", ".join(f"{name} by {way}" for name, way in found.items() if way)
        yield Look(what="way in", detail=f"can send from here: {detail}")
        return
    detail = f"nobody on duty could send from here: {', '.join(found)}"
    fix = f"make one of them a sender in {operators.path.name}, by the roster's name, with os_user or a token"
    yield Look(what="way in", level=Level.WARN, detail=detail, fix=fix)


def way_in(operators: Operators, person: Person) -> str:
    """Return how somebody of the roster could send: their account, a token, or nothing."""
    holders = {token.person for token in operators.tokens}
    for one in operators.having(Role.SENDER):
        if any(person.called(word) for word in (one.key, one.name) if word):
            return f"account {one.accounts[0]}" if one.accounts else "token" if one.key in holders else ""
    return ""
