"""An order to send: what was asked, by whom, and what it may rest on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from alerting.errors import PlanRefused, Problem
from alerting.ledger.rows import Actor
from alerting.named import NamedTuple
from alerting.service.planning import Request

if TYPE_CHECKING:
    from alerting.broadcast.plan import Plan


class Order(NamedTuple):
    """An alert to open: what was asked, when, by whom, and the digest of what was shown for it.

    ``token`` says who gives the order where the account does not. ``approval`` names the request of
    another person that is carried out with it, ``break_glass`` is the reason for not waiting for one,
    and ``one_more`` says that the many alerts just sent were seen. ``by`` are the people this order
    comes from, as the process that owns the ledger has found out; nobody else's word counts.
    """

    request: Request
    as_of: datetime
    digest: str
    actor: Actor
    run_key: str
    token: str = ""
    approval: str = ""
    break_glass: str = ""
    one_more: bool = False
    by: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Order({self.run_key!r}, by {self.actor.name!r})"  # and nothing that is secret

    def to_json(self) -> dict[str, Any]:
        """Return it as the control socket carries it."""
        return {
            "verb": "open",
            "request": {
                **self.request._asdict(),
                "values": dict(self.request.values),
                "clock": dict(self.request.clock),
            },
            "as_of": self.as_of.isoformat(),
            "digest": self.digest,
            "actor": self.actor.name,
            "origin": self.actor.origin,
            "run_key": self.run_key,
            "token": self.token,
            "approval": self.approval,
            "break_glass": self.break_glass,
            "one_more": self.one_more,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Order:
        """Read what the control socket carried.

        Raises:
            KeyError, TypeError, ValueError: it is not an order.
        """
        return cls(
            request=request_of(told["request"]),
            as_of=datetime.fromisoformat(told["as_of"]),
            digest=told["digest"],
            actor=Actor(name=told["actor"], origin=told["origin"]),
            run_key=told["run_key"],
            approval=str(told.get("approval", "")),
            break_glass=str(told.get("break_glass", "")),
            one_more=bool(told.get("one_more", False)),
            by=tuple(told.get("by", ())),
        )


def refuse_changed(plan: Plan, digest: str) -> None:
    """Let nothing be opened but what was shown.

    Raises:
        PlanRefused: what would be sent now has another ``digest``.
    """
    if plan.digest != digest:
        what = "template, channels.yaml or incident changed after the preview; nothing was sent"
        fix = "repeat the command and look at the new preview"
        raise PlanRefused(Problem(where=plan.subject.template, what=what, fix=fix))


def request_of(told: Mapping[str, Any]) -> Request:
    """Read a request as JSON carries it.

    Raises:
        TypeError, ValueError: it is none, or a stamp of its clock is no instant.
    """
    # What is frozen with an alert must be readable for as long as the alert is kept.
    for stamp in dict(told.get("clock", {})).values():
        datetime.fromisoformat(stamp)
    # The lists that JSON made of tuples are tuples again.
    fields: dict[str, Any] = dict(told)
    fields |= {name: tuple(part) for name, part in fields.items() if isinstance(part, list)}
    return Request(**fields)
