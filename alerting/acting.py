"""Carrying out what sends nothing: cancelling, closing, approvals and reviews."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from alerting.authority import aftermath, approvals
from alerting.clock import micros
from alerting.errors import Problem, UnknownAlert
from alerting.keys import normal_id
from alerting.ledger.rows import Actor
from alerting.service.incident import close, story

if TYPE_CHECKING:
    from alerting.ledger.base import Ledger


def perform(ledger: Ledger, told: Mapping[str, Any], *, at: datetime) -> dict[str, Any]:
    """Carry out an act that sends nothing, as the control socket or a command asked for it.

    Raises:
        AlertingError: it is refused.
        KeyError: it is not an act.
    """
    actor = Actor(name=str(told["actor"]), origin=str(told["origin"]))
    match told["verb"]:
        case "cancel":
            return dict(cancel(ledger, normal_id(str(told["alert"])), actor=actor, at=micros(at)))
        case "close":
            incident, why = story(ledger, str(told["incident"])), str(told["reason"])
            close(ledger, incident, reason=why, actor=actor, at=at)
            return {}
        case "ask" | "reject" | "void":
            return approvals.answer(ledger, told, at=at)
        case "review":
            return aftermath.answer(ledger, told, at=at)
        case other:
            raise KeyError(other)


def cancel(ledger: Ledger, alert_id: str, *, actor: Actor, at: int) -> dict[str, int]:
    """Stop what has not left; return what was stopped, in flight and gone.

    Nobody may be sending it any more, so its end is stamped here when nothing of it is in flight.

    Raises:
        UnknownAlert: there is no such alert.
    """
    if ledger.alert(alert_id) is None:
        raise UnknownAlert(
            Problem(where="", what=f"there is no alert {alert_id}", fix="`alert status` lists them")
        )
    done = ledger.cancel(alert_id, actor=actor, at=at)
    ledger.settle_alert(alert_id, at=at)
    return {"stopped": done.stopped, "in_flight": done.in_flight, "gone": done.gone}
