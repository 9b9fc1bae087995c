"""Requests of one person that another approves: asked, given, rejected, void, or too old.

They stand in the audit log as acts on ``approvals``; this room writes and folds them. What was asked for
is in the act, whole: the request, the instant it was written and the digest of its texts.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from alerting.authority.wanted import want_notice
from alerting.clock import instant, micros
from alerting.errors import NotAllowed, Problem, UnknownAlert, UsageProblem
from alerting.keys import ALPHABET
from alerting.ledger.rows import Actor, AuditRow
from alerting.named import NamedTuple

if TYPE_CHECKING:
    from alerting.ledger.base import Ledger, LedgerReader

#: What every act of this room is about.
APPROVALS: Final = "approvals"
_PREFIX: Final = "A-"
_LENGTH: Final = 6
#: Fewer characters are no reason.
REASON: Final = 10


class Standing(StrEnum):
    """What became of a request."""

    OPEN = "open"  #: waits for a second person
    APPROVED = "approved"  #: approved, and sent
    REJECTED = "rejected"  #: rejected, or withdrawn by who asked
    VOID = "void"  #: its text is not what it was when it was asked for
    EXPIRED = "expired"  #: nobody decided in time


class Asked(NamedTuple):
    """A request: what somebody wants sent, why a second person is needed, and what became of it."""

    id: str
    by: str
    origin: str
    at: datetime
    expires_at: datetime
    request: Mapping[str, Any]
    as_of: datetime
    digest: str
    run_key: str
    title: str
    place: str
    why: tuple[str, ...]
    decided: Standing = Standing.OPEN
    decided_by: str = ""
    reason: str = ""
    alert: str = ""

    def standing(self, now: datetime) -> Standing:
        """Return what became of it by now."""
        late = self.decided is Standing.OPEN and now >= self.expires_at
        return Standing.EXPIRED if late else self.decided


def normal_approval(text: str) -> str:
    """Return a request's id as stored, from what a person typed."""
    word = text.strip().upper()
    word = word if word.startswith(_PREFIX) else _PREFIX + word
    return _PREFIX + word[len(_PREFIX) :].translate(str.maketrans("OIL", "011"))


def asked_for(ledger: LedgerReader | None) -> dict[str, Asked]:
    """Return every request by its id, oldest first."""
    found: dict[str, Asked] = {}
    for row in ledger.audit(APPROVALS) if ledger else ():
        body = json.loads(row.body)
        name = str(body["approval"])
        if row.action == "approval.asked":
            found[name] = _asked(row, body)
        elif name in found:
            found[name] = _decided(found[name], row, body)
    return found


def _asked(row: AuditRow, body: Mapping[str, Any]) -> Asked:
    return Asked(
        id=str(body["approval"]),
        by=row.actor,
        origin=row.origin,
        at=instant(row.at),
        expires_at=instant(body["expires_at"]),
        request=body["request"],
        as_of=datetime.fromisoformat(body["as_of"]),
        digest=str(body["digest"]),
        run_key=str(body["run_key"]),
        title=str(body["title"]),
        place=str(body["place"]),
        why=tuple(body["why"]),
    )


def _decided(asked: Asked, row: AuditRow, body: Mapping[str, Any]) -> Asked:
    became = {"approval.given": Standing.APPROVED, "approval.rejected": Standing.REJECTED}
    return asked._replace(
        decided=became.get(row.action, Standing.VOID),
        decided_by=row.actor,
        reason=str(body.get("reason", "")),
        alert=str(body.get("alert", "")),
    )


def find(ledger: LedgerReader | None, name: str) -> Asked:
    """Return a request by its id.

    Raises:
        UnknownAlert: there is none.
    """
    found = asked_for(ledger).get(normal_approval(name))
    if found is None:
        fix = "`alert approvals` lists them"
        raise UnknownAlert(Problem(where="", what=f"there is no request {normal_approval(name)}", fix=fix))
    return found


def refuse_decided(asked: Asked, now: datetime) -> None:
    """Refuse what is decided already, or too old.

    Raises:
        NotAllowed: it says what became of it.
    """
    match asked.standing(now):
        case Standing.OPEN:
            return
        case Standing.APPROVED:
            what = f"approved by {asked.decided_by} already; it is {asked.alert}"
        case Standing.EXPIRED:
            minutes = int((asked.expires_at - asked.at).total_seconds() // 60)
            what = f"nobody approved it within {minutes} min; nothing was sent"
        case Standing.VOID:
            what = "void: its text changed after it was asked for; nothing was sent"
        case other:
            what = f"{other} by {asked.decided_by}: {asked.reason}; nothing was sent"
    raise NotAllowed(Problem(where=asked.id, what=what, fix="ask again: `alert send`"))


def refuse_own(asked: Asked, people: tuple[str, ...]) -> None:
    """Refuse somebody who would approve their own request, by another token of theirs too.

    Raises:
        NotAllowed: the request is theirs.
    """
    if asked.by in people:
        what = f"{asked.by} asked for this and cannot approve it too; nothing was sent"
        fix = "another approver must; if nobody can be reached: --break-glass on the original command"
        raise NotAllowed(Problem(where=asked.id, what=what, fix=fix))


def answer(ledger: Ledger, told: Mapping[str, Any], *, at: datetime) -> dict[str, Any]:
    """Carry out ``ask``, ``reject`` or ``void`` as another command asks for it, already let through.

    Raises:
        AlertingError: it is refused.
        KeyError, TypeError, ValueError: it is not understood.
    """
    actor = Actor(name=str(told["actor"]), origin=str(told["origin"]))
    if told["verb"] == "ask":
        return _ask(ledger, told, actor=actor, at=at)
    asked = find(ledger, str(told["approval"]))
    refuse_decided(asked, at)
    reason = " ".join(str(told["reason"]).split())
    if not reason:
        raise UsageProblem(Problem(where="--reject", what="no reason", fix="write why"))
    action = {"reject": "approval.rejected", "void": "approval.voided"}[told["verb"]]
    body = {"approval": asked.id, "reason": reason}
    ledger.record_act(action, APPROVALS, body, actor=actor, at=micros(at))
    return {"approval": asked.id}


def _ask(ledger: Ledger, told: Mapping[str, Any], *, actor: Actor, at: datetime) -> dict[str, Any]:
    """Write a request down; an equal run key finds the one that is open already."""
    if not told["by"]:
        raise NotAllowed("there is no operators.yaml, so nobody can approve anything here")
    for earlier in asked_for(ledger).values():
        if earlier.run_key == told["run_key"] and earlier.standing(at) is Standing.OPEN:
            return {"approval": earlier.id, "expires_at": earlier.expires_at.isoformat()}
    name = _PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(_LENGTH))
    expires_at = at + timedelta(seconds=float(told["approval_s"]))
    body = {key: told[key] for key in ("request", "as_of", "digest", "run_key", "title", "place", "why")}
    body |= {"approval": name, "expires_at": micros(expires_at)}
    ledger.record_act("approval.asked", APPROVALS, body, actor=actor, at=micros(at))
    text = f"{actor.name} asks you to approve: {told['title']}, {told['place']}"
    want_notice(ledger, name, "approval-asked", text, actor=actor, at=at)
    return {"approval": name, "expires_at": expires_at.isoformat()}
