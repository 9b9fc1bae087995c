"""PostgreSQL's errors, as sentences for the person in front of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from alerting.errors import LedgerBusy, LedgerDamaged, LedgerLost, LedgerUnavailable, Problem

if TYPE_CHECKING:
    import psycopg


class LedgerConflict(LedgerBusy):
    """Two programs wanted the same rows in another order; nothing was written, and it may be repeated."""


#: What was done counts as not done, and a repeat will see what the other has written.
_CONFLICTS: Final = frozenset({"40001", "40P01", "23505"})
#: The session is over: an administrator, a crash, a time limit.
_LOST: Final = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "57P04"})
#: SQLSTATE -> (error, what happened, what to do).
#: https://www.postgresql.org/docs/current/errcodes-appendix.html
_SAID: Final[Mapping[str, tuple[type[LedgerUnavailable], str, str]]] = {
    # What takes nobody, or nobody who writes, takes us again after a while: see ``SharedWriter``.
    "25006": (
        LedgerLost,
        "it is read-only: a standby, or closed for writing",
        "name the primary, or all hosts and target_session_attrs=read-write",
    ),
    "28000": (LedgerUnavailable, "it does not let this user in", "check the user, and pg_hba.conf"),
    "28P01": (LedgerUnavailable, "the password is wrong", "check the address the reference leads to"),
    "3D000": (LedgerUnavailable, "there is no such database", "create it, or correct the address"),
    "42501": (
        LedgerUnavailable,
        "this user has not the rights that are needed",
        "let it own the schema, or run `alert ledger upgrade` as its owner",
    ),
    "42P01": (LedgerDamaged, "a table is missing", "restore the last backup"),
    "42703": (LedgerDamaged, "a column is missing", "restore the last backup"),
    "53100": (LedgerUnavailable, "its disk is full; nothing was written", "free some space and try again"),
    "53200": (LedgerUnavailable, "it is out of memory", "try again; give it more"),
    "53300": (
        LedgerLost,
        "it takes no more connections",
        "close some, or raise max_connections: each process of ours needs three",
    ),
    "55P03": (LedgerBusy, "another program holds what is needed", "try again"),
    "57014": (LedgerBusy, "it took too long and was stopped", "try again; look at its load"),
    "58030": (LedgerDamaged, "its disk reported an error", "stop, check the disk, then start again"),
    "XX001": (LedgerDamaged, "its data is damaged", "stop, and restore the last backup"),
    "XX002": (LedgerDamaged, "an index is damaged", "stop, and reindex or restore the last backup"),
}
#: What a server says when it does not let somebody in -> SQLSTATE.
#: https://github.com/postgres/postgres/blob/master/src/backend/utils/init/postinit.c, libpq/auth.c
_REFUSED: Final[Mapping[str, str]] = {
    "too many clients": "53300",
    "connection slots are reserved": "53300",
    "too many connections": "53300",  # for a role or a database, which it names
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "no pg_hba.conf entry": "28000",
    "authentication failed": "28000",
    'role "': "28000",
    'database "': "3D000",
    "session is read-only": "25006",
    "server is in hot standby mode": "25006",
}


def told(error: psycopg.Error, where: str) -> LedgerUnavailable | None:
    """Return what an error of PostgreSQL means for a person; None when it is a mistake of this program."""
    import psycopg

    state = error.sqlstate or _refused(str(error))
    if state in _SAID:
        kind, what, fix = _SAID[state]
        return kind(Problem(where=where, what=what, fix=fix))
    if state in _CONFLICTS:
        return LedgerConflict(Problem(where=where, what="others were writing the same", fix="try again"))
    gone = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    if state in _LOST or state.startswith("08") or (gone and not state):
        return LedgerLost(
            Problem(
                where=where,
                what=f"cannot be reached ({_words(error)})",
                fix="check that PostgreSQL runs and that the address is right",
            )
        )
    return None


def _refused(words: str) -> str:
    """Return the SQLSTATE of a refused connection, which libpq tells in words only."""
    return next((state for said, state in _REFUSED.items() if said in words), "")


def _words(error: psycopg.Error) -> str:
    """Return what libpq says, without the address it may repeat."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # connection to server at "h" (1.2.3.4), port 5432 failed: Connection refused
    said = next((line for line in lines if "failed: " in line), lines[-1] if lines else type(error).__name__)
    return said.rpartition("failed: ")[2].rpartition("FATAL:")[2].strip()[:120]
