"""Tables that change: an older ledger met by a newer program, the newer one met by an older, and the act.

Tables are sealed with the version they are of, so a change of them must be on record: without an act, what
was sealed before would look as if somebody had edited it.
"""

from __future__ import annotations

from typing import Final

from alerting.clock import Clock, micros
from alerting.errors import LedgerBusy, LedgerUnavailable, Problem
from alerting.ledger.database import Database
from alerting.ledger.keeping import SYSTEM

UPGRADED: Final = "ledger.upgraded"


class OlderLedger(LedgerUnavailable):
    """The ledger is of an older version: whoever may write brings it up to date."""


class NewerLedger(LedgerUnavailable):
    """The ledger was changed by a newer version, which this program must leave alone."""


def older(where: str, found: int, ours: int) -> OlderLedger:
    """Return what a reader says of a ledger it cannot read yet."""
    return OlderLedger(
        Problem(
            where=where,
            what=f"is of an older version (ledger {found}, we need {ours})",
            fix="run `alert resume` once: it brings the ledger up to date",
        )
    )


def newer(where: str, found: int, ours: int) -> NewerLedger:
    """Return what a program says of a ledger that is not for it any more."""
    return NewerLedger(
        Problem(
            where=where,
            what=f"was changed by a newer version of this program (ledger {found}, we know {ours})",
            fix="use that version, or a newer one",
        )
    )


def at_work(error: OlderLedger, pid: int) -> LedgerBusy:
    """Return what is said while an older program owns the file that has to be brought up to date."""
    [problem] = error.problems
    return LedgerBusy(
        Problem(
            where=problem.where,
            what=f"{problem.what}, and process {pid}, started with that version, is at work with it",
            fix=f"restart `alert serve`, or wait for its end; if that is too long, `kill {pid}` and repeat: "
            "nothing is lost, and what waits goes on",
        )
    )


def note_upgrade(database: Database, clock: Clock, *, before: int, after: int) -> None:
    """Write into the audit log, in the transaction that changes the tables, from and to which version."""
    from alerting.ledger.audit import row_after  # who only looks writes no acts

    head = database.one("audit_head")
    row = row_after(
        (head[0], head[1]) if head else None,
        UPGRADED,
        "ledger",
        {"from": before, "to": after},
        actor=SYSTEM,
        at=micros(clock.now()),
        monotonic=clock.monotonic(),
    )
    database.many("add_audit", [row])
