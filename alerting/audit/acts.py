"""Acts that only a command or an auditor makes, written by whoever owns the ledger.

What changes the record writes its act itself, in the same transaction. These are the others: somebody
looked at people's addresses, noted when a danger was reported, sealed the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from alerting.clock import micros
from alerting.errors import NotAllowed
from alerting.ledger.rows import Actor
from alerting.named import NamedTuple

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.ledger.base import Ledger, LedgerReader
    from alerting.ledger.writer import GroupWriter

#: What another process may ask the owner to write down; everything else comes with its own effect.
ASKABLE: Final = frozenset(
    {
        "alert.noted",
        "alert.resumed",
        "audit.checkpoint",
        "audit.sealed",
        "notice.acked",
        "operator.token_made",
        "people.exported",
        "people.looked_at",
        "template.reviewed",
    }
)
#: What is about no alert.
LEDGER: Final = "ledger"


class Act(NamedTuple):
    """Something that was done, and to what."""

    action: str
    subject: str
    body: Mapping[str, Any]


def write(ledger: Ledger, acts: Sequence[Act], *, actor: Actor, at: int) -> tuple[int, str]:
    """Write acts inside the caller's transaction; return the number and hash of the last.

    Raises:
        NotAllowed: one of them is no act that can be written by itself.
        UnknownAlert: one is about an alert that is not there.
    """
    for act in acts:
        if act.action not in ASKABLE:
            raise NotAllowed(f"{act.action!r} is not an act that can be written down by itself")
        ledger.record_act(act.action, act.subject, act.body, actor=actor, at=at)
    return head(ledger, acts[-1].subject)


def head(ledger: LedgerReader, subject: str) -> tuple[int, str]:
    """Return the number and hash of a subject's newest act; (0, "") when there is none."""
    seq, digest = 0, ""
    for row in ledger.audit(subject):
        seq, digest = row.seq, row.hash
    return seq, digest


def answer(ledger: Ledger, told: Mapping[str, Any], *, at: int) -> dict[str, Any]:
    """Do what another process asked for over the control socket (see ``record``).

    Raises:
        NotAllowed: see ``write``.
        KeyError, TypeError, ValueError: it is no such request.
    """
    acts = [Act(str(action), str(subject), dict(body)) for action, subject, body in told["acts"]]
    actor = Actor(name=str(told["actor"]), origin=str(told["origin"]))
    seq, digest = write(ledger, acts, actor=actor, at=at)
    return {"ok": True, "seq": seq, "hash": digest}


def record(acts: Sequence[Act], app: App, *, actor: Actor) -> tuple[int, str]:
    """Write acts, here when nobody owns the ledger, else through its owner; return the last one's head.

    Raises:
        LedgerBusy: its owner does not answer.
        NotAllowed: the actor, or whose token was given, has no role for one of them.
    """
    from alerting.handover import carry_out

    def here(writer: GroupWriter, told: Mapping[str, Any]) -> dict[str, Any]:
        at = micros(app.clock.now())
        return writer.submit(lambda ledger: answer(ledger, told, at=at)).result()

    named = [[act.action, act.subject, dict(act.body)] for act in acts]
    done = carry_out(app, {"verb": "acts", "acts": named}, here, actor=actor)
    return int(done["seq"]), str(done["hash"])
