"""Asking that people are told of something: an act, which whoever tells them reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerting.clock import micros

if TYPE_CHECKING:
    from datetime import datetime

    from alerting.ledger.base import Ledger
    from alerting.ledger.rows import Actor

#: The act by which a part of the program asks for a notice.
WANTED: Final = "notice.wanted"
APPROVERS, ON_CALL = "approvers", "on-call"


def want_notice(
    ledger: Ledger, subject: str, kind: str, text: str, *, actor: Actor, at: datetime, to: str = APPROVERS
) -> None:
    """Write down that people are to be told, in the transaction of what they are told about.

    ``subject`` is an alert's or a request's id; ``to`` is the approvers, or who is on duty.
    """
    body = {"kind": kind, "text": text, "to": to}
    ledger.record_act(WANTED, subject, body, actor=actor, at=micros(at))
